/*
 * A slot for each directory that was ever asked for: its latest page, the tree
 * it roots, the load under way, and those who wait for it.
 *
 * A question walks the levels of a path from the top. A level is answered by
 * the nearest page at or above it that is still trusted: its own, a recursive
 * one, or one with delimiter that shows no common prefix towards it (nothing is
 * below, then). The first level without an answer is loaded, and the question
 * asked again when it has come; levels further down that will need a LIST of
 * their own are loaded at the same time.
 *
 * Levels above SOURCE are listed for tree keys alone; a 403 there means that
 * there is no tree.
 */
#include "cache/dirs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/dirload.h"
#include "s3/base/clock.h"

#define ABSENT_MS 1000u
#define POOL_THREADS 2
#define PARTS_AT_ONCE 8 /* of a directory that lies in many */
#define SLOTS_SWEEP 8192 /* slots kept before idle ones are dropped */

struct lock *dirs_lock(struct dirs *d)
{
	return &d->lock;
}

struct pool *dirs_pool(struct dirs *d)
{
	return d->pool;
}

bool dirs_enter_locked(struct dirs *d)
{
	lock_assert_held(&d->lock);
	if (d->ending)
		return false;
	d->busy++;
	return true;
}

static void leave_locked(struct dirs *d)
{
	if (!--d->busy)
		pthread_cond_broadcast(&d->idle);
}

void dirs_leave(struct dirs *d)
{
	LOCK_SCOPE(&d->lock);
	leave_locked(d);
}

static void slot_free(struct slot *s)
{
	page_unref(s->page);
	view_version_unref(s->tree);
	free(s->dir);
	free(s);
}

static struct slot *slot_find(struct dirs *d, const char *dir, size_t len)
{
	struct table_item *item = table_find(&d->slots, dir, len);

	return item ? container_of(item, struct slot, item) : NULL;
}

struct slot *dirs_slot_locked(struct dirs *d, const char *dir)
{
	return slot_find(d, dir, strlen(dir));
}

/* Drops what nobody waits for and nobody trusts any more. */
static void sweep_locked(struct dirs *d, uint64_t now_ms)
{
	struct table_item *item = table_next(&d->slots, NULL);

	while (item) {
		struct table_item *next = table_next(&d->slots, item);
		struct slot *s = container_of(item, struct slot, item);

		if (!s->listing && !s->reading && list_empty(&s->waiters) &&
		    (!s->page || s->page->until_ms < now_ms)) {
			table_remove(&d->slots, item);
			slot_free(s);
		}
		item = next;
	}
}

static struct slot *slot_get(struct dirs *d, const char *dir, size_t len)
{
	struct slot *s = slot_find(d, dir, len);
	size_t source = strlen(d->prefix);

	if (s)
		return s;
	if (d->slots.count >= SLOTS_SWEEP && !(d->slots.count % 1024))
		sweep_locked(d, clock_now_ms());
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->dir = strndup(dir, len);
	if (!s->dir) {
		free(s);
		return NULL;
	}
	s->above = len < source;
	list_init(&s->waiters);
	s->item.key = s->dir;
	s->item.key_len = len;
	table_add(&d->slots, &s->item);
	return s;
}

static bool trusted(const struct slot *s, const struct dirs_wait *w,
		    uint64_t now_ms)
{
	const struct page *p = s->page;

	if (p->asked < s->outdated)
		return false;
	if (p->asked >= w->tick)
		return true;
	if (w->absent && now_ms - p->asked_ms > ABSENT_MS)
		return false;
	return now_ms < p->until_ms;
}

void dirs_begin_locked(struct dirs *d, struct dirs_wait *w)
{
	lock_assert_held(&d->lock);
	w->tick = ++d->tick;
	list_init(&w->link);
}

