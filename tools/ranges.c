/*
 * A range is in `running` from its addition until it is dropped, through all its
 * requests, so that it can be cancelled at any time.
 */
#include "tools/ranges.h"

#include <errno.h>

#include "tools/session.h"

#define POLL_MS 100 /* how soon an interrupt is noticed */

void ranges_init(struct ranges *q, struct store *s, struct pool *p)
{
	*q = (struct ranges){ .store = s, .pool = p };
	lock_init(&q->lock, LOCK_RANK_TOOL);
	cond_init(&q->woken);
	list_init(&q->running);
}

void ranges_done(struct ranges *q)
{
	(void)pthread_cond_destroy(&q->woken);
	lock_done(&q->lock);
}

void ranges_stop(struct ranges *q)
{
	LOCK_SCOPE(&q->lock);
	q->stopped = true;
	list_for_each (pos, &q->running)
		store_cancel(q->store,
			     &container_of(pos, struct range, link)->req);
}

static void end(struct range *r)
{
	struct ranges *q = r->ranges;

	lock_take(&q->lock);
	list_remove(&r->link);
	lock_drop(&q->lock);
	store_req_done(&r->req);
	buf_done(&r->out);
	/* `drop` may free it; the waiters go on after that. */
	{
		uint64_t counted = r->counted;

		r->drop(r);
		LOCK_SCOPE(&q->lock);
		q->bytes -= counted;
		pthread_cond_broadcast(&q->woken);
	}
}

static void on_arrived(struct store_req *req)
{
	struct range *r = req->arg;

	pool_submit(r->ranges->pool, &r->job);
}

/* Under the lock, as it may be cancelled. */
static void prepare_locked(struct range *r)
{
	struct ranges *q = r->ranges;

	lock_assert_held(&q->lock);
	store_req_init(&r->req, STORE_GET, r->key);
	r->req.offset = r->off;
	r->req.length = r->len;
	r->req.if_match = r->if_match;
	buf_done(&r->out);
	buf_init(&r->out, r->len);
	r->req.out = &r->out;
	r->req.done = on_arrived;
	r->req.arg = r;
	q->bytes += r->len - r->counted;
	r->counted = r->len;
}

static void run(struct pool_job *job)
{
	struct range *r = container_of(job, struct range, job);
	struct ranges *q = r->ranges;
	bool again = r->use(r);

	if (again) {
		LOCK_SCOPE(&q->lock);
		again = !q->stopped;
		if (again) {
			store_req_done(&r->req);
			prepare_locked(r);
		}
	}
	if (again)
		store_submit(q->store, &r->req);
	else
		end(r);
}

/* Until at most `room` bytes are asked for. */
static int wait_for(struct ranges *q, uint64_t room)
{
	bool told = false;
	int r = 0;

	lock_take(&q->lock);
	while (q->bytes > room) {
		if (!told && session_interrupted()) {
			told = true;
			lock_drop(&q->lock);
			ranges_stop(q);
			lock_take(&q->lock);
		}
		(void)cond_wait_ms(&q->woken, &q->lock, POLL_MS);
	}
	if (session_interrupted())
		r = -EINTR;
	else if (q->stopped)
		r = -ETIMEDOUT;
	lock_drop(&q->lock);
	return r;
}

int ranges_add(struct ranges *q, struct range *r)
{
	int code = wait_for(q, RANGES_BUDGET - r->len);
	bool stopped;

	r->ranges = q;
	r->counted = 0;
	r->job.run = run;
	buf_init(&r->out, 0);
	lock_take(&q->lock);
	stopped = code || q->stopped;
	if (!stopped) {
		list_add_tail(&q->running, &r->link);
		prepare_locked(r);
	}
	lock_drop(&q->lock);
	if (stopped)
		r->drop(r);
	else
		store_submit(q->store, &r->req);
	return code;
}

int ranges_wait(struct ranges *q)
{
	return wait_for(q, 0);
}
