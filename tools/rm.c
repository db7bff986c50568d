#include "tools/rm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "tools/doomed.h"
#include "tools/keylist.h"
#include "tools/rmtree.h"

/* A path that was found. */
struct target {
	const struct rm_path *path;
	char *prefix; /* key and slash, or "" for the bucket's root; owned */
	struct keylist below; /* all keys that begin with prefix */
	struct store_req exact; /* LIST that shows the object at the key */
	struct doomed doomed, doomed_exact;
	uint64_t exact_asked_ms;
	char *tree_dir; /* root of the tree that has an entry for it; owned */
	char **roots; /* of trees at and below it; owned */
	size_t root_count;
	bool whole; /* a directory: with all below it */
	bool found; /* and not refused */
};

struct rm {
	struct store *store;
	struct cache *cache;
	const struct rm_options *o;
	struct notes *failed;
	struct target *targets; /* owned */
	size_t target_count;
	struct rmtree *trees; /* owned */
	size_t tree_count, tree_room;
	/* The answer for the directory asked about last: */
	char *last_dir; /* owned */
	char *last_tree; /* root of its tree; owned; NULL: none */
};

static void target_done(struct target *t)
{
	doomed_done(&t->doomed);
	doomed_done(&t->doomed_exact);
	keylist_done(&t->below);
	store_req_done(&t->exact);
	for (size_t i = 0; i < t->root_count; i++)
		free(t->roots[i]);
	free(t->roots);
	free(t->tree_dir);
	free(t->prefix);
}

