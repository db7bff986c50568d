/*
 * A LIST runs for as many pages as it takes; one of a whole subtree that does
 * not fit in a page turns into one of its level, and the slot remembers. Trees
 * and their parts come by treeload, out of the cache first.
 *
 * Parts stay with their version. Beyond PARTS_KEPT (less where they are not
 * mapped files) the one not used for longest goes, if that is PART_IDLE_MS ago:
 * a directory that lies in many is answered when all of them are there.
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
#include "cache/treeload.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"

#define TTL_MIN_MS 1000u
#define TREE_TRIES 3
#define READS_AHEAD 6 /* connections for the packs of a small tree */
#define PARTS_KEPT 1024u
#define PARTS_KEPT_ANONYMOUS 32u
#define PART_IDLE_MS 10000u

/* One load: a LIST of as many pages as it takes, a tree, or a part of one. */
struct load {
	struct pool_job job;
	struct store_req req;
	struct list link; /* in dirs.loads */
	struct dirs *dirs;
	struct slot *slot; /* stays: slots with a load are not dropped; NULL
			      for a part */
	bool recursive;
	uint32_t timeout_ms; /* 0: the store's */
	uint64_t asked, asked_ms;
	char *prefix; /* of the LIST; owned */
	char *token; /* continuation; owned */
	struct store_list list; /* pages so far */
	struct treeload tree; /* of a tree or part */
	struct view_version *of; /* a part's; counted */
	bool begun; /* the cache was asked */
	bool cancellable; /* guarded by lock: the request was submitted */
};

static bool is_list(const struct load *l)
{
	return l->prefix;
}

static struct store_req *request_of(struct load *l)
{
	return is_list(l) ? &l->req : &l->tree.req;
}

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
	treeload_done(&l->tree);
	view_version_unref(l->of);
	free(l->prefix);
	free(l->token);
	free(l);
}

static struct load *load_new_locked(struct dirs *d, struct slot *s)
{
	struct load *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	store_req_init(&l->req, STORE_LIST, NULL);
	store_list_init(&l->list);
	treeload_init(&l->tree);
	l->tree.store = d->store;
	l->tree.cache = d->cache;
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
	struct load *l = load_new_locked(d, s);

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
	l->cancellable = true;
	load_begin_locked(l);
	list_add_tail(ret_start, &l->job.link);
	return 0;
}

void dirload_submit(struct dirs *d, struct list *start)
{
	struct list *link;

	while ((link = list_pop_head(start))) {
		struct load *l = container_of(link, struct load, job.link);

		if (is_list(l)) {
			store_submit(d->store, &l->req);
		} else { /* the cache first */
			l->job.run = load_job;
			pool_submit(d->pool, &l->job);
		}
	}
}

int dirload_tree_locked(struct dirs *d, struct slot *s, uint64_t seq,
			const struct store_object *object,
			struct list *ret_start)
{
	struct load *l = load_new_locked(d, s);

	if (!l)
		return -ENOMEM;
	l->tree.dir = s->dir;
	l->tree.seq = seq;
	l->tree.object = *object;
	s->reading = true;
	load_begin_locked(l);
	list_add_tail(ret_start, &l->job.link);
	return 0;
}

int dirload_part_locked(struct dirs *d, struct view_version *v, uint32_t part,
			struct list *ret_start)
{
	struct load *l = load_new_locked(d, NULL);

