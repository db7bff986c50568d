/*
 * Requests wait in a queue per priority for one of a few threads. Two of these
 * are kept free of prefetch and background work, so that a reader never waits
 * behind bulk uploads.
 *
 * Cancelled requests move to a queue of their own, which goes first: their
 * completion runs on a worker like every other, never on the thread that
 * cancels, which may hold locks.
 */
#include "s3/file_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/hash.h"
#include "s3/base/lock.h"
#include "s3/base/pool.h"
#include "s3/file_list.h"
#include "s3/file_read.h"
#include "s3/file_upload.h"
#include "s3/file_write.h"

#define WORKERS 8
#define WORKERS_LOW 6 /* at most so many for prefetch and background */

struct file_store;

struct worker {
	struct file_store *f;
	pthread_t thread;
	struct store_req *req; /* being executed; guarded by f->lock */
	atomic_bool cancelled; /* the request under way */
};

struct file_store {
	struct store store;
	struct file_root root;
	struct file_lists lists;
	struct worker workers[WORKERS];
	unsigned int started; /* threads; set at open */

	struct lock lock; /* LOCK_RANK_STORE */
	/* guarded by lock: */
	pthread_cond_t wake;
	struct list queues[STORE_PRIORITY_COUNT]; /* of struct store_req */
	struct list cancelled; /* of struct store_req */
	unsigned int running_low;
	bool ending;
	bool stopped; /* store_stop */
};

static struct file_store *of(struct store *s)
{
	return container_of(s, struct file_store, store);
}

/* ---- execution --------------------------------------------------------- */

static void execute(struct file_store *f, struct store_req *req,
		    const atomic_bool *cancelled)
{
	struct file_root *root = &f->root;
	struct err *e = &req->err;

	atomic_fetch_add(&f->store.requests[req->op], 1);
	switch (req->op) {
	case STORE_GET:
		(void)file_get(root, req, e);
		break;
	case STORE_HEAD:
		(void)file_head(root, req, e);
		break;
	case STORE_PUT:
		(void)file_put(root, req, e);
		break;
	case STORE_LIST:
		(void)file_list(root, &f->lists, req, e);
		break;
	case STORE_COPY:
		(void)file_copy(root, req, cancelled, e);
		break;
	case STORE_DELETE:
		(void)file_delete(root, req, e);
		break;
	case STORE_DELETE_MANY:
		(void)file_delete_many(root, req, e);
		break;
	case STORE_UPLOAD_START:
		(void)file_upload_start(root, req, e);
		break;
	case STORE_UPLOAD_PART:
		(void)file_upload_part(root, req, e);
		break;
	case STORE_UPLOAD_FINISH:
		(void)file_upload_finish(root, req, cancelled, e);
		break;
	case STORE_UPLOAD_ABORT:
		(void)file_upload_abort(root, req, e);
		break;
	default:
		err_set(e, -EINVAL, "no such operation: %d", (int)req->op);
		break;
	}
	req->date_s = file_root_date(root);
	store_note_date(&f->store, req->date_s);
}

static bool is_low(const struct store_req *req)
{
	return req->priority != STORE_FOREGROUND;
}

static struct list *pop_locked(struct file_store *f)
{
	struct list *link;

	lock_assert_held(&f->lock);
	link = list_pop_head(&f->queues[STORE_FOREGROUND]);
	if (link || f->running_low >= WORKERS_LOW)
		return link;
	link = list_pop_head(&f->queues[STORE_PREFETCH]);
	return link ? link : list_pop_head(&f->queues[STORE_BACKGROUND]);
}

/* The next request for this worker, NULL at the end. */
static struct store_req *next_req(struct worker *w, bool *ret_cancelled)
{
	struct file_store *f = w->f;

	LOCK_SCOPE(&f->lock);
	for (;;) {
		struct list *link = list_pop_head(&f->cancelled);

		*ret_cancelled = link != NULL;
		if (link)
			return container_of(link, struct store_req, link);
		link = pop_locked(f);
		if (link) {
			w->req = container_of(link, struct store_req, link);
			w->req->impl = NULL;
			atomic_store(&w->cancelled, false);
			f->running_low += is_low(w->req);
			return w->req;
		}
		if (f->ending)
			return NULL;
		cond_wait(&f->wake, &f->lock);
	}
}

static void note_finished(struct worker *w)
{
	struct file_store *f = w->f;

	LOCK_SCOPE(&f->lock);
	f->running_low -= is_low(w->req);
	w->req = NULL;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct store_req *req;
	bool cancelled;

	while ((req = next_req(w, &cancelled))) {
		if (cancelled) {
			err_set(&req->err, -ECANCELED, "%s '%s': cancelled",
				store_op_name(req->op),
				req->key ? req->key : "");
		} else {
			execute(w->f, req, &w->cancelled);
			note_finished(w);
		}
		req->done(req);
	}
	return NULL;
}

