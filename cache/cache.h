/*
 * The local cache: one directory, an LMDB index, segments of records.
 *
 * Shared by any number of processes of its owner. Whatever goes wrong with the
 * disk, the caller goes on: a failing or full cache answers every look-up with a
 * miss and every insertion with an error that may be ignored, and logs once.
 * What comes out was checked against its CRC at its first use in this process;
 * what goes in was verified by the caller.
 *
 * Layout (root 0700, owner checked): index/ (LMDB), segments/, catalogs/,
 * staging/, and lock files. See segment.h, segindex.h, cachedb.h for the parts.
 *
 * Threads: any, after cache_open. A process that forked may open it, one that
 * has it open may only fork to exec (LMDB and the locks do not survive a fork).
 * cache_open itself may fork a child that looks through the index after an
 * unclean stop, and waits for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cache/catalog.h"
#include "s3/base/err.h"
#include "s3/base/hash.h"
#include "s3/store.h"

struct cache;

struct cache_options {
	const char *dir; /* NULL: ASSETFS_CACHE_DIR, else /var/cache/assetfs for
			    root, /var/tmp/assetfs-UID for others */
	uint64_t size; /* bytes; 0: a tenth of that disk */
};

/*
 * Errors: -EACCES (owner or mode), -EOPNOTSUPP (a network file system), -EROFS,
 * -ENOSPC, -ENOMEM, -EIO; the text says what to do. A damaged index is set aside
 * and rebuilt in the background, not an error.
 */
int cache_open(struct cache **ret_cache, const struct cache_options *o,
	       struct err *e);
/* Commits what is queued. NULL is accepted. */
void cache_free(struct cache *c);
DEFINE_CLEANUP(struct cache *, cache_free)
const char *cache_dir(const struct cache *c);

/*
 * Plain bytes of one record: in memory, or in a segment for splicing. Immutable,
 * counted. A segment that is evicted meanwhile stays readable through `fd`.
 */
struct cache_ref {
	const void *data; /* NULL: read from fd */
	int fd; /* -1: in memory */
	uint64_t off; /* in fd */
	uint32_t len; /* bytes */
};

/* By content hash, or by the id of a piece of a plain object. -ENOENT: a miss,
 * the only error. Reads local disk only. */
int cache_get(struct cache *c, const struct hash *id,
	      const struct cache_ref **ret_ref);
/* Whether it is indexed; nothing is read or checked. */
bool cache_has(struct cache *c, const struct hash *id);
const struct cache_ref *cache_ref_get(const struct cache_ref *ref);
void cache_ref_put(const struct cache_ref *ref); /* NULL is accepted */
/* A reference to memory that takes ownership of `data` (malloc'ed). NULL
 * without memory (data is freed then). */
const struct cache_ref *cache_ref_memory(void *data, uint32_t len);
/* Copies out [off, off + len), clipped at its end. Returns the count or a
 * negative errno. */
ssize_t cache_ref_read(const struct cache_ref *ref, uint32_t off, void *out,
		       size_t len);

/*
 * Stores a verified record of 1 … 1 MiB bytes unless it is there. Written
 * before it returns; the index follows with the next batch, look-ups of this
 * process see it at once. Where the limit is reached it waits up to 2 s for an
 * eviction. Errors may be ignored (logged by the cache): -ENOSPC, -EFBIG, -EIO, ….
 */
int cache_put(struct cache *c, const struct hash *id, const void *data,
	      uint32_t len);
/* Drops a record that turned out bad. */
void cache_drop(struct cache *c, const struct hash *id);

/*
 * Hash cache of local files: the hashes of a file's blocks, valid while device,
 * inode, size, mtime and ctime are the same.
 * read_s: clock_wall_s before the first byte was read. Hashes are not kept if
 * mtime or ctime was within 2 s of it: a change made after the reading might not
 * have moved them.
 * ret_hashes: malloc'ed, block_count(st->st_size) of them. -ENOENT: unknown.
 */
int cache_file_hashes(struct cache *c, const struct stat *st,
		      struct hash **ret_hashes);
void cache_file_hashes_put(struct cache *c, const struct stat *st,
			   int64_t read_s, const struct hash *hashes,
			   size_t count);

/*
 * Metadata of plain objects by (bucket, key, ETag, LastModified). date_s: the
 * Date of the reply; not kept while LastModified is within 2 s of it. -ENOENT.
 */
int cache_head(struct cache *c, const uint32_t bucket_id[4], const char *key,
	       const struct store_object *object, struct meta *ret_meta);
void cache_head_put(struct cache *c, const uint32_t bucket_id[4],
		    const char *key, const struct store_object *object,
		    const struct meta *meta, int64_t date_s);

/* Small facts remembered per bucket ("conditional-put" = "1"). Value: at most
 * 255 bytes. -ENOENT. */
int cache_fact(struct cache *c, const uint32_t bucket_id[4], const char *name,
	       struct buf *ret_value);
void cache_fact_put(struct cache *c, const uint32_t bucket_id[4],
		    const char *name, const char *value);

/*
 * Immutable objects of the bucket kept whole as files, as fetched (trees,
 * indexes): by (bucket, key, ETag). Content appended to `out`. -ENOENT. Old ones
 * are removed when all together pass a tenth of the cache's size.
 */
int cache_object(struct cache *c, const uint32_t bucket_id[4], const char *key,
		 const char *etag, struct buf *out);
void cache_object_put(struct cache *c, const uint32_t bucket_id[4],
		      const char *key, const char *etag, const void *data,
		      size_t len);

/*
 * Catalogs in the form in which they are used, to be mapped: by (bucket, key) of
 * the immutable object they were made of, and its hash. Kept with the objects
 * above. range: as catalog_parse. -ENOENT.
 */
int cache_catalog(struct cache *c, const uint32_t bucket_id[4], const char *key,
		  const struct hash *sum, const struct catalog_range *range,
		  struct catalog **ret_cat);
/* bytes: as from catalog_writer_finish, or catalog_bytes. */
void cache_catalog_put(struct cache *c, const uint32_t bucket_id[4],
		       const char *key, const struct hash *sum,
		       const void *bytes, size_t len);

/* Waits until all that was put before is in the index. For tools and tests. */
void cache_sync(struct cache *c);

struct cache_stats {
	uint64_t hits, misses, inserts, evicted_bytes, bad_records;
	uint64_t used, limit; /* bytes */
};
void cache_stats(struct cache *c, struct cache_stats *ret_stats);
