#include "tools/history.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/commit.h"
#include "cache/mark.h"
#include "cache/names.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "tools/inventory.h"
#include "tools/keylist.h"

#define READERS 8

void history_done(struct history *h)
{
	free(h->dir);
	free(h->versions);
	*h = (struct history){ 0 };
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

/* ---- which tree ---------------------------------------------------------- */

/* "a/b/" becomes "a/"; false at the root. */
static bool go_up(char *dir)
{
	size_t len = strlen(dir);

	if (!len)
		return false;
	len--;
	while (len && dir[len - 1] != '/')
		len--;
	dir[len] = '\0';
	return true;
}

static int has_versions(struct store *s, const char *dir, bool *ret_found,
			struct err *e)
{
	struct store_object object;
	uint64_t seq;

	return tree_find_newest(s, dir, ret_found, &seq, &object, e);
}

/* The nearest one, removed or not. */
static int find_any(struct store *s, char *dir, bool *ret_found, struct err *e)
{
	int r;

	do {
		r = has_versions(s, dir, ret_found, e);
	} while (!r && !*ret_found && go_up(dir));
	return r;
}

static int find_tree(struct session *session, const char *prefix,
		     char **ret_dir, struct err *e)
{
	struct store *s = session->source.store;
	CLEANUP(tree_version_done) struct tree_version t = { 0 };
	CLEANUP_FREE char *dir = strdup(prefix);
	bool found = false;
	int r = dir ? has_versions(s, dir, &found, e) : no_memory(e);

	if (!r && !found)
		r = tree_locate(s, session->cache, prefix, NULL, &t, e);
	if (r)
		return r;
	if (!found && tree_part_count(&t)) {
		*ret_dir = TAKE_PTR(t.dir);
		return 0;
	}
	if (!found)
		r = find_any(s, dir, &found, e);
	if (!r && !found)
		r = err_set(e, -ENOENT,
			    "no tree is there: nothing was ever pushed to it");
	if (!r)
		*ret_dir = TAKE_PTR(dir);
	return r;
}

/* ---- its versions -------------------------------------------------------- */

static int list_versions(struct history *h, struct store *s, struct err *e)
{
	CLEANUP_BUF struct buf prefix = BUF_INIT(STORE_KEY_MAX);
	CLEANUP(keylist_done) struct keylist keys = { 0 };
	size_t at = strlen(h->dir);
	int r;

	h->asked_ms = clock_now_ms();
	(void)buf_add_str(&prefix, h->dir); /* sticky */
	if (buf_add_str(&prefix, TREE_PREFIX))
		return err_set(e, buf_error(&prefix), "'%s': too long", h->dir);
	r = keylist_start(&keys, s, prefix.data, NULL, NULL, e);
	if (!r)
		r = keylist_wait(&keys, e);
	if (r)
		return r;
	h->versions = calloc(keys.all.count + 1, sizeof(*h->versions));
	if (!h->versions)
		return no_memory(e);
	for (size_t i = 0; i < keys.all.count; i++) {
		const struct store_list_entry *entry = &keys.all.entries[i];
		struct history_version *v = &h->versions[h->count];

		if (!name_parse_tree(entry->key + at, entry->key_len - at,
				     &v->seq))
			continue;
		v->object = entry->object;
		v->removed = !entry->object.size;
		v->commit_s = entry->object.modified_s;
		h->count++;
	}
	return 0;
}

static void count_files(struct history_version *v, const struct catalog *cat)
{
	uint32_t count = catalog_count(cat);

	for (uint32_t i = 0; i < count; i++) {
		struct catalog_entry entry;

		catalog_entry_at(cat, i, &entry);
		v->files += !S_ISDIR(entry.mode);
		if (S_ISREG(entry.mode))
			v->bytes += entry.size;
	}
	v->counted = true;
}

static int read_version(const struct history *h, struct history_version *v,
			struct store *s, struct err *e)
{
	CLEANUP(tree_version_done) struct tree_version t = { 0 };
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	struct object_id id;
	int r;

	if (v->removed)
		return 0;
	r = tree_load(s, NULL, h->dir, v->seq, &v->object, &t, e);
	if (r == -ENOENT) {
		err_clear(e);
		v->gone = true;
		return 0;
	}
	if (r)
		return r;
	v->id = t.head.commit;
	v->commit_s = t.head.commit_s;
	if (tree_part_count(&t) != 1 || tree_part_id(&t, 0, &id))
		return 0;
	r = tree_part(s, NULL, &t, 0, &cat, e);
	if (!r)
		count_files(v, cat);
	return r;
}

struct reading {
	struct history *h;
	struct store *store;
	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	size_t next;
	struct err err; /* the first */
};

static struct history_version *next_version(struct reading *r)
{
	LOCK_SCOPE(&r->lock);
	if (!r->err.code && session_interrupted())
		(void)err_set(&r->err, -ECANCELED, "interrupted");
	if (r->err.code || r->next == r->h->count)
		return NULL;
	return &r->h->versions[r->next++];
}

static void *read_thread(void *arg)
{
	struct reading *r = arg;
	struct history_version *v;

	while ((v = next_version(r))) {
		struct err why = { 0 };

		if (!read_version(r->h, v, r->store, &why))
			continue;
		LOCK_SCOPE(&r->lock);
		if (!r->err.code)
			r->err = why;
	}
	return NULL;
}

static int read_versions(struct history *h, struct store *s, struct err *e)
{
	struct reading r = { .h = h, .store = s };
	pthread_t threads[READERS];
	size_t count = 0;

	lock_init(&r.lock, LOCK_RANK_TOOL);
	while (count < READERS - 1 && count + 1 < h->count &&
	       !pool_start_thread(&threads[count], read_thread, &r))
		count++;
	(void)read_thread(&r);
	while (count)
		(void)pthread_join(threads[--count], NULL);
	lock_done(&r.lock);
	return r.err.code ? err_copy(e, &r.err) : 0;
}

int history_read(struct history *ret_history, struct session *session,
		 const char *prefix, bool read, struct err *e)
{
	CLEANUP(history_done) struct history h = { 0 };
	struct store *s = session->source.store;
	int r = find_tree(session, prefix, &h.dir, e);

	if (!r)
		r = list_versions(&h, s, e);
	if (!r && read)
		r = read_versions(&h, s, e);
	if (r)
		return r;
	*ret_history = h;
	h = (struct history){ 0 };
	return 0;
}

/* ---- the way back -------------------------------------------------------- */

static bool is_condemned(void *arg, const struct object_id *id)
{
	return inventory_condemned(arg, id);
}

/* Everything that the version names may be relied on. */
static int check_places(struct session *session, const struct tree_version *t,
			uint64_t *ret_gc_read_ms, struct err *e)
{
	CLEANUP(inventory_freep) struct inventory *inv = NULL;
	CLEANUP(mark_freep) struct mark *mark = NULL;
	int r = inventory_open(&inv, session->source.store, session->cache,
			       t->head.pool, e);

	if (!r && mark_open(&mark, NULL))
		r = no_memory(e);
	if (!r)
		r = mark_parts(mark, session->source.store, t, e);
	if (!r)
		r = inventory_fetch(inv, 0, e);
	if (!r)
		r = inventory_settle(inv, e);
	if (r)
		return r;
	*ret_gc_read_ms = inventory_asked_ms(inv);
	if (mark_any(mark, is_condemned, inv))
		return err_set(e, -ESTALE,
			       "version %llu names content that a collector "
			       "has condemned, or has not found: run 'assetctl "
			       "gc', and repeat",
			       (unsigned long long)t->head.seq);
	return 0;
}

/* A removed tree would come back between its directory and the tree that this
 * belongs to since, and hide what that has there. */
static int check_hides(const struct history *h, struct session *session,
		       struct err *e)
{
	CLEANUP(tree_version_done) struct tree_version above = { 0 };
	CLEANUP(tree_cursor_done)
	struct tree_cursor cursor = {
		.store = session->source.store,
		.cache = session->cache,
		.tree = &above,
	};
	struct catalog_entry entry;
	struct catalog *cat;
	size_t skip;
	int r = tree_locate(session->source.store, session->cache, h->dir, NULL,
			    &above, e);

	skip = r ? 0 : strlen(above.dir);
	if (r || !h->dir[skip])
		return r;
	r = tree_cursor_find(&cursor, h->dir + skip, strlen(h->dir + skip) - 1,
			     &cat, &entry, e);
	if (r)
		return r == -ENOENT ? 0 : r;
	return err_set(e, -EEXIST,
		       "'%s' belongs to the tree of '%s' by now, and what was "
		       "pushed there since would be hidden: save that, remove "
		       "it with 'assetctl rm -r', and repeat",
		       h->dir, *above.dir ? above.dir : "/");
}

static const struct history_version *find_version(const struct history *h,
						  uint64_t seq)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->versions[i].seq == seq)
			return &h->versions[i];
	return NULL;
}

