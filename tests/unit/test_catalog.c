#include "cache/catalog.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "cache/catalog_stored.h"
#include "s3/base/buf.h"
#include "tests/unit/builder.h"
#include "tests/unit/tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S 1000000000ll

/* One line describes an entry: what a test puts and expects. */
struct item {
	const char *path;
	mode_t mode;
	uint64_t size;
	const char *target;
	int64_t commit_s;
};

static const struct item tree[] = {
	{ "", S_IFDIR | 0755, 0, NULL, 10 },
	{ "a", S_IFDIR | 0700, 0, NULL, 11 },
	{ "a.b", S_IFREG | 0644, 5, NULL, 12 },
	{ "a/b", S_IFDIR | 01777, 0, NULL, 13 },
	{ "a/b/empty", S_IFREG | 0400, 0, NULL, 14 },
	{ "a/b/link", S_IFLNK | 0777, 9, "../target", 15 },
	{ "a/big", S_IFREG | 04755, 3 * (1 << 20) + 17, NULL, 16 },
	{ "a/void", S_IFDIR | 0755, 0, NULL, 17 },
	{ "a/\xff\xfe", S_IFREG | 0644, 1 << 20, NULL, UINT32_MAX },
	{ "z", S_IFREG | 0, 1, NULL, 0 },
};

static struct block block_for(const char *path, uint64_t size, uint64_t i)
{
	struct block b = { .len = block_len(size, i), .off = 512 };
	char text[300];

	(void)snprintf(text, sizeof(text), "%.200s %llu", path,
		       (unsigned long long)i);
	hash_of(&b.hash, text, strlen(text));
	b.frame.blob.bytes[0] = (uint8_t)(i + 1);
	b.frame.off = b.hash.bytes[0] * 0x10000000000ull / 2;
	b.frame.stored = 77 + b.len / 2;
	b.frame.raw = b.len + 512;
	b.frame.codec = CODEC_ZSTD;
	return b;
}

static struct catalog_attr attr_of(const struct item *it)
{
	return (struct catalog_attr){
		.mode = it->mode,
		.uid = (uid_t)(it->size % 3),
		.gid = it->mode & 0400 ? 100 : 4000000000u,
		.size = it->size,
		.mtime_ns = -5 * S + (int64_t)it->size,
		.commit_s = it->commit_s,
	};
}

static int put(struct catalog_builder *b, const struct item *it, struct err *e)
{
	struct block blocks[8];
	struct catalog_attr attr = attr_of(it);
	size_t count = 0;

	if (S_ISREG(it->mode))
		for (; count < block_count(it->size); count++)
			blocks[count] = block_for(it->path, it->size, count);
	return catalog_builder_put(b, it->path, strlen(it->path), &attr,
				   it->target, blocks, count, e);
}

/* Finishes and parses; what comes out must always be good. */
static struct catalog *finish(struct catalog_builder *b)
{
	CLEANUP_BUF struct buf out = BUF_INIT(CATALOG_MAX);
	struct catalog *cat = NULL;
	struct err e = { 0 };
	size_t len;
	char *data;

	if (catalog_builder_finish(b, &out, &e)) {
		ok(false, "finish: %s", e.text);
		return NULL;
	}
	len = out.len;
	data = buf_take(&out);
	if (catalog_parse(&cat, data, len, NULL, &e)) {
		ok(false, "parse what was built: %s", e.text);
		free(data);
	}
	return cat;
}

static struct catalog *build(const struct item *items, size_t count)
{
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;

	if (catalog_builder_open(&b))
		return NULL;
	for (size_t i = 0; i < count; i++) {
		struct err e = { 0 };

		if (put(b, &items[i], &e))
			ok(false, "put '%s': %s", items[i].path, e.text);
	}
	return finish(b);
}

static bool same_bytes(const struct catalog *a, const struct catalog *b)
{
	size_t a_len, b_len;
	const void *x = catalog_bytes(a, &a_len), *y = catalog_bytes(b, &b_len);

	return a_len == b_len && !memcmp(x, y, a_len);
}

