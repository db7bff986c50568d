/*
 * The engine of fetches.
 *
 * A unit that somebody waits for is queued, and a pool job sends what is queued,
 * neighbours merged: what is wanted in the same moment goes in one GET, and a
 * lone wish is not held up. Plans come as complete ranges; of those only some
 * are given to the store at once, so that one which is wanted meanwhile can
 * still be taken out and sent first.
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
#include <stdlib.h>
#include <string.h>

#include "cache/fetch_core.h"
#include "s3/base/cleanup.h"

#define PREFETCH_DEFAULT ((uint64_t)64 << 20)

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
	p = &f->packs[sum % FETCH_PACKS];
	if (memcmp(&p->blob, blob, sizeof(*blob)) != 0) {
		p->blob = *blob;
		p->count = 0;
	}
	if (p->count < UINT32_MAX)
		p->count++;
	return p->count;
}

void fetch_busy_drop_locked(struct fetch *f)
{
	lock_assert_held(&f->lock);
	if (!--f->busy)
		pthread_cond_broadcast(&f->idle);
}

void fetch_busy_drop(struct fetch *f)
{
	LOCK_SCOPE(&f->lock);
	fetch_busy_drop_locked(f);
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
	fetch_busy_drop(f);
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

/* ---- sending what is wanted ---------------------------------------------- */

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
	r = fetch_range_new(f, units, count, priority);
	if (!r) {
		for (size_t i = 0; i < count; i++)
			fetch_unit_fail(units[i], -ENOMEM, "out of memory");
		return;
	}
	lock_take(&f->lock);
	for (size_t i = 0; i < count; i++)
		fetch_range_take_locked(r, units[i]);
	lock_drop(&f->lock);
	fetch_range_send(r);
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
		qsort(units, count, sizeof(struct fetch_unit *),
		      fetch_unit_by_place);
	for (size_t i = 0, n; i < count; i += n) {
		n = fetch_range_count(units + i, count - i);
		send_group(f, units + i, n);
	}
	if (!units)
		flush_singly(f);
	fetch_busy_drop(f);
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
	fetch_range_send_all(&ready);
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
		fetch_busy_drop(f);
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
		fetch_unit_insert_locked(f, fresh);
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
	fetch_range_send_all(&waiting); /* ends them */
	while ((r = next_to_cancel(f))) {
		store_cancel(f->o.store, &r->req);
		fetch_range_put(r);
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