void dirs_outdate_locked(struct dirs *d, const char *dir)
{
	size_t len = strlen(dir), own = len, source = strlen(d->prefix);

	lock_assert_held(&d->lock);
	d->tick++;
	for (;;) {
		struct slot *s = slot_find(d, dir, len);

		if (s && s->page && (len == own || s->page->recursive))
			s->outdated = d->tick;
		if (len <= source)
			return;
		len--;
		while (len && dir[len - 1] != '/')
			len--;
	}
}

void dirs_path_done(struct dirs_path *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->levels[i].dir);
		page_unref(p->levels[i].page);
	}
	free(p->levels);
	memset(p, 0, sizeof(*p));
}

/* Whether a LIST of the whole subtree is still worth a try for this page. */
static bool wants_subtree(const struct slot *s, const struct dirs_wait *w)
{
	if (!w->subtree || s->flat || s->above || !s->page ||
	    s->page->recursive)
		return false;
	for (size_t i = 0; i < s->page->list.count; i++)
		if (s->page->list.entries[i].is_prefix)
			return true;
	return false;
}

/* The answer for one level; false when nothing trusted tells. */
static bool answer_locked(struct dirs *d, const char *dir,
			  const struct dirs_wait *w, uint64_t now_ms, bool last,
			  struct dirs_level *out)
{
	size_t len = strlen(dir), source = strlen(d->prefix);

	for (;;) {
		struct slot *s = slot_find(d, dir, len);

		if (s && s->page && trusted(s, w, now_ms) &&
		    !(last && len == strlen(dir) && wants_subtree(s, w))) {
			out->answer = page_covers(s->page, dir);
			if (out->answer == PAGE_SILENT)
				return false;
			out->page = page_ref(s->page);
			return true;
		}
		/* A level above SOURCE, and SOURCE itself, tell for
		 * themselves alone. */
		if (len <= source)
			return false;
		len--;
		while (len && dir[len - 1] != '/')
			len--;
	}
}

/* Starts the LIST of a level unless it is under way. */
static int want_level_locked(struct dirs *d, const char *dir,
			     const struct dirs_wait *w, bool last,
			     struct list *start, struct slot **ret_slot)
{
	struct slot *s = slot_get(d, dir, strlen(dir));
	bool recursive;

	if (!s)
		return -ENOMEM;
	*ret_slot = s;
	if (s->listing)
		return 0;
	recursive = (s->page && s->page->recursive) || (w->subtree && last);
	return dirload_list_locked(d, s, recursive && !s->flat, start);
}

/*
 * Levels further down that will have to be listed on their own are listed at the
 * same time: those that were the last time, and those down to SOURCE, for which
 * no other level can tell.
 */
static int list_along_locked(struct dirs *d, const struct dirs_path *p,
			     size_t from, const struct dirs_wait *w,
			     uint64_t now_ms, struct list *start)
{
	size_t source = strlen(d->prefix);
	int r = 0;

	for (size_t i = from; i < p->count && !r; i++) {
		const char *dir = p->levels[i].dir;
		size_t len = strlen(dir);
		struct slot *s = slot_find(d, dir, len);
		bool known = s && s->page;

		if ((known && trusted(s, w, now_ms)) ||
		    (!known && len > source))
			continue;
		r = want_level_locked(d, dir, w, i == p->count - 1, start, &s);
	}
	return r;
}

static int split_levels(const char *dir, struct dirs_path *p)
{
	size_t count = 1;

	for (const char *c = dir; *c; c++)
		count += *c == '/';
	if (count > DIRS_LEVELS_MAX)
		return -ENAMETOOLONG;
	p->levels = calloc(count, sizeof(*p->levels));
	if (!p->levels)
		return -ENOMEM;
	for (size_t len = 0; p->count < count; len++) {
		if (len && dir[len - 1] != '/')
			continue;
		p->levels[p->count].dir = strndup(dir, len);
		if (!p->levels[p->count++].dir)
			return -ENOMEM;
	}
	return 0;
}

/*
 * Pages that came together run out together, and the kernel asks for the levels
 * of a path one by one. So the first that has run out takes along those of the
 * last path answered that have, too, or each would cost a round trip in turn.
 */