static bool block_same(const struct block *a, const struct block *b)
{
	return hash_equal(&a->hash, &b->hash) && a->len == b->len &&
	       a->off == b->off && a->frame.off == b->frame.off &&
	       a->frame.stored == b->frame.stored &&
	       a->frame.raw == b->frame.raw &&
	       a->frame.codec == b->frame.codec &&
	       !memcmp(&a->frame.blob, &b->frame.blob, sizeof(a->frame.blob));
}

static bool matches(const struct catalog *cat, const struct item *it)
{
	CLEANUP_BUF struct buf path = BUF_INIT(5000);
	struct catalog_attr a = attr_of(it);
	struct catalog_entry en;

	if (catalog_find(cat, it->path, strlen(it->path), &en))
		return false;
	(void)catalog_path(cat, en.index, &path);
	if (strcmp(path.data ? path.data : "", it->path) || en.mode != a.mode ||
	    en.uid != a.uid || en.gid != a.gid || en.size != a.size ||
	    en.mtime_ns != a.mtime_ns || en.commit_s != a.commit_s)
		return false;
	if (S_ISLNK(en.mode) != !!en.target ||
	    (en.target && memcmp(en.target, it->target, en.size)))
		return false;
	if (S_ISREG(en.mode) && en.block_count != block_count(a.size))
		return false;
	for (uint32_t i = 0; i < en.block_count; i++) {
		struct block want = block_for(it->path, a.size, i), got;

		catalog_block_at(cat, en.first_block + i, &got);
		if (!block_same(&got, &want))
			return false;
	}
	return true;
}

static void test_round_trip(void)
{
	CLEANUP(catalog_unrefp)
	struct catalog *cat = build(tree, COUNT(tree));
	struct catalog_entry en;
	struct catalog_run run;
	static const char *const absent[] = {
		"b",	      "a/",	    "/a",	"a//b",	 "a/b/",
		"a/b/e",      "a/b/emptyx", "/",	"a.b/c", "z/z",
		"a/b/link/x", "~",	    "a/void/x", ".",
	};

	if (!cat)
		return;
	is_int(catalog_count(cat), COUNT(tree), "entries");
	is_int(catalog_dir_count(cat), 3, "directories with entries");
	is_int(catalog_total_blocks(cat), 1 + 4 + 1 + 1, "blocks");
	for (size_t i = 0; i < COUNT(tree); i++)
		ok(matches(cat, &tree[i]), "'%s' comes back", tree[i].path);
	for (size_t i = 0; i < COUNT(absent); i++)
		is_int(catalog_find(cat, absent[i], strlen(absent[i]), &en),
		       -ENOENT, "'%s' is not there", absent[i]);
	is_int(catalog_find_dir(cat, "", 0, &run), 0, "the root's run");
	is_int(run.count, 3, "holds 3");
	is_int(run.first, 1, "from 1");
	is_int(catalog_find_dir(cat, "a", 1, &run), 0, "a's run");
	is_int(run.count, 4, "holds 4");
	catalog_entry_at(cat, run.first, &en);
	ok(en.name_len == 1 && en.name[0] == 'b', "'b' stands first");
	catalog_entry_at(cat, run.first + 3, &en);
	ok(en.name_len == 2 && en.name[0] == '\xff', "0xff sorts last");
	is_int(catalog_find_dir(cat, "a/void", 6, &run), -ENOENT,
	       "an empty directory has no run");
	is_int(catalog_find_dir(cat, "a.b", 3, &run), -ENOENT,
	       "a file is no directory");
	for (uint32_t d = 0; d < catalog_dir_count(cat); d++) {
		catalog_dir_at(cat, d, &run);
		for (uint32_t i = 0; i < run.count; i++)
			is_int(catalog_dir_of(cat, run.first + i), d,
			       "entry %u stands in %u", run.first + i, d);
	}
	catalog_unref(catalog_ref(cat));
	is_int(catalog_count(cat), COUNT(tree), "still there after unref");
}

