/*
 * A LIST runs for as many pages as it takes; one of a whole subtree that does
 * not fit in a page turns into one of its level, and the slot remembers. A tree
 * is looked for in the cache first.
 *
 * Replies arrive on the store's threads and are handed to the pool, where pages
 * are made, trees are decoded and waiters run.
 */
#include "cache/dirload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "cache/version.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"

#define TTL_MIN_MS 1000u
#define TREE_TRIES 3
#define READS_AHEAD 6 /* connections for the packs of a small tree */

/* One load: a LIST of as many pages as it takes, or a tree. */
struct load {
	struct pool_job job;
	struct store_req req;
	struct list link; /* in dirs.loads */
	struct dirs *dirs;
	struct slot *slot; /* stays: slots with a load are not dropped */
	bool recursive;
	uint32_t timeout_ms; /* 0: the store's */
	uint64_t asked, asked_ms;
	char *prefix; /* of the LIST, or key of the tree; owned */
	char *token; /* continuation; owned */
	struct store_list list; /* pages so far */
	uint64_t seq; /* of the tree */
	struct store_object object;
	struct buf data;
	bool cache_asked; /* trees: the cache did not have it */
	bool fetched_again; /* trees: what came first was damaged */
};

/* For how long to trust a page that just came: a tenth of its age. */
static uint64_t trust_ms(const struct dirs *d, const struct slot *s,
			 int64_t now_ms)
{
	uint64_t ttl = (uint64_t)(now_ms - s->changed_ms) / 10;

	if (ttl < TTL_MIN_MS)
		ttl = TTL_MIN_MS;
	if (ttl > d->ttl_ms)
		ttl = d->ttl_ms;
	return ttl - random_below(ttl / 10 + 1);
}

/* When what the first page shows last changed, as far as it tells. */
static int64_t first_change_ms(const struct page *p, int64_t date_s,
			       int64_t now_ms)
{
	if (!p->newest_s || date_s < p->newest_s)
		return now_ms;
	return now_ms - (date_s - p->newest_s) * 1000;
}

static void load_job(struct pool_job *job);

static void load_arrived(struct store_req *req)
{
	struct load *l = req->arg;

	l->job.run = load_job;
	pool_submit(l->dirs->pool, &l->job);
}

static void load_free(struct load *l)
{
	store_req_done(&l->req);
	store_list_done(&l->list);
	buf_done(&l->data);
	free(l->prefix);
	free(l->token);
	free(l);
}

static struct load *load_new_locked(struct dirs *d, struct slot *s,
				    enum store_op op)
{
	struct load *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	store_req_init(&l->req, op, NULL);
	store_list_init(&l->list);
	buf_init(&l->data, TREE_OBJECT_MAX);
	l->dirs = d;
	l->slot = s;
	l->asked = ++d->tick;
	l->asked_ms = clock_now_ms();
	l->timeout_ms = d->arrived ? 0 : d->first_timeout_ms;
	return l;
}

static void load_begin_locked(struct load *l)
{
	list_add_tail(&l->dirs->loads, &l->link);
	l->dirs->busy++;
}

/* Fills in the next LIST of this load. */
static void list_request(struct load *l)
{
	store_req_init(&l->req, STORE_LIST, l->prefix);
	l->req.delimiter = l->recursive || l->slot->above ? NULL : "/";
	l->req.max_keys = l->slot->above ? 1 : 0;
	l->req.continuation = l->token;
	l->req.timeout_ms = l->timeout_ms;
	l->req.done = load_arrived;
	l->req.arg = l;
}

int dirload_list_locked(struct dirs *d, struct slot *s, bool recursive,
			struct list *ret_start)
{
	struct load *l = load_new_locked(d, s, STORE_LIST);

	if (!l)
		return -ENOMEM;
	if (asprintf(&l->prefix, "%s%s", s->dir, s->above ? TREE_PREFIX : "") <
	    0) {
		l->prefix = NULL;
		load_free(l);
		return -ENOMEM;
	}
	l->recursive = recursive && !s->above;
	s->listing = true;
	list_request(l);
	load_begin_locked(l);
	list_add_tail(ret_start, &l->job.link);
	return 0;
}

void dirload_submit(struct dirs *d, struct list *start)
{
	struct list *link;

	while ((link = list_pop_head(start))) {
		struct load *l = container_of(link, struct load, job.link);

		if (l->req.op == STORE_LIST)
			store_submit(d->store, &l->req);
		else
			load_arrived(&l->req); /* the cache first */
	}
}

