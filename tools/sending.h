/*
 * What all uploads of one push share, and requests that wait for their answer
 * but end early when the push is to stop.
 *
 * Threads: any, after sending_init.
 */
#pragma once

#include <stdbool.h>

#include "cache/cache.h"
#include "s3/base/lock.h"
#include "s3/base/pool.h"
#include "s3/store.h"
#include "tools/progress.h"
#include "tools/scan.h"

struct sending {
	/* Borrowed; set before the first use, then constant: */
	struct store *store;
	struct cache *cache; /* may be NULL */
	struct pool *pool; /* for compression and local reads */
	const struct scan *scan;
	const char *pool_prefix; /* of the bucket's pool: "" or "a/b/" */
	struct progress *progress; /* may be NULL */

	struct lock lock; /* LOCK_RANK_TOOL */
	pthread_cond_t change; /* broadcast at every change below, and when a
				  request or job that is waited for has ended */
	bool stopping; /* guarded by lock; stays set */
};

void sending_init(struct sending *s);
void sending_done(struct sending *s);
void sending_stop(struct sending *s);
bool sending_stopping(struct sending *s);

/* A request under way; the two live equally long. */
struct sent {
	struct store_req req;
	struct sending *sending;
	uint64_t worth; /* bytes of progress that the request's body stands for;
			   set before it is submitted */
	/* private: */
	_Atomic uint64_t shown; /* of `worth`, in the progress */
	bool under_way; /* guarded by the sending's lock */
};

/* Submits t->req, which is initialised. What it is worth shows in the progress
 * as the body leaves, and not at all in the end if it fails. */
void sending_submit(struct sending *s, struct sent *t);
/*
 * Waits for it; cancels it when the push stops meanwhile. Returns the request's
 * error.
 */
int sending_wait(struct sent *t, struct err *e);
static inline int sending_run(struct sending *s, struct sent *t, struct err *e)
{
	sending_submit(s, t);
	return sending_wait(t, e);
}

/* Puts one block into the local cache, if there is one. */
void sending_cache(struct sending *s, const struct hash *hash, const void *data,
		   uint32_t len);
