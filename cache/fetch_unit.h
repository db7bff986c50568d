/*
 * What fetches are made of: the engine behind fetch.h, seen by the two kinds of
 * content (fetch_frame.c, fetch_plain.c).
 *
 * A unit is the least that is fetched: one frame or one piece. It is in the
 * engine's table from the first wish until what it brought is cached, and all
 * who want it meanwhile wait for it. A range is one GET for some units of one
 * object.
 *
 * Threads: any.
 */
#pragma once

#include "cache/fetch.h"
#include "s3/base/buf.h"
#include "s3/base/list.h"
#include "s3/base/pool.h"
#include "s3/base/table.h"

#define FETCH_GAP_MAX (1u << 20) /* bytes read over between units */
#define FETCH_RANGE_MAX (8u << 20) /* bytes of one GET */
#define FETCH_KEY_MAX 40

struct fetch_unit;
struct fetch_range;

/* A part of a unit's plain bytes that goes to the cache under `id`. */
struct fetch_record {
	struct hash id;
	uint32_t off, len;
	bool bad; /* does not hash to its id */
	const struct cache_ref *ref; /* made once, for the first who waits */
};

/* What a unit yields. */
struct fetch_opened {
	const char *raw; /* plain bytes: in `decoded`, or what came itself */
	size_t raw_len;
	struct buf decoded;
	struct fetch_record *records; /* owned */
	size_t count;
};

struct fetch_unit_ops {
	/*
	 * Makes plain bytes of what came, and fills in the records, bad ones
	 * too. `stored` outlives `out`. On a pool thread. -EBADMSG: nothing of
	 * it can be used; also where any record is bad (the good ones are
	 * usable). -ENOMEM.
	 */
	int (*open)(struct fetch_unit *u, const void *stored, size_t len,
		    struct fetch_opened *out, struct err *e);
	/* Whether the bytes wanted by `req` are what it wants, where that is no
	 * record. NULL: always. */
	bool (*check)(const struct fetch_req *req, const char *raw, size_t len);
	void (*free)(struct fetch_unit *u);
};

struct fetch_unit {
	/* Set by the maker, then constant. */
	const struct fetch_unit_ops *ops;
	unsigned char key[FETCH_KEY_MAX]; /* equal for equal content */
	size_t key_len;
	char *object; /* key in the bucket; owned */
	char *etag; /* If-Match; owned; NULL: none */
	uint64_t off; /* in the object */
	uint32_t len; /* bytes of the object */
	bool keep; /* its records go to the cache */

	/* The engine's. */
	struct fetch *fetch;
	struct table_item item;
	struct list link; /* among queued ones, or in its range */
	struct list waiters; /* of struct fetch_req */
	enum store_priority priority;
	struct fetch_range *range; /* NULL while queued */
	struct pool_job job;
	size_t order; /* of need, in a plan */
	bool retried;
};

/* Zeroes, takes a copy of both texts. -ENOMEM. The rest is the maker's. */
int fetch_unit_init(struct fetch_unit *u, const char *object, const char *etag);
/* Frees the copies, for ops->free. */
void fetch_unit_done(struct fetch_unit *u);

/* Answers with a reference that passes to the receiver, or (NULL) an error. */
void fetch_answer(struct fetch_req *req, const struct cache_ref *ref, int code,
		  const char *text);
/* Waits for a unit of this key if there is one. */
bool fetch_join(struct fetch *f, const void *key, size_t key_len,
		struct fetch_req *req);
/*
 * Waits for this unit or for one of the same key. Takes ownership. req->id, off
 * and len are set; they are a whole record of the unit. True when it is new.
 */
bool fetch_want(struct fetch *f, struct fetch_unit *fresh,
		struct fetch_req *req);
/*
 * Fetches units that nobody waits for, at prefetch priority and within the
 * budget; in order of need. Takes ownership of the units (not of the array); those
 * that are under way or beyond the budget are forgotten.
 */
void fetch_plan(struct fetch *f, struct fetch_unit **units, size_t count);
/* The budget: bytes a plan may have at most. */
uint64_t fetch_budget(const struct fetch *f);

/* Work of a kind on the pool, which fetch_free waits for. */
struct fetch_job {
	struct pool_job job;
	struct fetch *fetch;
	void (*run)(struct fetch_job *job); /* frees it; not run when closing */
	void (*drop)(struct fetch_job *job); /* frees it */
};
void fetch_job_submit(struct fetch *f, struct fetch_job *job);

struct cache *fetch_cache(const struct fetch *f); /* may be NULL */
struct store *fetch_store(const struct fetch *f);
/* Counts a miss in a blob; how many there were. */
uint32_t fetch_count_miss(struct fetch *f, const struct object_id *blob);
