/*
 * The engine of fetches.
 *
 * A unit that somebody waits for is queued, and a pool job sends what is queued,
 * neighbours merged: what is wanted in the same moment goes in one GET, and a
 * lone wish is not held up. Plans come as complete ranges; of those only
 * PREFETCH_GETS are given to the store at once, so that one which is wanted
 * meanwhile can still be taken out and sent first.
 *
 * When a GET ends, each of its units becomes a pool job: decode, verify, answer
 * who waits, cache, answer who came meanwhile, leave the table. So there is no
 * moment in which content is neither under way nor cached.
 *
 * A unit belongs to the table from fetch_want or fetch_plan on, until its job
 * ends. A range is counted: by itself while under way, by its units, and while
 * it is handed to the store. `busy` counts units, ranges and jobs; fetch_free
 * waits for it to be zero.
 */
#include "cache/fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/fetch_unit.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"

#define PREFETCH_DEFAULT ((uint64_t)64 << 20)
#define PREFETCH_GETS 16
#define PACKS 256 /* remembered misses; a power of two */

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
	struct pack_misses packs[PACKS];
};

static void range_send(struct fetch_range *r);
static void unit_job(struct pool_job *job);

/* ---- small parts --------------------------------------------------------- */

int fetch_unit_init(struct fetch_unit *u, const char *object, const char *etag)
{
	memset(u, 0, sizeof(*u));
	list_init(&u->link);
	list_init(&u->waiters);
	u->object = strdup(object);
	u->etag = etag ? strdup(etag) : NULL;
	return u->object && (u->etag || !etag) ? 0 : -ENOMEM;
}

void fetch_unit_done(struct fetch_unit *u)
{
	free(u->object);
	free(u->etag);
}

void fetch_answer(struct fetch_req *req, const struct cache_ref *ref, int code,
		  const char *text)
{
	req->ref = ref;
	if (ref)
		err_clear(&req->err);
	else
		(void)err_set(&req->err, code, "%s", text);
	req->done(req);
}

struct cache *fetch_cache(const struct fetch *f)
{
	return f->o.cache;
}

struct store *fetch_store(const struct fetch *f)
{
	return f->o.store;
}

uint64_t fetch_budget(const struct fetch *f)
{
	return f->o.prefetch_max;
}

uint32_t fetch_count_miss(struct fetch *f, const struct object_id *blob)
{
	struct pack_misses *p;
	uint64_t sum = table_sum(0, blob->bytes, OBJECT_ID_LEN);

	LOCK_SCOPE(&f->lock);
	p = &f->packs[sum % PACKS];
	if (memcmp(&p->blob, blob, sizeof(*blob)) != 0) {
		p->blob = *blob;
		p->count = 0;
	}
	if (p->count < UINT32_MAX)
		p->count++;
	return p->count;
}

static void busy_drop_locked(struct fetch *f)
{
	lock_assert_held(&f->lock);
	if (!--f->busy)
		pthread_cond_broadcast(&f->idle);
}

static void busy_drop(struct fetch *f)
{
	LOCK_SCOPE(&f->lock);
	busy_drop_locked(f);
}

static void job_run(struct pool_job *job)
{
	struct fetch_job *j = container_of(job, struct fetch_job, job);
	struct fetch *f = j->fetch;
	bool closing;

	lock_take(&f->lock);
	closing = f->closing;
	lock_drop(&f->lock);
	if (closing)
		j->drop(j);
	else
		j->run(j);
	busy_drop(f);
}

void fetch_job_submit(struct fetch *f, struct fetch_job *job)
{
	bool closing;

	lock_take(&f->lock);
	closing = f->closing;
	if (!closing)
		f->busy++;
	lock_drop(&f->lock);
	if (closing) {
		job->drop(job);
		return;
	}
	job->fetch = f;
	job->job.run = job_run;
	pool_submit(f->o.pool, &job->job);
}

/* ---- ranges -------------------------------------------------------------- */

static void range_put(struct fetch_range *r)
{
	struct fetch *f;

	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	f = r->fetch;
	store_req_done(&r->req);
	buf_done(&r->out);
	free(r->object);
	free(r->etag);
	lock_take(&f->lock);
	if (r->planned)
		f->prefetch_bytes -= r->len;
	free(r);
	busy_drop_locked(f);
	lock_drop(&f->lock);
}

