/*
 * A question is a struct view_req that is stepped: under the lock of dirs it
 * is resolved as far as what is known allows; where a page or tree is missing it
 * is queued and stepped again when that has come. Metadata of an object are the
 * last step, by a HEAD of its own.
 */
#include "cache/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "cache/node.h"
#include "cache/resolve.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/pool.h"

#define ABSENT_MS 1000u

struct view {
	struct view_options o; /* constant; prefix is ours */
	char *prefix; /* owned */
	struct dirs *dirs;
};

/* ---- stepping -------------------------------------------------------- */

static void finish(struct view_req *req)
{
	struct view *v = req->view;

	free(req->path);
	req->path = NULL;
	req->done(req);
	dirs_leave(v->dirs);
}

static void fail(struct view_req *req, int code, const struct err *e)
{
	if (e && e->code)
		req->err = *e;
	else
		(void)err_set(&req->err, code, "'%s': %s", req->path,
			      strerror(-code));
	finish(req);
}

static int resolve(struct view_req *req, struct found *f)
{
	const struct resolver v = { .dirs = req->view->dirs,
				    .o = &req->view->o,
				    .prefix = req->view->prefix };
	struct question q = { .path = req->path,
			      .list = req->want_list,
			      .wait = &req->wait };

	q.wait->subtree = q.list;
	return resolve_locked(&v, &q, f);
}

static uint32_t trust_left_ms(const struct view *v, const struct found *f)
{
	uint64_t now_ms = clock_now_ms();

	if (!v->o.ttl_ms || f->until_ms <= now_ms)
		return 0;
	return f->until_ms - now_ms > v->o.ttl_ms
		       ? v->o.ttl_ms
		       : (uint32_t)(f->until_ms - now_ms);
}

/* What is absent is said of the last second only: ask again if not. */
static bool absence_too_old(struct view_req *req, const struct found *f)
{
	uint64_t now_ms = clock_now_ms();

	if (req->wait.absent || f->oldest_ms == UINT64_MAX ||
	    now_ms - f->oldest_ms <= ABSENT_MS)
		return false;
	req->wait.absent = true;
	return true;
}

static void ask_meta(struct view_req *req, const struct view_node *node);

static void step(struct view_req *req)
{
	struct view *v = req->view;
	struct found f = { 0 };
	int r;

	lock_take(dirs_lock(v->dirs));
	r = resolve(req, &f);
	if (r == -ENOENT && absence_too_old(req, &f)) {
		found_done(&f);
		r = resolve(req, &f);
	}
	lock_drop(dirs_lock(v->dirs));
	if (r == 1) { /* `req` may be answered by now */
		found_done(&f);
		return;
	}
	req->ttl_ms = trust_left_ms(v, &f);
	if (r == -ENOENT && req->ttl_ms > ABSENT_MS)
		req->ttl_ms = ABSENT_MS;
	if (r) {
		found_done(&f);
		fail(req, r, NULL);
		return;
	}
	if (req->want_list) {
		req->listing = TAKE_PTR(f.listing);
		found_done(&f);
		finish(req);
		return;
	}
	req->node = TAKE_PTR(f.node);
	found_done(&f);
	if (req->want_attrs && node_needs_meta(req->node))
		ask_meta(req, req->node);
	else
		finish(req);
}

static void step_again(struct dirs_wait *w, const struct err *e)
{
	struct view_req *req = container_of(w, struct view_req, wait);

	if (e->code)
		fail(req, e->code, e);
	else
		step(req);
}

/* The key of an object, whose directory was listed. */
static void outdate_key(struct view *v, const char *key)
{
	const char *slash = strrchr(key, '/');
	CLEANUP_FREE char *dir =
		strndup(key, slash ? (size_t)(slash - key) + 1 : 0);

	/* Without memory it is met again. */
	if (!dir)
		return;
	LOCK_SCOPE(dirs_lock(v->dirs));
	dirs_outdate_locked(v->dirs, dir);
}

void view_outdated(struct view *v, const char *path)
{
	CLEANUP_FREE char *key = NULL;

	if (asprintf(&key, "%s%s", v->prefix, path) < 0)
		key = NULL; /* as above */
	else
		outdate_key(v, key);
}

/* ---- metadata of an object ------------------------------------------- */

struct head {
	struct pool_job job;
	struct store_req req;
	struct view_req *for_req;
};

static void got_meta(struct view_req *req, const struct store_object *object,
		     const struct meta *meta)
{
	const struct view_node *n =
		node_with_meta(req->node, object, meta, &req->view->o);

	view_node_unref(req->node);
	req->node = n;
	if (n)
		finish(req);
	else
		fail(req, -ENOMEM, NULL);
}

static bool same_object(const struct store_object *a,
			const struct store_object *b)
{
	return a->size == b->size && a->modified_s == b->modified_s &&
	       !strcmp(a->etag, b->etag);
}

/* In the pool: the reply came on a thread of the store. */
static void head_job(struct pool_job *job)
{
	struct head *h = container_of(job, struct head, job);
	struct view_req *req = h->for_req;
	struct view *v = req->view;
	struct meta none = { 0 };

	if (h->req.err.code == -ENOENT ||
	    (!h->req.err.code &&
	     !same_object(&h->req.object, &req->node->object)))
		outdate_key(v, req->node->key);
	if (!h->req.err.code) {
		if (v->o.cache)
			cache_head_put(v->o.cache, v->o.store->bucket_id,
				       req->node->key, &h->req.object,
				       &h->req.meta_out, h->req.date_s);
		got_meta(req, &h->req.object, &h->req.meta_out);
	} else if (h->req.err.code == -ENOENT && req->node->kind == VIEW_DIR) {
		got_meta(req, &req->node->object, &none); /* marker gone */
	} else {
		view_node_unref(req->node);
		req->node = NULL;
		fail(req, h->req.err.code, &h->req.err);
	}
	store_req_done(&h->req);
	free(h);
}