/* The same entries give the same bytes. */
static void test_canonical(void)
{
	CLEANUP(catalog_unrefp)
	struct catalog *cat = build(tree, COUNT(tree));
	uint32_t x = 7;

	for (int round = 0; round < 20; round++) {
		CLEANUP(catalog_unrefp) struct catalog *other = NULL;
		CLEANUP(catalog_builder_freep)
		struct catalog_builder *b = NULL;
		struct item items[COUNT(tree)];

		memcpy(items, tree, sizeof(tree));
		for (size_t i = COUNT(tree) - 1; i; i--) {
			struct item it = items[i];
			size_t k = (x = x * 1664525u + 1013904223u) % (i + 1);

			items[i] = items[k];
			items[k] = it;
		}
		(void)catalog_builder_open(&b);
		for (size_t i = 0; i < COUNT(tree); i++) {
			struct item early = items[i];

			early.commit_s = 99; /* replaced below */
			if (i % 2)
				(void)put(b, &early, NULL);
			(void)put(b, &items[i], NULL);
		}
		other = finish(b);
		ok(other && same_bytes(cat, other), "round %d: same bytes",
		   round);
	}
}

/* Reads everything that a catalog tells; ASan watches. */
static uint64_t walk(const struct catalog *cat)
{
	uint64_t sum = 0;

	for (uint32_t d = 0; d < catalog_dir_count(cat); d++) {
		struct catalog_run run, again;

		catalog_dir_at(cat, d, &run);
		sum += run.count;
		if (catalog_find_dir(cat, run.path, run.path_len, &again) ||
		    again.first != run.first)
			abort();
	}
	for (uint32_t i = 0; i < catalog_count(cat); i++) {
		CLEANUP_BUF struct buf path = BUF_INIT(PATH_MAX);
		struct catalog_entry en, again;

		catalog_entry_at(cat, i, &en);
		if (catalog_path(cat, i, &path) ||
		    catalog_find(cat, path.data ? path.data : "", path.len,
				 &again) ||
		    again.index != i)
			abort();
		if (en.target)
			for (uint64_t k = 0; k < en.size; k++)
				sum += (uint8_t)en.target[k];
		for (uint32_t k = 0; k < en.block_count; k++) {
			struct block b;
			struct catalog_frame f;

			catalog_block_at(cat, en.first_block + k, &b);
			sum += b.len + b.frame.blob.bytes[15];
			catalog_frame_of(cat, en.first_block + k, &f);
			sum += f.count + catalog_frame_block(&f, 0);
		}
	}
	return sum;
}

/* Entry by entry from a catalog. */
static void test_copy(void)
{
	CLEANUP(catalog_writer_freep) struct catalog_writer *w = NULL;
	CLEANUP(catalog_unrefp)
	struct catalog *cat = build(tree, COUNT(tree));
	CLEANUP_BUF struct buf out = BUF_INIT(CATALOG_MAX);
	const void *bytes;
	size_t len;
	int r = 0;

	bytes = catalog_bytes(cat, &len);
	(void)catalog_writer_open(&w);
	for (int round = 0; round < 2; round++) {
		buf_reset(&out);
		for (uint32_t i = 0; !r && i < catalog_count(cat); i++)
			r = catalog_writer_copy(w, cat, i, NULL);
		is_int(r, 0, "all entries copied");
		is_int(catalog_writer_finish(w, &out, NULL), 0, "and written");
		ok(out.len == len && !memcmp(out.data, bytes, len),
		   "a copy is the same bytes");
	}
}

static void stored_again(const struct catalog *cat, const char *what)
{
	CLEANUP_BUF struct buf a = BUF_INIT(CATALOG_MAX);
	CLEANUP_BUF struct buf b = BUF_INIT(CATALOG_MAX);
	CLEANUP(catalog_unrefp) struct catalog *other = NULL;
	uint64_t plain = 0;
	size_t len;
	const void *bytes = catalog_bytes(cat, &len);

	is_int(catalog_encode(&a, bytes, len, &plain, NULL), 0, "%s: stored",
	       what);
	(void)catalog_encode(&b, bytes, len, &plain, NULL);
	ok(a.len == b.len && !memcmp(a.data, b.data, a.len),
	   "the same bytes: %zu, of %llu in columns, %zu in memory", a.len,
	   (unsigned long long)plain, len);
	is_int(catalog_decode(&other, plain, a.data, a.len, NULL, NULL), 0,
	       "and read");
	ok(other && same_bytes(cat, other), "as it was");
}

