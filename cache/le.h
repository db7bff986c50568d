/*
 * Little-endian integers in memory of any alignment, as our formats store
 * them. Nothing is checked here: the caller knows that the bytes are there.
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get_le16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t get_le32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t get_le64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline uint32_t get_le24(const void *p)
{
	const unsigned char *b = p;

	return get_le16(b) | (uint32_t)b[2] << 16;
}

static inline uint64_t get_le48(const void *p)
{
	const unsigned char *b = p;

	return get_le32(b) | (uint64_t)get_le16(b + 4) << 32;
}

static inline void put_le16(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put_le32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put_le64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put_le24(void *p, uint32_t v)
{
	unsigned char *b = p;

	put_le16(b, (uint16_t)v);
	b[2] = (unsigned char)(v >> 16);
}

static inline void put_le48(void *p, uint64_t v)
{
	unsigned char *b = p;

	put_le32(b, (uint32_t)v);
	put_le16(b + 4, (uint16_t)(v >> 32));
}
