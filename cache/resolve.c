#include "cache/resolve.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "cache/node.h"

/* A name in the deepest directory may be beyond what can be asked for. */
#define PATH_ROOM (PATH_MAX_LEN + NAME_MAX_LEN + 2)

void found_done(struct found *f)
{
	view_node_unref(f->node);
	view_listing_unref(f->listing);
	page_unref(f->page);
	view_version_unref(f->tree);
	view_tree_unref(f->part);
	memset(f, 0, sizeof(*f));
}

static void note_trust(struct found *f, const struct dirs_path *p)
{
	if (p->until_ms < f->until_ms)
		f->until_ms = p->until_ms;
	if (p->oldest_ms < f->oldest_ms)
		f->oldest_ms = p->oldest_ms;
}

/*
 * The entry of the claims' key in the tree that it belongs to, into the claims;
 * `f` keeps its part. 0, 1 when the question was queued, or an error.
 */
static int claim_entry_locked(const struct resolver *v, struct question *q,
			      struct view_version *tree, struct claims *c,
			      struct found *f)
{
	const struct view_tree *part = NULL;
	const char *rel;
	uint32_t at;
	size_t len;
	int r;

	if (!tree ||
	    !view_version_within(tree, c->key, strlen(c->key), &rel, &len))
		return 0;
	at = tree_part_of(&tree->of, rel, len);
	r = dirs_parts_locked(v->dirs, tree, at, at + 1, q->wait, &part);
	if (r)
		return r;
	view_tree_unref(f->part);
	f->part = part;
	if (!catalog_find(part->cat, rel, len, &c->entry))
		c->tree = part;
	return 0;
}

/*
 * The level of `dir` itself ("…/"), the last of the path: adds marker, keys
 * below, and a tree of its own to the claims. Keeps page and tree in `f`.
 */
static int own_level_locked(const struct resolver *v, const char *dir,
			    const struct dirs_path *path, struct question *q,
			    struct claims *c, struct found *f)
{
	CLEANUP(view_version_unrefp) struct view_version *own = NULL;
	const struct dirs_level *level = &path->levels[path->count - 1];
	int r = dirs_tree_locked(v->dirs, path, true, q->wait, &own);

	if (r)
		return r;
	c->sure = true;
	c->below = false;
	c->marker = NULL;
	f->answer = level->answer;
	if (level->answer == PAGE_TELLS) {
		c->marker = page_marker(level->page, dir);
		c->below = page_below(level->page, dir);
		page_unref(f->page);
		f->page = page_ref(level->page);
	}
	if (!own)
		return 0;
	c->tree = NULL;
	r = claim_entry_locked(v, q, own, c, f);
	if (r)
		return r;
	view_version_unref(f->tree);
	f->tree = TAKE_PTR(own);
	return 0;
}

/*
 * A path of the view as keys of the bucket; for a packed file the key may be
 * longer than any object's, and no listing is asked for it then.
 */
struct spot {
	char *key; /* without trailing slash */
	char *dir; /* with; "" for the bucket's root */
	char *parent; /* directory: "" or "a/b/" */
	const char *name; /* in key: the last component */
};

static void spot_done(struct spot *s)
{
	free(s->key);
	free(s->dir);
	free(s->parent);
}

static int spot_of(struct spot *s, const char *prefix, const char *path)
{
	size_t len;

	if (asprintf(&s->key, "%s%s", prefix, path) < 0) {
		s->key = NULL;
		return -ENOMEM;
	}
	len = strlen(s->key);
	if (len && s->key[len - 1] == '/')
		s->key[--len] = '\0';
	s->name = strrchr(s->key, '/');
	s->name = s->name ? s->name + 1 : s->key;
	s->parent = strndup(s->key, (size_t)(s->name - s->key));
	if (asprintf(&s->dir, "%s%s", s->key, len ? "/" : "") < 0)
		s->dir = NULL;
	return s->parent && s->dir ? 0 : -ENOMEM;
}

/* The root of SOURCE is always there, and always a directory. */
static int resolve_root_locked(const struct resolver *v, struct question *q,
			       const struct spot *s, struct found *f)
{
	CLEANUP(dirs_path_done) struct dirs_path path = { 0 };
	struct claims c = { .path = "", .key = s->key };
	int r = dirs_path_locked(v->dirs, s->dir, q->wait, &path);

	if (!r)
		r = dirs_tree_locked(v->dirs, &path, false, q->wait, &f->tree);
	if (r)
		return r;
	note_trust(f, &path);
	r = claim_entry_locked(v, q, f->tree, &c, f);
	if (r)
		return r;
	r = own_level_locked(v, s->dir, &path, q, &c, f);
	if (r)
		return r;
	if (c.tree && !S_ISDIR(c.entry.mode))
		c.tree = NULL;
	c.below = true;
	f->node = node_of_claims(&c, v->o, &r);
	return r;
}

