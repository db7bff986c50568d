/*
 * Names in the bucket: keys of trees and of the pool, and which names are
 * reserved.
 *
 *   <dir>/.assetfs-tree-<16 hex>    2^64-1-seq, so that the newest lists first
 *   <pool>.assetfs/blob/<id>        <pool>.assetfs/index/<time>-<id>
 *   <pool>.assetfs/shard/<id>       <pool>.assetfs/gc/<n>
 *
 * <time> and <n> are 16 lower-case hex digits, so that the newest lists last; <id>
 * is 32 of them.
 *
 * A pool is "" (the bucket's root) or "a/b/". Directories are "" or "a/b/".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/block.h"
#include "s3/base/buf.h"

#define TREE_PREFIX ".assetfs-tree-"
#define POOL_DIR ".assetfs/"
#define NAME_MAX_LEN 255
#define PATH_MAX_LEN 4096

/* All append to `out`; check buf_error once. */
int name_tree(struct buf *out, const char *dir, uint64_t seq);
int name_blob(struct buf *out, const char *pool, const struct object_id *id);
int name_shard(struct buf *out, const char *pool, const struct object_id *id);
/* time_s: the store's clock; written as 16 hex digits, so that keys sort. */
int name_index(struct buf *out, const char *pool, int64_t time_s,
	       const struct object_id *id);
/* n: from 1. */
int name_gclist(struct buf *out, const char *pool, uint64_t n);

enum pool_kind {
	POOL_BLOB,
	POOL_SHARD,
	POOL_INDEX,
	POOL_GCLIST,
};

struct pool_name {
	enum pool_kind kind;
	struct object_id id; /* but of POOL_GCLIST */
	int64_t time_s; /* POOL_INDEX */
	uint64_t n; /* POOL_GCLIST */
};

/* What a key says, if it is one that name_blob, name_shard, name_index or
 * name_gclist make for this pool. */
bool name_parse_pool(const char *pool, const char *key, size_t len,
		     struct pool_name *ret_name);

/* The last component of a key, `.assetfs-tree-<16 hex>` (lower case): its
 * sequence number. False if it is none; sequence 0 is none. */
bool name_parse_tree(const char *name, size_t len, uint64_t *ret_seq);
/* `.assetfs-tree-*` and `.assetfs`, in any directory: a pool may be in any. */
bool name_is_reserved(const char *name, size_t len);
/* Whether any component of the path ("a/b/c") is. */
bool path_is_reserved(const char *path);
/* A component that may go to the kernel or to a local disk: not empty, not "."
 * or "..", no '/' or NUL, at most 255 bytes. */
bool name_is_safe(const char *name, size_t len);
/* A relative path of safe components, "" excluded, at most PATH_MAX_LEN. */
bool path_is_safe(const char *path, size_t len);
