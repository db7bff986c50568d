#include "cache/index.h"

#include <errno.h>
#include <stdlib.h>

#include "s3/base/buf.h"
#include "tests/unit/tap.h"

#define MANY 5000u

static struct block block_for(uint32_t i)
{
	struct block b = { .len = 100 + i % 7, .off = i % 50 * 200 };

	hash_of(&b.hash, &i, sizeof(i));
	b.frame.blob.bytes[0] = (uint8_t)(1 + i / 2500);
	b.frame.off = i / 50 * 3000;
	b.frame.stored = 2900;
	b.frame.raw = 50 * 200;
	b.frame.codec = CODEC_ZSTD;
	return b;
}

static bool same(const struct block *a, const struct block *b)
{
	return hash_equal(&a->hash, &b->hash) && a->len == b->len &&
	       a->off == b->off && a->frame.off == b->frame.off &&
	       a->frame.stored == b->frame.stored &&
	       a->frame.raw == b->frame.raw &&
	       a->frame.codec == b->frame.codec &&
	       !memcmp(&a->frame.blob, &b->frame.blob, sizeof(a->frame.blob));
}

static void test_index(void)
{
	CLEANUP_BUF struct buf a = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP_BUF struct buf b = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP_FREE struct block *blocks = calloc(MANY, sizeof(*blocks));
	CLEANUP(index_freep) struct index *ix = NULL;
	struct block got, other;
	size_t wrong = 0;

	for (uint32_t i = 0; i < MANY; i++)
		blocks[i] = block_for(i);
	is_int(index_encode(&a, blocks, MANY, NULL), 0, "encode");
	for (uint32_t i = 0; i < MANY; i++)
		blocks[i] = block_for(MANY - 1 - i);
	(void)index_encode(&b, blocks, MANY, NULL);
	ok(a.len == b.len && !memcmp(a.data, b.data, a.len),
	   "any order gives the same bytes, %zu for %u blocks", a.len, MANY);
	is_int(index_parse(&ix, a.data, a.len, NULL), 0, "parse");
	is_int(index_count(ix), MANY, "all are there");
	memset(a.data, 0, a.len); /* was only borrowed */
	for (uint32_t i = 0; i < MANY; i++) {
		struct block want = block_for(i);

		wrong += !index_find(ix, &want.hash, &got) ||
			 !same(&got, &want);
	}
	is_int(wrong, 0, "each is found with its place");
	other = block_for(MANY);
	ok(!index_find(ix, &other.hash, &got), "others are not");
	memset(other.hash.bytes, 0xff, HASH_LEN);
	ok(!index_find(ix, &other.hash, &got), "nor what sorts last");
	index_at(ix, 0, &got);
	for (size_t i = 1; i < MANY; i++) {
		index_at(ix, i, &other);
		wrong += hash_compare(&got.hash, &other.hash) >= 0;
		got = other;
	}
	is_int(wrong, 0, "in order of hash");
}

static void test_duplicates(void)
{
	CLEANUP_BUF struct buf out = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP(index_freep) struct index *ix = NULL;
	struct block blocks[4], got;

	for (int i = 0; i < 4; i++)
		blocks[i] = block_for(3);
	blocks[0].frame.off = 7000;
	blocks[1].frame.off = 6000;
	blocks[2].frame.blob.bytes[0] = 2;
	blocks[2].frame.off = 0;
	blocks[3].frame.off = 6500;
	is_int(index_encode(&out, blocks, 4, NULL), 0, "duplicates");
	is_int(index_parse(&ix, out.data, out.len, NULL), 0, "parse");
	is_int(index_count(ix), 1, "are dropped");
	index_at(ix, 0, &got);
	is_int(got.frame.off, 6000, "but for the first in order of place");
}

static void test_empty(void)
{
	CLEANUP_BUF struct buf out = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP(index_freep) struct index *ix = NULL;
	struct block b = block_for(1), got;

	is_int(index_encode(&out, NULL, 0, NULL), 0, "no blocks");
	is_int(index_parse(&ix, out.data, out.len, NULL), 0, "parse");
	is_int(index_count(ix), 0, "none");
	ok(!index_find(ix, &b.hash, &got), "nothing is found");
	b.frame.raw = 0;
	is_int(index_encode(&out, &b, 1, NULL), -EINVAL, "impossible place");
}

