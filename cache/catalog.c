/*
 * Reading: bytes as laid down in catalog_format.h, held as they came.
 *
 * catalog_parse walks everything once and allocates nothing but the struct and,
 * where blocks do not stand in the order of their frames, an index of them.
 * Paths of directories are checked for themselves, since in a part of a tree
 * the entry of a directory, or of one above it, may stand elsewhere; where it
 * has to stand in this catalog, it is looked for.
 *
 * After that, accessors trust the bytes.
 */
#include "cache/catalog.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cache/catalog_format.h"
#include "cache/names.h"
#include "s3/base/buf.h"
#include "s3/base/span.h"

struct catalog {
	atomic_uint refs;

	/* constant after parsing: */
	const void *data; /* owned, malloc'ed, unless mapped */
	size_t len;
	void *map; /* NULL: not mapped; owned */
	size_t map_len;
	struct catalog_counts n;
	const unsigned char *dirs;
	const unsigned char *entries;
	const unsigned char *owners;
	const char *strings;
	struct places places;
	/*
	 * Blocks sorted by frame, and where each frame's begin; NULL where they
	 * stand like that in the catalog itself.
	 */
	uint32_t *by_frame; /* owned */
	uint32_t *frame_starts; /* owned; frame_count + 1 */
};

/* ---- records ------------------------------------------------------------- */

static const unsigned char *dir_rec(const struct catalog *cat, uint32_t i)
{
	return cat->dirs + (size_t)i * CATALOG_DIR_LEN;
}

static const unsigned char *entry_rec(const struct catalog *cat, uint32_t i)
{
	return cat->entries + (size_t)i * CATALOG_ENTRY_LEN;
}

void catalog_dir_at(const struct catalog *cat, uint32_t dir,
		    struct catalog_run *ret_run)
{
	const unsigned char *rec = dir_rec(cat, dir);

	ret_run->path = cat->strings + get_le32(rec);
	ret_run->path_len = get_le16(rec + 4);
	ret_run->first = get_le32(rec + 6);
	ret_run->count = get_le32(rec + 10);
}

void catalog_entry_at(const struct catalog *cat, uint32_t index,
		      struct catalog_entry *ret_entry)
{
	const unsigned char *rec = entry_rec(cat, index);
	const unsigned char *owner =
		cat->owners + (size_t)get_le16(rec + 12) * CATALOG_OWNER_LEN;
	struct catalog_entry *en = ret_entry;
	uint32_t first = get_le32(rec + 4);

	en->index = index;
	en->name = cat->strings + get_le32(rec);
	en->name_len = rec[22];
	en->mode = get_le16(rec + 14);
	en->uid = get_le32(owner);
	en->gid = get_le32(owner + 4);
	en->size = get_le48(rec + 16);
	en->mtime_ns = (int64_t)get_le64(rec + 24);
	en->commit_s = get_le32(rec + 8);
	en->target = NULL;
	en->first_block = 0;
	en->block_count = 0;
	if (S_ISREG(en->mode)) {
		en->first_block = first;
		en->block_count = (uint32_t)block_count(en->size);
	} else if (S_ISLNK(en->mode)) {
		en->target = en->name + en->name_len;
	}
}

struct catalog_key catalog_key_at(const struct catalog *cat, uint32_t index)
{
	const unsigned char *rec = entry_rec(cat, index);
	struct catalog_key key = { .dir = "", .name = "" };
	struct catalog_run run;

	if (index < cat->n.root)
		return key;
	catalog_dir_at(cat, catalog_dir_of(cat, index), &run);
	return (struct catalog_key){
		.dir = run.path,
		.dir_len = run.path_len,
		.name = cat->strings + get_le32(rec),
		.name_len = rec[22],
	};
}

/* ---- keys ---------------------------------------------------------------- */

int catalog_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t n = a_len < b_len ? a_len : b_len;
	int c = n ? memcmp(a, b, n) : 0;

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

int catalog_key_compare(const struct catalog_key *a,
			const struct catalog_key *b)
{
	int c = catalog_compare(a->dir, a->dir_len, b->dir, b->dir_len);

	return c ? c
		 : catalog_compare(a->name, a->name_len, b->name, b->name_len);
}

struct catalog_key catalog_key_of(const char *path, size_t len)
{
	const char *slash = len ? memrchr(path, '/', len) : NULL;
	size_t at = slash ? (size_t)(slash - path) + 1 : 0;

	return (struct catalog_key){
		.dir = path,
		.dir_len = slash ? at - 1 : 0,
		.name = path + at,
		.name_len = len - at,
	};
}

