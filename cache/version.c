/*
 * Versions of trees, found by listing and read by one GET, and their parts.
 */
#include "cache/version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "cache/treeload.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"

#define LEVELS_MAX 128
#define LIST_AGAIN_MAX 4

void tree_version_done(struct tree_version *t)
{
	free(t->dir);
	catalog_unref(t->cat);
	shard_table_unref(t->table);
	memset(t, 0, sizeof(*t));
}

/* ---- parts --------------------------------------------------------------- */

uint32_t tree_part_count(const struct tree_version *t)
{
	return t->cat ? 1 + (t->table ? t->table->count : 0) : 0;
}

uint32_t tree_part_of(const struct tree_version *t, const char *path,
		      size_t len)
{
	struct catalog_key key = catalog_key_of(path, len);

	return t->table ? shard_part_of(t->table, &key) : 0;
}

void tree_parts_in(const struct tree_version *t, const char *dir, size_t len,
		   uint32_t *ret_first, uint32_t *ret_end)
{
	/* Names are below 256 bytes and have no byte 0, so that these lie
	 * below and above all of them. */
	static const char most[NAME_MAX_LEN + 1] = {
		[0 ... NAME_MAX_LEN] = '\xff',
	};
	struct catalog_key low = { dir, len, "\0", 1 };
	struct catalog_key high = { dir, len, most, sizeof(most) };

	*ret_first = t->table ? shard_part_of(t->table, &low) : 0;
	*ret_end = t->table ? shard_part_of(t->table, &high) + 1 : !!t->cat;
}

bool tree_part_id(const struct tree_version *t, uint32_t part,
		  struct object_id *ret_id)
{
	if (!part)
		return false;
	*ret_id = t->table->shards[part - 1].id;
	return true;
}

static int load(struct treeload *l, struct err *e)
{
	int r = treeload_begin(l, e);

	while (r == 1) {
		/* treeload_end looks at the error. */
		(void)store_run(l->store, &l->req, NULL);
		r = treeload_end(l, e);
	}
	return r;
}

int tree_part(struct store *s, struct cache *c, const struct tree_version *t,
	      uint32_t part, struct catalog **ret_cat, struct err *e)
{
	CLEANUP(treeload_done) struct treeload l;
	int r;

	treeload_init(&l);
	if (!part) {
		*ret_cat = catalog_ref(t->cat);
		return 0;
	}
	l.store = s;
	l.cache = c;
	l.of = t;
	l.part = part;
	r = load(&l, e);
	if (!r)
		*ret_cat = l.cat;
	return r;
}

int tree_cursor_part(struct tree_cursor *c, uint32_t part,
		     struct catalog **ret_cat, struct err *e)
{
	int r = 0;

	if (c->cat && c->part != part) {
		catalog_unref(c->cat);
		c->cat = NULL;
	}
	if (!c->cat)
		r = tree_part(c->store, c->cache, c->tree, part, &c->cat, e);
	if (r)
		return r;
	c->part = part;
	*ret_cat = c->cat;
	return 0;
}

int tree_cursor_find(struct tree_cursor *c, const char *path, size_t len,
		     struct catalog **ret_cat, struct catalog_entry *ret_entry,
		     struct err *e)
{
	int r;

	if (!tree_part_count(c->tree))
		return -ENOENT;
	r = tree_cursor_part(c, tree_part_of(c->tree, path, len), ret_cat, e);
	return r ? r : catalog_find(*ret_cat, path, len, ret_entry);
}

void tree_cursor_done(struct tree_cursor *c)
{
	catalog_unref(c->cat);
	c->cat = NULL;
}

/* ---- versions ------------------------------------------------------------ */

/* The part of `key` behind `dir`, if it is a tree key of that directory. */
static bool tree_key_of(const struct store_list_entry *entry, const char *dir,
			uint64_t *ret_seq)
{
	size_t len = strlen(dir);

	return !entry->is_prefix && entry->key_len > len &&
	       !memcmp(entry->key, dir, len) &&
	       name_parse_tree(entry->key + len, entry->key_len - len, ret_seq);
}

bool tree_newest(const struct store_list *l, const char *dir, uint64_t *ret_seq,
		 struct store_object *ret_object)
{
	uint64_t seq = 0;
	bool found = false;

	for (size_t i = 0; i < l->count; i++) {
		if (!tree_key_of(&l->entries[i], dir, &seq))
			continue;
		if (found && seq <= *ret_seq)
			continue;
		*ret_seq = seq;
		*ret_object = l->entries[i].object;
		found = true;
	}
	return found;
}

/* Length of the part of a tree key that names the directory, or 0. */
static size_t tree_key_dir(const struct store_list_entry *entry,
			   uint64_t *ret_seq)
{
	const char *slash = memrchr(entry->key, '/', entry->key_len);
	size_t len = slash ? (size_t)(slash + 1 - entry->key) : 0;

	if (entry->is_prefix ||
	    !name_parse_tree(entry->key + len, entry->key_len - len, ret_seq))
		return 0;
	return len;
}

