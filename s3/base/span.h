/*
 * A cursor over borrowed bytes from outside: every read is checked, a read
 * past the end yields zero and marks the span bad, so that a parser can read a
 * whole record and check once.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const unsigned char *p; /* next byte */
	size_t left; /* bytes behind p */
	bool bad; /* something was read past the end */
};

static inline struct span span_of(const void *data, size_t len)
{
	return (struct span){ .p = data, .left = len };
}

/* The next `len` bytes, borrowed; NULL past the end. */
static inline const void *span_take(struct span *s, size_t len)
{
	const unsigned char *p = s->p;

	if (s->bad || len > s->left) {
		s->bad = true;
		return NULL;
	}
	s->p += len;
	s->left -= len;
	return p;
}

static inline uint64_t span_le(struct span *s, size_t bytes)
{
	const unsigned char *p = span_take(s, bytes);
	uint64_t v = 0;

	if (!p)
		return 0;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static inline uint8_t span_u8(struct span *s)
{
	return (uint8_t)span_le(s, 1);
}

static inline uint16_t span_u16(struct span *s)
{
	return (uint16_t)span_le(s, 2);
}

static inline uint32_t span_u32(struct span *s)
{
	return (uint32_t)span_le(s, 4);
}

static inline uint64_t span_u64(struct span *s)
{
	return span_le(s, 8);
}