static void head_arrived(struct store_req *sr)
{
	struct head *h = sr->arg;

	h->job.run = head_job;
	pool_submit(dirs_pool(h->for_req->view->dirs), &h->job);
}

static void ask_meta(struct view_req *req, const struct view_node *node)
{
	struct view *v = req->view;
	struct meta meta = { 0 };
	struct head *h;

	if (v->o.cache && !cache_head(v->o.cache, v->o.store->bucket_id,
				      node->key, &node->object, &meta)) {
		got_meta(req, &node->object, &meta);
		meta_done(&meta);
		return;
	}
	h = calloc(1, sizeof(*h));
	if (!h) {
		view_node_unref(req->node);
		req->node = NULL;
		fail(req, -ENOMEM, NULL);
		return;
	}
	h->for_req = req;
	store_req_init(&h->req, STORE_HEAD, node->key);
	h->req.done = head_arrived;
	h->req.arg = h;
	store_submit(v->o.store, &h->req);
}

/* ---- questions ------------------------------------------------------- */

static void ask(struct view *v, const char *path, struct view_req *req)
{
	bool entered;

	req->view = v;
	req->node = NULL;
	req->listing = NULL;
	req->ttl_ms = 0;
	err_clear(&req->err);
	memset(&req->wait, 0, sizeof(req->wait));
	req->wait.again = step_again;
	req->wait.subtree = req->want_list;
	req->path = strdup(path);
	lock_take(dirs_lock(v->dirs));
	entered = dirs_enter_locked(v->dirs);
	dirs_begin_locked(v->dirs, &req->wait);
	lock_drop(dirs_lock(v->dirs));
	if (!entered) {
		free(req->path);
		(void)err_set(&req->err, -ECANCELED, "shutting down");
		req->done(req);
	} else if (!req->path) {
		(void)err_set(&req->err, -ENOMEM, "out of memory");
		finish(req);
	} else if (*path && !path_is_safe(path, strlen(path))) {
		fail(req, -ENOENT, NULL); /* hidden names are not there */
	} else {
		step(req);
	}
}

void view_lookup(struct view *v, const char *path, bool want_attrs,
		 struct view_req *req)
{
	req->want_list = false;
	req->want_attrs = want_attrs;
	ask(v, path, req);
}

void view_list(struct view *v, const char *path, struct view_req *req)
{
	req->want_list = true;
	req->want_attrs = false;
	ask(v, path, req);
}

struct waiting {
	struct view_req req;
	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	pthread_cond_t wake;
	bool over;
};

static void waiting_done(struct view_req *req)
{
	struct waiting *w = container_of(req, struct waiting, req);

	LOCK_SCOPE(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->wake);
}

static int wait_for(struct view *v, const char *path, bool list, bool attrs,
		    struct waiting *w, struct err *e)
{
	memset(w, 0, sizeof(*w));
	lock_init(&w->lock, LOCK_RANK_BASE);
	cond_init(&w->wake);
	w->req.done = waiting_done;
	if (list)
		view_list(v, path, &w->req);
	else
		view_lookup(v, path, attrs, &w->req);
	lock_take(&w->lock);
	while (!w->over)
		cond_wait(&w->wake, &w->lock);
	lock_drop(&w->lock);
	(void)pthread_cond_destroy(&w->wake);
	lock_done(&w->lock);
	return w->req.err.code ? err_copy(e, &w->req.err) : 0;
}

int view_lookup_wait(struct view *v, const char *path, bool want_attrs,
		     const struct view_node **ret_node, struct err *e)
{
	struct waiting w;
	int r = wait_for(v, path, false, want_attrs, &w, e);

	if (!r)
		*ret_node = w.req.node;
	return r;
}

int view_list_wait(struct view *v, const char *path,
		   const struct view_listing **ret_listing, struct err *e)
{
	struct waiting w;
	int r = wait_for(v, path, true, false, &w, e);

	if (!r)
		*ret_listing = w.req.listing;
	return r;
}

/* ---- life ------------------------------------------------------------ */

int view_open(struct view **ret_view, const struct view_options *o,
	      uint32_t timeout_ms, struct err *e)
{
	CLEANUP(view_freep) struct view *v = calloc(1, sizeof(*v));
	struct dirs_options d = { .store = o->store,
				  .cache = o->cache,
				  .ttl_ms = o->ttl_ms,
				  .first_timeout_ms = timeout_ms,
				  .reads = o->reads };
	const struct view_node *root = NULL;
	int r;

	if (!v || !(v->prefix = strdup(o->prefix)))
		return err_set(e, -ENOMEM, "out of memory");
	v->o = *o;
	v->o.prefix = v->prefix;
	d.prefix = v->prefix;
	r = dirs_open(&v->dirs, &d, e);
	if (!r)
		r = view_lookup_wait(v, "", false, &root, e);
	view_node_unref(root);
	if (!r)
		*ret_view = TAKE_PTR(v);
	return r;
}

void view_free(struct view *v)
{
	if (!v)
		return;
	dirs_free(v->dirs);
	free(v->prefix);
	free(v);
}
