#include "cache/block.h"

#include <errno.h>
#include <stdlib.h>

#include "s3/base/cleanup.h"
#include "tests/unit/tap.h"

/* Half compressible bytes, the same in every run. */
static char *content(size_t len)
{
	char *data = malloc(len ? len : 1);
	uint32_t x = 1;

	if (!data)
		abort();
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (char)(i & 64 ? x >> 24 : i >> 7);
	}
	return data;
}

static void test_ids(void)
{
	struct object_ids ids, other;
	struct object_id a, b;

	object_ids_init(&ids);
	object_ids_init(&other);
	a = object_ids_next(&ids);
	b = object_ids_next(&ids);
	ok(!memcmp(a.bytes, b.bytes, 12), "ids of one source share 12 bytes");
	ok(!memcmp(a.bytes + 12, "\0\0\0\0", 4) &&
		   !memcmp(b.bytes + 12, "\0\0\0\1", 4),
	   "the counter counts, big-endian");
	b = object_ids_next(&other);
	ok(memcmp(a.bytes, b.bytes, 12), "two sources differ");
	memset(ids.next.bytes + 12, 0xff, 4);
	a = object_ids_next(&ids);
	b = object_ids_next(&ids);
	ok(memcmp(a.bytes, b.bytes, 12), "a full counter draws a new source");
}

static void test_cut(void)
{
	static const struct {
		uint64_t size, count;
		uint32_t last;
	} cases[] = {
		{ 1, 1, 1 },
		{ BLOCK_MAX, 1, BLOCK_MAX },
		{ BLOCK_MAX + 1, 2, 1 },
		{ 3ull * BLOCK_MAX, 3, BLOCK_MAX },
		{ (5ull << 40) + 7, (5u << 20) + 1, 7 },
	};

	is_int(block_count(0), 0, "an empty file has no block");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		is_int(block_count(cases[i].size), cases[i].count,
		       "blocks of %llu bytes",
		       (unsigned long long)cases[i].size);
		is_int(block_len(cases[i].size, cases[i].count - 1),
		       cases[i].last, "the last one's length");
	}
}

static void test_round_trip(void)
{
	static const size_t lens[] = { 1, 100, 65536, BLOCK_MAX,
				       FRAME_RAW_MAX };

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		CLEANUP_FREE char *data = content(lens[i]);
		CLEANUP_BUF struct buf a = BUF_INIT(FRAME_STORED_MAX + 8192);
		CLEANUP_BUF struct buf b = BUF_INIT(FRAME_STORED_MAX + 8192);
		CLEANUP_BUF struct buf raw = BUF_INIT(FRAME_RAW_MAX + 3);
		struct frame_place at = { .raw = (uint32_t)lens[i],
					  .codec = CODEC_ZSTD };

		is_int(frame_encode(&a, data, lens[i], 3), 0, "encode %zu",
		       lens[i]);
		is_int(frame_encode(&b, data, lens[i], 3), 0, "once more");
		ok(a.len == b.len && !memcmp(a.data, b.data, a.len),
		   "the same bytes (%zu)", a.len);
		ok(a.len <= FRAME_STORED_MAX, "within the stored ceiling");
		at.stored = (uint32_t)a.len;
		(void)buf_add_str(&raw, "abc");
		is_int(frame_decode(&raw, &at, a.data, a.len, NULL), 0,
		       "decode %zu", lens[i]);
		ok(raw.len == 3 + lens[i] && !memcmp(raw.data, "abc", 3) &&
			   !memcmp(raw.data + 3, data, lens[i]),
		   "appended the content");
		at.codec = CODEC_RAW;
		at.stored = at.raw;
		buf_reset(&raw);
		is_int(frame_decode(&raw, &at, data, lens[i], NULL), 0,
		       "plain %zu", lens[i]);
		ok(raw.len == lens[i] && !memcmp(raw.data, data, lens[i]),
		   "the content");
	}
}

static void test_incompressible(void)
{
	CLEANUP_FREE uint32_t *data = malloc(FRAME_RAW_MAX);
	CLEANUP_BUF struct buf out = BUF_INIT(FRAME_RAW_MAX + 65536);
	uint32_t x = 1;

	for (size_t i = 0; i < FRAME_RAW_MAX / 4; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		data[i] = x * 2654435761u;
	}
	is_int(frame_encode(&out, data, FRAME_RAW_MAX, 3), 0, "noise encodes");
	ok(out.len <= FRAME_STORED_MAX, "and stays within the ceiling (%zu)",
	   out.len);
}

