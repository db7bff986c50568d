/*
 * A run is one mark, one list and the deletions that earlier lists allow.
 *
 * Why nothing that a tree names is deleted. Let T be when a list was made that
 * names an object x, at least a day ago, with x in every list since. Who has
 * read that list or a later one takes x for absent. Who has not signs his commit
 * within an hour of reading the list before, that is, by T + 1 h. So every tree
 * that names x because somebody found it in the pool is in the bucket long
 * before this run's listing begins, and the mark sees it. Trees that name x
 * because the version before did are seen with that version or with their own.
 * (Content that was just uploaded is protected by its age: a push gives up what
 * it uploaded more than six days before.) For the same reason nobody can put an
 * index that names x any more: a push's index names what that push has uploaded,
 * and a collector puts one within an hour of having seen no newer list than its
 * own.
 *
 * The order of changes: the list; the new indexes; then versions that are pruned,
 * indexes, and last blobs and shards, so that no version and no index ever names
 * what was deleted before it. A run that is killed anywhere leaves work for the
 * next one and nothing else.
 *
 * What trees name and the pool has not is in the list as well: pushes take it for
 * absent, and content that somebody still has is uploaded anew. Such a list says
 * nothing about deletions, as there is nothing to delete.
 *
 * A version that has gone since it was listed was pruned, or its tree deleted by
 * another tool. Its successors may be newer than our listing, so the directory
 * is listed again and all its versions are marked.
 */
#include "tools/gc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/index.h"
#include "cache/mark.h"
#include "cache/version.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/pool.h"
#include "tools/gcindex.h"
#include "tools/gclost.h"
#include "tools/gcscan.h"
#include "tools/keylist.h"

#define MARKERS 16 /* versions read at once */
#define LIST_AGAIN_MAX 8
#define YOUNG_S (7 * 24 * 3600) /* not condemned, up to this age */
#define LIST_RIPE_S (24 * 3600)
#define BIG_PART 10 /* more than one in so many bytes needs `yes` */

struct gc {
	struct store *store;
	const struct gc_options *o;
	struct gc_result result;
	struct gc_scan scan;
	struct mark *mark;
	struct gc_indexes indexes;
	/* The lists that count: those from the newest that is ripe on, oldest
	 * first, or only the newest where none is. Owned. */
	struct gclist **lists;
	size_t list_count;
	bool lists_ripe;
	uint64_t oldest_needed; /* list number; 0: all are */
	uint64_t newest; /* list number; 0: none */
	char *newest_key; /* this run's, once it is made; owned; NULL: none */
};

static void gc_done(struct gc *gc)
{
	for (size_t i = 0; i < gc->list_count; i++)
		gclist_free(gc->lists[i]);
	free(gc->lists);
	gc_indexes_done(&gc->indexes);
	mark_free(gc->mark);
	gc_scan_done(&gc->scan);
	free(gc->newest_key);
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static int interrupted(const struct gc *gc, struct err *e)
{
	return gc->o->stop && gc->o->stop()
		       ? err_set(e, -ECANCELED, "interrupted")
		       : 0;
}

/* ---- lists that exist ---------------------------------------------------- */

static int read_list(struct gc *gc, const struct gc_object *o, struct err *e)
{
	CLEANUP_BUF struct buf data = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_GET, o->key);
	req.out = &data;
	r = store_run(gc->store, &req, e);
	if (r)
		return r;
	r = gclist_parse(&gc->lists[gc->list_count], data.data, data.len, e);
	if (r)
		return err_wrap(e, r, "'%s'", o->key);
	gc->list_count++;
	return 0;
}

/* Lists are numbered without gaps: behind one nothing is known. */
static int read_lists(struct gc *gc, struct err *e)
{
	const struct gc_scan *scan = &gc->scan;
	size_t first = 0, end = 0, from;
	int r = 0;

	while (first < scan->object_count &&
	       scan->objects[first].name.kind != POOL_GCLIST)
		first++;
	end = first;
	while (end < scan->object_count &&
	       scan->objects[end].name.kind == POOL_GCLIST)
		end++;
	gc->lists = calloc(end - first + 1, sizeof(*gc->lists));
	if (!gc->lists)
		return no_memory(e);
	if (first == end)
		return 0;
	gc->newest = scan->objects[end - 1].name.n;
	gc->newest_key = strdup(scan->objects[end - 1].key);
	if (!gc->newest_key)
		return no_memory(e);
	from = end - 1;
	while (from > first && scan->objects[from].age_s < LIST_RIPE_S &&
	       scan->objects[from - 1].name.n == scan->objects[from].name.n - 1)
		from--;
	gc->lists_ripe = scan->objects[from].age_s >= LIST_RIPE_S;
	if (gc->lists_ripe)
		gc->oldest_needed = scan->objects[from].name.n;
	else
		from = end - 1;
	for (size_t i = from; i < end && !r; i++)
		r = read_list(gc, &scan->objects[i], e);
	return r;
}

