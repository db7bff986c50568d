/*
 * The engine's own structures, shared by its parts: requests and opening
 * (fetch.c), units (fetch_unit.c), GETs (fetch_range.c), plans (fetch_plan.c).
 *
 * Threads: any; functions named _locked want the fetch's lock.
 */
#pragma once

#include <stdatomic.h>

#include "cache/fetch_unit.h"
#include "s3/base/lock.h"

#define FETCH_PACKS 256 /* remembered misses */

struct fetch_range {
	struct fetch *fetch; /* constant */
	struct store_req req;
	struct buf out;
	char *object, *etag; /* owned */
	uint64_t off, len;
	bool planned; /* counts in the budget; constant */
	atomic_uint refs;

	/* guarded by the fetch's lock: */
	struct list link; /* in ranges or waiting */
	struct list units; /* until the GET ends */
	bool submitted, done, cancelled;
};

struct pack_misses {
	struct object_id blob;
	uint32_t count;
};

struct fetch {
	struct fetch_options o; /* constant */

	struct lock lock; /* LOCK_RANK_CACHE; held for look-ups only */
	/* guarded by lock: */
	struct table units; /* of struct fetch_unit, owned */
	struct list queued; /* of struct fetch_unit */
	struct list ranges; /* given to the store */
	struct list waiting; /* planned ranges that are not yet */
	size_t prefetch_gets;
	uint64_t prefetch_bytes; /* of planned ranges */
	struct pool_job flush;
	bool flush_queued;
	size_t busy;
	pthread_cond_t idle;
	bool closing;
	struct pack_misses packs[FETCH_PACKS];
};

/* The last one lets fetch_free go on. */
void fetch_busy_drop(struct fetch *f);
void fetch_busy_drop_locked(struct fetch *f);

/* For units[0 … count), sorted, of one object; they are not touched. NULL
 * without memory. */
struct fetch_range *fetch_range_new(struct fetch *f, struct fetch_unit **units,
				    size_t count, enum store_priority priority);
/* Not under the lock. NULL is accepted. */
void fetch_range_put(struct fetch_range *r);
void fetch_range_take_locked(struct fetch_range *r, struct fetch_unit *u);
/* How many of the sorted units the first GET takes. */
size_t fetch_range_count(struct fetch_unit **units, size_t count);
/* Passes the caller's reference on to the GET; its units complete. */
void fetch_range_send(struct fetch_range *r);
void fetch_range_send_all(struct list *ranges);
/* Moves planned ranges that may go now to `out`. */
void fetch_range_next_locked(struct fetch *f, struct list *out);

/* For qsort of pointers to units: by object, version and offset. */
int fetch_unit_by_place(const void *a, const void *b);
/* Into the table. */
void fetch_unit_insert_locked(struct fetch *f, struct fetch_unit *u);
/* What follows the end of its GET. */
void fetch_unit_job(struct pool_job *job);
/* The same for one that never got a range. */
void fetch_unit_fail(struct fetch_unit *u, int r, const char *text);
