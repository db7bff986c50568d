/*
 * Reads many ranges of objects, in parallel and within a budget of memory, past
 * the cache. What came is handed to the pool.
 *
 * Threads: ranges_add and ranges_wait one at a time.
 */
#pragma once

#include "s3/base/lock.h"
#include "s3/base/pool.h"
#include "s3/store.h"

#define RANGES_BUDGET (128u << 20) /* bytes asked for and not yet used */
#define RANGE_MAX (64u << 20) /* bytes of one */

struct ranges {
	struct store *store; /* set by the user; borrowed */
	struct pool *pool; /* likewise */
	/* private: */
	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	pthread_cond_t woken;
	struct list running; /* of struct range */
	uint64_t bytes; /* of those */
	bool stopped;
};

/* Embedded in something of the user's. */
struct range {
	/* Set by the user, and borrowed until `drop`: */
	const char *key;
	const char *if_match; /* ETag, or NULL */
	uint64_t off, len; /* 1 … RANGE_MAX bytes */
	/*
	 * On the pool, with no lock held: the content stands in `out` (clipped at
	 * the object's end), or req.err tells why not. True: `off` and `len` are
	 * those of a further range of it to read.
	 */
	bool (*use)(struct range *r);
	void (*drop)(struct range *r); /* the end of it, on any thread */
	struct store_req req;
	struct buf out;
	/* private: */
	struct ranges *ranges;
	struct list link;
	struct pool_job job;
	uint64_t counted;
};

void ranges_init(struct ranges *q, struct store *s, struct pool *p);
void ranges_done(struct ranges *q); /* after ranges_wait */
/* Takes over r, in any case. Waits for room. -EINTR: session_interrupted; what
 * is under way is cancelled. -ETIMEDOUT: ranges_stop was called. */
int ranges_add(struct ranges *q, struct range *r);
/* Until all have been dropped. Errors: as above. */
int ranges_wait(struct ranges *q);
/* Cancels what is under way; nothing more is read, as the store is away or the
 * run is over. From any thread. */
void ranges_stop(struct ranges *q);