static const struct gclist *newest_list(const struct gc *gc)
{
	return gc->list_count ? gc->lists[gc->list_count - 1] : NULL;
}

/* Whether it stood in a list a day ago and in every one since. */
static bool is_overdue(const struct gc *gc, const struct object_id *id)
{
	if (!gc->lists_ripe)
		return false;
	for (size_t i = 0; i < gc->list_count; i++)
		if (!gclist_has(gc->lists[i], id))
			return false;
	return true;
}

/* ---- marking ------------------------------------------------------------- */

struct marking {
	struct gc *gc;
	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	size_t next; /* version */
	size_t read;
	struct err err; /* the first */
};

/* A directory whose versions changed since the listing: all that is there. */
static int mark_again(struct gc *gc, const char *dir, struct err *e)
{
	CLEANUP_BUF struct buf prefix = BUF_INIT(STORE_KEY_MAX);
	int r = -ENOENT;

	(void)buf_add_str(&prefix, dir); /* sticky */
	if (buf_add_str(&prefix, TREE_PREFIX))
		return err_set(e, buf_error(&prefix), "'%s': too long", dir);
	for (int tries = 0; r == -ENOENT && tries < LIST_AGAIN_MAX; tries++) {
		CLEANUP(keylist_done) struct keylist now = { 0 };

		err_clear(e);
		r = keylist_start(&now, gc->store, prefix.data, NULL, NULL, e);
		if (!r)
			r = keylist_wait(&now, e);
		for (size_t i = 0; i < now.all.count && !r; i++) {
			const struct store_list_entry *entry =
				&now.all.entries[i];
			size_t len = strlen(dir);
			uint64_t seq;

			if (name_parse_tree(entry->key + len,
					    entry->key_len - len, &seq))
				r = mark_version(gc->mark, gc->store, dir, seq,
						 &entry->object, e);
		}
	}
	if (r == -ENOENT)
		return err_wrap(e, -EIO, "what is listed cannot be found");
	return r;
}

static int mark_one(struct gc *gc, const struct gc_version *v, struct err *e)
{
	int r = mark_version(gc->mark, gc->store, v->dir, v->seq, &v->object,
			     e);

	return r == -ENOENT ? mark_again(gc, v->dir, e) : r;
}

/* The next version to be read, or NULL at the end and after a failure. */
static const struct gc_version *next_version(struct marking *m)
{
	const struct gc_scan *scan = &m->gc->scan;

	LOCK_SCOPE(&m->lock);
	if (!m->err.code)
		(void)interrupted(m->gc, &m->err);
	while (!m->err.code && m->next < scan->version_count) {
		const struct gc_version *v = &scan->versions[m->next++];

		if (v->prune)
			continue;
		m->read++;
		return v;
	}
	return NULL;
}

static void *mark_thread(void *arg)
{
	struct marking *m = arg;
	const struct gc_version *v;

	while ((v = next_version(m))) {
		struct err why = { 0 };

		if (!mark_one(m->gc, v, &why))
			continue;
		LOCK_SCOPE(&m->lock);
		if (!m->err.code)
			m->err = why;
	}
	return NULL;
}

static int mark_all(struct gc *gc, struct err *e)
{
	struct marking m = { .gc = gc };
	pthread_t threads[MARKERS];
	size_t count = 0;

	if (mark_open(&gc->mark, gc->o->pool))
		return no_memory(e);
	lock_init(&m.lock, LOCK_RANK_TOOL);
	while (count < MARKERS - 1 && count + 1 < gc->scan.version_count &&
	       !pool_start_thread(&threads[count], mark_thread, &m))
		count++;
	(void)mark_thread(&m);
	while (count)
		(void)pthread_join(threads[--count], NULL);
	lock_done(&m.lock);
	gc->result.versions = m.read;
	gc->result.trees = gc->scan.tree_count;
	return m.err.code ? err_copy(e, &m.err) : 0;
}

/* ---- judging ------------------------------------------------------------- */

static void count_one(struct gc_count *c, uint64_t bytes)
{
	c->objects++;
	c->bytes += bytes;
}

static void condemn(struct gc *gc)
{
	for (size_t i = 0; i < gc->scan.object_count; i++) {
		struct gc_object *o = &gc->scan.objects[i];

		if (o->name.kind != POOL_BLOB && o->name.kind != POOL_SHARD)
			continue;
		o->condemned = o->age_s > YOUNG_S &&
			       !mark_has(gc->mark, &o->name.id);
	}
}

