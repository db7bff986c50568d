/*
 * Versions of one tree share most of their shards, so a shard that is marked is
 * not read again. The set is behind one lock, which is not held while anything
 * is read: two threads may read the same shard once each.
 */
#include "cache/mark.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/places.h"
#include "s3/base/lock.h"

#define IDS_MAX UINT32_MAX

struct mark {
	const char *pool; /* borrowed; may be NULL */

	struct lock lock; /* LOCK_RANK_CACHE */
	/* guarded by lock: */
	struct intern ids; /* of blobs and shards in all pools */
	struct intern blobs; /* in `pool` */
};

int mark_open(struct mark **ret_mark, const char *pool)
{
	struct mark *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->pool = pool;
	lock_init(&m->lock, LOCK_RANK_CACHE);
	intern_init(&m->ids, OBJECT_ID_LEN);
	intern_init(&m->blobs, OBJECT_ID_LEN);
	*ret_mark = m;
	return 0;
}

void mark_free(struct mark *m)
{
	if (!m)
		return;
	intern_done(&m->ids);
	intern_done(&m->blobs);
	lock_done(&m->lock);
	free(m);
}

static int add_locked(struct mark *m, struct intern *ids,
		      const struct object_id *id)
{
	uint32_t at;

	lock_assert_held(&m->lock);
	return intern_add(ids, id->bytes, IDS_MAX, &at);
}

static int add_catalog(struct mark *m, const struct catalog *cat,
		       const char *pool)
{
	bool asked_for = m->pool && !strcmp(m->pool, pool);
	uint32_t count = catalog_total_blobs(cat);
	int r = 0;

	LOCK_SCOPE(&m->lock);
	for (uint32_t i = 0; i < count && !r; i++) {
		struct object_id id;

		catalog_blob_at(cat, i, &id);
		r = add_locked(m, &m->ids, &id);
		if (!r && asked_for)
			r = add_locked(m, &m->blobs, &id);
	}
	return r;
}

static bool is_marked(struct mark *m, const struct object_id *id)
{
	LOCK_SCOPE(&m->lock);
	return mark_has(m, id);
}

/* A shard's own id goes in last: once it is there, so is what it names. */
static int add_shard_id(struct mark *m, const struct object_id *id)
{
	LOCK_SCOPE(&m->lock);
	return add_locked(m, &m->ids, id);
}

static int mark_part(struct mark *m, struct store *s,
		     const struct tree_version *t, uint32_t part, struct err *e)
{
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	struct object_id id;
	bool shard = tree_part_id(t, part, &id);
	int r;

	if (shard && is_marked(m, &id))
		return 0;
	r = tree_part(s, NULL, t, part, &cat, e);
	if (r == -ENOENT || r == -ESTALE)
		return err_wrap(e, -EIO, "tree of '%s': part of it is missing",
				t->dir);
	if (r)
		return r;
	r = add_catalog(m, cat, t->head.pool);
	if (!r && shard)
		r = add_shard_id(m, &id);
	return r ? err_set(e, r, "out of memory") : 0;
}

int mark_parts(struct mark *m, struct store *s, const struct tree_version *t,
	       struct err *e)
{
	uint32_t count = tree_part_count(t);
	int r = 0;

	for (uint32_t i = 0; i < count && !r; i++)
		r = mark_part(m, s, t, i, e);
	return r;
}

int mark_version(struct mark *m, struct store *s, const char *dir, uint64_t seq,
		 const struct store_object *object, struct err *e)
{
	CLEANUP(tree_version_done) struct tree_version t = { 0 };
	int r;

	if (!object->size)
		return 0; /* removed */
	r = tree_load(s, NULL, dir, seq, object, &t, e);
	return r ? r : mark_parts(m, s, &t, e);
}

bool mark_has(const struct mark *m, const struct object_id *id)
{
	return intern_has(&m->ids, id->bytes);
}

static bool any(const struct intern *ids,
		bool (*fn)(void *arg, const struct object_id *id), void *arg)
{
	for (uint32_t i = 0; i < ids->count; i++) {
		struct object_id id;

		memcpy(id.bytes, ids->records + (size_t)i * OBJECT_ID_LEN,
		       OBJECT_ID_LEN);
		if (fn(arg, &id))
			return true;
	}
	return false;
}

bool mark_any(const struct mark *m,
	      bool (*fn)(void *arg, const struct object_id *id), void *arg)
{
	return any(&m->ids, fn, arg);
}

bool mark_any_blob(const struct mark *m,
		   bool (*fn)(void *arg, const struct object_id *id), void *arg)
{
	return any(&m->blobs, fn, arg);
}
