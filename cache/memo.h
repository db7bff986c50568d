/*
 * What the cache remembers besides content: hashes of local files, metadata of
 * plain objects, facts about buckets. The functions of cache.h with the index
 * in place of the cache.
 *
 * Threads: any.
 */
#pragma once

#include <sys/stat.h>

#include "cache/cachedb.h"
#include "s3/base/hash.h"
#include "s3/store.h"

int memo_file_hashes(struct cachedb *db, const struct stat *st,
		     struct hash **ret_hashes);
void memo_file_hashes_put(struct cachedb *db, const struct stat *st,
			  int64_t read_s, const struct hash *hashes,
			  size_t count);
int memo_head(struct cachedb *db, const uint32_t bucket_id[4], const char *key,
	      const struct store_object *object, struct meta *ret_meta);
void memo_head_put(struct cachedb *db, const uint32_t bucket_id[4],
		   const char *key, const struct store_object *object,
		   const struct meta *meta, int64_t date_s);
int memo_fact(struct cachedb *db, const uint32_t bucket_id[4], const char *name,
	      struct buf *ret_value);
void memo_fact_put(struct cachedb *db, const uint32_t bucket_id[4],
		   const char *name, const char *value);
/* Names one version of an object: of (bucket, key, ETag, and `extra`). */
int memo_object_name(const uint32_t bucket_id[4], const char *key,
		     const char *etag, uint64_t extra, struct hash *ret_name);
