/*
 * Reading: bytes as laid down in catalog_format.h, held as they came.
 *
 * catalog_parse has everything checked once (catalog_check.c) and allocates
 * nothing but the struct and, where blocks do not stand in the order of their
 * frames, an index of them. After that, accessors trust the bytes.
 */
#include "cache/catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "cache/catalog_core.h"
#include "s3/base/buf.h"

/* ---- records ------------------------------------------------------------- */

void catalog_dir_at(const struct catalog *cat, uint32_t dir,
		    struct catalog_run *ret_run)
{
	const unsigned char *rec = catalog_dir_rec(cat, dir);

	ret_run->path = cat->strings + get_le32(rec);
	ret_run->path_len = get_le16(rec + 4);
	ret_run->first = get_le32(rec + 6);
	ret_run->count = get_le32(rec + 10);
}

void catalog_entry_at(const struct catalog *cat, uint32_t index,
		      struct catalog_entry *ret_entry)
{
	const unsigned char *rec = catalog_entry_rec(cat, index);
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
	const unsigned char *rec = catalog_entry_rec(cat, index);
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
	r = catalog_check_bytes(cat, range, e);
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
		const unsigned char *rec = catalog_dir_rec(cat, mid);
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
		const unsigned char *rec = catalog_entry_rec(cat, mid);
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

		if (get_le32(catalog_dir_rec(cat, mid) + 6) <= index)
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