/* For units[0 … count), sorted, of one object; they are not touched. */
static struct fetch_range *range_new(struct fetch *f, struct fetch_unit **units,
				     size_t count, enum store_priority priority)
{
	struct fetch_range *r = calloc(1, sizeof(*r));
	uint64_t end = 0;

	if (!r)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (units[i]->off + units[i]->len > end)
			end = units[i]->off + units[i]->len;
	r->fetch = f;
	r->off = units[0]->off;
	r->len = end - r->off;
	r->object = strdup(units[0]->object);
	r->etag = units[0]->etag ? strdup(units[0]->etag) : NULL;
	if (!r->object || (units[0]->etag && !r->etag)) {
		free(r->object);
		free(r->etag);
		free(r);
		return NULL;
	}
	atomic_init(&r->refs, 1);
	list_init(&r->link);
	list_init(&r->units);
	buf_init(&r->out, r->len);
	store_req_init(&r->req, STORE_GET, r->object);
	r->req.priority = priority;
	r->req.offset = r->off;
	r->req.length = r->len;
	r->req.if_match = r->etag;
	r->req.out = &r->out;
	r->req.arg = r;
	lock_take(&f->lock);
	f->busy++;
	lock_drop(&f->lock);
	return r;
}

static void range_take_locked(struct fetch_range *r, struct fetch_unit *u)
{
	lock_assert_held(&r->fetch->lock);
	list_add_tail(&r->units, &u->link);
	u->range = r;
	atomic_fetch_add(&r->refs, 1);
}

/* Planned ranges that may go now, out of `waiting`. */
static void next_waiting_locked(struct fetch *f, struct list *out)
{
	lock_assert_held(&f->lock);
	while (f->prefetch_gets < PREFETCH_GETS && !list_empty(&f->waiting)) {
		list_add_tail(out, list_pop_head(&f->waiting));
		f->prefetch_gets++;
	}
}

static void send_all(struct list *ranges)
{
	while (!list_empty(ranges))
		range_send(container_of(list_pop_head(ranges),
					struct fetch_range, link));
}

/* The GET ended; its units do the rest. Drops the range's own reference. */
static void range_finish(struct fetch_range *r)
{
	struct list ready = LIST_INIT(ready), units = LIST_INIT(units);
	struct fetch *f = r->fetch;

	lock_take(&f->lock);
	r->done = true;
	list_remove(&r->link);
	while (!list_empty(&r->units))
		list_add_tail(&units, list_pop_head(&r->units));
	if (r->planned)
		f->prefetch_gets--;
	if (!f->closing)
		next_waiting_locked(f, &ready);
	lock_drop(&f->lock);
	while (!list_empty(&units)) {
		struct fetch_unit *u = container_of(list_pop_head(&units),
						    struct fetch_unit, link);

		u->job.run = unit_job;
		pool_submit(f->o.pool, &u->job);
	}
	send_all(&ready);
	range_put(r);
}

static void range_done(struct store_req *req)
{
	range_finish(req->arg);
}

static void range_send(struct fetch_range *r)
{
	struct fetch *f = r->fetch;
	bool cancel;

	lock_take(&f->lock);
	if (f->closing) {
		lock_drop(&f->lock);
		(void)err_set(&r->req.err, -ECANCELED, "cancelled");
		range_finish(r);
		return;
	}
	list_add_tail(&f->ranges, &r->link);
	atomic_fetch_add(&r->refs, 1);
	lock_drop(&f->lock);
	r->req.done = range_done;
	store_submit(f->o.store, &r->req);
	lock_take(&f->lock);
	r->submitted = true;
	cancel = f->closing && !r->done;
	lock_drop(&f->lock);
	if (cancel)
		store_cancel(f->o.store, &r->req);
	range_put(r);
}

/* ---- units --------------------------------------------------------------- */

static void opened_done(struct fetch_opened *o)
{
	for (size_t i = 0; i < o->count; i++)
		cache_ref_put(o->records[i].ref);
	free(o->records);
	buf_done(&o->decoded);
}

static const struct cache_ref *copy_ref(const struct fetch_opened *o,
					uint32_t off, uint32_t len)
{
	void *data = malloc(len);

	if (!data)
		return NULL;
	memcpy(data, o->raw + off, len);
	return cache_ref_memory(data, len);
}

/* The reference for one who waits; NULL without memory. */
static const struct cache_ref *ref_for(struct fetch_opened *o,
				       struct fetch_record *rec,
				       const struct fetch_req *req)
{
	if (!rec)
		return copy_ref(o, req->off, req->len);
	if (!rec->ref)
		rec->ref = copy_ref(o, rec->off, rec->len);
	return rec->ref ? cache_ref_get(rec->ref) : NULL;
}