/* Times and places at the ends of what can be stored. */
static void test_stored(void)
{
	static const int64_t times[] = {
		0, 1, -1, S, -S, S - 1, -S + 1, 1 - 2 * S, INT64_MAX, INT64_MIN,
	};
	CLEANUP(catalog_unrefp)
	struct catalog *cat = build(tree, COUNT(tree));
	CLEANUP(catalog_unrefp) struct catalog *empty = build(NULL, 0);
	CLEANUP(catalog_unrefp) struct catalog *odd = NULL;
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;

	stored_again(cat, "a tree");
	stored_again(empty, "an empty one");
	(void)catalog_builder_open(&b);
	for (size_t i = 0; i < COUNT(times); i++) {
		struct catalog_attr attr = { .mode = S_IFREG | 0644,
					     .size = 3,
					     .mtime_ns = times[i] };
		struct block block = block_for("x", 3, 0);
		char name[2] = { (char)('a' + i), 0 };

		block.off = i % 2 ? 0 : FRAME_RAW_MAX - 3;
		block.frame.raw = FRAME_RAW_MAX;
		block.frame.off = i % 3 ? 0
					: (1ull << 48) - 1 - block.frame.stored;
		block.frame.blob.bytes[3] = (uint8_t)(i % 4);
		is_int(catalog_builder_put(b, name, 1, &attr, NULL, &block, 1,
					   NULL),
		       0, "put");
	}
	odd = finish(b);
	stored_again(odd, "extremes");
}

static bool flipped_is_sound(const struct buf *plain, size_t bit)
{
	CLEANUP_BUF struct buf bad = BUF_INIT(CATALOG_MAX);
	CLEANUP_BUF struct buf stored = BUF_INIT(CATALOG_MAX);
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	struct err e = { 0 };
	int r;

	(void)buf_add(&bad, plain->data, plain->len);
	bad.data[bit / 8] ^= (char)(1 << bit % 8);
	(void)frames_compress(&stored, bad.data, bad.len);
	r = catalog_decode(&cat, bad.len, stored.data, stored.len, NULL, &e);
	return !r || (r == -EBADMSG && e.text[0]);
}

/* Forged columns are refused, or are another catalog. */
static void test_forged(void)
{
	CLEANUP(catalog_unrefp)
	struct catalog *cat = build(tree, COUNT(tree));
	CLEANUP_BUF struct buf stored = BUF_INIT(CATALOG_MAX);
	CLEANUP_BUF struct buf plain = BUF_INIT(CATALOG_MAX);
	struct catalog *none = NULL;
	uint64_t plain_len = 0;
	size_t len, good = 0;
	const void *bytes = catalog_bytes(cat, &len);

	(void)catalog_encode(&stored, bytes, len, &plain_len, NULL);
	(void)frames_decompress(&plain, plain_len, stored.data, stored.len,
				NULL);
	is_int(plain.len, plain_len, "the columns");
	for (size_t bit = 0; bit < 8 * plain.len; bit++)
		good += flipped_is_sound(&plain, bit);
	is_int(good, 8 * plain.len, "every flip is refused or sound");
	is_int(catalog_decode(&none, plain_len - 1, stored.data, stored.len,
			      NULL, NULL),
	       -EBADMSG, "shorter than told");
	is_int(catalog_decode(&none, plain_len + 1, stored.data, stored.len,
			      NULL, NULL),
	       -EBADMSG, "longer than told");
	is_int(catalog_decode(&none, 1ull << 60, stored.data, stored.len, NULL,
			      NULL),
	       -EBADMSG, "endless");
}