/*
 * The name's own level is asked for along with its parent's: of a file, the
 * parent's page proves that nothing is below.
 */
static int resolve_below_locked(const struct resolver *v, struct question *q,
				const struct spot *s, struct found *f)
{
	CLEANUP(dirs_path_done) struct dirs_path path = { 0 };
	struct claims c = { .path = q->path, .key = s->key, .sure = true };
	struct page_child child;
	struct dirs_level *parent;
	int r = dirs_path_locked(v->dirs, s->dir, q->wait, &path);

	if (r)
		return r;
	note_trust(f, &path);
	path.count--; /* the parent's tree */
	r = dirs_tree_locked(v->dirs, &path, false, q->wait, &f->tree);
	parent = &path.levels[path.count - 1];
	path.count++;
	if (r)
		return r;
	if (parent->answer == PAGE_TELLS &&
	    page_find(parent->page, s->parent, s->name, strlen(s->name),
		      &child)) {
		c.object = child.object;
		c.marker = child.marker;
		c.below = child.below;
	}
	r = claim_entry_locked(v, q, f->tree, &c, f);
	if (r)
		return r;
	if (c.marker || c.below || (c.tree && S_ISDIR(c.entry.mode))) {
		r = own_level_locked(v, s->dir, &path, q, &c, f);
		if (r)
			return r;
	}
	f->node = node_of_claims(&c, v->o, &r);
	return f->node || r ? r : -ENOENT;
}

struct build {
	const struct resolver *v;
	const struct found *f;
	struct view_listing *list; /* grows by view_listing_add */
	struct buf *path, *key; /* scratch: of the child */
	size_t path_base, key_base;
};

/* The root entry of a tree at the child, if it is loaded. */
static void child_tree_locked(struct build *b, const char *dir,
			      struct claims *c,
			      const struct view_tree **ret_first)
{
	CLEANUP(view_version_unrefp) struct view_version *own = NULL;
	struct store_object object;
	uint64_t seq;

	if (b->f->answer != PAGE_TELLS || !b->f->page->recursive ||
	    !page_tree(b->f->page, dir, &seq, &object) || !object.size)
		return;
	c->tree = NULL;
	if (dirs_loaded_locked(b->v->dirs, dir, seq, &own, ret_first) &&
	    !catalog_find((*ret_first)->cat, "", 0, &c->entry))
		c->tree = *ret_first;
	else
		c->sure = false;
}

/* Adds one name that a page, a catalog, or both have. part: the entry's. */
static int add_child_locked(struct build *b, const struct page_child *child,
			    const struct view_tree *part,
			    const struct catalog_entry *entry)
{
	CLEANUP(view_tree_unrefp) const struct view_tree *own = NULL;
	struct claims c = { .sure = true };
	const struct view_node *n;
	const char *name;
	bool is_dir;
	size_t len;
	int r = 0;

	assert(child || entry);
	name = child ? child->name : entry->name;
	len = child ? child->name_len : entry->name_len;
	b->path->len = b->path_base;
	b->key->len = b->key_base;
	if (buf_add(b->path, name, len) || buf_add(b->key, name, len))
		return -ENOMEM;
	if (child) {
		c.object = child->object;
		c.marker = child->marker;
		c.below = child->below;
		c.sure = child->sure;
	}
	if (entry) {
		c.tree = part;
		c.entry = *entry;
	}
	is_dir = c.below || c.marker;
	if (is_dir && buf_add_char(b->key, '/'))
		return -ENOMEM;
	c.path = b->path->data; /* from here on neither buffer grows */
	c.key = b->key->data;
	if (is_dir) {
		child_tree_locked(b, b->key->data, &c, &own);
		b->key->data[--b->key->len] = '\0';
	}
	n = node_of_claims(&c, b->v->o, &r);
	if (n)
		view_listing_add(b->list, n);
	return r;
}

static int compare_names(const struct page_child *child,
			 const struct catalog_entry *entry)
{
	size_t least = child->name_len < entry->name_len ? child->name_len
							 : entry->name_len;
	int r = memcmp(child->name, entry->name, least);

	if (r)
		return r;
	return child->name_len < entry->name_len
		       ? -1
		       : child->name_len > entry->name_len;
}

/* What the parts of a tree have of a directory, one behind the other. */
struct runs {
	const struct view_tree **parts; /* counted */
	uint32_t count;
	uint32_t part; /* where the next entry stands */
	uint32_t at, end; /* in its catalog */
	size_t total; /* entries in all */
	const char *rel; /* the directory; borrowed */
	size_t len;
};

