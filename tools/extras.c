/*
 * All paths below the target are collected first, those of the tree's entries and
 * those of plain objects, since a directory may go only when nothing in it stays:
 * what stays pins the directories above it.
 */
#include "tools/extras.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/table.h"

/* A path that may go. */
struct candidate {
	char *path; /* below the target; owned */
	size_t len;
	bool is_dir;
	bool in_tree;
	int64_t commit_s; /* in_tree */
	const struct store_list_entry *object; /* or NULL */
};

struct pin {
	struct table_item item; /* key: path */
	char path[];
};

struct search {
	const struct extras_input *in;
	struct candidate *all; /* owned */
	size_t count, room;
	struct table pins; /* of struct pin: directories that stay; owned */
	char **trees; /* of their own, "a/b/" below the target; owned */
	size_t tree_count;
};

static void search_done(struct search *s)
{
	struct table_item *item;

	for (size_t i = 0; i < s->count; i++)
		free(s->all[i].path);
	free(s->all);
	while ((item = table_next(&s->pins, NULL))) {
		table_remove(&s->pins, item);
		free(container_of(item, struct pin, item));
	}
	table_done(&s->pins);
	for (size_t i = 0; i < s->tree_count; i++)
		free(s->trees[i]);
	free(s->trees);
}

void extras_done(struct extras *x)
{
	for (size_t i = 0; i < x->count; i++)
		free((char *)(uintptr_t)x->changes[i].path);
	free(x->changes);
	free(x->objects);
	*x = (struct extras){ 0 };
}

/* ---- what stays --------------------------------------------------------- */

