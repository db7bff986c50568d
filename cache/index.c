/*
 * The bytes of a push index, version 1. All integers are little-endian.
 *
 *      0   8  "ASFSINDX"
 *      8   4  version, 1
 *     12   4  blocks
 *     16   4  frames
 *     20   4  blobs
 *     24      hashes, blocks, frames, blobs: see places.h; the hashes strictly
 *             ascending
 *   then  32  SHA-256 of all bytes before
 *
 * And of a list of condemned objects, version 1:
 *
 *      0   8  "ASFSGCLS"
 *      8   4  version, 1
 *     12   4  objects
 *     16   8  time, signed, seconds since the epoch by the store's clock
 *     24      ids of 16 bytes, strictly ascending
 *   then  32  SHA-256 of all bytes before
 *
 * Neither is compressed: nearly all of it is hashes and random ids. A parsed
 * one is a copy of the object's bytes, searched where they lie.
 */
#include "cache/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/le.h"
#include "cache/places.h"
#include "s3/base/buf.h"
#include "s3/base/span.h"

#define INDEX_MAGIC "ASFSINDX"
#define GC_MAGIC "ASFSGCLS"
#define MAGIC_LEN 8
#define VERSION 1
#define HEAD_LEN 24

/* ---- both ---------------------------------------------------------------- */

/*
 * Checks magic, version and hash, and yields a copy of all before the hash.
 * what: names the object in errors.
 */
static int check_whole(char **ret_copy, const char *magic, const char *what,
		       const void *data, size_t len, struct err *e)
{
	const unsigned char *p = data;
	struct hash sum;
	char *copy;

	if (len < HEAD_LEN + HASH_LEN || len > INDEX_OBJECT_MAX ||
	    memcmp(p, magic, MAGIC_LEN))
		return err_set(e, -EBADMSG, "this is no %s", what);
	if (get_le32(p + 8) != VERSION)
		return err_set(e, -EBADMSG,
			       "%s of format %u: damaged, or written by a "
			       "later version of assetfs",
			       what, get_le32(p + 8));
	hash_of(&sum, data, len - HASH_LEN);
	if (memcmp(sum.bytes, p + len - HASH_LEN, HASH_LEN))
		return err_set(e, -EBADMSG,
			       "%s is damaged: its bytes do not hash to what "
			       "it says",
			       what);
	copy = malloc(len - HASH_LEN);
	if (!copy)
		return err_set(e, -ENOMEM, "no memory for this: %s", what);
	memcpy(copy, data, len - HASH_LEN);
	*ret_copy = copy;
	return 0;
}

/* Ends an object that began at `start` with its hash. */
static int seal(struct buf *out, size_t start, struct err *e)
{
	struct hash sum;

	if (!buf_error(out) && out->len - start > INDEX_OBJECT_MAX - HASH_LEN)
		return err_set(e, -EFBIG, "an index of %zu bytes is too large",
			       out->len - start);
	if (!buf_error(out)) {
		hash_of(&sum, out->data + start, out->len - start);
		(void)buf_add(out, sum.bytes, HASH_LEN); /* sticky */
	}
	return buf_error(out)
		       ? err_set(e, buf_error(out), "no room for an index")
		       : 0;
}

/* The position of `key` among sorted records that are nothing but keys, or
 * `count`. */
static size_t find(const unsigned char *records, size_t count, const void *key,
		   size_t len)
{
	size_t lo = 0, hi = count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = memcmp(key, records + mid * len, len);

		if (!c)
			return mid;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return count;
}

static bool ascends(const unsigned char *records, size_t count, size_t len)
{
	for (size_t i = 1; i < count; i++)
		if (memcmp(records + (i - 1) * len, records + i * len, len) >=
		    0)
			return false;
	return true;
}

/* ---- index --------------------------------------------------------------- */

struct index {
	char *bytes; /* owned */
	struct places places; /* into bytes */
};

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* By hash, then by place. */
static int compare_blocks(const void *a, const void *b)
{
	const struct block *x = *(const struct block *const *)a;
	const struct block *y = *(const struct block *const *)b;
	int c = hash_compare(&x->hash, &y->hash);

	if (!c)
		c = memcmp(&x->frame.blob, &y->frame.blob, OBJECT_ID_LEN);
	if (!c)
		c = COMPARE(x->frame.off, y->frame.off);
	if (!c)
		c = COMPARE(x->off, y->off);
	if (!c)
		c = COMPARE(x->len, y->len);
	if (!c)
		c = COMPARE(x->frame.stored, y->frame.stored);
	if (!c)
		c = COMPARE(x->frame.raw, y->frame.raw);
	return c ? c : COMPARE(x->frame.codec, y->frame.codec);
}

