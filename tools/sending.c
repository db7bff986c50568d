#include "tools/sending.h"

void sending_init(struct sending *s)
{
	lock_init(&s->lock, LOCK_RANK_TOOL);
	cond_init(&s->change);
	s->stopping = false;
}

void sending_done(struct sending *s)
{
	(void)pthread_cond_destroy(&s->change);
	lock_done(&s->lock);
}

void sending_stop(struct sending *s)
{
	LOCK_SCOPE(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->change);
}

bool sending_stopping(struct sending *s)
{
	LOCK_SCOPE(&s->lock);
	return s->stopping;
}

/* Differences wrap around, and so do the sums of progress. */
static void show(struct sent *t, uint64_t bytes)
{
	progress_add(t->sending->progress, 0,
		     bytes - atomic_exchange(&t->shown, bytes));
}

static void sent_moved(struct store_req *req, size_t bytes)
{
	struct sent *t = req->arg;

	show(t, (uint64_t)((double)t->worth * (double)bytes /
			   (double)req->body_len));
}

static void sent_done(struct store_req *req)
{
	struct sent *t = req->arg;
	struct sending *s = t->sending;

	show(t, req->err.code ? 0 : t->worth);
	LOCK_SCOPE(&s->lock);
	t->under_way = false;
	pthread_cond_broadcast(&s->change);
}

void sending_submit(struct sending *s, struct sent *t)
{
	t->sending = s;
	t->under_way = true; /* nobody else knows of it yet */
	t->shown = 0;
	t->req.done = sent_done;
	t->req.moved = t->worth && t->req.body_len ? sent_moved : NULL;
	t->req.arg = t;
	store_submit(s->store, &t->req);
}

int sending_wait(struct sent *t, struct err *e)
{
	struct sending *s = t->sending;
	bool cancelled = false;

	lock_take(&s->lock);
	while (t->under_way) {
		if (s->stopping && !cancelled) {
			cancelled = true;
			lock_drop(&s->lock);
			store_cancel(s->store, &t->req);
			lock_take(&s->lock);
			continue;
		}
		cond_wait(&s->change, &s->lock);
	}
	lock_drop(&s->lock);
	return t->req.err.code ? err_copy(e, &t->req.err) : 0;
}

void sending_cache(struct sending *s, const struct hash *hash, const void *data,
		   uint32_t len)
{
	if (s->cache)
		(void)cache_put(s->cache, hash, data, len); /* a miss later */
}