static void choose_ripe(struct gc *gc)
{
	struct gc_scan *scan = &gc->scan;

	for (size_t i = 0; i < scan->object_count; i++) {
		struct gc_object *o = &scan->objects[i];

		if (o->name.kind == POOL_GCLIST)
			o->ripe = o->name.n < gc->oldest_needed;
		else
			o->ripe = o->condemned && is_overdue(gc, &o->name.id);
	}
	gc_indexes_spare(&gc->indexes, scan);
}

static void count_all(struct gc *gc)
{
	struct gc_result *res = &gc->result;

	for (size_t i = 0; i < gc->scan.object_count; i++) {
		const struct gc_object *o = &gc->scan.objects[i];

		if (o->name.kind == POOL_GCLIST)
			continue;
		count_one(&res->pool, o->object.size);
		if (o->condemned)
			count_one(&res->condemned, o->object.size);
		if (o->ripe)
			count_one(&res->deleted, o->object.size);
	}
	for (size_t i = 0; i < gc->scan.version_count; i++)
		if (gc->scan.versions[i].prune)
			count_one(&res->pruned,
				  gc->scan.versions[i].object.size);
}

/* ---- this run's list ----------------------------------------------------- */

/* Whether the list that stands there is ours: an answer may have been lost. */
static int is_own(struct gc *gc, const char *key, const struct object_id *id,
		  bool *ret_own, struct err *e)
{
	CLEANUP_BUF struct buf data = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP(gclist_freep) struct gclist *list = NULL;
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_GET, key);
	req.out = &data;
	r = store_run(gc->store, &req, e);
	if (!r)
		r = gclist_parse(&list, data.data, data.len, e);
	if (!r)
		*ret_own = gclist_has(list, id);
	return r;
}

static int other_collector(struct err *e)
{
	return err_set(e, -EBUSY,
		       "another collector has begun a run: this one stops, and "
		       "leaves the rest to it");
}

static int put_list(struct gc *gc, const char *key, const struct buf *data,
		    const struct object_id *id, struct err *e)
{
	CLEANUP_REQ struct store_req req;
	bool own = false;
	int r;

	store_req_init(&req, STORE_PUT, key);
	req.body = data->data;
	req.body_len = data->len;
	req.if_absent = true;
	r = store_run(gc->store, &req, e);
	if (r != -EEXIST)
		return r;
	err_clear(e);
	r = is_own(gc, key, id, &own, e);
	return r || own ? r : other_collector(e);
}

static int encode_list(struct gc *gc, const struct object_id *run,
		       struct buf *out, struct err *e)
{
	CLEANUP_FREE struct object_id *ids =
		calloc(gc->result.condemned.objects + gc->scan.lost_count + 1,
		       sizeof(*ids));
	size_t count = 0;

	if (!ids)
		return no_memory(e);
	ids[count++] = *run;
	for (size_t i = 0; i < gc->scan.object_count; i++)
		if (gc->scan.objects[i].condemned)
			ids[count++] = gc->scan.objects[i].name.id;
	for (size_t i = 0; i < gc->scan.lost_count; i++)
		ids[count++] = gc->scan.lost[i];
	return gclist_encode(out, ids, count, gc->scan.now_s, e);
}

/* Each list has the id of its run in it, so even an empty one has one. */
static bool is_needed(const struct gc *gc)
{
	const struct gclist *newest = newest_list(gc);

	return gc->result.condemned.objects || gc->scan.lost_count ||
	       (newest && gclist_count(newest) > 1);
}

static int make_list(struct gc *gc, struct err *e)
{
	CLEANUP_BUF struct buf data = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	struct object_ids ids;
	struct object_id run;
	int r;

	object_ids_init(&ids);
	run = object_ids_next(&ids);
	r = encode_list(gc, &run, &data, e);
	if (!r && name_gclist(&key, gc->o->pool, gc->newest + 1))
		r = err_set(e, buf_error(&key), "'%s': pool too long",
			    gc->o->pool);
	if (!r)
		r = put_list(gc, key.data, &data, &run, e);
	if (r)
		return r;
	gc->result.run = gc->newest + 1;
	free(gc->newest_key);
	gc->newest_key = buf_take(&key);
	return gc->newest_key ? 0 : no_memory(e);
}

/* Before each change: has nobody begun another run? */
static int check_newest(void *arg, struct err *e)
{
	struct gc *gc = arg;
	CLEANUP_BUF struct buf prefix = BUF_INIT(STORE_KEY_MAX);
	CLEANUP_REQ struct store_req req;
	int r = interrupted(gc, e);

	store_req_init(&req, STORE_LIST, NULL);
	if (r)
		return r;
	if (buf_addf(&prefix, "%s" POOL_DIR "gc/", gc->o->pool))
		return no_memory(e);
	req.key = prefix.data;
	req.start_after = gc->newest_key;
	req.max_keys = 1;
	r = store_run(gc->store, &req, e);
	if (r)
		return r;
	return req.list.count ? other_collector(e) : 0;
}

