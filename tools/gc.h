/*
 * One run of the collector over a bucket and one of its pools.
 *
 * Blocks. Threads: one; it uses others for reading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"
#include "s3/store.h"
#include "tools/progress.h"

struct gc_options {
	const char *pool; /* "" or "a/b/" */
	struct cache *cache; /* for indexes; may be NULL */
	bool dry_run; /* look, but change nothing in the bucket */
	bool yes; /* also more than a tenth of the pool's bytes */
	bool (*stop)(void); /* polled; may be NULL */
	struct progress *progress; /* its phases; may be NULL */
};

struct gc_count {
	size_t objects;
	uint64_t bytes;
};

struct gc_result {
	uint64_t run; /* number of the list made; 0: none was needed */
	size_t trees, versions; /* read */
	struct gc_count pool; /* when the run began */
	struct gc_count condemned; /* by this run's list */
	struct gc_count deleted; /* objects of the pool; dry run: would be */
	struct gc_count pruned; /* versions of trees */
	size_t lost; /* blobs that trees name and the pool has not */
	size_t indexes_made;
	bool refused; /* deleting would have needed `yes` and was left out;
			 `deleted` tells what it would have been */
};

/*
 * Errors: as store.h; -EBADMSG for what is damaged; -EBUSY when another
 * collector began a run meanwhile; -ECANCELED. A run that fails has deleted
 * nothing before everything had been marked.
 */
int gc_run(struct gc_result *ret_result, struct store *s,
	   const struct gc_options *o, struct err *e);