/* Cut at every place, the parts hold each entry once and know their range. */
static void test_parts(void)
{
	CLEANUP(catalog_unrefp)
	struct catalog *cat = build(tree, COUNT(tree));
	CLEANUP(catalog_writer_freep) struct catalog_writer *w = NULL;
	uint32_t count = catalog_count(cat);

	(void)catalog_writer_open(&w);
	for (uint32_t cut = 1; cut < count; cut++) {
		struct catalog_key keys[2] = { catalog_key_at(cat, 0),
					       catalog_key_at(cat, cut) };
		struct catalog *parts[2] = { 0 };
		struct catalog_entry en;
		uint32_t wrong = 0;

		for (uint32_t p = 0; p < 2; p++) {
			CLEANUP_BUF struct buf out = BUF_INIT(CATALOG_MAX);
			struct catalog_range range = { &keys[p],
						       p ? NULL : &keys[1] };
			struct catalog_range narrow = { &keys[p], &keys[p] };
			struct catalog_range other = { &keys[!p], NULL };
			uint32_t end = p ? count : cut;
			struct catalog *none = NULL;
			size_t len;
			char *data;

			for (uint32_t i = p ? cut : 0; i < end; i++)
				wrong += !!catalog_writer_copy(w, cat, i, NULL);
			wrong += !!catalog_writer_finish(w, &out, NULL);
			len = out.len;
			data = buf_take(&out);
			wrong += catalog_parse(&none, data, len, &narrow,
					       NULL) != -EBADMSG;
			wrong += catalog_parse(&none, data, len, &other,
					       NULL) != -EBADMSG;
			if (p) /* no root */
				wrong += catalog_parse(&none, data, len, NULL,
						       NULL) != -EBADMSG;
			wrong += !!catalog_parse(&parts[p], data, len, &range,
						 NULL);
		}
		is_int(wrong, 0, "cut before entry %u", cut);
		for (size_t i = 0; i < COUNT(tree); i++) {
			size_t n = strlen(tree[i].path);
			bool a = !catalog_find(parts[0], tree[i].path, n, &en);
			bool b = !catalog_find(parts[1], tree[i].path, n, &en);

			wrong += a == b;
			wrong += !matches(parts[b], &tree[i]);
		}
		is_int(wrong, 0, "each entry is in one of them");
		(void)walk(parts[0]);
		(void)walk(parts[1]);
		catalog_unref(parts[0]);
		catalog_unref(parts[1]);
	}
}

static void test_implied(void)
{
	static const struct item files[] = {
		{ "x/y/b", S_IFREG | 0600, 8, NULL, 50 },
		{ "x/y/a", S_IFREG | 0600, 9, NULL, 40 },
	};
	CLEANUP(catalog_unrefp) struct catalog *cat = build(files, 2);
	CLEANUP(catalog_unrefp) struct catalog *empty = build(NULL, 0);
	struct catalog_entry en;

	is_int(catalog_count(cat), 5, "parents are added");
	is_int(catalog_find(cat, "x", 1, &en), 0, "'x' is there");
	is_int(catalog_count(empty), 1, "an empty catalog has a root");
}

static void test_refused(void)
{
	static const struct {
		const char *what, *path;
		struct catalog_attr attr;
		const char *target;
		size_t blocks;
		uint32_t len; /* of the only block */
	} cases[] = {
		{ "absolute", "/a", { .mode = S_IFREG }, NULL, 0, 0 },
		{ "dot dot", "a/..", { .mode = S_IFREG }, NULL, 0, 0 },
		{ "trailing slash", "a/", { .mode = S_IFDIR }, NULL, 0, 0 },
		{ "root as file", "", { .mode = S_IFREG }, NULL, 0, 0 },
		{ "fifo", "a", { .mode = S_IFIFO }, NULL, 0, 0 },
		{ "no type", "a", { .mode = 0644 }, NULL, 0, 0 },
		{ "mode bits",
		  "a",
		  { .mode = S_IFREG | 01000000 },
		  NULL,
		  0,
		  0 },
		{ "early commit",
		  "a",
		  { .mode = S_IFREG, .commit_s = -1 },
		  NULL,
		  0,
		  0 },
		{ "late commit",
		  "a",
		  { .mode = S_IFREG, .commit_s = 1ll << 32 },
		  NULL,
		  0,
		  0 },
		{ "huge",
		  "a",
		  { .mode = S_IFREG, .size = 1ull << 48 },
		  NULL,
		  0,
		  0 },
		{ "no target",
		  "a",
		  { .mode = S_IFLNK, .size = 3 },
		  NULL,
		  0,
		  0 },
		{ "empty target", "a", { .mode = S_IFLNK }, "", 0, 0 },
		{ "NUL in target",
		  "a",
		  { .mode = S_IFLNK, .size = 3 },
		  "a\0b",
		  0,
		  0 },
		{ "no block", "a", { .mode = S_IFREG, .size = 3 }, NULL, 0, 0 },
		{ "block too much", "a", { .mode = S_IFREG }, NULL, 1, 1 },
		{ "short block",
		  "a",
		  { .mode = S_IFREG, .size = 3 },
		  NULL,
		  1,
		  2 },
		{ "directory with block",
		  "a",
		  { .mode = S_IFDIR },
		  NULL,
		  1,
		  1 },
	};
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	struct catalog_attr attr = { .mode = S_IFREG | 0644, .size = 3 };
	struct block good = block_for("x", 3, 0), bad;

	(void)catalog_builder_open(&b);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct block block = block_for("x", cases[i].len, 0);
		struct err e = { 0 };

		is_int(catalog_builder_put(b, cases[i].path,
					   strlen(cases[i].path),
					   &cases[i].attr, cases[i].target,
					   &block, cases[i].blocks, &e),
		       -EINVAL, "%s", cases[i].what);
		ok(e.text[0], "says why: %s", e.text);
	}
