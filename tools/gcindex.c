/*
 * Blobs are found by their ids through a table of positions, sorted.
 *
 * A place is worth naming if its blob is in the pool and not condemned. An index
 * may name blobs that were uploaded after the listing had passed them: where a
 * young index names a blob that is not listed, that is no reason to drop it, but
 * for one that is known to be lost.
 */
#include "tools/gcindex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"

#define WINDOW 16 /* GETs at once */
#define SMALL (1u << 20) /* bytes; larger ones are not merged */
#define MERGED_MAX (4u << 20) /* bytes of those that become one */
#define MANY 8 /* small ones that are worth merging */
#define SETTLED_S (7 * 24 * 3600) /* by then, what it names has been listed */

void gc_indexes_done(struct gc_indexes *ix)
{
	for (size_t i = 0; i < ix->count; i++)
		index_free(ix->all[i].index);
	free(ix->all);
	*ix = (struct gc_indexes){ 0 };
}

/* ---- reading ------------------------------------------------------------- */

/* One index on its way. */
struct arrival {
	struct store_req req;
	struct store_wait wait;
	struct buf data;
	bool asked;
};

static void ask(struct arrival *a, const struct gc_object *o, struct store *s,
		struct cache *c)
{
	buf_init(&a->data, INDEX_OBJECT_MAX);
	store_req_init(&a->req, STORE_GET, o->key);
	a->asked = false;
	if (c &&
	    !cache_object(c, s->bucket_id, o->key, o->object.etag, &a->data))
		return;
	a->req.out = &a->data;
	a->asked = true;
	store_begin(s, &a->req, &a->wait);
}

static int take(struct arrival *a, struct gc_index *ix, struct err *e)
{
	int r = a->asked ? store_await(&a->req, &a->wait, e) : 0;

	if (!r)
		r = index_parse(&ix->index, a->data.data, a->data.len, e);
	if (r == -ENOENT) {
		err_clear(e);
		r = 0;
	}
	store_req_done(&a->req);
	buf_done(&a->data);
	return r == -EBADMSG ? err_wrap(e, r, "'%s'", ix->object->key) : r;
}

static int read_all(struct gc_indexes *ix, struct store *s, struct cache *c,
		    struct err *e)
{
	CLEANUP_FREE struct arrival *window = calloc(WINDOW, sizeof(*window));
	size_t asked = 0, taken = 0;
	int r = 0;

	if (!window)
		return err_set(e, -ENOMEM, "out of memory");
	while (taken < ix->count) {
		while (!r && asked < ix->count && asked < taken + WINDOW) {
			ask(&window[asked % WINDOW], ix->all[asked].object, s,
			    c);
			asked++;
		}
		if (taken == asked)
			break;
		/* After the first failure the others are waited for. */
		if (r)
			(void)take(&window[taken % WINDOW], &ix->all[taken],
				   NULL);
		else
			r = take(&window[taken % WINDOW], &ix->all[taken], e);
		taken++;
	}
	return r;
}

int gc_indexes_read(struct gc_indexes *ix, struct gc_scan *scan,
		    struct store *s, struct cache *c, struct err *e)
{
	ix->all = calloc(scan->object_count + 1, sizeof(*ix->all));
	if (!ix->all)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < scan->object_count; i++)
		if (scan->objects[i].name.kind == POOL_INDEX)
			ix->all[ix->count++].object = &scan->objects[i];
	return read_all(ix, s, c, e);
}

/* ---- judging ------------------------------------------------------------- */

static bool is_worth(const struct gc_scan *scan, const struct gc_index *ix,
		     const struct block *b)
{
	const struct gc_object *blob = gc_scan_blob(scan, &b->frame.blob);

	if (!blob)
		return ix->object->age_s < SETTLED_S &&
		       !gc_scan_is_lost(scan, &b->frame.blob);
	return !blob->condemned;
}

static bool names_dead(const struct gc_scan *scan, const struct gc_index *ix)
{
	for (size_t i = 0; i < index_count(ix->index); i++) {
		struct block b;

		index_at(ix->index, i, &b);
		if (!is_worth(scan, ix, &b))
			return true;
	}
	return false;
}

static bool was_condemned(const struct gclist *newest,
			  const struct gc_index *ix)
{
	return newest && gclist_has(newest, &ix->object->name.id);
}

/* Whether an index that nobody has condemned yet has this content too. */
static bool is_elsewhere(const struct gc_indexes *all,
			 const struct gc_scan *scan,
			 const struct gclist *newest, const struct hash *hash)
{
	for (size_t i = all->count; i > 0; i--) {
		const struct gc_index *ix = &all->all[i - 1];
		struct block b;

		if (ix->index && !was_condemned(newest, ix) &&
		    index_find(ix->index, hash, &b) && is_worth(scan, ix, &b))
			return true;
	}
	return false;
}