/* Fills in the GET of this load. */
static void tree_request(struct load *l)
{
	store_req_init(&l->req, STORE_GET, l->prefix);
	l->req.out = &l->data;
	l->req.if_match = l->object.etag;
	l->req.timeout_ms = l->timeout_ms;
	l->req.done = load_arrived;
	l->req.arg = l;
}

int dirload_tree_locked(struct dirs *d, struct slot *s, uint64_t seq,
			const struct store_object *object,
			struct list *ret_start)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	struct load *l = load_new_locked(d, s, STORE_GET);

	if (!l)
		return -ENOMEM;
	if (name_tree(&key, s->dir, seq) || !(l->prefix = buf_take(&key))) {
		load_free(l);
		return -ENOMEM;
	}
	l->seq = seq;
	l->object = *object;
	tree_request(l);
	s->reading = true;
	load_begin_locked(l);
	list_add_tail(ret_start, &l->job.link);
	return 0;
}

static void call_waiters(struct list *waiters, const struct err *e)
{
	struct list *link;

	while ((link = list_pop_head(waiters))) {
		struct dirs_wait *w =
			container_of(link, struct dirs_wait, link);

		w->again(w, e);
	}
}

static void take_waiters(struct slot *s, struct list *out)
{
	struct list *link;

	list_init(out);
	while ((link = list_pop_head(&s->waiters)))
		list_add_tail(out, link);
}

/* Ends a load: its waiters ask again, or learn of the error. */
static void load_end(struct load *l, const struct err *e)
{
	struct dirs *d = l->dirs;
	struct list waiters;

	lock_take(&d->lock);
	if (l->req.op == STORE_LIST)
		l->slot->listing = false;
	else
		l->slot->reading = false;
	list_remove(&l->link);
	if (!e->code)
		d->arrived = true;
	take_waiters(l->slot, &waiters);
	lock_drop(&d->lock);
	call_waiters(&waiters, e);
	load_free(l);
	dirs_leave(d);
}