/* Sorts, and drops all but the first of each hash. */
static size_t sort_unique(const struct block **list, size_t count)
{
	size_t n = 0;

	qsort(list, count, sizeof(*list), compare_blocks);
	for (size_t i = 0; i < count; i++)
		if (!n || !hash_equal(&list[n - 1]->hash, &list[i]->hash))
			list[n++] = list[i];
	return n;
}

static int write_index(struct buf *out, const struct block *const *list,
		       size_t count, struct place_set *set)
{
	unsigned char head[HEAD_LEN] = INDEX_MAGIC;
	CLEANUP_BUF struct buf blocks = BUF_INIT(INDEX_OBJECT_MAX);
	unsigned char rec[PLACES_BLOCK_LEN];

	for (size_t i = 0; i < count; i++) {
		uint32_t frame;
		int r = place_set_add(set, &list[i]->frame, &frame);

		if (r)
			return r;
		places_put(rec, frame, list[i]->off, list[i]->len);
		if (buf_add(&blocks, rec, sizeof(rec)))
			return buf_error(&blocks);
	}
	put_le32(head + 8, VERSION);
	put_le32(head + 12, (uint32_t)count);
	put_le32(head + 16, set->frames.count);
	put_le32(head + 20, set->blobs.count);
	(void)buf_add(out, head, sizeof(head)); /* sticky, as all below */
	for (size_t i = 0; i < count; i++)
		(void)buf_add(out, list[i]->hash.bytes, HASH_LEN);
	(void)buf_add(out, blocks.data, blocks.len);
	(void)buf_add(out, set->frames.records,
		      (size_t)set->frames.count * PLACES_FRAME_LEN);
	(void)buf_add(out, set->blobs.records,
		      (size_t)set->blobs.count * OBJECT_ID_LEN);
	return buf_error(out);
}

int index_encode(struct buf *out, const struct block *blocks, size_t count,
		 struct err *e)
{
	CLEANUP_FREE const struct block **list = NULL;
	CLEANUP(place_set_done) struct place_set set = { 0 };
	size_t start = out->len;
	int r;

	place_set_init(&set);
	if (count > INDEX_OBJECT_MAX / HASH_LEN)
		return err_set(e, -EFBIG, "an index of %zu blocks is too large",
			       count);
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return err_set(e, -ENOMEM, "no memory for an index");
	for (size_t i = 0; i < count; i++) {
		if (!block_is_valid(&blocks[i]))
			return err_set(e, -EINVAL,
				       "block %zu cannot be indexed", i);
		list[i] = &blocks[i];
	}
	r = write_index(out, list, sort_unique(list, count), &set);
	if (r)
		return err_set(e, r, "no room for an index");
	return seal(out, start, e);
}

static int parse_index(struct index *ix, size_t len, struct err *e)
{
	struct span s = span_of(ix->bytes, len);
	struct places *p = &ix->places;

	(void)span_take(&s, MAGIC_LEN + 4); /* checked with the whole */
	p->block_count = span_u32(&s);
	p->frame_count = span_u32(&s);
	p->blob_count = span_u32(&s);
	if (places_size(p) != s.left)
		return err_set(e, -EBADMSG,
			       "index is damaged: not the length of its parts");
	if (places_parse(p, &s, e))
		return err_wrap(e, -EBADMSG, "index is damaged");
	if (!ascends(p->hashes, p->block_count, HASH_LEN))
		return err_set(e, -EBADMSG, "index is damaged: not in order");
	return 0;
}

int index_parse(struct index **ret_index, const void *data, size_t len,
		struct err *e)
{
	CLEANUP(index_freep) struct index *ix = NULL;
	CLEANUP_FREE char *bytes = NULL;
	int r;