static void rehash(struct buf *b)
{
	struct hash sum;

	hash_of(&sum, b->data, b->len - HASH_LEN);
	memcpy(b->data + b->len - HASH_LEN, sum.bytes, HASH_LEN);
}

/* 0 good, 1 refused as damaged, 2 anything else. */
static int try_index(const struct buf *b, size_t len)
{
	struct index *ix = NULL;
	struct err e = { 0 };
	struct block block;
	int r = index_parse(&ix, b->data, len, &e);

	if (r)
		return r == -EBADMSG && e.text[0] ? 1 : 2;
	for (size_t i = 0; i < index_count(ix); i++)
		index_at(ix, i, &block);
	index_free(ix);
	return 0;
}

static int try_gclist(const struct buf *b, size_t len)
{
	struct gclist *l = NULL;
	struct object_id id = { { 0 } };
	struct err e = { 0 };
	int r = gclist_parse(&l, b->data, len, &e);

	if (r)
		return r == -EBADMSG && e.text[0] ? 1 : 2;
	(void)gclist_has(l, &id);
	gclist_free(l);
	return 0;
}

static void test_damage(struct buf *b, int (*try)(const struct buf *, size_t),
			const char *what)
{
	size_t flips[3] = { 0 }, cuts[3] = { 0 }, forged[3] = { 0 };

	is_int(try(b, b->len), 0, "%s of %zu bytes is good", what, b->len);
	for (size_t bit = 0; bit < 8 * b->len; bit++) {
		b->data[bit / 8] ^= (char)(1 << bit % 8);
		flips[try(b, b->len)]++;
		b->data[bit / 8] ^= (char)(1 << bit % 8);
	}
	is_int(flips[1], 8 * b->len, "%s: every flip is refused", what);
	for (size_t cut = 0; cut < b->len; cut++)
		cuts[try(b, cut)]++;
	is_int(cuts[1], b->len, "%s: every cut is refused", what);
	for (size_t bit = 0; bit < 8 * (b->len - HASH_LEN); bit++) {
		b->data[bit / 8] ^= (char)(1 << bit % 8);
		rehash(b);
		forged[try(b, b->len)]++;
		b->data[bit / 8] ^= (char)(1 << bit % 8);
	}
	is_int(forged[2], 0, "%s: forged ones are refused or sound (%zu, %zu)",
	       what, forged[1], forged[0]);
}

static void test_gclist(void)
{
	CLEANUP_BUF struct buf a = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP_BUF struct buf b = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP(gclist_freep) struct gclist *l = NULL;
	struct object_id ids[] = {
		{ { 3 } }, { { 1 } }, { { 2, [15] = 1 } }, { { 3 } }
	};
	struct object_id swapped[] = { { { 1 } },
				       { { 3 } },
				       { { 2, [15] = 1 } } };
	struct object_id none = { { 2 } };

	is_int(gclist_encode(&a, ids, 4, -77, NULL), 0, "encode");
	(void)gclist_encode(&b, swapped, 3, -77, NULL);
	ok(a.len == b.len && !memcmp(a.data, b.data, a.len),
	   "order and duplicates do not matter");
	is_int(gclist_parse(&l, a.data, a.len, NULL), 0, "parse");
	is_int(gclist_count(l), 3, "three objects");
	is_int(gclist_time(l), -77, "time");
	for (size_t i = 0; i < 3; i++)
		ok(gclist_has(l, &swapped[i]), "has %zu", i);
	ok(!gclist_has(l, &none), "has no other");
	test_damage(&a, try_gclist, "gclist");
	buf_reset(&b);
	(void)gclist_encode(&b, NULL, 0, 5, NULL);
	is_int(try_gclist(&b, b.len), 0, "an empty list");
}

int main(void)
{
	CLEANUP_BUF struct buf out = BUF_INIT(INDEX_OBJECT_MAX);
	struct block blocks[6];

	test_index();
	test_duplicates();
	test_empty();
	for (uint32_t i = 0; i < 6; i++)
		blocks[i] = block_for(i * 40);
	(void)index_encode(&out, blocks, 6, NULL);
	test_damage(&out, try_index, "index");
	test_gclist();
	return tap_done();
}