static struct fetch_record *record_for(const struct fetch_opened *o,
				       const struct fetch_req *req)
{
	for (size_t i = 0; i < o->count; i++) {
		struct fetch_record *rec = &o->records[i];

		if (rec->off == req->off && rec->len == req->len &&
		    hash_equal(&rec->id, &req->id))
			return rec;
	}
	return NULL;
}

/* r, text: 0, or why not all of the unit can be used. */
static void answer_one(const struct fetch_unit *u, struct fetch_opened *o,
		       struct fetch_req *req, int r, const char *text)
{
	struct fetch_record *rec = record_for(o, req);
	bool inside = req->off <= o->raw_len && req->len &&
		      req->len <= o->raw_len - req->off;
	bool good = rec ? !rec->bad
			: !u->ops->check ||
				    u->ops->check(req, o->raw, o->raw_len);
	const struct cache_ref *ref;
	char hex[HASH_HEX];

	if (inside && good && (!r || r == -EBADMSG)) {
		ref = ref_for(o, rec, req);
		fetch_answer(req, ref, -ENOMEM, "out of memory");
		return;
	}
	if (r && r != -EBADMSG) {
		fetch_answer(req, NULL, r, text);
		return;
	}
	if (!r)
		text = "it lies outside its frame";
	hex_encode(hex, req->id.bytes, HASH_LEN);
	log_warn("'%s' at %llu: block %s is damaged in the bucket: %s",
		 u->object, (unsigned long long)u->off, hex, text);
	req->ref = NULL;
	(void)err_set(&req->err, -EIO,
		      "'%s': block %s does not verify, fetched twice: %s",
		      u->object, hex, text);
	req->done(req);
}

static void answer_all(const struct fetch_unit *u, struct fetch_opened *o,
		       struct list *waiters, int r, const char *text)
{
	while (!list_empty(waiters))
		answer_one(u, o,
			   container_of(list_pop_head(waiters),
					struct fetch_req, link),
			   r, text);
}

static void take_waiters_locked(struct fetch_unit *u, struct list *out)
{
	lock_assert_held(&u->fetch->lock);
	while (!list_empty(&u->waiters))
		list_add_tail(out, list_pop_head(&u->waiters));
}

/* Answers, caches, answers again, frees. */
static void unit_finish(struct fetch_unit *u, struct fetch_opened *o, int r,
			const char *text)
{
	struct list waiters = LIST_INIT(waiters);
	struct fetch *f = u->fetch;

	lock_take(&f->lock);
	take_waiters_locked(u, &waiters);
	lock_drop(&f->lock);
	answer_all(u, o, &waiters, r, text);
	for (size_t i = 0; f->o.cache && u->keep && i < o->count; i++) {
		const struct fetch_record *rec = &o->records[i];

		/* A cache that cannot take it says so itself. */
		if (!rec->bad)
			(void)cache_put(f->o.cache, &rec->id, o->raw + rec->off,
					rec->len);
	}
	lock_take(&f->lock);
	table_remove(&f->units, &u->item);
	take_waiters_locked(u, &waiters);
	lock_drop(&f->lock);
	answer_all(u, o, &waiters, r, text);
	range_put(u->range);
	u->ops->free(u);
	busy_drop(f);
}

/* Of units that never got a range. */
static void unit_fail(struct fetch_unit *u, int r, const char *text)
{
	struct fetch_opened none = {.count = 0};

	unit_finish(u, &none, r, text);
}

static int unit_open(struct fetch_unit *u, struct fetch_opened *o,
		     struct err *e)
{
	const struct fetch_range *r = u->range;
	uint64_t skip = u->off - r->off;

	if (r->req.err.code)
		return err_copy(e, &r->req.err);
	if (r->out.len < skip + u->len)
		return err_set(e, -EBADMSG, "the object is too short");
	return u->ops->open(u, r->out.data + skip, u->len, o, e);
}

/* Once more, by itself. False: not done. */
static bool unit_retry(struct fetch_unit *u)
{
	struct fetch *f = u->fetch;
	struct fetch_range *old = u->range, *r;

	if (u->retried)
		return false;
	r = range_new(f, &u, 1, STORE_FOREGROUND);
	if (!r)
		return false;
	lock_take(&f->lock);
	if (f->closing || list_empty(&u->waiters)) {
		lock_drop(&f->lock);
		range_put(r);
		return false;
	}
	u->retried = true;
	range_take_locked(r, u);
	lock_drop(&f->lock);
	log_debug("'%s' at %llu does not verify, fetched again", u->object,
		  (unsigned long long)u->off);
	range_put(old);
	range_send(r);
	return true;
}

