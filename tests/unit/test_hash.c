#include "s3/base/hash.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/unit/tap.h"

/* FIPS 180-4 examples. */
static void test_sha256(void)
{
	static const struct {
		const char *text, *hex;
	} cases[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb924"
		      "27ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223"
			 "b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039"
		  "a33ce45964ff2167f6ecedd419db06c1" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].text);
		struct hasher *h = NULL;
		struct hash a, b;
		char hex[HASH_HEX];

		hash_of(&a, cases[i].text, len);
		hex_encode(hex, a.bytes, HASH_LEN);
		is_str(hex, cases[i].hex, "'%s'", cases[i].text);
		if (hasher_open(&h))
			abort();
		for (int round = 0; round < 2; round++) {
			for (size_t k = 0; k < len; k++)
				hasher_update(h, cases[i].text + k, 1);
			hasher_finish(h, &b);
			ok(hash_equal(&a, &b), "in pieces, round %d", round);
		}
		hasher_free(h);
	}
	hasher_free(NULL);
}

/* RFC 4231, cases 1, 2, 3, 6. */
static void test_hmac(void)
{
	char key[131], data[50];
	struct {
		const char *name, *data;
		size_t key_len, data_len;
		char fill; /* of the key; 0: "Jefe" */
		const char *hex;
	} cases[] = {
		{ "1", "Hi There", 20, 8, 0x0b,
		  "b0344c61d8db38535ca8afceaf0bf12b"
		  "881dc200c9833da726e9376c2e32cff7" },
		{ "2", "what do ya want for nothing?", 4, 28, 0,
		  "5bdcc146bf60754e6a042426089575c7"
		  "5a003f089d2739839dec58b964ec3843" },
		{ "3", data, 20, 50, (char)0xaa,
		  "773ea91e36800e46854db8ebd09181a7"
		  "2959098b3ef8c122d9635514ced565fe" },
		{ "6", "Test Using Larger Than Block-Size Key - Hash Key First",
		  131, 54, (char)0xaa,
		  "60e431591ee0b67f0d8a26aacbf5b77f"
		  "8e0bc6213728c5140546040f0ee37f54" },
	};

	memset(data, 0xdd, sizeof(data));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hash h;
		char hex[HASH_HEX];

		memset(key, cases[i].fill, sizeof(key));
		if (!cases[i].fill)
			memcpy(key, "Jefe", 4);
		hash_hmac(&h, key, cases[i].key_len, cases[i].data,
			  cases[i].data_len);
		hex_encode(hex, h.bytes, HASH_LEN);
		is_str(hex, cases[i].hex, "RFC 4231 case %s", cases[i].name);
	}
}

static uint32_t crc_slow(const unsigned char *p, size_t len)
{
	uint32_t crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
	}
	return ~crc;
}

/* RFC 3720, appendix B.4. */
static void test_crc32c(void)
{
	unsigned char data[300];
	bool same = true;

	memset(data, 0, 32);
	is_int(crc32c(0, data, 32), 0x8a9136aa, "32 zeros");
	memset(data, 0xff, 32);
	is_int(crc32c(0, data, 32), 0x62a8ab43, "32 ones");
	for (int i = 0; i < 32; i++)
		data[i] = (unsigned char)i;
	is_int(crc32c(0, data, 32), 0x46dd794e, "ascending");
	for (int i = 0; i < 32; i++)
		data[i] = (unsigned char)(31 - i);
	is_int(crc32c(0, data, 32), 0x113fdb5c, "descending");
	is_int(crc32c(0, "123456789", 9), 0xe3069283, "123456789");
	is_int(crc32c(0, NULL, 0), 0, "nothing");
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7 + (i >> 3));
	for (size_t off = 0; off < 9; off++)
		for (size_t len = 0; len + off <= sizeof(data); len++) {
			uint32_t crc = crc32c(0, data + off, len / 3);

			crc = crc32c(crc, data + off + len / 3, len - len / 3);
			same = same && crc == crc_slow(data + off, len);
		}
	ok(same, "any length and alignment, in two pieces");
}

static void test_hex(void)
{
	static const struct {
		const char *hex;
		int want;
	} cases[] = {
		{ "00ff7f80", 0 },	   { "00ff7f8", -EINVAL },
		{ "00ff7f8000", -EINVAL }, { "", -EINVAL },
		{ "00FF7f80", -EINVAL },   { "00ff7f8g", -EINVAL },
		{ "00 f7f80", -EINVAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned char out[4] = { 1, 2, 3, 4 };
		int r = hex_decode(out, sizeof(out), cases[i].hex,
				   strlen(cases[i].hex));

		ok(r == cases[i].want &&
			   !memcmp(out, r ? "\1\2\3\4" : "\0\377\177\200", 4),
		   "hex '%s'", cases[i].hex);
	}
}

int main(void)
{
	test_sha256();
	test_hmac();
	test_crc32c();
	test_hex();
	return tap_done();
}