/* ---- checks -------------------------------------------------------------- */

struct check {
	uint64_t strings; /* where the next string must begin */
	uint64_t blocks; /* the next file's first block */
	uint32_t owners; /* seen so far */
};

static int bad_entry(struct err *e, uint32_t i, const char *what)
{
	return err_set(e, -EBADMSG, "catalog entry %u: %s", i, what);
}

int catalog_take_header(struct span *s, const char magic[8],
			struct catalog_counts *ret_counts, struct err *e)
{
	const char *mark = span_take(s, 8);
	uint32_t version = span_u32(s);
	struct catalog_counts n;

	n.entries = span_u32(s);
	n.dirs = span_u32(s);
	n.places.block_count = span_u32(s);
	n.places.frame_count = span_u32(s);
	n.places.blob_count = span_u32(s);
	n.owners = span_u32(s);
	n.strings_len = span_u32(s);
	n.root = span_u32(s);
	if (s->bad || !mark || memcmp(mark, magic, 8))
		return err_set(e, -EBADMSG, "not a catalog");
	if (version != CATALOG_VERSION)
		return err_set(e, -EBADMSG,
			       "catalog of format %u, written by a later "
			       "version of assetfs",
			       version);
	if (!n.entries || !n.owners || n.owners > CATALOG_OWNERS_MAX ||
	    n.root > 1 || catalog_size(&n) > CATALOG_MAX)
		return err_set(e, -EBADMSG, "catalog of impossible counts");
	*ret_counts = n;
	return 0;
}

static int check_header(struct catalog *cat, struct err *e)
{
	struct span s = span_of(cat->data, cat->len);
	struct catalog_counts *n = &cat->n;
	int r = catalog_take_header(&s, CATALOG_MAGIC, n, e);

	if (r)
		return r;
	if (catalog_size(n) != cat->len)
		return err_set(e, -EBADMSG,
			       "catalog of %zu bytes does not have the length "
			       "of its parts",
			       cat->len);
	/* The lengths add up: nothing below can fail. */
	cat->dirs = span_take(&s, (size_t)n->dirs * CATALOG_DIR_LEN);
	cat->entries = span_take(&s, (size_t)n->entries * CATALOG_ENTRY_LEN);
	cat->places = n->places;
	if (places_parse(&cat->places, &s, e))
		return err_wrap(e, -EBADMSG, "catalog");
	cat->owners = span_take(&s, (size_t)n->owners * CATALOG_OWNER_LEN);
	cat->strings = span_take(&s, n->strings_len);
	assert(!s.bad && !s.left);
	return 0;
}

static int check_dirs(const struct catalog *cat, struct check *c, struct err *e)
{
	struct catalog_run prev = { 0 }, run;
	uint64_t next = cat->n.root;

	for (uint32_t i = 0; i < cat->n.dirs; i++) {
		const unsigned char *rec = dir_rec(cat, i);
		uint16_t len = get_le16(rec + 4);

		if (get_le32(rec) != c->strings || len > PATH_MAX_LEN ||
		    len > cat->n.strings_len - c->strings)
			return err_set(e, -EBADMSG,
				       "catalog directory %u: path out of "
				       "place",
				       i);
		c->strings += len;
		catalog_dir_at(cat, i, &run);
		if (i && catalog_compare(prev.path, prev.path_len, run.path,
					 len) >= 0)
			return err_set(e, -EBADMSG,
				       "catalog directory %u: out of order", i);
		if (len && !path_is_safe(run.path, len))
			return err_set(e, -EBADMSG,
				       "catalog directory %u: unsafe path", i);
		if (run.first != next || !run.count)
			return err_set(e, -EBADMSG,
				       "catalog directory %u: its run does not "
				       "follow the one before",
				       i);
		next += run.count;
		prev = run;
	}
	if (next != cat->n.entries)
		return err_set(e, -EBADMSG,
			       "catalog of %u entries has runs for %llu",
			       cat->n.entries, (unsigned long long)next);
	return 0;
}

static int check_file(const struct catalog *cat, struct check *c,
		      const struct catalog_entry *en, uint8_t cut,
		      struct err *e)
{
	uint64_t count = block_count(en->size);

	if (cut != (en->size ? CUT_FIXED_1M : 0))
		return bad_entry(e, en->index,
				 "cut by a rule that this version of assetfs "
				 "does not know");
	if (en->first_block != c->blocks ||
	    count > cat->places.block_count - c->blocks)
		return bad_entry(e, en->index, "blocks out of place");
	for (uint32_t i = 0; i < count; i++)
		if (places_len(&cat->places, en->first_block + i) !=
		    block_len(en->size, i))
			return bad_entry(e, en->index,
					 "blocks do not match its size");
	c->blocks += count;
	return 0;
}

