/*
 * Each attempt is worked out on the newest version and committed on that alone
 * (commit.once): a directory may go with all below it only if all of that was
 * seen, which nobody but us can tell. As long as nobody else commits, that is one
 * change for each path.
 */
#include "tools/rmtree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cache/commit.h"
#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"

#define ATTEMPTS_MAX 200

void rmtree_done(struct rmtree *t)
{
	tree_version_done(&t->seen);
	for (size_t i = 0; i < t->count; i++)
		free(t->paths[i]);
	free(t->paths);
	*t = (struct rmtree){ 0 };
}

int rmtree_add(struct rmtree *t, const char *path)
{
	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 16;
		char **more = reallocarray(t->paths, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->paths = more;
		t->room = room;
	}
	t->paths[t->count] = strdup(path);
	if (!t->paths[t->count])
		return -ENOMEM;
	t->count++;
	return 0;
}

/* One attempt. */
struct attempt {
	struct store *store;
	struct cache *cache;
	const struct tree_version *seen, *now;
	struct commit_change *changes; /* owned */
	char **paths; /* theirs, owned */
	size_t count, room;
	size_t kept;
	bool all; /* nothing is left of the tree */
};

static void attempt_done(struct attempt *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->paths[i]);
	free(a->paths);
	free(a->changes);
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static int find(struct store *s, struct cache *c, const struct tree_version *t,
		const char *path, size_t len, struct catalog_entry *ret_entry,
		struct err *e)
{
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	int r;

	if (!tree_part_count(t))
		return -ENOENT;
	r = tree_part(s, c, t, tree_part_of(t, path, len), &cat, e);
	if (r)
		return r == -ENOENT ? -EIO : r;
	return catalog_find(cat, path, len, ret_entry);
}

int rmtree_find(const struct rmtree *t, struct store *s, struct cache *c,
		const char *path, bool *ret_found, bool *ret_dir, struct err *e)
{
	struct catalog_entry entry;
	int r = find(s, c, &t->seen, path, strlen(path), &entry, e);

	if (r && r != -ENOENT)
		return r;
	*ret_found = !r;
	*ret_dir = !r && S_ISDIR(entry.mode);
	return 0;
}

/* Calls fn for each name in the directory of the newest version. */
static int each_child(struct attempt *a, const struct buf *path,
		      int (*fn)(struct attempt *a, struct buf *path,
				const struct catalog_entry *entry, void *arg,
				struct err *e),
		      void *arg, struct err *e)
{
	CLEANUP_BUF struct buf child = BUF_INIT(2 * PATH_MAX_LEN);
	const char *dir = path->data ? path->data : "";
	uint32_t part, end;
	int r = 0;

	tree_parts_in(a->now, dir, path->len, &part, &end);
	for (; part < end && !r; part++) {
		CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
		struct catalog_run run;

		r = tree_part(a->store, a->cache, a->now, part, &cat, e);
		if (r)
			return r;
		if (catalog_find_dir(cat, dir, path->len, &run))
			continue;
		for (uint32_t i = 0; i < run.count && !r; i++) {
			struct catalog_entry entry;

			catalog_entry_at(cat, run.first + i, &entry);
			buf_reset(&child);
			if (catalog_path(cat, run.first + i, &child))
				return no_memory(e);
			r = fn(a, &child, &entry, arg, e);
		}
	}
	return r;
}

/* Whether the entry, with all below it, is as it was seen. */
static int is_as_seen(struct attempt *a, struct buf *path,
		      const struct catalog_entry *entry, void *arg,
		      struct err *e)
{
	struct catalog_entry was;
	bool *all = arg;
	int r;

	if (!*all || a->now->head.seq == a->seen->head.seq)
		return 0;
	r = find(a->store, a->cache, a->seen, path->data ? path->data : "",
		 path->len, &was, e);
	if (r == -ENOENT ||
	    (!r && (was.commit_s != entry->commit_s ||
		    (was.mode & S_IFMT) != (entry->mode & S_IFMT)))) {
		*all = false;
		return 0;
	}
	if (r || !S_ISDIR(entry->mode))
		return r;
	return each_child(a, path, is_as_seen, all, e);
}