#define BAD(change, what)                                                      \
	do {                                                                   \
		bad = good;                                                    \
		bad.change;                                                    \
		is_int(catalog_builder_put(b, "f", 1, &attr, NULL, &bad, 1,    \
					   NULL),                              \
		       -EINVAL, what);                                         \
	} while (0)
	BAD(frame.raw = 514, "block behind its frame");
	BAD(off = UINT32_MAX, "offset that wraps");
	BAD(frame.raw = FRAME_RAW_MAX + 1, "frame above the ceiling");
	BAD(frame.stored = 0, "frame of nothing");
	BAD(frame.codec = 9, "unknown codec");
	BAD(frame.codec = CODEC_RAW, "plain frame of two lengths");
	BAD(frame.off = 1ull << 48, "frame too far out");
	cat = finish(b);
	is_int(catalog_count(cat), 1, "nothing of it was kept");
}

/*
 * A damaged catalog is refused, or it is another catalog that is sound; the
 * objects that carry catalogs hash them.
 */
static void test_damage(void)
{
	CLEANUP(catalog_unrefp)
	struct catalog *cat = build(tree, COUNT(tree));
	size_t len, refused = 0, other = 0;
	const char *bytes = catalog_bytes(cat, &len);

	for (size_t i = 0; i < 8 * len; i++) {
		char *copy = malloc(len);
		struct catalog *bad = NULL;
		struct err e = { 0 };
		int r;

		memcpy(copy, bytes, len);
		copy[i / 8] ^= (char)(1 << i % 8);
		r = catalog_parse(&bad, copy, len, NULL, &e);
		if (!r) {
			other += !!walk(bad);
			catalog_unref(bad);
			continue;
		}
		refused += r == -EBADMSG && e.text[0];
		free(copy);
	}
	is_int(refused + other, 8 * len, "every flip is refused or sound");
	ok(refused > len, "%zu of %zu refused", refused, 8 * len);
	refused = 0;
	for (size_t cut = 0; cut < len; cut++) {
		char *copy = malloc(cut ? cut : 1);
		struct catalog *bad = NULL;

		memcpy(copy, bytes, cut);
		refused += catalog_parse(&bad, copy, cut, NULL, NULL) ==
			   -EBADMSG;
		free(copy);
	}
	is_int(refused, len, "every cut is refused");
}

/* A catalog of 30 files, the i-th in frame frame_of(i). */
static struct catalog *with_frames(int (*frame_of)(int i))
{
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;
	struct block block = block_for("x", 100, 0);
	struct catalog_attr attr = { .mode = S_IFREG | 0644, .size = 100 };

	(void)catalog_builder_open(&b);
	block.frame.raw = 100000;
	for (int i = 0; i < 30; i++) {
		char name[20];

		(void)snprintf(name, sizeof(name), "f%02d", i);
		block.frame.off = (uint64_t)frame_of(i) * 5000;
		block.off = (uint32_t)i * 1000;
		(void)catalog_builder_put(b, name, 3, &attr, NULL, &block, 1,
					  NULL);
	}
	return finish(b);
}