static void runs_done(struct runs *runs)
{
	for (uint32_t i = 0; runs->parts && i < runs->count; i++)
		view_tree_unref(runs->parts[i]);
	free(runs->parts);
}

static uint32_t run_of(const struct runs *runs, uint32_t part,
		       uint32_t *ret_first)
{
	struct catalog_run run;

	if (catalog_find_dir(runs->parts[part]->cat, runs->rel, runs->len,
			     &run))
		return 0;
	*ret_first = run.first;
	return run.count;
}

/* 0, 1 when the question was queued, or an error. */
static int runs_locked(const struct resolver *v, struct question *q,
		       struct view_version *tree, const char *key,
		       struct runs *runs)
{
	uint32_t first, end, at;
	int r;

	if (!tree || !view_version_within(tree, key, strlen(key), &runs->rel,
					  &runs->len))
		return 0;
	tree_parts_in(&tree->of, runs->rel, runs->len, &first, &end);
	runs->parts = calloc(end - first, sizeof(*runs->parts));
	if (!runs->parts)
		return -ENOMEM;
	r = dirs_parts_locked(v->dirs, tree, first, end, q->wait, runs->parts);
	if (r)
		return r;
	runs->count = end - first;
	for (uint32_t i = 0; i < runs->count; i++)
		runs->total += run_of(runs, i, &at);
	runs->part = UINT32_MAX;
	return 0;
}

/* The next entry, without going on. */
static bool runs_peek(struct runs *runs, struct catalog_entry *ret_entry)
{
	while (runs->at == runs->end && runs->part + 1 < runs->count) {
		runs->part++;
		runs->end = run_of(runs, runs->part, &runs->at);
		if (!runs->end)
			runs->at = 0;
		runs->end += runs->at;
	}
	if (runs->at == runs->end)
		return false;
	catalog_entry_at(runs->parts[runs->part]->cat, runs->at, ret_entry);
	return true;
}

/* Both sorted by name. */
static int merge_locked(struct build *b, const struct page_child *children,
			size_t count, struct runs *runs)
{
	size_t i = 0;
	int r = 0;

	while (!r) {
		const struct page_child *child = i < count ? &children[i]
							   : NULL;
		struct catalog_entry entry;
		bool more = runs_peek(runs, &entry);
		int order = child ? -1 : 1;

		if (!child && !more)
			break;
		if (child && more)
			order = compare_names(child, &entry);
		r = add_child_locked(b, order <= 0 ? child : NULL,
				     more ? runs->parts[runs->part] : NULL,
				     order >= 0 ? &entry : NULL);
		i += order <= 0;
		runs->at += order >= 0;
	}
	return r;
}

static int build_listing_locked(const struct resolver *v, struct question *q,
				const struct spot *s, const struct found *f,
				const struct view_listing **ret_list)
{
	CLEANUP_FREE struct page_child *children = NULL;
	struct view_listing *list;
	CLEANUP_BUF struct buf path = BUF_INIT(PATH_ROOM);
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX + PATH_ROOM);
	CLEANUP(runs_done) struct runs runs = { 0 };
	struct build b = { .v = v, .f = f };
	size_t count = 0, hidden = 0;
	int r = runs_locked(v, q, f->tree, s->key, &runs);

	if (!r && f->answer == PAGE_TELLS)
		r = page_children(f->page, s->dir, &children, &count, &hidden);
	if (r)
		return r;
	if (buf_add_str(&key, s->dir) || buf_add_str(&path, f->node->path) ||
	    (*f->node->path && buf_add_char(&path, '/')))
		return -ENOMEM;
	list = view_listing_new(f->node, count + runs.total);
	if (!list)
		return -ENOMEM;
	list->hidden = hidden;
	b.list = list;
	b.path = &path;
	b.key = &key;
	b.path_base = path.len;
	b.key_base = key.len;
	r = merge_locked(&b, children, count, &runs);
	if (!r)
		*ret_list = list;
	else
		view_listing_unref(list);
	return r;
}

int resolve_locked(const struct resolver *v, struct question *q,
		   struct found *f)
{
	CLEANUP(spot_done) struct spot s = { 0 };
	int r = spot_of(&s, v->prefix, q->path);

	memset(f, 0, sizeof(*f));
	if (r)
		return r;
	f->until_ms = UINT64_MAX;
	f->oldest_ms = UINT64_MAX;
	f->answer = PAGE_EMPTY;
	r = *q->path ? resolve_below_locked(v, q, &s, f)
		     : resolve_root_locked(v, q, &s, f);
	if (r || !q->list)
		return r;
	if (f->node->kind != VIEW_DIR)
		return -ENOTDIR;
	return build_listing_locked(v, q, &s, f, &f->listing);
}
