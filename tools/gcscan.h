/*
 * What a collector sees: one listing of the whole bucket, of which the versions
 * of all trees and the objects of one pool are kept. Plain objects pass by.
 *
 * Blocks. Threads: one.
 */
#pragma once

#include "cache/names.h"
#include "s3/store.h"

/* For a change to the bucket, repetitions included: how long after a look at the
 * newest list it may still take effect. Far less than the hour that is allowed. */
#define GC_CHANGE_TIMEOUT_MS (10u * 60 * 1000)

/* An object of the pool. */
struct gc_object {
	char *key; /* owned */
	struct pool_name name;
	struct store_object object;
	int64_t age_s; /* by the store's clock, when the listing began */
	/* Findings of the collector: */
	bool condemned; /* by this run */
	bool ripe; /* may be deleted now */
};

/* A version of a tree. */
struct gc_version {
	char *dir; /* "" or "a/b/"; owned */
	uint64_t seq;
	struct store_object object;
	bool prune; /* to be pruned */
};

struct gc_scan {
	/* In order of keys: blobs, lists, indexes, shards. */
	struct gc_object *objects; /* owned */
	size_t object_count;
	/* The versions of one tree stand together, the newest first. */
	struct gc_version *versions; /* owned */
	size_t version_count;
	size_t tree_count;
	struct object_id *lost; /* gclost.h; sorted; owned */
	size_t lost_count;
	int64_t now_s; /* the store's clock when the listing began */
};

/*
 * pool: "" or "a/b/". stop: looked at between pages; may be NULL. Versions to be
 * pruned are marked. Errors: as store.h; -ECANCELED.
 */
int gc_scan_run(struct gc_scan *ret_scan, struct store *s, const char *pool,
		bool (*stop)(void), struct err *e);
void gc_scan_done(struct gc_scan *scan);

/* The pool's blob of that id; NULL: it was not listed. */
struct gc_object *gc_scan_blob(const struct gc_scan *scan,
			       const struct object_id *id);
bool gc_scan_is_lost(const struct gc_scan *scan, const struct object_id *id);

/* The versions of the tree that holds version `first`: [first, returned end). */
size_t gc_scan_tree_end(const struct gc_scan *scan, size_t first);