static int in_runs(int i)
{
	return i / 10;
}

static int in_turn(int i)
{
	return i % 3;
}

static void test_frames(void)
{
	CLEANUP(catalog_unrefp) struct catalog *runs = with_frames(in_runs);
	CLEANUP(catalog_unrefp) struct catalog *turns = with_frames(in_turn);
	struct catalog_frame f;
	int wrong = 0;

	is_int(catalog_total_frames(runs), 3, "three frames");
	catalog_frame_of(runs, 14, &f);
	is_int(f.count, 10, "neighbours in a frame");
	is_int(f.number, 1, "of its number");
	is_int(catalog_frame_block(&f, 0), 10, "from its first");
	catalog_frame_of(runs, 0, &f);
	is_int(f.count, 10, "at the beginning");
	catalog_frame_of(runs, 29, &f);
	is_int(catalog_frame_block(&f, 9), 29, "at the end");
	for (uint32_t i = 0; i < 30; i++) {
		catalog_frame_of(turns, i, &f);
		wrong += f.count != 10 || f.number != i % 3;
		for (uint32_t k = 0; k < f.count; k++)
			wrong += catalog_frame_block(&f, k) != i % 3 + 3 * k;
	}
	is_int(wrong, 0, "and with others between them");
}

static double seconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int path_of(char *path, size_t size, uint32_t i)
{
	return snprintf(path, size, "shots/sh%04u/cache/geo.%04u.usdc", i / 100,
			i % 100);
}

#define MANY 200000u

static void test_large(void)
{
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT(CATALOG_MAX);
	struct block block = block_for("x", 5000, 0);
	struct catalog_attr attr = { .mode = S_IFREG | 0644,
				     .size = 5000,
				     .commit_s = 5 };
	uint32_t wrong = 0, at = 1;
	double t[5];
	size_t len;
	char path[100];

	t[0] = seconds();
	(void)catalog_builder_open(&b);
	block.frame.raw = 256 << 10;
	for (uint32_t i = 0; i < MANY; i++) {
		size_t n;

		at = (uint32_t)((uint64_t)(at + 7919) % MANY);
		n = (size_t)path_of(path, sizeof(path), at);
		memcpy(block.hash.bytes, &at, sizeof(at));
		block.frame.off = at / 40 * 100000ull;
		block.off = at % 40 * 5000;
		attr.mtime_ns = at * S;
		wrong += !!catalog_builder_put(b, path, n, &attr, NULL, &block,
					       1, NULL);
	}
	t[1] = seconds();
	wrong += !!catalog_builder_finish(b, &out, NULL);
	t[2] = seconds();
	len = out.len;
	wrong += !!catalog_parse(&cat, buf_take(&out), len, NULL, NULL);
	t[3] = seconds();
	is_int(wrong, 0, "%u entries build and parse", MANY);
	is_int(catalog_count(cat), MANY + 2 + 2 * MANY / 100, "all are there");
	for (uint32_t i = 0; i < MANY; i++) {
		struct catalog_entry en;
		struct block got;
		size_t n = (size_t)path_of(path, sizeof(path), i);

		if (catalog_find(cat, path, n, &en) || en.mtime_ns != i * S) {
			wrong++;
			continue;
		}
		catalog_block_at(cat, en.first_block, &got);
		wrong += memcmp(got.hash.bytes, &i, sizeof(i)) ||
			 got.off != i % 40 * 5000 ||
			 got.frame.off != i / 40 * 100000ull;
	}
	t[4] = seconds();
	is_int(wrong, 0, "each is found with its block");
	printf("# %.1f bytes/entry; put %.3f s, finish %.3f s, parse %.3f s, "
	       "find %.2f us\n",
	       (double)len / catalog_count(cat), t[1] - t[0], t[2] - t[1],
	       t[3] - t[2], (t[4] - t[3]) / MANY * 1e6);
}

int main(void)
{
	test_round_trip();
	test_canonical();
	test_copy();
	test_stored();
	test_forged();
	test_parts();
	test_implied();
	test_refused();
	test_damage();
	test_frames();
	test_large();
	return tap_done();
}