static const struct scan_entry *scan_find(const struct scan *w,
					  const char *path, size_t len)
{
	size_t lo = 0, hi = w->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct scan_entry *entry = &w->entries[mid];
		int c = scan_compare(path, len, entry->path, entry->path_len);

		if (!c)
			return entry;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* The nearest directory above `path` that was walked, or NULL. */
static const struct scan_entry *walked_above(const struct scan *w,
					     const char *path, size_t len)
{
	for (;;) {
		const char *slash = len ? memrchr(path, '/', len) : NULL;
		const struct scan_entry *entry;

		if (!len)
			return NULL;
		len = slash ? (size_t)(slash - path) : 0;
		entry = scan_find(w, path, len);
		if (entry)
			return entry;
	}
}

static int pin(struct search *s, const char *path, size_t len)
{
	struct pin *p;

	if (table_find(&s->pins, path, len))
		return 1; /* and all above it */
	p = malloc(sizeof(*p) + len + 1);
	if (!p)
		return -ENOMEM;
	memcpy(p->path, path, len);
	p->path[len] = '\0';
	p->item.key = p->path;
	p->item.key_len = len;
	table_add(&s->pins, &p->item);
	return 0;
}

static int pin_above(struct search *s, const char *path, size_t len)
{
	const char *slash;
	int r = 0;

	while (!r && (slash = memrchr(path, '/', len))) {
		len = (size_t)(slash - path);
		r = pin(s, path, len);
	}
	return r < 0 ? r : 0;
}

static bool in_other_tree(const struct search *s, const char *path, size_t len)
{
	for (size_t i = 0; i < s->tree_count; i++) {
		size_t n = strlen(s->trees[i]);

		/* The directory itself, too. */
		if ((len >= n && !memcmp(path, s->trees[i], n)) ||
		    (len + 1 == n && !memcmp(path, s->trees[i], len)))
			return true;
	}
	return false;
}

/* Whether the source says that it may go: it lies in a directory that was listed
 * whole, without it, and is not excluded there. */
static bool is_extra(const struct search *s, const char *path, size_t len,
		     bool is_dir)
{
	const struct scan *w = s->in->diff->scan;
	const struct scan_entry *above;
	const char *below;

	if (scan_find(w, path, len))
		return false;
	above = walked_above(w, path, len);
	if (!above || !above->listed)
		return false;
	below = path + w->sources[above->source].skip;
	if (*below == '/')
		below++;
	return !exclude_covers(s->in->exclude, below, is_dir);
}

/* ---- collecting --------------------------------------------------------- */

static int consider(struct search *s, const char *path, size_t len,
		    const struct candidate *what)
{
	struct candidate *more;

	if (!is_extra(s, path, len, what->is_dir) ||
	    in_other_tree(s, path, len) || path_is_reserved(path))
		return pin_above(s, path, len);
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 64;

		more = reallocarray(s->all, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->all = more;
		s->room = room;
	}
	more = &s->all[s->count];
	*more = *what;
	more->path = strndup(path, len);
	more->len = len;
	if (!more->path)
		return -ENOMEM;
	s->count++;
	return 0;
}

static int note_tree(struct search *s, const char *dir, size_t len,
		     struct notes *kept)
{
	char **more = reallocarray(s->trees, s->tree_count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	s->trees = more;
	more[s->tree_count] = strndup(dir, len);
	if (!more[s->tree_count])
		return -ENOMEM;
	if (is_extra(s, dir, len - 1, true))
		notes_add(kept, "'%.*s' is a tree of its own and stays",
			  (int)len - 1, dir);
	s->tree_count++;
	return pin(s, dir, len - 1) < 0 ? -ENOMEM : pin_above(s, dir, len - 1);
}

static int find_trees(struct search *s, struct notes *kept)
{
	const struct store_list *l = s->in->diff->listed;
	size_t skip = strlen(s->in->diff->dir), last_len = 0;
	const char *last = NULL;
	int r = 0;

	for (size_t i = 0; i < l->count && !r; i++) {
		const char *key = l->entries[i].key;
		size_t key_len = l->entries[i].key_len;
		const char *slash = memrchr(key, '/', key_len);
		size_t len = slash ? (size_t)(slash + 1 - key) : 0;
		uint64_t seq;

		if (len <= skip ||
		    !name_parse_tree(key + len, key_len - len, &seq) ||
		    (len == last_len && !memcmp(key, last, len)))
			continue;
		/* The newest version lists first; an empty one is no tree. */
		last = key;
		last_len = len;
		if (l->entries[i].object.size)
			r = note_tree(s, key + skip, len - skip, kept);
	}
	return r;
}

static int add_objects(struct search *s)
{
	const struct store_list *l = s->in->diff->listed;
	size_t skip = strlen(s->in->diff->dir);
	int r = 0;

	for (size_t i = 0; i < l->count && !r; i++) {
		const struct store_list_entry *entry = &l->entries[i];
		struct candidate what = { .object = entry };
		size_t len = entry->key_len - skip;
		CLEANUP_FREE char *path = strndup(entry->key + skip, len);

		if (!path)
			return -ENOMEM;
		if (len && path[len - 1] == '/') {
			what.is_dir = true;
			path[--len] = '\0';
		}
		if (len)
			r = consider(s, path, len, &what);
	}
	return r;
}

/* Entries of one part that lie below the target. */
static int add_part(struct search *s, const struct catalog *cat)
{
	const char *dir = s->in->diff->dir + strlen(s->in->diff->base->dir);
	size_t skip = strlen(dir);
	CLEANUP_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
	int r = 0;

	for (uint32_t i = 0; i < catalog_count(cat) && !r; i++) {
		struct catalog_entry entry;
		struct candidate what = { .in_tree = true };

		buf_reset(&path);
		if (catalog_path(cat, i, &path))
			return -ENOMEM;
		if (path.len <= skip || memcmp(path.data, dir, skip))
			continue;
		catalog_entry_at(cat, i, &entry);
		what.is_dir = S_ISDIR(entry.mode);
		what.commit_s = entry.commit_s;
		r = consider(s, path.data + skip, path.len - skip, &what);
	}
	return r;
}

static int add_entries(struct search *s, struct err *e)
{
	const struct tree_version *base = s->in->diff->base;
	int r = 0;

	for (uint32_t i = 0; i < tree_part_count(base) && !r; i++) {
		CLEANUP(catalog_unrefp) struct catalog *cat = NULL;

		r = tree_part(s->in->store, s->in->cache, base, i, &cat, e);
		if (r)
			return r;
		r = add_part(s, cat);
	}
	return r ? err_set(e, r, "out of memory") : 0;
}

/* ---- as a whole --------------------------------------------------------- */

/* What is in a directory before it, the tree's entry before the object. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int r = strcmp(y->path, x->path);

	return r ? r : y->in_tree - x->in_tree;
}

/* Adds the removal of an entry; there is room for it. */
static int add_change(struct extras *x, const struct diff_input *in,
		      const char *below, size_t len, bool is_dir,
		      int64_t commit_s)
{
	CLEANUP_BUF struct buf path = BUF_INIT(2 * PATH_MAX_LEN);
	struct commit_change *ch = &x->changes[x->count];

	(void)buf_add_str(&path, in->dir + strlen(in->base->dir));
	(void)buf_add(&path, below, len);
	*ch = (struct commit_change){
		.remove = true,
		.if_empty = is_dir,
		.seen = true,
		.seen_commit_s = commit_s,
	};
	ch->path_len = path.len;
	ch->path = buf_take(&path);
	if (!ch->path || !ch->path_len) /* never the root */
		return -ENOMEM;
	x->count++;
	return 0;
}

static int take(struct extras *x, const struct search *s,
		const struct candidate *c)
{
	if (c->in_tree)
		return add_change(x, s->in->diff, c->path, c->len, c->is_dir,
				  c->commit_s);
	x->objects[x->object_count++] = c->object;
	return 0;
}

int extras_add_replaced(struct extras *x, const struct diff_input *in,
			const struct diff *diff)
{
	struct commit_change *more = reallocarray(
		x->changes, x->count + in->scan->count + 1, sizeof(*more));
	int r = 0;

	if (!more)
		return -ENOMEM;
	x->changes = more;
	for (size_t i = 0; i < in->scan->count && !r; i++) {
		const struct scan_entry *entry = &in->scan->entries[i];
		const struct diff_item *item = &diff->items[i];

		if (item->seen && !S_ISDIR(entry->st.st_mode))
			r = add_change(x, in, entry->path, entry->path_len,
				       false, item->seen_commit_s);
	}
	return r;
}

int extras_find(struct extras *ret_extras, const struct extras_input *in,
		struct notes *kept, struct err *e)
{
	CLEANUP(search_done) struct search s = { .in = in };
	CLEANUP(extras_done) struct extras x = { 0 };
	int r;

	table_init(&s.pins);
	r = find_trees(&s, kept);
	if (!r)
		r = add_objects(&s);
	if (r)
		return err_set(e, r, "out of memory");
	r = add_entries(&s, e);
	if (r)
		return r;
	x.changes = calloc(s.count + 1, sizeof(*x.changes));
	x.objects = calloc(s.count + 1, sizeof(*x.objects));
	if (!x.changes || !x.objects)
		return err_set(e, -ENOMEM, "out of memory");
	if (s.count)
		qsort(s.all, s.count, sizeof(*s.all), compare);
	for (size_t i = 0; i < s.count && !r; i++) {
		const struct candidate *c = &s.all[i];

		if (c->is_dir && table_find(&s.pins, c->path, c->len))
			continue;
		if (!c->is_dir && !(i && !strcmp(s.all[i - 1].path, c->path)))
			x.names++;
		r = take(&x, &s, c);
	}
	if (r)
		return err_set(e, r, "out of memory");
	*ret_extras = x;
	x = (struct extras){ 0 };
	return 0;
}