static int append_list(struct store_list *to, struct store_list *from)
{
	struct store_list_entry *all;

	if (!to->count) {
		store_list_done(to);
		*to = *from;
		store_list_init(from);
		return 0;
	}
	if (!from->count)
		return 0;
	all = realloc(to->entries, (to->count + from->count) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	to->entries = all;
	memcpy(to->entries + to->count, from->entries,
	       from->count * sizeof(*from->entries));
	to->count += from->count;
	from->count = 0;
	return 0;
}

static void install_page(struct load *l, struct page *p)
{
	struct dirs *d = l->dirs;
	struct slot *s = l->slot;
	int64_t now_ms = (int64_t)clock_now_ms();
	bool tell_hidden = false;

	p->asked = l->asked;
	p->asked_ms = l->asked_ms;
	lock_take(&d->lock);
	if (!s->page)
		s->changed_ms = first_change_ms(p, l->req.date_s, now_ms);
	else if (!page_equal(s->page, p))
		s->changed_ms = now_ms;
	p->until_ms = l->asked_ms + trust_ms(d, s, now_ms);
	page_unref(s->page);
	s->page = p;
	if (p->hidden && !d->told_hidden) {
		d->told_hidden = true;
		tell_hidden = true;
	}
	lock_drop(&d->lock);
	if (tell_hidden)
		log_warn(
			"'%s': %zu keys cannot be file names (empty, '.', '..' "
			"or too long) and are hidden; said once",
			s->dir, p->hidden);
}

/* Prepares the load's next request and sends it. Under the lock, as it may be
 * cancelled at any time. */
static void request_again(struct load *l, void (*prepare)(struct load *l))
{
	lock_take(&l->dirs->lock);
	store_req_done(&l->req);
	prepare(l);
	lock_drop(&l->dirs->lock);
	store_submit(l->dirs->store, &l->req);
}

static bool cancelled(struct dirs *d, struct err *e)
{
	LOCK_SCOPE(&d->lock);
	if (d->ending)
		(void)err_set(e, -ECANCELED, "cancelled");
	return d->ending;
}

/* Returns false when another LIST is under way for this load. */
static bool list_arrived(struct load *l, struct err *e)
{
	struct dirs *d = l->dirs;
	struct page *p;
	bool fits = !l->req.list.truncated || l->slot->above;

	if (l->recursive && !fits) {
		/* Too much for one page: remember, and list this level. */
		lock_take(&d->lock);
		l->slot->flat = true;
		lock_drop(&d->lock);
		l->recursive = false;
		request_again(l, list_request);
		return false;
	}
	if (cancelled(d, e))
		return true;
	free(l->token);
	l->token = l->req.list.next;
	l->req.list.next = NULL;
	if (append_list(&l->list, &l->req.list)) {
		(void)err_set(e, -ENOMEM, "LIST '%s': out of memory",
			      l->prefix);
		return true;
	}
	if (!fits) {
		request_again(l, list_request);
		return false;
	}
	p = page_new(l->slot->dir, l->recursive, &l->list);
	if (!p)
		(void)err_set(e, -ENOMEM, "LIST '%s': out of memory",
			      l->prefix);
	else
		install_page(l, p);
	return true;
}

static void list_failed(struct load *l, struct err *e)
{
	struct dirs *d = l->dirs;
	struct page *none;
	bool tell;

	if (!l->slot->above || l->req.err.code != -EACCES) {
		(void)err_copy(e, &l->req.err);
		return;
	}
	lock_take(&d->lock);
	tell = !d->told_forbidden;
	d->told_forbidden = true;
	lock_drop(&d->lock);
	if (tell)
		log_info("no right to list '%s': taken as no tree there",
			 l->slot->dir);
	none = page_new(l->slot->dir, false, &l->list);
	if (none)
		install_page(l, none);
	else
		(void)err_set(e, -ENOMEM, "out of memory");
}

static void tree_install(struct load *l, const struct buf *data, struct err *e)
{
	struct tree_version t = { 0 };
	struct view_tree *tree;

	if (tree_version_decode(&t, l->slot->dir, l->seq, data, e))
		return;
	if (!t.cat) {
		tree_version_done(&t);
		(void)err_set(e, -EBADMSG,
			      "'%s' is empty, but was not when listed",
			      l->prefix);
		return;
	}
	tree = view_tree_new(t.cat, t.dir, t.head.pool, l->seq);
	tree_version_done(&t);
	if (!tree) {
		(void)err_set(e, -ENOMEM, "'%s': out of memory", l->prefix);
		return;
	}
	lock_take(&l->dirs->lock);
	view_tree_unref(l->slot->tree);
	l->slot->tree = tree;
	l->slot->missing = 0;
	lock_drop(&l->dirs->lock);
}

/* A listed version that is gone was pruned: list again, a few times. */
static void tree_missing(struct load *l, struct err *e)
{
	struct slot *s = l->slot;

	LOCK_SCOPE(&l->dirs->lock);
	if (++s->missing >= TREE_TRIES) {
		s->missing = 0;
		(void)err_set(e, -EIO, "'%s' is listed, but cannot be found",
			      l->prefix);
		return;
	}
	dirs_outdate_locked(l->dirs, s->dir);
}

/* What came may have been damaged on the way. */
static void fetch_again(struct load *l)
{
	l->fetched_again = true;
	buf_reset(&l->data);
	request_again(l, tree_request);
}

/* Returns false when a GET is under way for this load. */
static bool tree_arrived(struct load *l, struct err *e)
{
	struct dirs *d = l->dirs;

	if (!l->cache_asked) {
		l->cache_asked = true;
		if (d->cache &&
		    !cache_object(d->cache, d->store->bucket_id, l->prefix,
				  l->object.etag, &l->data)) {
			struct err bad = { 0 };

			tree_install(l, &l->data, &bad);
			if (!bad.code)
				return true;
			log_warn("the cached copy of '%s' is damaged: fetching "
				 "it anew",
				 l->prefix);
			buf_reset(&l->data);
		}
		if (d->reads)
			store_expect(d->store, READS_AHEAD);
		store_submit(d->store, &l->req);
		return false;
	}
	if (l->req.err.code == -ENOENT || l->req.err.code == -ESTALE) {
		tree_missing(l, e);
		return true;
	}
	if (l->req.err.code) {
		(void)err_copy(e, &l->req.err);
		return true;
	}
	tree_install(l, &l->data, e);
	if (e->code == -EBADMSG && !l->fetched_again) {
		log_info("%s: fetching it once more", e->text);
		err_clear(e);
		fetch_again(l);
		return false;
	}
	if (!e->code && d->cache)
		cache_object_put(d->cache, d->store->bucket_id, l->prefix,
				 l->req.object.etag, l->data.data, l->data.len);
	return true;
}

static void load_job(struct pool_job *job)
{
	struct load *l = container_of(job, struct load, job);
	struct err e = { 0 };

	if (l->req.op != STORE_LIST) {
		if (!tree_arrived(l, &e))
			return;
	} else if (l->req.err.code) {
		list_failed(l, &e);
	} else if (!list_arrived(l, &e)) {
		return;
	}
	load_end(l, &e);
}

void dirload_cancel_locked(struct dirs *d)
{
	list_for_each (link, &d->loads) {
		struct load *l = container_of(link, struct load, link);

		store_cancel(d->store, &l->req);
	}
}
