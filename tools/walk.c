/*
 * Directories to visit stand in a list, in the order of the visit. The first
 * LIST_AHEAD of them are being listed or are ready; completions only leave their
 * answer in the item and wake, all decisions are made by walk_next on its
 * caller's thread.
 */
#include "tools/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/lock.h"
#include "tools/session.h"

#define LIST_AHEAD 32
#define ATTRS_AHEAD 256 /* requests for metadata under way */
#define POLL_MS 100 /* how soon an interrupt is noticed */
#define SELF SIZE_MAX /* in place of a name's index: the directory itself */

struct item;

/* Something asked of the view. */
struct ask {
	struct view_req req;
	struct walk *walk;
	struct item *item;
	size_t name; /* index, or SELF; for metadata */
};

struct item {
	struct list link;
	struct walk_dir dir;
	bool named; /* by the user, not found on the way */
	bool started;
	bool asked_self;
	size_t next_attr; /* names before it have been asked for */
	/* guarded by walk.lock: */
	bool listed;
	size_t attrs_running;
};

struct walk {
	struct walk_options o; /* constant */
	struct list items; /* of struct item, owned */

	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	pthread_cond_t woken;
	bool news;
	size_t running; /* asks under way */
	size_t attrs_running; /* of them, for metadata */
};

void walk_dir_done(struct walk_dir *d)
{
	for (size_t i = 0; i < d->count; i++) {
		view_node_unref(d->names[i].node);
		free(d->names[i].err);
	}
	view_node_unref(d->self);
	free(d->names);
	free(d->path);
	*d = (struct walk_dir){ 0 };
}

static struct item *item_free(struct item *item)
{
	list_remove(&item->link);
	walk_dir_done(&item->dir);
	free(item);
	return NULL;
}

/* Sits before `next` in the list. */
static int add_item(struct list *next, const struct view_node *node, bool named)
{
	struct item *item = calloc(1, sizeof(*item));

	if (!item)
		return -ENOMEM;
	list_init(&item->link);
	item->named = named;
	item->dir.self = view_node_ref(node);
	item->dir.path = strdup(node->path);
	if (!item->dir.path) {
		(void)item_free(item);
		return -ENOMEM;
	}
	list_add_tail(next, &item->link);
	return 0;
}

int walk_open(struct walk **ret_walk, const struct walk_options *o,
	      const struct view_node *dir)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->o = *o;
	list_init(&w->items);
	lock_init(&w->lock, LOCK_RANK_TOOL);
	cond_init(&w->woken);
	if (add_item(&w->items, dir, true)) {
		walk_free(w);
		return -ENOMEM;
	}
	*ret_walk = w;
	return 0;
}

int walk_add(struct walk *w, const struct view_node *dir)
{
	return add_item(&w->items, dir, true);
}

static void wait_idle(struct walk *w)
{
	LOCK_SCOPE(&w->lock);
	while (w->running)
		cond_wait(&w->woken, &w->lock);
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	wait_idle(w);
	list_for_each_safe (pos, &w->items)
		(void)item_free(container_of(pos, struct item, link));
	(void)pthread_cond_destroy(&w->woken);
	lock_done(&w->lock);
	free(w);
}

/* Tells of news that now stand in the item, then lets go of the walk, which may
 * be freed from then on. */
static void ask_end(struct ask *ask)
{
	struct walk *w = ask->walk;

	free(ask);
	if (w->o.wake)
		w->o.wake(w->o.arg);
	LOCK_SCOPE(&w->lock);
	w->running--;
	pthread_cond_broadcast(&w->woken);
}

/* Takes over the nodes of a listing. */
static void take_listing(struct walk_dir *dir,
			 const struct view_listing *listing, struct err *e)
{
	dir->names = calloc(listing->count ?: 1, sizeof(*dir->names));
	if (!dir->names) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return;
	}
	/* What the parent's look at it brought is not asked for again. */
	if (!dir->self->attrs_known) {
		view_node_unref(dir->self);
		dir->self = view_node_ref(listing->self);
	}
	for (size_t i = 0; i < listing->count; i++)
		dir->names[i].node = view_node_ref(listing->nodes[i]);
	dir->count = listing->count;
	dir->hidden = listing->hidden;
}

static void on_listing(struct view_req *req)
{
	struct ask *ask = req->arg;
	struct walk *w = ask->walk;

	/* Until `listed` is set nobody else looks at the item. */
	if (req->err.code)
		ask->item->dir.err = req->err;
	else
		take_listing(&ask->item->dir, req->listing,
			     &ask->item->dir.err);
	view_listing_unref(req->listing);
	{
		LOCK_SCOPE(&w->lock);
		ask->item->listed = true;
		w->news = true;
		pthread_cond_broadcast(&w->woken);
	}
	ask_end(ask);
}

static const struct view_node **node_of(struct item *item, size_t name)
{
	return name == SELF ? &item->dir.self : &item->dir.names[name].node;
}

static void take_failure(struct walk_dir *dir, size_t name, const struct err *e)
{
	struct walk_name *it;

	if (name == SELF) {
		dir->err = *e;
		return;
	}
	it = &dir->names[name];
	it->failed = true;
	it->err = malloc(sizeof(*it->err));
	if (it->err)
		*it->err = *e;
}