static void unit_job(struct pool_job *job)
{
	struct fetch_unit *u = container_of(job, struct fetch_unit, job);
	CLEANUP(opened_done) struct fetch_opened o = {.count = 0};
	struct err e = {0};
	int r = unit_open(u, &o, &e);

	if (r == -EBADMSG && unit_retry(u))
		return;
	if (r)
		log_debug("'%s' at %llu: %s", u->object,
			  (unsigned long long)u->off, e.text);
	unit_finish(u, &o, r, e.text);
}

/* ---- sending what is wanted ---------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const struct fetch_unit *x = *(struct fetch_unit *const *)a;
	const struct fetch_unit *y = *(struct fetch_unit *const *)b;
	int r = strcmp(x->object, y->object);

	if (!r)
		r = strcmp(x->etag ? x->etag : "", y->etag ? y->etag : "");
	return r ? r : (x->off > y->off) - (x->off < y->off);
}

/* How many of the sorted units the first GET takes. */
static size_t range_count(struct fetch_unit **units, size_t count)
{
	uint64_t start = units[0]->off, end = start + units[0]->len;
	size_t n;

	for (n = 1; n < count; n++) {
		const struct fetch_unit *u = units[n];
		uint64_t u_end = u->off + u->len;

		if (strcmp(u->object, units[0]->object) != 0 ||
		    strcmp(u->etag ? u->etag : "",
			   units[0]->etag ? units[0]->etag : "") != 0 ||
		    (u->off > end && u->off - end >= FETCH_GAP_MAX) ||
		    u_end - start > FETCH_RANGE_MAX)
			break;
		if (u_end > end)
			end = u_end;
	}
	return n;
}

static size_t take_queued(struct fetch *f, struct fetch_unit ***ret_units)
{
	struct fetch_unit **units;
	size_t count = 0;

	LOCK_SCOPE(&f->lock);
	f->flush_queued = false;
	list_for_each (link, &f->queued)
		count++;
	units = calloc(count ? count : 1, sizeof(*units));
	if (!units)
		return 0;
	count = 0;
	while (!list_empty(&f->queued))
		units[count++] = container_of(list_pop_head(&f->queued),
					      struct fetch_unit, link);
	*ret_units = units;
	return count;
}

static void send_group(struct fetch *f, struct fetch_unit **units, size_t count)
{
	enum store_priority priority = STORE_BACKGROUND;
	struct fetch_range *r;

	lock_take(&f->lock);
	for (size_t i = 0; i < count; i++)
		if (units[i]->priority < priority)
			priority = units[i]->priority;
	lock_drop(&f->lock);
	r = range_new(f, units, count, priority);
	if (!r) {
		for (size_t i = 0; i < count; i++)
			unit_fail(units[i], -ENOMEM, "out of memory");
		return;
	}
	lock_take(&f->lock);
	for (size_t i = 0; i < count; i++)
		range_take_locked(r, units[i]);
	lock_drop(&f->lock);
	range_send(r);
}

/* Without memory for the array, one by one. */
static void flush_singly(struct fetch *f)
{
	for (;;) {
		struct fetch_unit *u;
		struct list *link;

		lock_take(&f->lock);
		link = list_pop_head(&f->queued);
		lock_drop(&f->lock);
		if (!link)
			return;
		u = container_of(link, struct fetch_unit, link);
		send_group(f, &u, 1);
	}
}

static void flush_job(struct pool_job *job)
{
	struct fetch *f = container_of(job, struct fetch, flush);
	CLEANUP_FREE struct fetch_unit **units = NULL;
	size_t count = take_queued(f, &units);

	if (count)
		qsort(units, count, sizeof(struct fetch_unit *), by_place);
	for (size_t i = 0, n; i < count; i += n) {
		n = range_count(units + i, count - i);
		send_group(f, units + i, n);
	}
	if (!units)
		flush_singly(f);
	busy_drop(f);
}

static void unit_insert_locked(struct fetch *f, struct fetch_unit *u)
{
	lock_assert_held(&f->lock);
	u->fetch = f;
	u->item.key = u->key;
	u->item.key_len = u->key_len;
	table_add(&f->units, &u->item);
	f->busy++;
}