/* ---- deleting ------------------------------------------------------------ */

struct batch {
	const char *keys[STORE_DELETE_MANY_MAX]; /* borrowed */
	size_t count;
};

static int batch_flush(struct gc *gc, struct batch *b, struct err *e)
{
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_DELETE_MANY, "");
	if (!b->count)
		return 0;
	r = check_newest(gc, e);
	req.keys = b->keys;
	req.key_count = b->count;
	req.timeout_ms = GC_CHANGE_TIMEOUT_MS;
	if (!r)
		r = store_run(gc->store, &req, e);
	b->count = 0;
	return r;
}

static int batch_add(struct gc *gc, struct batch *b, const char *key,
		     struct err *e)
{
	b->keys[b->count++] = key;
	return b->count == STORE_DELETE_MANY_MAX ? batch_flush(gc, b, e) : 0;
}

static int delete_versions(struct gc *gc, struct batch *b, struct err *e)
{
	CLEANUP_FREE char **keys = calloc(STORE_DELETE_MANY_MAX, sizeof(*keys));
	size_t count = 0;
	int r = keys ? 0 : no_memory(e);

	for (size_t i = 0; i < gc->scan.version_count && !r; i++) {
		const struct gc_version *v = &gc->scan.versions[i];
		CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);

		if (!v->prune)
			continue;
		if (name_tree(&key, v->dir, v->seq) ||
		    !(keys[count] = buf_take(&key))) {
			r = no_memory(e);
			break;
		}
		r = batch_add(gc, b, keys[count++], e);
		while (!b->count && count)
			free(keys[--count]);
	}
	if (!r)
		r = batch_flush(gc, b, e);
	while (count)
		free(keys[--count]);
	return r;
}

static int delete_objects(struct gc *gc, struct batch *b, bool indexes,
			  struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < gc->scan.object_count && !r; i++) {
		const struct gc_object *o = &gc->scan.objects[i];
		bool index = o->name.kind == POOL_INDEX;

		if (o->ripe && index == indexes)
			r = batch_add(gc, b, o->key, e);
	}
	return r ? r : batch_flush(gc, b, e);
}

static int sweep(struct gc *gc, struct err *e)
{
	CLEANUP_FREE struct batch *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return no_memory(e);
	r = delete_versions(gc, b, e);
	if (r || gc->result.refused)
		return r;
	/* Each kind is gone before the next one begins. */
	r = delete_objects(gc, b, true, e);
	return r ? r : delete_objects(gc, b, false, e);
}

/* ---- as a whole ---------------------------------------------------------- */

static int look(struct gc *gc, struct err *e)
{
	int r;

	progress_phase(gc->o->progress, "listing the bucket");
	r = gc_scan_run(&gc->scan, gc->store, gc->o->pool, gc->o->stop, e);
	progress_phase(gc->o->progress, "reading trees");
	if (!r)
		r = read_lists(gc, e);
	if (!r)
		r = mark_all(gc, e);
	if (!r)
		r = gc_find_lost(&gc->scan, gc->mark, gc->store, gc->o->pool,
				 e);
	if (!r)
		r = gc_indexes_read(&gc->indexes, &gc->scan, gc->store,
				    gc->o->cache, e);
	return r;
}

static void judge(struct gc *gc)
{
	condemn(gc);
	gc_indexes_judge(&gc->indexes, &gc->scan, newest_list(gc));
	choose_ripe(gc);
	count_all(gc);
	gc->result.lost = gc->scan.lost_count;
	gc->result.refused = !gc->o->yes &&
			     gc->result.deleted.bytes >
				     gc->result.pool.bytes / BIG_PART;
}

static int change(struct gc *gc, struct err *e)
{
	int r;

	progress_phase(gc->o->progress, "deleting");
	r = is_needed(gc) ? make_list(gc, e) : 0;
	if (!r)
		r = gc_indexes_put(&gc->indexes, &gc->scan, gc->store,
				   gc->o->pool, check_newest, gc, e);
	gc->result.indexes_made = gc->indexes.made;
	return r ? r : sweep(gc, e);
}

int gc_run(struct gc_result *ret_result, struct store *s,
	   const struct gc_options *o, struct err *e)
{
	CLEANUP(gc_done) struct gc gc = { .store = s, .o = o };
	int r = look(&gc, e);

	if (r)
		return err_wrap(e, r, "nothing was deleted");
	judge(&gc);
	if (!o->dry_run)
		r = change(&gc, e);
	if (!r)
		*ret_result = gc.result;
	return r;
}