static int grow(struct attempt *a)
{
	size_t room = a->room ? 2 * a->room : 16;
	struct commit_change *changes =
		reallocarray(a->changes, room, sizeof(*changes));
	char **paths;

	if (!changes)
		return -ENOMEM;
	a->changes = changes;
	paths = reallocarray(a->paths, room, sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	a->paths = paths;
	a->room = room;
	return 0;
}

static int add_change(struct attempt *a, const struct buf *path,
		      const struct catalog_entry *entry, struct err *e)
{
	char *copy;

	if (a->count == a->room && grow(a))
		return no_memory(e);
	copy = strndup(path->data ? path->data : "", path->len);
	if (!copy)
		return no_memory(e);
	a->paths[a->count] = copy;
	a->changes[a->count++] = (struct commit_change){
		.path = copy,
		.path_len = path->len,
		.remove = true,
		.seen = true,
		.seen_commit_s = entry->commit_s,
	};
	return 0;
}

static int remove_entry(struct attempt *a, struct buf *path,
			const struct catalog_entry *entry, void *arg,
			struct err *e)
{
	bool all = true;
	int r = is_as_seen(a, path, entry, &all, e);

	if (r)
		return r;
	if (all && !path->len)
		a->all = true;
	else if (all)
		return add_change(a, path, entry, e);
	else if (S_ISDIR(entry->mode))
		return each_child(a, path, remove_entry, arg, e);
	else
		a->kept++;
	return 0;
}

static int remove_path(struct attempt *a, const char *path, struct err *e)
{
	CLEANUP_BUF struct buf at = BUF_INIT(2 * PATH_MAX_LEN);
	struct catalog_entry entry;
	int r = find(a->store, a->cache, a->now, path, strlen(path), &entry, e);

	if (r)
		return r == -ENOENT ? 0 : r;
	if (buf_add_str(&at, path))
		return no_memory(e);
	return remove_entry(a, &at, &entry, NULL, e);
}

static int commit_changes(struct attempt *a, struct tree_version *now,
			  bool single_writer, struct err *e)
{
	struct object_ids ids;
	struct commit c = {
		.changes = a->changes,
		.count = a->count,
		.pool = now->head.pool,
		.single_writer = single_writer,
		.gc_read_ms = clock_now_ms(), /* it brings no places */
		.once = true,
	};

	object_ids_init(&ids);
	c.id = object_ids_next(&ids);
	return commit_run(a->store, a->cache, now, &c, e);
}

/* On the version `now`. -EAGAIN: on the next one, please. */
static int attempt(struct rmtree *t, struct store *s, struct cache *c,
		   struct tree_version *now, bool single_writer, struct err *e)
{
	CLEANUP(attempt_done)
	struct attempt a = {
		.store = s, .cache = c, .seen = &t->seen, .now = now
	};
	int r = 0;

	for (size_t i = 0; i < t->count && !r; i++)
		r = remove_path(&a, t->paths[i], e);
	if (r)
		return r;
	t->kept = a.kept;
	if (a.all) {
		r = commit_remove_tree(s, c, now, single_writer, e);
		t->removed = !r;
		return r;
	}
	return a.count ? commit_changes(&a, now, single_writer, e) : 0;
}

static int load_newest(struct store *s, struct cache *c, const char *dir,
		       struct tree_version *ret_tree, struct err *e)
{
	struct store_object object = { 0 };
	uint64_t seq = 0, asked_ms = clock_now_ms();
	bool found = false;
	int r = tree_find_newest(s, dir, &found, &seq, &object, e);

	if (r || !found)
		return r;
	r = tree_load(s, c, dir, seq, &object, ret_tree, e);
	if (!r)
		ret_tree->read_ms = asked_ms;
	return r;
}

static void pause_ms(uint32_t ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL); /* a shorter wait does no harm */
}

int rmtree_run(struct rmtree *t, struct store *s, struct cache *c,
	       bool single_writer, struct err *e)
{
	struct backoff wait;
	int r = attempt(t, s, c, &t->seen, single_writer, e);

	backoff_init(&wait, 20, 2000);
	for (unsigned int i = 1; r == -EAGAIN && i < ATTEMPTS_MAX; i++) {
		CLEANUP(tree_version_done) struct tree_version now = { 0 };

		pause_ms(backoff_next_ms(&wait));
		err_clear(e);
		r = load_newest(s, c, t->seen.dir, &now, e);
		if (!r && !tree_part_count(&now))
			return 0; /* removed, by whomever */
		if (!r)
			r = attempt(t, s, c, &now, single_writer, e);
	}
	return r;
}