static int check_symlink(const struct catalog *cat, struct check *c,
			 const struct catalog_entry *en, struct err *e)
{
	if (!en->size || en->size > CATALOG_TARGET_MAX ||
	    en->size > cat->n.strings_len - c->strings ||
	    memchr(en->target, '\0', en->size))
		return bad_entry(e, en->index, "impossible symlink");
	c->strings += en->size;
	return 0;
}

/* parent: the run it stands in, NULL for the root. */
static int check_entry(const struct catalog *cat, struct check *c,
		       const struct catalog_run *parent, uint32_t i,
		       struct err *e)
{
	const unsigned char *rec = entry_rec(cat, i);
	uint16_t owner = get_le16(rec + 12);
	uint32_t first = get_le32(rec + 4);
	struct catalog_entry en;

	if (get_le32(rec) != c->strings ||
	    rec[22] > cat->n.strings_len - c->strings)
		return bad_entry(e, i, "name out of place");
	if (owner > c->owners || owner >= cat->n.owners)
		return bad_entry(e, i, "owner out of turn");
	c->owners += owner == c->owners;
	catalog_entry_at(cat, i, &en);
	c->strings += en.name_len;
	if (parent ? !name_is_safe(en.name, en.name_len) : en.name_len)
		return bad_entry(e, i, "unsafe name");
	if (parent && parent->path_len + 1 + en.name_len > PATH_MAX_LEN)
		return bad_entry(e, i, "path too long");
	if (!parent && !S_ISDIR(en.mode))
		return bad_entry(e, i, "the root is not a directory");
	if (S_ISREG(en.mode))
		return check_file(cat, c, &en, rec[23], e);
	if (rec[23])
		return bad_entry(e, i, "cut, but not a regular file");
	if (S_ISLNK(en.mode))
		return first ? bad_entry(e, i, "symlink with blocks")
			     : check_symlink(cat, c, &en, e);
	if (!S_ISDIR(en.mode))
		return bad_entry(e, i, "of no type that is kept here");
	return en.size || first ? bad_entry(e, i, "a directory with content")
				: 0;
}

static int check_run(const struct catalog *cat, struct check *c, uint32_t dir,
		     struct err *e)
{
	struct catalog_run run;
	uint32_t end;

	catalog_dir_at(cat, dir, &run);
	end = run.first + run.count;
	for (uint32_t i = run.first; i < end; i++) {
		const unsigned char *rec = entry_rec(cat, i);
		const unsigned char *prev = rec - CATALOG_ENTRY_LEN;
		int r = check_entry(cat, c, &run, i, e);

		if (r)
			return r;
		if (i > run.first &&
		    catalog_compare(cat->strings + get_le32(prev), prev[22],
				    cat->strings + get_le32(rec), rec[22]) >= 0)
			return bad_entry(e, i, "out of order");
	}
	return 0;
}

static bool in_range(const struct catalog_range *range,
		     const struct catalog_key *key)
{
	return catalog_key_compare(key, range->first) >= 0 &&
	       (!range->end || catalog_key_compare(key, range->end) < 0);
}

/* Does it begin and end where it shall? What is between is sorted. */
static int check_range(const struct catalog *cat,
		       const struct catalog_range *range, struct err *e)
{
	struct catalog_key first = catalog_key_at(cat, 0);
	struct catalog_key last = catalog_key_at(cat, cat->n.entries - 1);

	if (!range)
		return cat->n.root
			       ? 0
			       : err_set(e, -EBADMSG, "catalog without a root");
	if (catalog_key_compare(&first, range->first) ||
	    !in_range(range, &last))
		return err_set(e, -EBADMSG,
			       "catalog has entries outside its range");
	return 0;
}

/* Every directory has an entry, where that has to be here. */
static int check_parents(const struct catalog *cat,
			 const struct catalog_range *range, struct err *e)
{
	for (uint32_t i = 0; i < cat->n.dirs; i++) {
		struct catalog_entry en;
		struct catalog_key key;
		struct catalog_run run;

		catalog_dir_at(cat, i, &run);
		key = catalog_key_of(run.path, run.path_len);
		if (range && !in_range(range, &key))
			continue;
		if (catalog_find(cat, run.path, run.path_len, &en) ||
		    !S_ISDIR(en.mode))
			return err_set(e, -EBADMSG,
				       "catalog directory %u: has no entry", i);
	}
	return 0;
}

