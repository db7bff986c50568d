/*
 * A window of requests; each completion makes room for the next. The caller's
 * thread asks, so that an interrupt is noticed.
 */
#include "tools/lookup.h"

#include <errno.h>
#include <stdlib.h>

#include "s3/base/lock.h"
#include "tools/session.h"

#define WINDOW 256
#define POLL_MS 100

struct lookup_batch {
	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	pthread_cond_t woken;
	size_t running;
};

static void on_answer(struct view_req *req)
{
	struct lookup *it = req->arg;
	struct lookup_batch *b = it->batch;

	if (req->err.code) {
		it->err = malloc(sizeof(*it->err));
		if (it->err)
			*it->err = req->err;
	} else {
		it->node = req->node;
	}
	LOCK_SCOPE(&b->lock);
	b->running--;
	pthread_cond_signal(&b->woken);
}

/* False: interrupted. */
static bool wait_below(struct lookup_batch *b, size_t limit)
{
	LOCK_SCOPE(&b->lock);
	while (b->running >= limit) {
		if (session_interrupted())
			return false;
		(void)cond_wait_ms(&b->woken, &b->lock, POLL_MS);
	}
	return true;
}

static void start(struct view *v, struct lookup_batch *b, struct lookup *it)
{
	{
		LOCK_SCOPE(&b->lock);
		b->running++;
	}
	it->batch = b;
	it->req.done = on_answer;
	it->req.arg = it;
	view_lookup(v, it->path, true, &it->req);
}

int lookup_all(struct view **v, struct lookup *items, size_t count)
{
	struct lookup_batch b = { 0 };
	int r = 0;

	lock_init(&b.lock, LOCK_RANK_TOOL);
	cond_init(&b.woken);
	for (size_t i = 0; i < count && !r; i++) {
		if (session_interrupted() || !wait_below(&b, WINDOW))
			r = -EINTR;
		else
			start(*v, &b, &items[i]);
	}
	if (!r && !wait_below(&b, 1))
		r = -EINTR;
	if (r) {
		view_free(*v); /* all have their answer then */
		*v = NULL;
	}
	(void)pthread_cond_destroy(&b.woken);
	lock_done(&b.lock);
	return r;
}

void lookup_done(struct lookup *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		view_node_unref(items[i].node);
		free(items[i].err);
	}
}