static void test_refused(void)
{
	CLEANUP_FREE char *data = content(10000);
	CLEANUP_BUF struct buf f = BUF_INIT(100000);
	CLEANUP_BUF struct buf two = BUF_INIT(100000);
	CLEANUP_BUF struct buf raw = BUF_INIT(FRAME_RAW_MAX + 1);
	CLEANUP_BUF struct buf low = BUF_INIT(9999);
	struct frame_place good = { .raw = 10000, .codec = CODEC_ZSTD }, at;
	struct err e;

	(void)frame_encode(&f, data, 10000, 3);
	(void)buf_add(&two, f.data, f.len);
	(void)buf_add(&two, f.data, f.len);
	good.stored = (uint32_t)f.len;
#define REFUSED(code, bytes, n, what)                                          \
	do {                                                                   \
		err_clear(&e);                                                 \
		is_int(frame_decode(&raw, &at, bytes, n, &e), code, what);     \
		ok(raw.len == 0 && e.text[0], "nothing appended, a reason");   \
	} while (0)
	at = good;
	at.raw = 9999;
	REFUSED(-EBADMSG, f.data, f.len, "longer than its place says");
	at.raw = 10001;
	REFUSED(-EBADMSG, f.data, f.len, "shorter than its place says");
	at.raw = 0;
	REFUSED(-EBADMSG, f.data, f.len, "no bytes");
	at.raw = FRAME_RAW_MAX + 1;
	REFUSED(-EBADMSG, f.data, f.len, "beyond the ceiling");
	at = good;
	REFUSED(-EBADMSG, f.data, f.len - 1, "cut short");
	at.stored--;
	REFUSED(-EBADMSG, f.data, f.len - 1, "a place that cuts it");
	at = good;
	at.codec = 7;
	REFUSED(-EBADMSG, f.data, f.len, "unknown codec");
	at.codec = CODEC_RAW;
	REFUSED(-EBADMSG, f.data, f.len, "plain of two lengths");
	at = good;
	at.stored = (uint32_t)two.len;
	REFUSED(-EBADMSG, two.data, two.len, "two frames");
	at.raw = 20000;
	REFUSED(-EBADMSG, two.data, two.len, "two frames, both lengths");
	at = good;
	at.stored = 16;
	REFUSED(-EBADMSG, "\x5a\x2a\x4d\x18\x08\0\0\0xxxxxxxx", 16,
		"a skippable frame");
	is_int(frame_decode(&low, &good, f.data, f.len, NULL), -EFBIG,
	       "a ceiling too low");
}

/* A flipped bit is found by zstd, or by the hash of the block. */
static void test_damage(void)
{
	CLEANUP_FREE char *data = content(3000);
	CLEANUP_BUF struct buf f = BUF_INIT(100000);
	struct block b = { .off = 100, .len = 2900 };
	size_t wrong = 0, caught = 0;

	(void)frame_encode(&f, data, 3000, 3);
	b.frame = (struct frame_place){ .raw = 3000,
					.stored = (uint32_t)f.len,
					.codec = CODEC_ZSTD };
	hash_of(&b.hash, data + 100, 2900);
	for (size_t bit = 0; bit < 8 * f.len; bit++) {
		CLEANUP_BUF struct buf raw = BUF_INIT(3000);
		int r;

		f.data[bit / 8] ^= (char)(1 << bit % 8);
		r = frame_decode(&raw, &b.frame, f.data, f.len, NULL);
		if (!r)
			r = block_verify(&b, raw.data, raw.len, NULL);
		if (!r)
			wrong += !!memcmp(raw.data + 100, data + 100, 2900);
		else
			caught += r == -EBADMSG;
		f.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	is_int(wrong, 0, "no flipped bit gives wrong content");
	ok(caught > 7 * f.len, "%zu of %zu flips are refused", caught,
	   8 * f.len);
}

static void test_verify(void)
{
	static const char raw[] = "0123456789";
	struct block b = { .off = 2, .len = 3 };

	hash_of(&b.hash, "234", 3);
	is_int(block_verify(&b, raw, 10, NULL), 0, "a good block");
	is_int(block_verify(&b, raw, 4, NULL), -EBADMSG, "past the end");
	b.off = UINT32_MAX;
	is_int(block_verify(&b, raw, 10, NULL), -EBADMSG, "far outside");
	b.off = 3;
	is_int(block_verify(&b, raw, 10, NULL), -EBADMSG, "other bytes");
}

int main(void)
{
	test_ids();
	test_cut();
	test_round_trip();
	test_incompressible();
	test_refused();
	test_damage();
	test_verify();
	return tap_done();
}