/* ---- the seam ---------------------------------------------------------- */

static void file_submit(struct store *s, struct store_req *req)
{
	struct file_store *f = of(s);
	enum store_priority p = req->priority;
	bool refused;

	if ((unsigned int)p >= STORE_PRIORITY_COUNT)
		p = STORE_BACKGROUND;
	err_clear(&req->err);
	LOCK_SCOPE(&f->lock);
	req->impl = f; /* waiting */
	refused = f->ending || (f->stopped && !req->tidies);
	list_add_tail(refused ? &f->cancelled : &f->queues[p], &req->link);
	pthread_cond_signal(&f->wake);
}

static void file_cancel(struct store *s, struct store_req *req)
{
	struct file_store *f = of(s);

	LOCK_SCOPE(&f->lock);
	if (req->impl == f) {
		req->impl = NULL;
		list_remove(&req->link);
		list_add_tail(&f->cancelled, &req->link);
		pthread_cond_signal(&f->wake);
		return;
	}
	for (unsigned int i = 0; i < f->started; i++)
		if (f->workers[i].req == req)
			atomic_store(&f->workers[i].cancelled, true);
}

static void cancel_all_locked(struct file_store *f, bool tidying)
{
	lock_assert_held(&f->lock);
	for (int p = 0; p < STORE_PRIORITY_COUNT; p++) {
		list_for_each_safe (pos, &f->queues[p]) {
			struct store_req *req =
				container_of(pos, struct store_req, link);

			if (req->tidies && !tidying)
				continue;
			req->impl = NULL;
			list_remove(pos);
			list_add_tail(&f->cancelled, pos);
		}
	}
	for (unsigned int i = 0; i < f->started; i++) {
		struct worker *w = &f->workers[i];

		if (w->req && (tidying || !w->req->tidies))
			atomic_store(&w->cancelled, true);
	}
	pthread_cond_broadcast(&f->wake);
}

static void file_stop(struct store *s)
{
	struct file_store *f = of(s);

	LOCK_SCOPE(&f->lock);
	f->stopped = true;
	cancel_all_locked(f, false);
}

static void cancel_all(struct file_store *f)
{
	LOCK_SCOPE(&f->lock);
	f->ending = true;
	cancel_all_locked(f, true);
}

static void file_free(struct store *s)
{
	struct file_store *f = of(s);

	cancel_all(f);
	for (unsigned int i = 0; i < f->started; i++)
		(void)pthread_join(f->workers[i].thread, NULL);
	(void)pthread_cond_destroy(&f->wake);
	lock_done(&f->lock);
	file_lists_done(&f->lists);
	file_root_close(&f->root);
	free(f->store.name);
	free(f);
}

static const struct store_ops file_ops = {
	.submit = file_submit,
	.cancel = file_cancel,
	.stop = file_stop,
	.free = file_free,
};

static int start_workers(struct file_store *f, struct err *e)
{
	while (f->started < WORKERS) {
		struct worker *w = &f->workers[f->started];
		int r;

		w->f = f;
		r = pool_start_thread(&w->thread, work, w);
		if (r)
			return err_set(e, r, "%s: threads: %s", f->store.name,
				       strerror(-r));
		f->started++;
	}
	return 0;
}

int file_store_open(struct store **ret_store, const char *dir, struct err *e)
{
	CLEANUP(store_freep) struct store *store = NULL;
	struct file_store *f = calloc(1, sizeof(*f));
	struct hash id;
	int r;

	if (!f)
		return err_set(e, -ENOMEM, "'%s': out of memory", dir);
	r = file_root_open(&f->root, dir, e);
	if (r) {
		free(f);
		return r;
	}
	f->root.bytes_in = &f->store.bytes_in;
	f->root.bytes_out = &f->store.bytes_out;
	file_lists_init(&f->lists);
	lock_init(&f->lock, LOCK_RANK_STORE);
	cond_init(&f->wake);
	for (int p = 0; p < STORE_PRIORITY_COUNT; p++)
		list_init(&f->queues[p]);
	list_init(&f->cancelled);
	f->store.ops = &file_ops;
	store = &f->store;
	hash_of(&id, f->root.url, strlen(f->root.url));
	memcpy(store->bucket_id, id.bytes, sizeof(store->bucket_id));
	store->name = strdup(f->root.url);
	if (!store->name)
		return err_set(e, -ENOMEM, "'%s': out of memory", dir);
	r = start_workers(f, e);
	if (r)
		return r;
	*ret_store = TAKE_PTR(store);
	return 0;
}