static int check(struct catalog *cat, const struct catalog_range *range,
		 struct err *e)
{
	struct check c = { 0 };
	int r;

	r = check_header(cat, e);
	if (!r)
		r = check_dirs(cat, &c, e);
	if (!r && cat->n.root)
		r = check_entry(cat, &c, NULL, 0, e);
	for (uint32_t i = 0; !r && i < cat->n.dirs; i++)
		r = check_run(cat, &c, i, e);
	if (!r)
		r = check_range(cat, range, e);
	if (!r)
		r = check_parents(cat, range, e);
	if (r)
		return r;
	if (c.owners != cat->n.owners || c.blocks != cat->places.block_count ||
	    c.strings != cat->n.strings_len)
		return err_set(e, -EBADMSG,
			       "catalog has parts that no entry uses");
	return 0;
}

/* ---- life ---------------------------------------------------------------- */

static bool in_frame_order(const struct places *p)
{
	for (uint32_t i = 1; i < p->block_count; i++)
		if (places_frame(p, i) < places_frame(p, i - 1))
			return false;
	return true;
}

/* Sorts the blocks by frame, by counting. */
static int index_frames(struct catalog *cat, struct err *e)
{
	const struct places *p = &cat->places;

	if (in_frame_order(p))
		return 0;
	cat->by_frame = calloc(p->block_count, sizeof(uint32_t));
	cat->frame_starts =
		calloc((size_t)p->frame_count + 2, sizeof(uint32_t));
	if (!cat->by_frame || !cat->frame_starts)
		return err_set(e, -ENOMEM, "no memory for a catalog");
	/* Counted one further along, each start moves up while its frame is
	 * filled, to where the next one's belongs. */
	for (uint32_t i = 0; i < p->block_count; i++)
		cat->frame_starts[places_frame(p, i) + 2]++;
	for (uint32_t f = 2; f < p->frame_count + 2; f++)
		cat->frame_starts[f] += cat->frame_starts[f - 1];
	for (uint32_t i = 0; i < p->block_count; i++)
		cat->by_frame[cat->frame_starts[places_frame(p, i) + 1]++] = i;
	return 0;
}

static void catalog_free(struct catalog *cat)
{
	free(cat->by_frame);
	free(cat->frame_starts);
	free(cat);
}

int catalog_parse_mapped(struct catalog **ret_cat, const void *data, size_t len,
			 void *map, size_t map_len,
			 const struct catalog_range *range, struct err *e)
{
	struct catalog *cat = calloc(1, sizeof(*cat));
	int r;

	if (!cat)
		return err_set(e, -ENOMEM, "no memory for a catalog");
	atomic_init(&cat->refs, 1);
	cat->data = data;
	cat->len = len;
	cat->map = map;
	cat->map_len = map_len;
	r = check(cat, range, e);
	if (!r)
		r = index_frames(cat, e);
	if (r) {
		catalog_free(cat);
		return r;
	}
	*ret_cat = cat;
	return 0;
}

int catalog_parse(struct catalog **ret_cat, void *data, size_t len,
		  const struct catalog_range *range, struct err *e)
{
	return catalog_parse_mapped(ret_cat, data, len, NULL, 0, range, e);
}

struct catalog *catalog_ref(struct catalog *cat)
{
	atomic_fetch_add_explicit(&cat->refs, 1, memory_order_relaxed);
	return cat;
}

void catalog_unref(struct catalog *cat)
{
	if (!cat || atomic_fetch_sub(&cat->refs, 1) != 1)
		return;
	if (cat->map)
		(void)munmap(cat->map, cat->map_len); /* cannot fail */
	else
		free((void *)(uintptr_t)cat->data);
	catalog_free(cat);
}

bool catalog_is_anonymous(const struct catalog *cat)
{
	return !cat->map;
}

const void *catalog_bytes(const struct catalog *cat, size_t *ret_len)
{
	*ret_len = cat->len;
	return cat->data;
}

uint32_t catalog_count(const struct catalog *cat)
{
	return cat->n.entries;
}

uint32_t catalog_dir_count(const struct catalog *cat)
{
	return cat->n.dirs;
}

/* ---- looking up ---------------------------------------------------------- */

/* The directory's number, or CATALOG_NONE. */
static uint32_t find_dir(const struct catalog *cat, const char *path,
			 size_t len)
{
	uint32_t lo = 0, hi = cat->n.dirs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const unsigned char *rec = dir_rec(cat, mid);
		int c = catalog_compare(path, len, cat->strings + get_le32(rec),
					get_le16(rec + 4));

		if (!c)
			return mid;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return CATALOG_NONE;
}