static void on_attrs(struct view_req *req)
{
	struct ask *ask = req->arg;
	struct walk *w = ask->walk;
	const struct view_node **node = node_of(ask->item, ask->name);

	if (req->err.code) {
		take_failure(&ask->item->dir, ask->name, &req->err);
	} else {
		view_node_unref(*node);
		*node = req->node;
	}
	{
		LOCK_SCOPE(&w->lock);
		ask->item->attrs_running--;
		w->attrs_running--;
		w->news = true;
		pthread_cond_broadcast(&w->woken);
	}
	ask_end(ask);
}

static struct ask *new_ask(struct walk *w, struct item *item)
{
	struct ask *ask = calloc(1, sizeof(*ask));

	if (!ask)
		return NULL;
	ask->walk = w;
	ask->item = item;
	ask->req.arg = ask;
	LOCK_SCOPE(&w->lock);
	w->running++;
	return ask;
}

static int start_listing(struct walk *w, struct item *item)
{
	struct ask *ask = new_ask(w, item);

	if (!ask)
		return -ENOMEM;
	item->started = true;
	ask->req.done = on_listing;
	view_list(w->o.view, item->dir.path, &ask->req);
	return 0;
}

static int start_attrs(struct walk *w, struct item *item, size_t name)
{
	struct ask *ask = new_ask(w, item);

	if (!ask)
		return -ENOMEM;
	ask->name = name;
	ask->req.done = on_attrs;
	{
		LOCK_SCOPE(&w->lock);
		item->attrs_running++;
		w->attrs_running++;
	}
	view_lookup(w->o.view, (*node_of(item, name))->path, true, &ask->req);
	return 0;
}

static bool is_listed(struct walk *w, const struct item *item)
{
	LOCK_SCOPE(&w->lock);
	return item->listed;
}

static bool attrs_full(struct walk *w)
{
	LOCK_SCOPE(&w->lock);
	return w->attrs_running >= ATTRS_AHEAD;
}

static bool wants_attrs(const struct walk *w, const struct view_node *node)
{
	return !node->attrs_known && (node->key || w->o.dirs);
}

/* Asks for what metadata the listing did not bring. */
static int ask_attrs(struct walk *w, struct item *item)
{
	int r = 0;

	if (!item->asked_self) {
		item->asked_self = true;
		if (item->dir.self && wants_attrs(w, item->dir.self))
			r = start_attrs(w, item, SELF);
	}
	while (!r && item->next_attr < item->dir.count) {
		if (wants_attrs(w, item->dir.names[item->next_attr].node)) {
			if (attrs_full(w))
				return 0;
			r = start_attrs(w, item, item->next_attr);
		}
		item->next_attr++;
	}
	return r;
}

static int pump(struct walk *w)
{
	size_t ahead = 0;

	list_for_each (pos, &w->items) {
		struct item *item = container_of(pos, struct item, link);
		int r = 0;

		if (ahead++ >= LIST_AHEAD)
			break;
		if (!item->started)
			r = start_listing(w, item);
		if (!r && w->o.attrs && is_listed(w, item))
			r = ask_attrs(w, item);
		if (r)
			return r;
	}
	return 0;
}

static bool is_ready(struct walk *w, const struct item *item)
{
	LOCK_SCOPE(&w->lock);
	return item->listed && !item->attrs_running &&
	       (!w->o.attrs || item->next_attr == item->dir.count);
}

/* Names that vanished since they were listed are no names any more. */
static void drop_vanished(struct walk_dir *dir)
{
	size_t kept = 0;

	for (size_t i = 0; i < dir->count; i++) {
		struct walk_name *name = &dir->names[i];

		if (name->err && name->err->code == -ENOENT) {
			view_node_unref(name->node);
			free(name->err);
			continue;
		}
		dir->names[kept++] = *name;
	}
	dir->count = kept;
}

/* The same of directories; a listing above may also have shown one that holds
 * reserved names alone, as a removed tree does. */
static bool has_vanished(const struct item *item)
{
	return !item->named && item->dir.err.code == -ENOENT;
}

static void wait_news(struct walk *w)
{
	LOCK_SCOPE(&w->lock);
	if (!w->news)
		(void)cond_wait_ms(&w->woken, &w->lock, POLL_MS);
	w->news = false;
}

int walk_next(struct walk *w, bool wait, struct walk_dir *ret_dir)
{
	for (;;) {
		struct item *first;
		int r = pump(w);

		if (r)
			return r;
		if (list_empty(&w->items))
			return 0;
		first = container_of(w->items.next, struct item, link);
		if (is_ready(w, first) && has_vanished(first)) {
			(void)item_free(first);
			continue;
		}
		if (is_ready(w, first)) {
			*ret_dir = first->dir;
			first->dir = (struct walk_dir){ 0 };
			(void)item_free(first);
			drop_vanished(ret_dir);
			return 1;
		}
		if (session_interrupted())
			return -EINTR;
		if (!wait)
			return -EAGAIN;
		wait_news(w);
	}
}

int walk_descend(struct walk *w, const struct walk_dir *dir)
{
	struct list *next = w->items.next;

	for (size_t i = 0; i < dir->count; i++) {
		const struct view_node *node = dir->names[i].node;
		int r = 0;

		if (node->kind == VIEW_DIR)
			r = add_item(next, node, false);
		if (r)
			return r;
	}
	return 0;
}
