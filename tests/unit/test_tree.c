#include "cache/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "s3/base/buf.h"
#include "tests/unit/builder.h"
#include "tests/unit/tap.h"

static int fill(struct catalog_builder *b, uint32_t count)
{
	struct catalog_attr attr = { .mode = S_IFREG | 0644, .commit_s = 3 };
	char name[64];

	for (uint32_t i = 0; i < count; i++) {
		int n = snprintf(name, sizeof(name), "d%u/file-%u", i % 50, i);
		int r;

		attr.mtime_ns = (int64_t)(i * 2654435761ull * 1000003 >> 8);
		r = catalog_builder_put(b, name, (size_t)n, &attr, NULL, NULL,
					0, NULL);
		if (r)
			return r;
	}
	return 0;
}

/* The bytes of a catalog of `count` files. */
static void catalog_of(struct buf *out, uint32_t count)
{
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;

	if (catalog_builder_open(&b) || fill(b, count) ||
	    catalog_builder_finish(b, out, NULL))
		abort();
}

static const struct tree_head head = {
	.seq = 42,
	.commit = { { 1, 2, 3, [15] = 9 } },
	.commit_s = 1700000000,
	.pool = "shows/x/",
};

static void test_round_trip(void)
{
	/* The last takes more than one zstd frame. */
	static const uint32_t counts[] = { 0, 1, 1000, 150000 };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		CLEANUP_BUF struct buf raw = BUF_INIT(CATALOG_MAX);
		CLEANUP_BUF struct buf a = BUF_INIT(TREE_OBJECT_MAX);
		CLEANUP_BUF struct buf b = BUF_INIT(TREE_OBJECT_MAX);
		CLEANUP(tree_content_done) struct tree_content c = { 0 };
		struct tree_head got = { 0 };
		const void *bytes;
		size_t len = 0;

		catalog_of(&raw, counts[i]);
		is_int(tree_encode(&a, &head, raw.data, raw.len, NULL, 0, NULL),
		       0, "encode %u files", counts[i]);
		(void)tree_encode(&b, &head, raw.data, raw.len, NULL, 0, NULL);
		ok(a.len == b.len && !memcmp(a.data, b.data, a.len),
		   "the same bytes: %zu of %zu", a.len, raw.len);
		is_int(tree_decode(&got, &c, a.data, a.len, NULL), 0, "decode");
		ok(got.seq == head.seq && got.commit_s == head.commit_s &&
			   !memcmp(&got.commit, &head.commit,
				   sizeof(got.commit)) &&
			   !strcmp(got.pool, head.pool),
		   "head");
		if (!c.cat)
			continue;
		ok(!c.table, "no shards");
		bytes = catalog_bytes(c.cat, &len);
		ok(len == raw.len && !memcmp(bytes, raw.data, len), "catalog");
		memset(&got, 0, sizeof(got));
		is_int(tree_decode(&got, NULL, a.data, a.len, NULL), 0,
		       "the head alone");
		is_int(got.seq, head.seq, "has its sequence");
	}
}

/* Appends the catalog of entries [first, end) of another. */
static void copy_part(struct buf *out, const struct catalog *cat,
		      uint32_t first, uint32_t end)
{
	CLEANUP(catalog_writer_freep) struct catalog_writer *w = NULL;

	if (catalog_writer_open(&w))
		abort();
	for (uint32_t i = first; i < end; i++)
		if (catalog_writer_copy(w, cat, i, NULL))
			abort();
	if (catalog_writer_finish(w, out, NULL))
		abort();
}

/* Encodes a tree whose entries are in its object and two shards, which stand one
 * behind the other in `shards`. */
static void encode_parts(struct buf *tree, struct buf *shards,
			 struct shard of[2], const struct catalog *cat)
{
	const uint32_t count = catalog_count(cat);
	const uint32_t cuts[] = { 0, count / 3, count / 2, count };
	CLEANUP_BUF struct buf top = BUF_INIT(CATALOG_MAX);