static void rm_done(struct rm *rm)
{
	for (size_t i = 0; i < rm->target_count; i++)
		target_done(&rm->targets[i]);
	for (size_t i = 0; i < rm->tree_count; i++)
		rmtree_done(&rm->trees[i]);
	free(rm->targets);
	free(rm->trees);
	free(rm->last_dir);
	free(rm->last_tree);
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* ---- trees --------------------------------------------------------------- */

static struct rmtree *tree_of(struct rm *rm, const char *dir)
{
	for (size_t i = 0; i < rm->tree_count; i++)
		if (!strcmp(rm->trees[i].seen.dir, dir))
			return &rm->trees[i];
	return NULL;
}

/* Takes over the version; returns its tree, or NULL without memory. */
static struct rmtree *take_tree(struct rm *rm, struct tree_version *version)
{
	struct rmtree *t = tree_of(rm, version->dir);

	if (t) {
		tree_version_done(version);
		return t;
	}
	if (rm->tree_count == rm->tree_room) {
		size_t room = rm->tree_room ? 2 * rm->tree_room : 8;
		struct rmtree *more =
			reallocarray(rm->trees, room, sizeof(*more));

		if (!more) {
			tree_version_done(version);
			return NULL;
		}
		rm->trees = more;
		rm->tree_room = room;
	}
	t = &rm->trees[rm->tree_count++];
	*t = (struct rmtree){ .seen = *version };
	*version = (struct tree_version){ 0 };
	return t;
}

/* Learns which tree a directory belongs to. */
static int locate(struct rm *rm, const char *dir, struct err *e)
{
	struct tree_version version = { 0 };
	int r;

	if (rm->last_dir && !strcmp(rm->last_dir, dir))
		return 0;
	free(TAKE_PTR(rm->last_dir));
	free(TAKE_PTR(rm->last_tree));
	r = tree_locate(rm->store, rm->cache, dir, NULL, &version, e);
	if (r)
		return r;
	if (tree_part_count(&version)) {
		struct rmtree *t = take_tree(rm, &version);

		rm->last_tree = t ? strdup(t->seen.dir) : NULL;
		if (!rm->last_tree)
			return no_memory(e);
	}
	tree_version_done(&version);
	rm->last_dir = strdup(dir);
	return rm->last_dir ? 0 : no_memory(e);
}

/* What the tree says that the directory of the path belongs to. */
static int look_in_tree(struct rm *rm, struct target *t, struct err *e)
{
	const char *key = t->path->key, *slash = strrchr(key, '/');
	CLEANUP_FREE char *dir =
		strndup(key, slash ? (size_t)(slash + 1 - key) : 0);
	bool found = false, is_dir = false;
	int r;

	if (!dir)
		return no_memory(e);
	r = locate(rm, dir, e);
	if (r || !rm->last_tree)
		return r;
	r = rmtree_find(tree_of(rm, rm->last_tree), rm->store, rm->cache,
			key + strlen(rm->last_tree), &found, &is_dir, e);
	if (r || !found)
		return r;
	t->found = true;
	t->whole |= is_dir;
	t->tree_dir = strdup(rm->last_tree);
	return t->tree_dir ? 0 : no_memory(e);
}

/* ---- objects ------------------------------------------------------------- */

static int choose_objects(struct target *t, struct err *e)
{
	const struct store_list *l = &t->below.all, *x = &t->exact.list;

	t->doomed.objects = calloc(l->count + 1, sizeof(*t->doomed.objects));
	t->doomed_exact.objects = calloc(1, sizeof(*t->doomed.objects));
	if (!t->doomed.objects || !t->doomed_exact.objects)
		return no_memory(e);
	for (size_t i = 0; i < l->count; i++)
		if (!path_is_reserved(l->entries[i].key))
			t->doomed.objects[t->doomed.count++] = &l->entries[i];
	if (x->count && !strcmp(x->entries[0].key, t->path->key))
		t->doomed_exact.objects[t->doomed_exact.count++] =
			&x->entries[0];
	return 0;
}

static int add_root(struct rm *rm, struct target *t, const char *dir,
		    uint64_t seq, const struct store_object *object,
		    struct err *e)
{
	struct tree_version version = { 0 };
	char **more = reallocarray(t->roots, t->root_count + 1, sizeof(*more));
	int r;

	if (!more)
		return no_memory(e);
	t->roots = more;
	r = tree_load(rm->store, rm->cache, dir, seq, object, &version, e);
	if (r)
		return r;
	t->roots[t->root_count] = strdup(dir);
	if (!t->roots[t->root_count] || !take_tree(rm, &version)) {
		tree_version_done(&version);
		return no_memory(e);
	}
	t->root_count++;
	return 0;
}

/* Trees at and below the path, of which the newest version is listed first. */
static int choose_trees(struct rm *rm, struct target *t, struct err *e)
{
	const struct store_list *l = &t->below.all;
	CLEANUP_FREE char *last = NULL;

	for (size_t i = 0; i < l->count; i++) {
		const struct store_list_entry *entry = &l->entries[i];
		const char *slash = memrchr(entry->key, '/', entry->key_len);
		size_t at = slash ? (size_t)(slash + 1 - entry->key) : 0;
		uint64_t seq;
		int r;

		if (!name_parse_tree(entry->key + at, entry->key_len - at,
				     &seq) ||
		    (last && strlen(last) == at &&
		     !memcmp(last, entry->key, at)))
			continue;
		free(last);
		last = strndup(entry->key, at);
		if (!last)
			return no_memory(e);
		if (!entry->object.size)
			continue; /* removed */
		r = add_root(rm, t, last, seq, &entry->object, e);
		if (r)
			return r;
		t->found = true;
		t->whole = true;
	}
	return 0;
}

/* ---- looking ------------------------------------------------------------- */

static int list_target(struct rm *rm, struct target *t, struct err *e)
{
	const char *key = t->path->key;
	int r;

	store_req_init(&t->exact, STORE_LIST, key);
	t->prefix = calloc(1, strlen(key) + 2);
	if (!t->prefix)
		return no_memory(e);
	strcpy(t->prefix, key);
	if (*key)
		strcat(t->prefix, "/");
	r = keylist_start(&t->below, rm->store, t->prefix, NULL, NULL, e);
	t->exact_asked_ms = t->below.asked_ms;
	t->exact.max_keys = 1;
	if (!r && *key)
		r = store_run(rm->store, &t->exact, e);
	return r ? r : keylist_wait(&t->below, e);
}

static void refuse(struct rm *rm, struct target *t, const char *why)
{
	notes_add(rm->failed, "'%s': %s", t->path->text, why);
	t->found = false;
}

/* rm(1) has the same cases. */
static void judge(struct rm *rm, struct target *t)
{
	if (!t->found) {
		if (!rm->o->force)
			refuse(rm, t, "does not exist");
	} else if (t->whole && !rm->o->recursive) {
		refuse(rm, t, "is a directory: use -r");
	} else if (!t->whole && t->path->slash) {
		refuse(rm, t, "is not a directory");
	} else if (t->whole && rm->o->ask && !rm->o->ask(t->path->text)) {
		t->found = false;
	}
}

static int look_at(struct rm *rm, struct target *t, struct err *e)
{
	const char *key = t->path->key;
	int r;

	if (*key && !path_is_safe(key, strlen(key))) {
		refuse(rm, t, "is no path of a file");
		return 0;
	}
	if (path_is_reserved(key)) {
		refuse(rm, t, "is a reserved name");
		return 0;
	}
	r = list_target(rm, t, e);
	if (!r)
		r = choose_objects(t, e);
	if (r)
		return r;
	t->found = t->doomed.count || t->doomed_exact.count;
	t->whole = t->doomed.count;
	if (*key)
		r = look_in_tree(rm, t, e);
	if (!r)
		r = choose_trees(rm, t, e);
	if (!r)
		judge(rm, t);
	return r;
}

/* ---- removing ------------------------------------------------------------ */

static int note_paths(struct rm *rm, const struct target *t, struct err *e)
{
	int r = 0;

	if (t->tree_dir)
		r = rmtree_add(tree_of(rm, t->tree_dir),
			       t->path->key + strlen(t->tree_dir));
	for (size_t i = 0; i < t->root_count && !r; i++)
		r = rmtree_add(tree_of(rm, t->roots[i]), "");
	return r ? no_memory(e) : 0;
}

static int compare_trees(const void *a, const void *b)
{
	const struct rmtree *x = a, *y = b;

	return strcmp(x->seen.dir, y->seen.dir);
}

/* A tree above another one sorts before it. */
static int remove_entries(struct rm *rm, struct rm_result *res, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < rm->target_count && !r; i++)
		if (rm->targets[i].found)
			r = note_paths(rm, &rm->targets[i], e);
	if (r || rm->o->dry_run)
		return r;
	if (rm->tree_count)
		qsort(rm->trees, rm->tree_count, sizeof(*rm->trees),
		      compare_trees);
	for (size_t i = 0; i < rm->tree_count && !r; i++) {
		struct rmtree *t = &rm->trees[i];

		if (!t->count)
			continue;
		r = rmtree_run(t, rm->store, rm->cache, rm->o->single_writer,
			       e);
		res->trees += !r && t->removed;
		res->kept += r ? 0 : t->kept;
	}
	return r;
}

