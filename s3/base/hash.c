#include "s3/base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

void hash_of(struct hash *out, const void *data, size_t len)
{
	unsigned int n = HASH_LEN;
	int ok = EVP_Digest(data, len, out->bytes, &n, EVP_sha256(), NULL);

	/* Fails only without memory for a context of a few hundred bytes; a
	 * wrong hash must never come out of here. */
	if (!ok || n != HASH_LEN)
		abort();
}

struct hasher {
	EVP_MD_CTX *ctx;
};

int hasher_open(struct hasher **ret_hasher)
{
	struct hasher *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || !EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL)) {
		hasher_free(h);
		return -ENOMEM;
	}
	*ret_hasher = h;
	return 0;
}

void hasher_update(struct hasher *h, const void *data, size_t len)
{
	if (!EVP_DigestUpdate(h->ctx, data, len))
		abort();
}

void hasher_finish(struct hasher *h, struct hash *out)
{
	unsigned int n = HASH_LEN;

	if (!EVP_DigestFinal_ex(h->ctx, out->bytes, &n) ||
	    !EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL))
		abort();
}

void hasher_free(struct hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hex_encode(char *out, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int hex_decode(void *out, size_t len, const char *hex, size_t hex_len)
{
	unsigned char *p = out;

	if (hex_len != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < hex_len; i++)
		if (nibble(hex[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)(nibble(hex[2 * i]) << 4 |
				       nibble(hex[2 * i + 1]));
	return 0;
}

/* RFC 2104 over hash_of: two passes of at most a few hundred bytes each. */
void hash_hmac(struct hash *out, const void *key, size_t key_len,
	       const void *data, size_t len)
{
	unsigned char block[64] = {0}, pad[64];
	struct hasher *h;
	struct hash inner;

	if (key_len > sizeof(block)) {
		struct hash short_key;

		hash_of(&short_key, key, key_len);
		memcpy(block, short_key.bytes, HASH_LEN);
	} else if (key_len) {
		memcpy(block, key, key_len);
	}
	if (hasher_open(&h))
		abort(); /* as hash_of: no wrong signature leaves here */
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] = block[i] ^ 0x36;
	hasher_update(h, pad, sizeof(pad));
	hasher_update(h, data, len);
	hasher_finish(h, &inner);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] = block[i] ^ 0x5c;
	hasher_update(h, pad, sizeof(pad));
	hasher_update(h, inner.bytes, HASH_LEN);
	hasher_finish(h, out);
	hasher_free(h);
}

static uint32_t crc32c_table(uint32_t crc, const unsigned char *p, size_t len)
{
	while (len--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
	}
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const unsigned char *p, size_t len)
{
	uint64_t c = crc, word;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&word, p, 8);
		c = _mm_crc32_u64(c, word);
	}
	while (len--)
		c = _mm_crc32_u8((uint32_t)c, *p++);
	return (uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	crc = ~crc;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc32c_sse42(crc, data, len);
#endif
	return ~crc32c_table(crc, data, len);
}