bool tree_next_below(const struct store_list *l, const char *dir, size_t *pos,
		     struct tree_listed *ret_tree)
{
	while (*pos < l->count) {
		const struct store_list_entry *entry = &l->entries[*pos];
		const struct store_list_entry *last =
			*pos ? &l->entries[*pos - 1] : NULL;
		uint64_t seq, last_seq;
		size_t len = tree_key_dir(entry, &seq);

		(*pos)++;
		/* The newest version lists first. */
		if (len <= strlen(dir) ||
		    (last && tree_key_dir(last, &last_seq) == len &&
		     !memcmp(last->key, entry->key, len)))
			continue;
		*ret_tree = (struct tree_listed){ entry->key, len, seq,
						  &entry->object };
		return true;
	}
	return false;
}

int tree_version_decode(struct tree_version *t, const char *dir, uint64_t seq,
			const struct buf *data, struct err *e)
{
	struct tree_content content = { 0 };
	struct err why = { 0 };
	int r = tree_decode(&t->head, &content, data->data ? data->data : "",
			    data->len, &why);

	if (r == -ENODATA) {
		memset(&t->head, 0, sizeof(t->head));
		t->head.seq = seq;
		r = 0;
	} else if (!r && t->head.seq != seq) {
		r = err_set(&why, -EBADMSG, "it says that it is version %llu",
			    (unsigned long long)t->head.seq);
	}
	t->dir = r ? NULL : strdup(dir);
	if (t->dir) {
		t->cat = content.cat;
		t->table = content.table;
		return 0;
	}
	tree_content_done(&content);
	if (r == -EBADMSG)
		return err_set(e, r,
			       "'%s" TREE_PREFIX "%016llx': %s. Where it stays "
			       "so, delete that object: the version before it "
			       "shows then",
			       dir, (unsigned long long)(UINT64_MAX - seq),
			       why.text);
	return err_set(e, r ? r : -ENOMEM, "tree of '%s': %s", dir,
		       r ? why.text : "out of memory");
}

int tree_load(struct store *s, struct cache *c, const char *dir, uint64_t seq,
	      const struct store_object *object, struct tree_version *ret_tree,
	      struct err *e)
{
	CLEANUP(treeload_done) struct treeload l;
	int r;

	treeload_init(&l);
	l.store = s;
	l.cache = c;
	l.dir = dir;
	l.seq = seq;
	l.object = *object;
	r = load(&l, e);
	if (!r)
		*ret_tree = l.tree;
	return r;
}

/* LIST of the newest tree key of a directory. */
static int prepare_newest(struct store_req *req, struct buf *prefix,
			  const char *dir)
{
	buf_init(prefix, STORE_KEY_MAX);
	if (buf_add_str(prefix, dir) || buf_add_str(prefix, TREE_PREFIX))
		return buf_error(prefix);
	store_req_init(req, STORE_LIST, prefix->data);
	req->max_keys = 1;
	return 0;
}

int tree_find_newest(struct store *s, const char *dir, bool *ret_found,
		     uint64_t *ret_seq, struct store_object *ret_object,
		     struct err *e)
{
	CLEANUP_BUF struct buf prefix = BUF_INIT(0);
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_LIST, NULL);
	r = prepare_newest(&req, &prefix, dir);
	if (r)
		return err_set(e, r, "'%s': path too long", dir);
	r = store_run(s, &req, e);
	if (r)
		return r;
	*ret_found = tree_newest(&req.list, dir, ret_seq, ret_object);
	return 0;
}

/* Whether the tree keys of `dir` would stand on this page of its LIST. */
static bool page_tells(const struct store_list *l, const char *dir)
{
	const struct store_list_entry *last;
	size_t len = strlen(dir);

	if (!l->truncated)
		return true;
	if (!l->count)
		return false;
	last = &l->entries[l->count - 1];
	/* The newest is the first of them. */
	return last->key_len > len && strcmp(last->key + len, TREE_PREFIX) > 0;
}

/* One LIST for each level above, all at once; the deepest first. */
struct levels {
	struct level {
		struct store_req req;
		struct store_wait wait;
		struct buf prefix;
		char *dir; /* owned */
	} level[LEVELS_MAX];
	size_t count;
};

static void levels_free(struct levels *all)
{
	for (size_t i = 0; i < all->count; i++) {
		store_req_done(&all->level[i].req);
		buf_done(&all->level[i].prefix);
		free(all->level[i].dir);
	}
	free(all);
}
DEFINE_CLEANUP(struct levels *, levels_free)

static int add_level(struct levels *all, const char *dir, size_t len)
{
	struct level *l = &all->level[all->count];

	if (all->count == LEVELS_MAX)
		return -ENAMETOOLONG;
	l->dir = strndup(dir, len);
	if (!l->dir)
		return -ENOMEM;
	all->count++;
	store_req_init(&l->req, STORE_LIST, NULL);
	buf_init(&l->prefix, 0);
	return prepare_newest(&l->req, &l->prefix, l->dir);
}