static void queue_unit(struct fetch *f, struct fetch_unit *u)
{
	bool submit;

	lock_take(&f->lock);
	list_add_tail(&f->queued, &u->link);
	submit = !f->flush_queued;
	if (submit) {
		f->flush_queued = true;
		f->busy++;
	}
	lock_drop(&f->lock);
	if (submit)
		pool_submit(f->o.pool, &f->flush);
}

/* A planned range that is wanted now leaves the queue for `out`. */
static void upgrade_locked(struct fetch *f, struct fetch_unit *u,
			   enum store_priority priority, struct list *out)
{
	struct fetch_range *r = u->range;

	lock_assert_held(&f->lock);
	if (priority < u->priority)
		u->priority = priority;
	if (!r || priority != STORE_FOREGROUND || r->submitted || r->done)
		return;
	list_for_each (link, &f->waiting)
		if (link == &r->link) {
			list_remove(&r->link);
			r->req.priority = priority;
			f->prefetch_gets++;
			list_add_tail(out, &r->link);
			return;
		}
}

bool fetch_join(struct fetch *f, const void *key, size_t key_len,
		struct fetch_req *req)
{
	struct list ready = LIST_INIT(ready);
	struct table_item *item;

	lock_take(&f->lock);
	item = f->closing ? NULL : table_find(&f->units, key, key_len);
	if (item) {
		struct fetch_unit *u =
			container_of(item, struct fetch_unit, item);

		list_add_tail(&u->waiters, &req->link);
		upgrade_locked(f, u, req->priority, &ready);
	}
	lock_drop(&f->lock);
	send_all(&ready);
	return item != NULL;
}

/*
 * Whether the record came into the cache before the unit came into the table:
 * then its maker is answered, and the unit goes if nobody else waits for it.
 */
static bool was_cached(struct fetch *f, struct fetch_unit *u,
		       struct fetch_req *req)
{
	const struct cache_ref *ref;
	bool alone;

	if (!f->o.cache || !u->keep || cache_get(f->o.cache, &req->id, &ref))
		return false;
	lock_take(&f->lock);
	list_remove(&req->link);
	alone = list_empty(&u->waiters);
	if (alone)
		table_remove(&f->units, &u->item);
	lock_drop(&f->lock);
	fetch_answer(req, ref, 0, "");
	if (alone) {
		u->ops->free(u);
		busy_drop(f);
	}
	return alone;
}

bool fetch_want(struct fetch *f, struct fetch_unit *fresh,
		struct fetch_req *req)
{
	bool closing;

	if (fetch_join(f, fresh->key, fresh->key_len, req)) {
		fresh->ops->free(fresh);
		return false;
	}
	lock_take(&f->lock);
	closing = f->closing;
	if (!closing && table_find(&f->units, fresh->key, fresh->key_len)) {
		lock_drop(&f->lock);
		return fetch_want(f, fresh, req);
	}
	if (!closing) {
		unit_insert_locked(f, fresh);
		fresh->priority = req->priority;
		list_add_tail(&fresh->waiters, &req->link);
	}
	lock_drop(&f->lock);
	if (closing) {
		fresh->ops->free(fresh);
		fetch_answer(req, NULL, -ECANCELED, "cancelled");
		return false;
	}
	if (was_cached(f, fresh, req))
		return false;
	queue_unit(f, fresh);
	return true;
}

/* ---- plans --------------------------------------------------------------- */

/* Enters what is not under way; how many. */
static size_t plan_enter_locked(struct fetch *f, struct fetch_range *r,
				struct fetch_unit **units, size_t count)
{
	size_t entered = 0;

	lock_assert_held(&f->lock);
	r->planned = true;
	f->prefetch_bytes += r->len;
	for (size_t i = 0; i < count; i++) {
		struct fetch_unit *u = units[i];

		if (table_find(&f->units, u->key, u->key_len)) {
			u->ops->free(u);
			continue;
		}
		unit_insert_locked(f, u);
		u->priority = STORE_PREFETCH;
		range_take_locked(r, u);
		entered++;
	}
	return entered;
}

/* Drops those that are under way; how many are left. */
static size_t plan_filter(struct fetch *f, struct fetch_unit **units,
			  size_t count)
{
	size_t left = 0;

	LOCK_SCOPE(&f->lock);
	for (size_t i = 0; i < count; i++) {
		struct fetch_unit *u = units[i];

		if (table_find(&f->units, u->key, u->key_len))
			u->ops->free(u);
		else
			units[left++] = u;
	}
	return left;
}