int catalog_find_dir(const struct catalog *cat, const char *path, size_t len,
		     struct catalog_run *ret_run)
{
	uint32_t dir = find_dir(cat, path, len);

	if (dir == CATALOG_NONE)
		return -ENOENT;
	catalog_dir_at(cat, dir, ret_run);
	return 0;
}

static int find_in(const struct catalog *cat, const struct catalog_run *run,
		   const char *name, size_t len,
		   struct catalog_entry *ret_entry)
{
	uint32_t lo = run->first, hi = run->first + run->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const unsigned char *rec = entry_rec(cat, mid);
		int c = catalog_compare(name, len, cat->strings + get_le32(rec),
					rec[22]);

		if (!c) {
			catalog_entry_at(cat, mid, ret_entry);
			return 0;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -ENOENT;
}

int catalog_find(const struct catalog *cat, const char *path, size_t len,
		 struct catalog_entry *ret_entry)
{
	struct catalog_key key = catalog_key_of(path, len);
	struct catalog_run run;
	int r;

	if (!len) {
		if (!cat->n.root)
			return -ENOENT;
		catalog_entry_at(cat, 0, ret_entry);
		return 0;
	}
	if (key.name == path + 1)
		return -ENOENT; /* "/name": no path of ours begins with one */
	r = catalog_find_dir(cat, key.dir, key.dir_len, &run);
	return r ? r : find_in(cat, &run, key.name, key.name_len, ret_entry);
}

uint32_t catalog_dir_of(const struct catalog *cat, uint32_t index)
{
	uint32_t lo = 0, hi = cat->n.dirs;

	/* The last directory whose run begins at or before the entry. */
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (get_le32(dir_rec(cat, mid) + 6) <= index)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int catalog_path(const struct catalog *cat, uint32_t index, struct buf *out)
{
	struct catalog_key key = catalog_key_at(cat, index);

	if (key.dir_len) {
		(void)buf_add(out, key.dir, key.dir_len); /* sticky */
		(void)buf_add_char(out, '/');
	}
	return buf_add(out, key.name, key.name_len);
}

void catalog_block_at(const struct catalog *cat, uint32_t block,
		      struct block *ret_block)
{
	places_at(&cat->places, block, ret_block);
}

uint32_t catalog_total_blocks(const struct catalog *cat)
{
	return cat->places.block_count;
}

uint32_t catalog_total_blobs(const struct catalog *cat)
{
	return cat->places.blob_count;
}

void catalog_blob_at(const struct catalog *cat, uint32_t i,
		     struct object_id *ret_id)
{
	memcpy(ret_id->bytes, cat->places.blobs + (size_t)i * OBJECT_ID_LEN,
	       OBJECT_ID_LEN);
}

uint32_t catalog_frame_number(const struct catalog *cat, uint32_t block)
{
	return places_frame(&cat->places, block);
}

uint32_t catalog_total_frames(const struct catalog *cat)
{
	return cat->places.frame_count;
}

/* Clips a frame's [first, end) to what is around `at`. */
static void clip(uint32_t at, uint32_t *first, uint32_t *end)
{
	const uint32_t half = CATALOG_FRAME_MAX / 2;

	if (at - *first > half)
		*first = at - half;
	if (*end - at > half)
		*end = at + half;
}

/* Where `value` stands in the ascending [first, end), which has it. */
static uint32_t find_sorted(const uint32_t *array, uint32_t first, uint32_t end,
			    uint32_t value)
{
	while (end - first > 1) {
		uint32_t mid = first + (end - first) / 2;

		if (array[mid] <= value)
			first = mid;
		else
			end = mid;
	}
	return first;
}

void catalog_frame_of(const struct catalog *cat, uint32_t block,
		      struct catalog_frame *ret_frame)
{
	const struct places *p = &cat->places;
	uint32_t number = places_frame(p, block), first, end, at;

	if (cat->by_frame) {
		first = cat->frame_starts[number];
		end = cat->frame_starts[number + 1];
		at = find_sorted(cat->by_frame, first, end, block);
	} else {
		const uint32_t half = CATALOG_FRAME_MAX / 2;

		first = at = block;
		end = block + 1;
		while (first && block - first < half &&
		       places_frame(p, first - 1) == number)
			first--;
		while (end < p->block_count && end - block < half &&
		       places_frame(p, end) == number)
			end++;
	}
	clip(at, &first, &end);
	*ret_frame = (struct catalog_frame){
		.number = number,
		.count = end - first,
		.first = first,
		.blocks = cat->by_frame ? cat->by_frame + first : NULL,
	};
}