static int list_recent_locked(struct dirs *d, uint64_t now_ms,
			      struct list *start)
{
	CLEANUP(dirs_path_done) struct dirs_path recent = { 0 };
	const struct dirs_wait any = { .tick = UINT64_MAX };
	int r;

	if (!d->ttl_ms)
		return 0; /* nobody trusts a page asked for by another */
	r = split_levels(d->recent, &recent);
	return r ? r : list_along_locked(d, &recent, 0, &any, now_ms, start);
}

static int resolve_levels_locked(struct dirs *d, struct dirs_path *p,
				 struct dirs_wait *w, struct list *start)
{
	uint64_t now_ms = clock_now_ms();

	p->until_ms = UINT64_MAX;
	p->oldest_ms = now_ms;
	for (size_t i = 0; i < p->count; i++) {
		struct dirs_level *l = &p->levels[i];
		bool last = i == p->count - 1;
		struct slot *s = NULL;
		int r;

		if (answer_locked(d, l->dir, w, now_ms, last, l)) {
			if (l->page->until_ms < p->until_ms)
				p->until_ms = l->page->until_ms;
			if (l->page->asked_ms < p->oldest_ms)
				p->oldest_ms = l->page->asked_ms;
			continue;
		}
		r = want_level_locked(d, l->dir, w, last, start, &s);
		if (!r)
			r = list_along_locked(d, p, i + 1, w, now_ms, start);
		if (!r)
			r = list_recent_locked(d, now_ms, start);
		if (r)
			return r;
		list_add_tail(&s->waiters, &w->link);
		return 1;
	}
	return 0;
}

/*
 * Starts what was prepared, with the lock let go: a store may complete on this
 * very thread. The caller has queued its waiter and returns after this.
 */
static void start_unlocked(struct dirs *d, struct list *start)
{
	if (list_empty(start))
		return;
	lock_drop(&d->lock);
	dirload_submit(d, start);
	lock_take(&d->lock);
}

int dirs_path_locked(struct dirs *d, const char *dir, struct dirs_wait *w,
		     struct dirs_path *ret_path)
{
	struct list start = LIST_INIT(start);
	struct dirs_path p = { 0 };
	int r;

	lock_assert_held(&d->lock);
	assert(!strncmp(dir, d->prefix, strlen(d->prefix)));
	if (d->ending)
		return -ECANCELED;
	r = split_levels(dir, &p);
	if (!r)
		r = resolve_levels_locked(d, &p, w, &start);
	start_unlocked(d, &start);
	if (r) {
		dirs_path_done(&p);
		return r;
	}
	if (strlen(dir) < sizeof(d->recent))
		strcpy(d->recent, dir);
	*ret_path = p;
	return 0;
}

static struct view_version *loaded_locked(struct dirs *d, const char *dir,
					  uint64_t seq)
{
	struct slot *s = dirs_slot_locked(d, dir);

	return s && s->tree && s->tree->of.head.seq == seq ? s->tree : NULL;
}

/* The tree that stands at one level: 0 with a tree or NULL, 1 queued. */
static int level_tree_locked(struct dirs *d, const struct dirs_level *l,
			     struct dirs_wait *w, struct list *start,
			     struct view_version **ret_version)
{
	struct store_object object;
	struct slot *s;
	uint64_t seq;
	int r = 0;

	*ret_version = NULL;
	if (l->answer != PAGE_TELLS ||
	    !page_tree(l->page, l->dir, &seq, &object) || !object.size)
		return 0;
	*ret_version = loaded_locked(d, l->dir, seq);
	if (*ret_version) {
		(void)view_version_ref(*ret_version);
		return 0;
	}
	s = slot_get(d, l->dir, strlen(l->dir));
	if (!s)
		return -ENOMEM;
	if (!s->reading)
		r = dirload_tree_locked(d, s, seq, &object, start);
	if (r)
		return r;
	list_add_tail(&s->waiters, &w->link);
	return 1;
}

