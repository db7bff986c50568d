/*
 * Push index: content hash -> place, for what one push added to the pool.
 * Sorted by hash; covered by a SHA-256. Also the list of condemned blobs that a
 * collector writes, which an index is read against.
 *
 * Threads: a parsed index is immutable.
 */
#pragma once

#include "cache/block.h"
#include "s3/base/cleanup.h"

#define INDEX_OBJECT_MAX (256u << 20) /* bytes; more is refused */

/*
 * Blocks in any order, duplicates dropped (the first in order of place stays).
 * The same blocks give the same bytes, appended to `out`. Errors: -EINVAL for a
 * block that cannot be stored, -ENOMEM, -EFBIG.
 */
int index_encode(struct buf *out, const struct block *blocks, size_t count,
		 struct err *e);

/*
 * Of the blob of a large file an index has the first block, the last, behind
 * which the blob's own table stands (pack_toc.h), and those for which this says
 * so: one of 64.
 */
static inline bool index_samples(const struct hash *hash)
{
	return !(hash->bytes[HASH_LEN - 1] & 63);
}

struct index;
/* data: borrowed for the call. Errors: -EBADMSG, -ENOMEM. */
int index_parse(struct index **ret_index, const void *data, size_t len,
		struct err *e);
void index_free(struct index *ix);
DEFINE_CLEANUP(struct index *, index_free)
size_t index_count(const struct index *ix);
/* False when it is not there. */
bool index_find(const struct index *ix, const struct hash *hash,
		struct block *ret_block);
void index_at(const struct index *ix, size_t i, struct block *ret_block);

/* Condemned objects (blobs, shards, indexes), by id. */
struct gclist;
/* Any order, duplicates dropped; appended to `out`. */
int gclist_encode(struct buf *out, const struct object_id *ids, size_t count,
		  int64_t time_s, struct err *e);
int gclist_parse(struct gclist **ret_list, const void *data, size_t len,
		 struct err *e);
void gclist_free(struct gclist *l);
DEFINE_CLEANUP(struct gclist *, gclist_free)
size_t gclist_count(const struct gclist *l);
/* Seconds since the epoch, the store's clock, as encoded. */
int64_t gclist_time(const struct gclist *l);
bool gclist_has(const struct gclist *l, const struct object_id *id);