static bool is_superseded(const struct gc_indexes *all,
			  const struct gc_scan *scan,
			  const struct gclist *newest,
			  const struct gc_index *ix)
{
	if (!was_condemned(newest, ix))
		return false;
	for (size_t i = 0; i < index_count(ix->index); i++) {
		struct block b;

		index_at(ix->index, i, &b);
		if (is_worth(scan, ix, &b) &&
		    !is_elsewhere(all, scan, newest, &b.hash))
			return false;
	}
	return true;
}

static bool is_small(const struct gc_index *ix)
{
	return ix->index && !ix->superseded && ix->object->object.size <= SMALL;
}

void gc_indexes_judge(struct gc_indexes *all, const struct gc_scan *scan,
		      const struct gclist *newest)
{
	size_t small = 0;

	for (size_t i = 0; i < all->count; i++) {
		struct gc_index *ix = &all->all[i];

		if (!ix->index)
			continue;
		ix->superseded = is_superseded(all, scan, newest, ix);
		ix->replaced = !ix->superseded && names_dead(scan, ix);
		small += is_small(ix);
	}
	for (size_t i = 0; i < all->count; i++) {
		struct gc_index *ix = &all->all[i];

		ix->replaced |= small >= MANY && is_small(ix);
		ix->object->condemned = ix->superseded || ix->replaced;
	}
}

/* ---- putting ------------------------------------------------------------- */

/* Blocks of several indexes that become one. */
struct merge {
	struct block *blocks; /* owned */
	size_t count, room;
	uint64_t bytes; /* of the indexes they are from */
	int64_t time_s; /* of the newest of them: places in order stay in order */
};

static int add_blocks(struct merge *m, const struct gc_scan *scan,
		      const struct gc_index *ix)
{
	size_t count = index_count(ix->index);

	if (m->count + count > m->room) {
		struct block *more = reallocarray(m->blocks, m->count + count,
						  sizeof(*more));

		if (!more)
			return -ENOMEM;
		m->blocks = more;
		m->room = m->count + count;
	}
	for (size_t i = 0; i < count; i++) {
		index_at(ix->index, i, &m->blocks[m->count]);
		m->count += is_worth(scan, ix, &m->blocks[m->count]);
	}
	m->bytes += ix->object->object.size;
	m->time_s = ix->object->name.time_s;
	return 0;
}

static int put_merged(const struct merge *m, struct store *s, const char *pool,
		      const struct object_id *id, struct err *e)
{
	CLEANUP_BUF struct buf data = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	CLEANUP_REQ struct store_req req;
	int r = index_encode(&data, m->blocks, m->count, e);

	store_req_init(&req, STORE_PUT, NULL);
	if (!r && name_index(&key, pool, m->time_s, id))
		r = err_set(e, buf_error(&key), "'%s': pool too long", pool);
	if (r)
		return r;
	req.key = key.data;
	req.body = data.data;
	req.body_len = data.len;
	req.timeout_ms = GC_CHANGE_TIMEOUT_MS;
	return store_run(s, &req, e);
}

int gc_indexes_put(struct gc_indexes *all, const struct gc_scan *scan,
		   struct store *s, const char *pool,
		   int (*check)(void *arg, struct err *e), void *arg,
		   struct err *e)
{
	struct object_ids ids;
	size_t at = 0;
	int r = 0;

	object_ids_init(&ids);
	while (at < all->count && !r) {
		struct merge m = { 0 };
		struct object_id id = object_ids_next(&ids);

		for (; at < all->count && !r; at++) {
			const struct gc_index *ix = &all->all[at];

			if (!ix->replaced)
				continue;
			if (m.bytes &&
			    m.bytes + ix->object->object.size > MERGED_MAX)
				break;
			if (add_blocks(&m, scan, ix))
				r = err_set(e, -ENOMEM, "out of memory");
		}
		if (!r && m.count)
			r = check(arg, e);
		if (!r && m.count)
			r = put_merged(&m, s, pool, &id, e);
		all->made += !r && m.count;
		free(m.blocks);
	}
	return r;
}

void gc_indexes_spare(const struct gc_indexes *all, struct gc_scan *scan)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct gc_index *ix = &all->all[i];

		if (!ix->index || ix->object->ripe)
			continue;
		for (size_t n = 0; n < index_count(ix->index); n++) {
			struct gc_object *blob;
			struct block b;

			index_at(ix->index, n, &b);
			blob = gc_scan_blob(scan, &b.frame.blob);
			if (blob)
				blob->ripe = false;
		}
	}
}
