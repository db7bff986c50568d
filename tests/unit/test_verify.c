#include "s3/verify.h"

#include "tests/unit/tap.h"

struct verify_case {
	const char *name;
	const char *fields[3][2];
	bool right; /* "123456789" is what it says */
	bool known; /* and "other" is not */
};

static const struct verify_case cases[] = {
	{ "nothing said", { { "date", "x" } }, true, false },
	{ "MD5",
	  { { "etag", "\"25f9e794323b453885f5181f1b624d0b\"" } },
	  true,
	  true },
	{ "MD5 without quotes",
	  { { "etag", "25f9e794323b453885f5181f1b624d0b" } },
	  true,
	  true },
	{ "another MD5",
	  { { "etag", "\"25f9e794323b453885f5181f1b624d0c\"" } },
	  false,
	  true },
	{ "an upload's ETag",
	  { { "etag", "\"25f9e794323b453885f5181f1b624d0c-1\"" } },
	  true,
	  false },
	{ "an ETag of another kind", { { "etag", "\"abc\"" } }, true, false },
	{ "SSE-S3",
	  { { "etag", "\"25f9e794323b453885f5181f1b624d0b\"" },
	    { "x-amz-server-side-encryption", "AES256" } },
	  true,
	  true },
	{ "SSE-KMS",
	  { { "etag", "\"25f9e794323b453885f5181f1b624d0c\"" },
	    { "x-amz-server-side-encryption", "aws:kms" } },
	  true,
	  false },
	{ "SSE-C",
	  { { "etag", "\"25f9e794323b453885f5181f1b624d0c\"" },
	    { "x-amz-server-side-encryption-customer-algorithm", "AES256" } },
	  true,
	  false },
	/* Check values of the CRC catalogue. */
	{ "CRC32", { { "x-amz-checksum-crc32", "y/Q5Jg==" } }, true, true },
	{ "CRC32C", { { "x-amz-checksum-crc32c", "4waSgw==" } }, true, true },
	{ "CRC64NVME",
	  { { "x-amz-checksum-crc64nvme", "rosUhgp5mIg=" } },
	  true,
	  true },
	{ "SHA1",
	  { { "x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=" } },
	  true,
	  true },
	{ "SHA256",
	  { { "x-amz-checksum-sha256",
	      "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=" } },
	  true,
	  true },
	{ "of the parts",
	  { { "x-amz-checksum-crc32c", "AAAAAA==-2" } },
	  true,
	  false },
	{ "of the parts, by its type",
	  { { "x-amz-checksum-crc32c", "AAAAAA==" },
	    { "x-amz-checksum-type", "COMPOSITE" } },
	  true,
	  false },
};

int main(void)
{
	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		const struct verify_case *c = &cases[i];
		struct headers h;

		headers_init(&h);
		for (int k = 0; k < 3 && c->fields[k][0]; k++)
			(void)headers_add(&h, c->fields[k][0], c->fields[k][1]);
		is_int(!verify_content(&h, "123456789", 9), c->right, "%s",
		       c->name);
		is_int(verify_content(&h, "other", 5) != NULL, c->known,
		       "%s, another content", c->name);
		headers_done(&h);
	}
	return tap_done();
}