	r = check_whole(&bytes, INDEX_MAGIC, "index", data, len, e);
	if (r)
		return r;
	ix = calloc(1, sizeof(*ix));
	if (!ix)
		return err_set(e, -ENOMEM, "no memory for an index");
	ix->bytes = TAKE_PTR(bytes);
	r = parse_index(ix, len - HASH_LEN, e);
	if (r)
		return r;
	*ret_index = TAKE_PTR(ix);
	return 0;
}

void index_free(struct index *ix)
{
	if (!ix)
		return;
	free(ix->bytes);
	free(ix);
}

size_t index_count(const struct index *ix)
{
	return ix->places.block_count;
}

bool index_find(const struct index *ix, const struct hash *hash,
		struct block *ret_block)
{
	size_t i = find(ix->places.hashes, ix->places.block_count, hash->bytes,
			HASH_LEN);

	if (i == ix->places.block_count)
		return false;
	places_at(&ix->places, (uint32_t)i, ret_block);
	return true;
}

void index_at(const struct index *ix, size_t i, struct block *ret_block)
{
	places_at(&ix->places, (uint32_t)i, ret_block);
}

/* ---- list of condemned objects ------------------------------------------- */

struct gclist {
	char *bytes; /* owned */
	const unsigned char *ids; /* into bytes */
	size_t count;
	int64_t time_s;
};

int gclist_encode(struct buf *out, const struct object_id *ids, size_t count,
		  int64_t time_s, struct err *e)
{
	unsigned char head[HEAD_LEN] = GC_MAGIC;
	CLEANUP_FREE struct object_id *sorted = NULL;
	size_t start = out->len, n = 0;

	if (count > INDEX_OBJECT_MAX / OBJECT_ID_LEN)
		return err_set(e, -EFBIG, "a list of %zu objects is too large",
			       count);
	sorted = calloc(count + 1, sizeof(*sorted));
	if (!sorted)
		return err_set(e, -ENOMEM, "no memory for a list of objects");
	if (count)
		memcpy(sorted, ids, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), object_id_compare);
	for (size_t i = 0; i < count; i++)
		if (!n || object_id_compare(&sorted[n - 1], &sorted[i]))
			sorted[n++] = sorted[i];
	put_le32(head + 8, VERSION);
	put_le32(head + 12, (uint32_t)n);
	put_le64(head + 16, (uint64_t)time_s);
	(void)buf_add(out, head, sizeof(head)); /* sticky */
	(void)buf_add(out, sorted, n * sizeof(*sorted));
	return seal(out, start, e);
}

static int parse_gclist(struct gclist *l, size_t len, struct err *e)
{
	struct span s = span_of(l->bytes, len);

	(void)span_take(&s, MAGIC_LEN + 4); /* checked with the whole */
	l->count = span_u32(&s);
	l->time_s = (int64_t)span_u64(&s);
	if (s.left != l->count * OBJECT_ID_LEN)
		return err_set(e, -EBADMSG,
			       "list of condemned objects is damaged: not the "
			       "length of its parts");
	l->ids = s.p;
	if (!ascends(l->ids, l->count, OBJECT_ID_LEN))
		return err_set(e, -EBADMSG,
			       "list of condemned objects is damaged: not in "
			       "order");
	return 0;
}

int gclist_parse(struct gclist **ret_list, const void *data, size_t len,
		 struct err *e)
{
	CLEANUP(gclist_freep) struct gclist *l = NULL;
	CLEANUP_FREE char *bytes = NULL;
	int r;

	r = check_whole(&bytes, GC_MAGIC, "list of condemned objects", data,
			len, e);
	if (r)
		return r;
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(e, -ENOMEM, "no memory for a list of objects");
	l->bytes = TAKE_PTR(bytes);
	r = parse_gclist(l, len - HASH_LEN, e);
	if (r)
		return r;
	*ret_list = TAKE_PTR(l);
	return 0;
}

void gclist_free(struct gclist *l)
{
	if (!l)
		return;
	free(l->bytes);
	free(l);
}

bool gclist_has(const struct gclist *l, const struct object_id *id)
{
	return find(l->ids, l->count, id->bytes, OBJECT_ID_LEN) < l->count;
}

size_t gclist_count(const struct gclist *l)
{
	return l->count;
}

int64_t gclist_time(const struct gclist *l)
{
	return l->time_s;
}
