/*
 * One GET for some units. Its end only hands the units to the pool: decoding is
 * not done on the store's threads.
 */
#include "cache/fetch_core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFETCH_GETS 16 /* of planned ranges, given to the store at once */

size_t fetch_range_count(struct fetch_unit **units, size_t count)
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

void fetch_range_put(struct fetch_range *r)
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
	fetch_busy_drop_locked(f);
	lock_drop(&f->lock);
}

struct fetch_range *fetch_range_new(struct fetch *f, struct fetch_unit **units,
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

void fetch_range_take_locked(struct fetch_range *r, struct fetch_unit *u)
{
	lock_assert_held(&r->fetch->lock);
	list_add_tail(&r->units, &u->link);
	u->range = r;
	atomic_fetch_add(&r->refs, 1);
}

void fetch_range_next_locked(struct fetch *f, struct list *out)
{
	lock_assert_held(&f->lock);
	while (f->prefetch_gets < PREFETCH_GETS && !list_empty(&f->waiting)) {
		list_add_tail(out, list_pop_head(&f->waiting));
		f->prefetch_gets++;
	}
}

void fetch_range_send_all(struct list *ranges)
{
	while (!list_empty(ranges))
		fetch_range_send(container_of(list_pop_head(ranges),
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
		fetch_range_next_locked(f, &ready);
	lock_drop(&f->lock);
	while (!list_empty(&units)) {
		struct fetch_unit *u = container_of(list_pop_head(&units),
						    struct fetch_unit, link);

		u->job.run = fetch_unit_job;
		pool_submit(f->o.pool, &u->job);
	}
	fetch_range_send_all(&ready);
	fetch_range_put(r);
}

static void range_done(struct store_req *req)
{
	range_finish(req->arg);
}

void fetch_range_send(struct fetch_range *r)
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
	fetch_range_put(r);
}