	copy_part(&top, cat, cuts[0], cuts[1]);
	for (uint32_t i = 0; i < 2; i++) {
		CLEANUP_BUF struct buf raw = BUF_INIT(CATALOG_MAX);

		copy_part(&raw, cat, cuts[i + 1], cuts[i + 2]);
		memset(&of[i], 0, sizeof(of[i]));
		of[i].id.bytes[0] = (uint8_t)(i + 1);
		of[i].entries = cuts[i + 2] - cuts[i + 1];
		of[i].first = catalog_key_at(cat, cuts[i + 1]);
		is_int(shard_encode(shards, raw.data, raw.len, &of[i], NULL), 0,
		       "encode shard %u", i);
	}
	is_int(tree_encode(tree, &head, top.data, top.len, of, 2, NULL), 0,
	       "encode the tree");
}

/* The same entries, cut in the same places, give the same bytes. */
static void test_shards(void)
{
	CLEANUP_BUF struct buf raw = BUF_INIT(CATALOG_MAX);
	CLEANUP_BUF struct buf tree = BUF_INIT(TREE_OBJECT_MAX);
	CLEANUP_BUF struct buf tree2 = BUF_INIT(TREE_OBJECT_MAX);
	CLEANUP_BUF struct buf shards = BUF_INIT(TREE_OBJECT_MAX);
	CLEANUP_BUF struct buf shards2 = BUF_INIT(TREE_OBJECT_MAX);
	CLEANUP(tree_content_done) struct tree_content whole = { 0 };
	CLEANUP(tree_content_done) struct tree_content c = { 0 };
	struct shard of[2], of2[2];
	struct tree_head got;
	size_t at = 0;

	catalog_of(&raw, 3000);
	is_int(tree_encode(&tree, &head, raw.data, raw.len, NULL, 0, NULL), 0,
	       "a tree to take the entries from");
	is_int(tree_decode(&got, &whole, tree.data, tree.len, NULL), 0, "read");
	buf_reset(&tree);
	encode_parts(&tree, &shards, of, whole.cat);
	encode_parts(&tree2, &shards2, of2, whole.cat);
	ok(tree.len == tree2.len && !memcmp(tree.data, tree2.data, tree.len),
	   "a tree with shards: the same bytes");
	ok(shards.len == shards2.len &&
		   !memcmp(shards.data, shards2.data, shards.len),
	   "shards: the same bytes");

	is_int(tree_decode(&got, &c, tree.data, tree.len, NULL), 0, "decode");
	ok(c.table && c.table->count == 2, "the table is there");
	for (uint32_t i = 0; c.table && i < c.table->count; i++) {
		CLEANUP(catalog_unrefp) struct catalog *part = NULL;

		is_int(shard_decode(&part, c.table, i, shards.data + at,
				    c.table->shards[i].stored, NULL),
		       0, "decode shard %u", i);
		is_int(part ? catalog_count(part) : 0, of[i].entries,
		       "all of its entries");
		at += c.table->shards[i].stored;
	}
	ok(at == shards.len, "nothing else");
}

static void test_pools(void)
{
	static const struct {
		const char *pool;
		int r;
	} cases[] = {
		{ "", 0 },	    { "a/", 0 },	{ "a/b/", 0 },
		{ "a", -EINVAL },   { "/", -EINVAL },	{ "/a/", -EINVAL },
		{ "a//", -EINVAL }, { "../", -EINVAL }, { "a/./b/", -EINVAL },
	};
	CLEANUP_BUF struct buf raw = BUF_INIT(CATALOG_MAX);

	catalog_of(&raw, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT(TREE_OBJECT_MAX);
		struct tree_head h = head, got;

		(void)snprintf(h.pool, sizeof(h.pool), "%s", cases[i].pool);
		is_int(tree_encode(&out, &h, raw.data, raw.len, NULL, 0, NULL),
		       cases[i].r, "pool '%s'", cases[i].pool);
		if (!cases[i].r &&
		    !tree_decode(&got, NULL, out.data, out.len, NULL))
			is_str(got.pool, cases[i].pool, "comes back");
	}
}