int history_restore(const struct history *h, struct session *session,
		    uint64_t seq, bool single_writer, uint64_t *ret_seq,
		    bool *ret_made, struct err *e)
{
	CLEANUP(tree_version_done) struct tree_version old = { 0 };
	CLEANUP(tree_version_done) struct tree_version newest = { 0 };
	const struct history_version *v = find_version(h, seq);
	struct store *s = session->source.store;
	struct object_ids ids;
	struct commit c = { .single_writer = single_writer };
	int r;

	if (!v || v->removed)
		return err_set(e, -ENOENT,
			       "version %llu of the tree at '%s' %s",
			       (unsigned long long)seq, h->dir,
			       v ? "removes it: use 'assetctl rm -r'"
				 : "is not there: see 'assetctl log'");
	r = tree_load(s, NULL, h->dir, seq, &v->object, &old, e);
	if (!r)
		r = tree_load(s, session->cache, h->dir, h->versions[0].seq,
			      &h->versions[0].object, &newest, e);
	newest.read_ms = h->asked_ms;
	if (!r && !tree_part_count(&newest))
		r = check_hides(h, session, e);
	if (!r)
		r = check_places(session, &old, &c.gc_read_ms, e);
	if (r)
		return r;
	object_ids_init(&ids);
	c.id = object_ids_next(&ids);
	r = commit_restore(s, session->cache, &newest, &old, &c, e);
	if (!r) {
		*ret_seq = c.seq;
		*ret_made = !c.empty;
	}
	return r;
}
