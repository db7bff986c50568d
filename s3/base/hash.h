/*
 * The content hash: SHA-256 of plain bytes.
 *
 * Threads: any; a struct hasher belongs to one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_LEN 32
#define HASH_HEX (2 * HASH_LEN + 1) /* with terminator */

struct hash {
	uint8_t bytes[HASH_LEN];
};

void hash_of(struct hash *out, const void *data, size_t len);

/* Streaming. hasher_open fails with -ENOMEM only. */
struct hasher;
int hasher_open(struct hasher **ret_hasher);
void hasher_update(struct hasher *h, const void *data, size_t len);
/* Yields the digest and starts over. */
void hasher_finish(struct hasher *h, struct hash *out);
void hasher_free(struct hasher *h);

/* MD5, as many ETags are; it proves nothing against malice. */
#define MD5_LEN 16
int hasher_open_md5(struct hasher **ret_hasher);
void hasher_finish_md5(struct hasher *h, uint8_t out[MD5_LEN]);

static inline bool hash_equal(const struct hash *a, const struct hash *b)
{
	return !memcmp(a->bytes, b->bytes, HASH_LEN);
}

static inline int hash_compare(const struct hash *a, const struct hash *b)
{
	return memcmp(a->bytes, b->bytes, HASH_LEN);
}

/* Lower-case hex of any bytes; out has room for 2 * len + 1. */
void hex_encode(char *out, const void *data, size_t len);
/* Exactly 2 * len lower-case digits; -EINVAL otherwise. */
int hex_decode(void *out, size_t len, const char *hex, size_t hex_len);

/* HMAC-SHA-256, for signing. */
void hash_hmac(struct hash *out, const void *key, size_t key_len,
	       const void *data, size_t len);

/* CRC32C (Castagnoli), for rot of local copies. crc: 0 to start. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