static void rehash(struct buf *b)
{
	struct hash sum;

	hash_of(&sum, b->data, b->len - HASH_LEN);
	memcpy(b->data + b->len - HASH_LEN, sum.bytes, HASH_LEN);
}

static void test_damage(void)
{
	CLEANUP_BUF struct buf raw = BUF_INIT(CATALOG_MAX);
	CLEANUP_BUF struct buf out = BUF_INIT(TREE_OBJECT_MAX);
	struct tree_head got;
	size_t refused = 0, sound = 0;
	struct tree_content c = { 0 };

	catalog_of(&raw, 20);
	(void)tree_encode(&out, &head, raw.data, raw.len, NULL, 0, NULL);
	is_int(tree_decode(&got, &c, "", 0, NULL), -ENODATA, "a removed tree");
	for (size_t bit = 0; bit < 8 * out.len; bit++) {
		struct err e = { 0 };

		out.data[bit / 8] ^= (char)(1 << bit % 8);
		refused += tree_decode(&got, &c, out.data, out.len, &e) ==
				   -EBADMSG &&
			   e.text[0];
		out.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	is_int(refused, 8 * out.len, "every flipped bit is refused");
	refused = 0;
	for (size_t cut = 1; cut < out.len; cut++)
		refused += tree_decode(&got, &c, out.data, cut, NULL) ==
			   -EBADMSG;
	is_int(refused, out.len - 1, "every cut is refused");

	/* Whoever can write the hash as well must not crash us. */
	refused = 0;
	for (size_t bit = 0; bit < 8 * (out.len - HASH_LEN); bit++) {
		int r;

		out.data[bit / 8] ^= (char)(1 << bit % 8);
		rehash(&out);
		r = tree_decode(&got, &c, out.data, out.len, NULL);
		tree_content_done(&c);
		refused += r == -EBADMSG;
		sound += !r;
		out.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	is_int(refused + sound, 8 * (out.len - HASH_LEN),
	       "forged ones are refused or sound (%zu)", sound);
}

/* Forged heads that claim what is not there, or come from the future. */
static void test_forged(void)
{
	static const struct {
		size_t at;
		uint8_t value;
		bool head; /* the head alone does not tell */
		const char *what, *text;
	} cases[] = {
		{ 8, 2, false, "a later version", "later version of assetfs" },
		{ 12, 3, false, "a later kind", "later version of assetfs" },
		{ 12, 2, true, "shards that are none", "table of shards" },
		{ 51, 0x7f, true, "a catalog of 2 GiB", "too large" },
		{ 50, 0x0f, true, "a catalog longer than told", "frames" },
		{ 58, 1, false, "stored longer than told", "length" },
		{ 15, 0x7f, false, "a pool without end", "cut short" },
		{ 16, 0, false, "sequence 0", "makes no sense" },
	};
	CLEANUP_BUF struct buf raw = BUF_INIT(CATALOG_MAX);

	catalog_of(&raw, 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_BUF struct buf out = BUF_INIT(TREE_OBJECT_MAX);
		CLEANUP(tree_content_done) struct tree_content c = { 0 };
		struct tree_head got;
		struct err e = { 0 };

		(void)tree_encode(&out, &head, raw.data, raw.len, NULL, 0,
				  NULL);
		out.data[cases[i].at] = (char)cases[i].value;
		rehash(&out);
		is_int(!tree_decode(&got, NULL, out.data, out.len, NULL),
		       cases[i].head, "%s: head alone", cases[i].what);
		is_int(tree_decode(&got, &c, out.data, out.len, &e), -EBADMSG,
		       "%s", cases[i].what);
		ok(strstr(e.text, cases[i].text), "text: %s", e.text);
	}
}

int main(void)
{
	test_round_trip();
	test_shards();
	test_pools();
	test_damage();
	test_forged();
	return tap_done();
}