	if (!l)
		return -ENOMEM;
	l->of = view_version_ref(v);
	l->tree.of = &v->of;
	l->tree.part = part;
	v->parts[part].reading = true;
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

static void take_waiters(struct list *from, struct list *out)
{
	struct list *link;

	list_init(out);
	while ((link = list_pop_head(from)))
		list_add_tail(out, link);
}

/* Ends a load: its waiters ask again, or learn of the error. */
static void load_end(struct load *l, const struct err *e)
{
	struct dirs *d = l->dirs;
	struct list waiters;

	lock_take(&d->lock);
	if (is_list(l))
		l->slot->listing = false;
	else if (l->of)
		l->of->parts[l->tree.part].reading = false;
	else
		l->slot->reading = false;
	list_remove(&l->link);
	if (!e->code)
		d->arrived = true;
	take_waiters(l->of ? &l->of->parts[l->tree.part].waiters
			   : &l->slot->waiters,
		     &waiters);
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

static void tree_install(struct load *l, struct err *e)
{
	struct tree_version *t = &l->tree.tree;
	struct view_version *v = NULL, *old;

	if (!tree_part_count(t)) {
		(void)err_set(e, -EBADMSG,
			      "the tree of '%s' is empty, but was not when "
			      "listed",
			      l->slot->dir);
	} else {
		v = view_version_new(t);
		if (!v)
			(void)err_set(e, -ENOMEM, "tree of '%s': out of memory",
				      l->slot->dir);
	}
	tree_version_done(t);
	if (!v)
		return;
	lock_take(&l->dirs->lock);
	old = l->slot->tree;
	l->slot->tree = v;
	if (!v->of.table)
		l->slot->missing = 0;
	lock_drop(&l->dirs->lock);
	view_version_unref(old);
}

/* The part that was not used for longest, if there are too many. */
static const struct view_tree *drop_part_locked(struct view_version *v,
						uint32_t kept)
{
	uint64_t now_ms = clock_now_ms();
	struct view_part *oldest = NULL;
	const struct view_tree *tree;

	if (v->loaded <= kept)
		return NULL;
	for (uint32_t i = 0; i < v->count; i++) {
		struct view_part *p = &v->parts[i];

		if (i && p->tree && now_ms - p->used_ms > PART_IDLE_MS &&
		    (!oldest || p->used_ms < oldest->used_ms))
			oldest = p;
	}
	if (!oldest)
		return NULL;
	tree = oldest->tree;
	oldest->tree = NULL;
	v->loaded--;
	return tree;
}

static void part_install(struct load *l, struct err *e)
{
	struct view_version *v = l->of;
	bool anonymous = catalog_is_anonymous(l->tree.cat);
	const struct view_tree *old;
	struct slot *s;
	const struct view_tree *tree = view_tree_new(
		l->tree.cat, v->of.dir, v->of.head.pool, v->of.head.seq);

	catalog_unref(l->tree.cat);
	if (!tree) {
		(void)err_set(e, -ENOMEM, "tree of '%s': out of memory",
			      v->of.dir);
		return;
	}
	lock_take(&l->dirs->lock);
	old = drop_part_locked(v,
			       anonymous ? PARTS_KEPT_ANONYMOUS : PARTS_KEPT);
	v->parts[l->tree.part].tree = tree;
	v->loaded++;
	s = dirs_slot_locked(l->dirs, v->of.dir);
	if (s)
		s->missing = 0;
	lock_drop(&l->dirs->lock);
	view_tree_unref(old);
}

/* A listed version that is gone was pruned, and so was one of which a part is
 * gone: list again, a few times. */
static void tree_missing(struct load *l, struct err *e)
{
	const char *dir = l->of ? l->of->of.dir : l->slot->dir;
	struct slot *s;

	LOCK_SCOPE(&l->dirs->lock);
	s = dirs_slot_locked(l->dirs, dir);
	if (s && ++s->missing >= TREE_TRIES) {
		s->missing = 0;
		(void)err_set(e, -EIO,
			      "'%s' belongs to the tree of '%s', but cannot be "
			      "found",
			      l->tree.key.data, dir);
		return;
	}
	dirs_outdate_locked(l->dirs, dir);
}

static void tree_submit(struct load *l)
{
	struct dirs *d = l->dirs;

	l->tree.req.timeout_ms = l->timeout_ms;
	l->tree.req.done = load_arrived;
	l->tree.req.arg = l;
	if (d->reads && !l->of)
		store_expect(d->store, READS_AHEAD);
	lock_take(&d->lock);
	l->cancellable = true;
	lock_drop(&d->lock);
	store_submit(d->store, &l->tree.req);
}

/* Returns false when a GET is under way for this load. */
static bool tree_arrived(struct load *l, struct err *e)
{
	int r;

	lock_take(&l->dirs->lock);
	l->cancellable = false; /* it is made anew, perhaps */
	lock_drop(&l->dirs->lock);
	r = l->begun ? treeload_end(&l->tree, e) : treeload_begin(&l->tree, e);
	l->begun = true;
	if (r == 1) {
		tree_submit(l);
		return false;
	}
	if (r == -ENOENT || r == -ESTALE) {
		err_clear(e);
		tree_missing(l, e);
	} else if (!r && l->of) {
		part_install(l, e);
	} else if (!r) {
		tree_install(l, e);
	}
	return true;
}

static void load_job(struct pool_job *job)
{
	struct load *l = container_of(job, struct load, job);
	struct err e = { 0 };

	if (!is_list(l)) {
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

		if (l->cancellable)
			store_cancel(d->store, request_of(l));
	}
}