int dirs_tree_locked(struct dirs *d, const struct dirs_path *path, bool own,
		     struct dirs_wait *w, struct view_version **ret_version)
{
	struct list start = LIST_INIT(start);
	struct view_version *v = NULL;
	int r = 0;

	lock_assert_held(&d->lock);
	if (d->ending)
		return -ECANCELED;
	for (size_t i = path->count; i-- > 0 && !r && !v;) {
		r = level_tree_locked(d, &path->levels[i], w, &start, &v);
		if (own)
			break;
	}
	start_unlocked(d, &start);
	if (!r)
		*ret_version = v;
	return r;
}

int dirs_parts_locked(struct dirs *d, struct view_version *v, uint32_t first,
		      uint32_t end, struct dirs_wait *w,
		      const struct view_tree **ret_trees)
{
	struct list start = LIST_INIT(start);
	struct view_part *missing = NULL;
	uint64_t now_ms = clock_now_ms();
	unsigned int begun = 0;
	int r = 0;

	lock_assert_held(&d->lock);
	if (d->ending)
		return -ECANCELED;
	for (uint32_t i = first; i < end && begun < PARTS_AT_ONCE && !r; i++) {
		struct view_part *p = &v->parts[i];

		p->used_ms = now_ms;
		if (p->tree)
			continue;
		if (!missing)
			missing = p;
		if (!p->reading)
			r = dirload_part_locked(d, v, i, &start);
		begun++;
	}
	for (uint32_t i = first; i < end && !r && !missing; i++)
		ret_trees[i - first] = view_tree_ref(v->parts[i].tree);
	if (missing && missing->reading) {
		/* With those that could be begun. */
		list_add_tail(&missing->waiters, &w->link);
		r = 1;
	}
	start_unlocked(d, &start);
	return r;
}

bool dirs_loaded_locked(struct dirs *d, const char *dir, uint64_t seq,
			struct view_version **ret_version,
			const struct view_tree **ret_first)
{
	struct view_version *v = loaded_locked(d, dir, seq);

	if (!v)
		return false;
	*ret_version = view_version_ref(v);
	*ret_first = view_tree_ref(v->parts[0].tree);
	return true;
}

int dirs_open(struct dirs **ret_dirs, const struct dirs_options *o,
	      struct err *e)
{
	struct dirs *d = calloc(1, sizeof(*d));
	int r;

	if (!d || !(d->prefix = strdup(o->prefix))) {
		free(d);
		return err_set(e, -ENOMEM, "out of memory");
	}
	d->store = o->store;
	d->cache = o->cache;
	d->ttl_ms = o->ttl_ms;
	d->first_timeout_ms = o->first_timeout_ms;
	d->reads = o->reads;
	lock_init(&d->lock, LOCK_RANK_VIEW);
	cond_init(&d->idle);
	table_init(&d->slots);
	list_init(&d->loads);
	r = pool_open(&d->pool, POOL_THREADS, e);
	if (r) {
		dirs_free(d);
		return r;
	}
	*ret_dirs = d;
	return 0;
}

/* A load between two requests cannot be cancelled, hence again and again. */
static void cancel_loads(struct dirs *d)
{
	LOCK_SCOPE(&d->lock);
	d->ending = true;
	while (d->busy) {
		dirload_cancel_locked(d);
		(void)cond_wait_ms(&d->idle, &d->lock, 50);
	}
}

void dirs_free(struct dirs *d)
{
	struct table_item *item;

	if (!d)
		return;
	cancel_loads(d);
	pool_free(d->pool);
	while ((item = table_next(&d->slots, NULL))) {
		table_remove(&d->slots, item);
		slot_free(container_of(item, struct slot, item));
	}
	table_done(&d->slots);
	(void)pthread_cond_destroy(&d->idle);
	lock_done(&d->lock);
	free(d->prefix);
	free(d);
}