/* One GET; false beyond the budget. */
static bool plan_group(struct fetch *f, struct fetch_unit **units, size_t count,
		       struct list *ready)
{
	struct fetch_range *r;
	bool fits;

	count = plan_filter(f, units, count);
	if (!count)
		return true;
	r = range_new(f, units, count, STORE_PREFETCH);
	lock_take(&f->lock);
	fits = r && !f->closing &&
	       f->prefetch_bytes + r->len <= f->o.prefetch_max;
	if (fits && plan_enter_locked(f, r, units, count)) {
		list_add_tail(&f->waiting, &r->link);
		next_waiting_locked(f, ready);
		r = NULL; /* under way */
	}
	lock_drop(&f->lock);
	range_put(r);
	for (size_t i = 0; !fits && i < count; i++)
		units[i]->ops->free(units[i]);
	return fits;
}

struct group {
	size_t first, count;
	size_t order; /* the least of its units */
};

static int by_order(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

void fetch_plan(struct fetch *f, struct fetch_unit **units, size_t count)
{
	CLEANUP_FREE struct group *groups =
		calloc(count ? count : 1, sizeof(*groups));
	struct list ready = LIST_INIT(ready);
	size_t group_count = 0, g;

	for (size_t i = 0; i < count; i++)
		units[i]->order = i;
	if (count)
		qsort(units, count, sizeof(struct fetch_unit *), by_place);
	for (size_t i = 0; groups && i < count; i += groups[g].count) {
		g = group_count++;
		groups[g].first = i;
		groups[g].count = range_count(units + i, count - i);
		groups[g].order = units[i]->order;
		for (size_t k = 1; k < groups[g].count; k++)
			if (units[i + k]->order < groups[g].order)
				groups[g].order = units[i + k]->order;
	}
	if (group_count)
		qsort(groups, group_count, sizeof(*groups), by_order);
	for (g = 0; g < group_count; g++)
		if (!plan_group(f, units + groups[g].first, groups[g].count,
				&ready))
			break;
	send_all(&ready);
	for (g++; g < group_count; g++)
		for (size_t k = 0; k < groups[g].count; k++)
			units[groups[g].first + k]->ops->free(
				units[groups[g].first + k]);
	for (size_t i = 0; !groups && i < count; i++)
		units[i]->ops->free(units[i]);
}

/* ---- opening ------------------------------------------------------------- */

int fetch_open(struct fetch **ret_fetch, const struct fetch_options *o,
	       struct err *e)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return err_set(e, -ENOMEM, "fetch: out of memory");
	f->o = *o;
	if (!f->o.prefetch_max)
		f->o.prefetch_max = PREFETCH_DEFAULT;
	lock_init(&f->lock, LOCK_RANK_CACHE);
	cond_init(&f->idle);
	table_init(&f->units);
	list_init(&f->queued);
	list_init(&f->ranges);
	list_init(&f->waiting);
	f->flush.run = flush_job;
	*ret_fetch = f;
	return 0;
}

/* The next GET to cancel, counted; NULL at the end. */
static struct fetch_range *next_to_cancel(struct fetch *f)
{
	LOCK_SCOPE(&f->lock);
	list_for_each (link, &f->ranges) {
		struct fetch_range *r =
			container_of(link, struct fetch_range, link);

		if (!r->submitted || r->done || r->cancelled)
			continue;
		r->cancelled = true;
		atomic_fetch_add(&r->refs, 1);
		return r;
	}
	return NULL;
}

void fetch_free(struct fetch *f)
{
	struct list waiting = LIST_INIT(waiting);
	struct fetch_range *r;

	if (!f)
		return;
	lock_take(&f->lock);
	f->closing = true;
	while (!list_empty(&f->waiting)) {
		list_add_tail(&waiting, list_pop_head(&f->waiting));
		f->prefetch_gets++; /* as range_finish expects */
	}
	lock_drop(&f->lock);
	send_all(&waiting); /* ends them */
	while ((r = next_to_cancel(f))) {
		store_cancel(f->o.store, &r->req);
		range_put(r);
	}
	lock_take(&f->lock);
	while (f->busy)
		cond_wait(&f->idle, &f->lock);
	lock_drop(&f->lock);
	table_done(&f->units);
	(void)pthread_cond_destroy(&f->idle);
	lock_done(&f->lock);
	free(f);
}
