#include "s3/verify.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

#include "s3/base/hash.h"

#define SUM_MAX 32

/* Writes the number of sum bytes; 0 on failure. */
typedef size_t (*sum_fn)(unsigned char *out, const void *data, size_t len);

static size_t sum_evp(unsigned char *out, const void *data, size_t len,
		      const EVP_MD *md)
{
	unsigned char all[EVP_MAX_MD_SIZE];
	unsigned int all_len = 0;

	if (!EVP_Digest(data, len, all, &all_len, md, NULL) ||
	    all_len > SUM_MAX)
		return 0;
	memcpy(out, all, all_len);
	return all_len;
}

static size_t sum_md5(unsigned char *out, const void *data, size_t len)
{
	return sum_evp(out, data, len, EVP_md5());
}

static size_t sum_sha1(unsigned char *out, const void *data, size_t len)
{
	return sum_evp(out, data, len, EVP_sha1());
}

static size_t sum_sha256(unsigned char *out, const void *data, size_t len)
{
	return sum_evp(out, data, len, EVP_sha256());
}

static size_t put_big_endian(unsigned char *out, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)(v >> (8 * (len - 1 - i)));
	return len;
}

static size_t sum_crc32c(unsigned char *out, const void *data, size_t len)
{
	return put_big_endian(out, crc32c(0, data, len), 4);
}

/* A reflected CRC, all ones at start and end. */
static uint64_t crc(uint64_t polynomial, uint64_t ones, const void *data,
		    size_t len)
{
	const unsigned char *p = data;
	uint64_t table[256], v = ones;

	for (uint64_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^
				   (table[i] & 1 ? polynomial : 0);
	}
	while (len--)
		v = table[(v ^ *p++) & 0xff] ^ v >> 8;
	return v ^ ones;
}

static size_t sum_crc32(unsigned char *out, const void *data, size_t len)
{
	return put_big_endian(out, crc(0xedb88320, UINT32_MAX, data, len), 4);
}

static size_t sum_crc64(unsigned char *out, const void *data, size_t len)
{
	return put_big_endian(
		out, crc(0x9a6c9329ac4bc9b5, UINT64_MAX, data, len), 8);
}

static const struct {
	const char *field;
	const char *name;
	sum_fn sum;
} checksums[] = {
	{ "x-amz-checksum-crc32c", "CRC32C", sum_crc32c },
	{ "x-amz-checksum-sha256", "SHA-256", sum_sha256 },
	{ "x-amz-checksum-sha1", "SHA-1", sum_sha1 },
	{ "x-amz-checksum-crc64nvme", "CRC-64/NVME", sum_crc64 },
	{ "x-amz-checksum-crc32", "CRC-32", sum_crc32 },
};

/* Of the parts' sums, "…-N", nothing can be said without the parts. */
static bool is_composite(const struct headers *answer, const char *text)
{
	const char *type = headers_get(answer, "x-amz-checksum-type");

	return strchr(text, '-') || (type && strcmp(type, "FULL_OBJECT") != 0);
}

static bool etag_is_md5(const struct headers *answer, unsigned char *md5)
{
	const char *etag = headers_get(answer, "etag");
	const char *sse = headers_get(answer, "x-amz-server-side-encryption");

	if ((sse && strcmp(sse, "AES256") != 0) ||
	    headers_get(answer,
			"x-amz-server-side-encryption-customer-algorithm"))
		return false;
	if (etag && *etag == '"')
		etag++;
	return etag && strspn(etag, "0123456789abcdef") == 32 &&
	       strspn(etag + 32, "\"") == strlen(etag + 32) &&
	       !hex_decode(md5, 16, etag, 32);
}

const char *verify_content(const struct headers *answer, const void *data,
			   size_t len)
{
	unsigned char sum[SUM_MAX], want[SUM_MAX];

	if (!len)
		data = "";
	for (size_t i = 0; i < sizeof(checksums) / sizeof(checksums[0]); i++) {
		const char *text = headers_get(answer, checksums[i].field);
		unsigned char encoded[4 * SUM_MAX];
		size_t n;

		if (!text || is_composite(answer, text))
			continue;
		n = checksums[i].sum(sum, data, len);
		if (!n)
			continue;
		(void)EVP_EncodeBlock(encoded, sum, (int)n);
		return strcmp((const char *)encoded, text) ? checksums[i].name
							   : NULL;
	}
	if (etag_is_md5(answer, want) && sum_md5(sum, data, len) == 16 &&
	    memcmp(sum, want, 16) != 0)
		return "MD5 (its ETag)";
	return NULL;
}