static int remove_objects(struct rm *rm, struct target *t,
			  struct rm_result *res, struct err *e)
{
	int r = doomed_delete(&t->doomed, rm->store, t->prefix,
			      t->below.asked_ms, e);

	if (!r)
		r = doomed_delete(&t->doomed_exact, rm->store, t->path->key,
				  t->exact_asked_ms, e);
	if (!r)
		res->objects += t->doomed.count + t->doomed_exact.count;
	return r;
}

static void count_dry(struct rm *rm, struct rm_result *res)
{
	for (size_t i = 0; i < rm->tree_count; i++)
		for (size_t n = 0; n < rm->trees[i].count; n++)
			res->trees += !*rm->trees[i].paths[n];
	for (size_t i = 0; i < rm->target_count; i++)
		if (rm->targets[i].found)
			res->objects += rm->targets[i].doomed.count +
					rm->targets[i].doomed_exact.count;
}

static int interrupted(struct err *e)
{
	return session_interrupted() ? err_set(e, -ECANCELED, "interrupted")
				     : 0;
}

int rm_run(struct rm_result *res, struct session *session,
	   const struct rm_options *o, const struct rm_path *paths,
	   size_t count, struct notes *failed, struct err *e)
{
	CLEANUP(rm_done)
	struct rm rm = {
		.store = session->source.store,
		.cache = session->cache,
		.o = o,
		.failed = failed,
		.targets = calloc(count + 1, sizeof(*rm.targets)),
	};
	int r = rm.targets ? 0 : no_memory(e);

	for (size_t i = 0; i < count && !r; i++) {
		struct target *t = &rm.targets[rm.target_count++];

		t->path = &paths[i];
		r = interrupted(e);
		if (!r)
			r = look_at(&rm, t, e);
		if (r)
			return err_wrap(e, r, "'%s'", paths[i].text);
		res->paths += t->found;
	}
	if (!r)
		r = remove_entries(&rm, res, e);
	if (o->dry_run && !r)
		count_dry(&rm, res);
	for (size_t i = 0; i < count && !r && !o->dry_run; i++)
		if (rm.targets[i].found)
			r = remove_objects(&rm, &rm.targets[i], res, e);
	return r;
}