static int list_levels_above(struct store *s, const char *dir,
			     struct levels **ret_levels, struct err *e)
{
	CLEANUP(levels_freep) struct levels *all = calloc(1, sizeof(*all));
	size_t len = strlen(dir);
	int r = all ? 0 : -ENOMEM;

	while (len && !r) {
		len--;
		while (len && dir[len - 1] != '/')
			len--;
		r = add_level(all, dir, len);
	}
	if (r)
		return err_set(e, r, "'%s': %s", dir, strerror(-r));
	for (size_t i = 0; i < all->count; i++)
		store_begin(s, &all->level[i].req, &all->level[i].wait);
	for (size_t i = 0; i < all->count; i++)
		(void)store_await(&all->level[i].req, &all->level[i].wait,
				  NULL); /* looked at one by one */
	*ret_levels = TAKE_PTR(all);
	return 0;
}

/* The nearest tree that is not removed; *ret_level NULL if none, and then
 * `announced` has been called for each that was announced. */
static int nearest(struct levels *all,
		   void (*announced)(void *arg, const char *dir), void *arg,
		   struct level **ret_level, uint64_t *ret_seq,
		   struct store_object *ret_object, struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct level *l = &all->level[i];

		if (l->req.err.code == -EACCES) {
			log_info(
				"no right to list '%s': taken as no tree there",
				l->dir);
			continue;
		}
		if (l->req.err.code)
			return err_copy(e, &l->req.err);
		if (!tree_newest(&l->req.list, l->dir, ret_seq, ret_object))
			continue;
		if (tree_is_announcement(*ret_seq, ret_object))
			announced(arg, l->dir);
		if (!ret_object->size)
			continue;
		*ret_level = l;
		return 0;
	}
	*ret_level = NULL;
	return 0;
}

static void note_contest(void *arg, const char *dir)
{
	bool *contested = arg;

	(void)dir;
	*contested = true;
}

static int locate_above(struct store *s, struct cache *c, const char *dir,
			bool *ret_found, bool *ret_contested,
			struct tree_version *ret_tree, struct err *e)
{
	CLEANUP(levels_freep) struct levels *all = NULL;
	struct store_object object;
	struct level *l = NULL;
	uint64_t seq;
	int r = list_levels_above(s, dir, &all, e);

	if (!r)
		r = nearest(all, note_contest, ret_contested, &l, &seq, &object,
			    e);
	if (!r && l)
		r = tree_load(s, c, l->dir, seq, &object, ret_tree, e);
	if (!r)
		*ret_found = l;
	return r;
}

int tree_above(struct store *s, const char *dir,
	       void (*announced)(void *arg, const char *dir), void *arg,
	       bool *ret_found, struct err *e)
{
	CLEANUP(levels_freep) struct levels *all = NULL;
	struct store_object object;
	struct level *l = NULL;
	uint64_t seq;
	int r = list_levels_above(s, dir, &all, e);

	if (!r)
		r = nearest(all, announced, arg, &l, &seq, &object, e);
	if (!r)
		*ret_found = l;
	return r;
}

static int locate(struct store *s, struct cache *c, const char *dir,
		  const struct tree_listing *listed,
		  struct tree_version *ret_tree, struct err *e)
{
	struct store_object object = { 0 };
	uint64_t seq = 0, asked_ms = clock_now_ms();
	bool found = false, standing = false, contested = false;
	int r = 0;

	if (listed && page_tells(listed->keys, dir)) {
		found = tree_newest(listed->keys, dir, &seq, &object);
		asked_ms = listed->asked_ms;
	} else {
		r = tree_find_newest(s, dir, &found, &seq, &object, e);
	}
	if (!r && found && object.size) {
		standing = true;
		r = tree_load(s, c, dir, seq, &object, ret_tree, e);
	} else if (!r) {
		r = locate_above(s, c, dir, &standing, &contested, ret_tree, e);
	}
	if (r)
		return r;
	if (standing) {
		ret_tree->read_ms = asked_ms;
		return 0;
	}
	/* To be founded here; a removed tree goes on counting. */
	memset(ret_tree, 0, sizeof(*ret_tree));
	ret_tree->dir = strdup(dir);
	if (!ret_tree->dir)
		return err_set(e, -ENOMEM, "'%s': out of memory", dir);
	ret_tree->head.seq = found ? seq : 0;
	ret_tree->read_ms = asked_ms;
	ret_tree->contested = contested;
	return 0;
}

int tree_locate(struct store *s, struct cache *c, const char *dir,
		const struct tree_listing *listed,
		struct tree_version *ret_tree, struct err *e)
{
	int r = locate(s, c, dir, listed, ret_tree, e);

	/* What was listed has been pruned meanwhile. */
	for (int tries = 0; r == -ENOENT && tries < LIST_AGAIN_MAX; tries++) {
		err_clear(e);
		r = locate(s, c, dir, NULL, ret_tree, e);
	}
	return r;
}
