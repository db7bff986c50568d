#include "tools/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/index.h"
#include "cache/names.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "tools/keylist.h"

/* One index or condemned list. */
struct part {
	struct inventory *inv;
	const struct store_list_entry *listed; /* in the listing */
	bool is_gc;
	bool asked;
	bool under_way; /* a GET was submitted and has not been taken */
	struct store_req req;
	struct buf data;
	struct index *index; /* owned; NULL until parsed, or if unusable */
};

struct inventory {
	struct store *store;
	struct cache *cache;
	char *pool;
	char *dir; /* <pool>.assetfs/ */
	struct keylist listing;

	/* Set by inventory_wait: */
	struct part *parts; /* indexes, oldest first, then the newest condemned
			       list if there is one; owned */
	size_t index_count;
	size_t part_count;
	struct gclist *condemned; /* owned; NULL: none, or not read yet */
	uint64_t asked_bytes; /* of indexes asked for over the network */
	bool distrusted; /* there is a condemned list that cannot be read */

	struct lock lock; /* LOCK_RANK_TOOL */
	pthread_cond_t wake;
	size_t running; /* GETs under way; guarded by lock */
};

static char *concat(const char *a, const char *b, const char *c)
{
	char *s = NULL;

	return asprintf(&s, "%s%s%s", a, b, c) < 0 ? NULL : s;
}

int inventory_open(struct inventory **ret_inv, struct store *s, struct cache *c,
		   const char *pool, struct err *e)
{
	CLEANUP(inventory_freep)
	struct inventory *inv = calloc(1, sizeof(*inv));
	CLEANUP_FREE char *after = concat(pool, POOL_DIR, "gc/");
	CLEANUP_FREE char *stop = concat(pool, POOL_DIR, "shard/");
	int r;

	if (!inv)
		return err_set(e, -ENOMEM, "pool: out of memory");
	lock_init(&inv->lock, LOCK_RANK_TOOL);
	cond_init(&inv->wake);
	inv->store = s;
	inv->cache = c;
	inv->pool = strdup(pool);
	inv->dir = concat(pool, POOL_DIR, "");
	if (!after || !stop || !inv->pool || !inv->dir)
		return err_set(e, -ENOMEM, "pool: out of memory");
	r = keylist_start(&inv->listing, s, inv->dir, after, stop, e);
	if (r)
		return r;
	*ret_inv = TAKE_PTR(inv);
	return 0;
}

static void wait_gets(struct inventory *inv)
{
	LOCK_SCOPE(&inv->lock);
	while (inv->running)
		cond_wait(&inv->wake, &inv->lock);
}

static void part_done(struct part *p)
{
	store_req_done(&p->req);
	buf_done(&p->data);
	index_free(p->index);
}

void inventory_free(struct inventory *inv)
{
	if (!inv)
		return;
	for (size_t i = 0; i < inv->part_count; i++) {
		if (inv->parts[i].under_way)
			store_cancel(inv->store, &inv->parts[i].req);
	}
	wait_gets(inv);
	for (size_t i = 0; i < inv->part_count; i++)
		part_done(&inv->parts[i]);
	free(inv->parts);
	keylist_done(&inv->listing); /* parts ask for its keys */
	gclist_free(inv->condemned);
	free(inv->pool);
	free(inv->dir);
	(void)pthread_cond_destroy(&inv->wake);
	lock_done(&inv->lock);
	free(inv);
}

static void add_part(struct inventory *inv,
		     const struct store_list_entry *listed, bool is_gc)
{
	struct part *p = &inv->parts[inv->part_count++];

	*p = (struct part){ .inv = inv, .listed = listed, .is_gc = is_gc };
	store_req_init(&p->req, STORE_GET, listed->key);
	buf_init(&p->data, INDEX_OBJECT_MAX);
	if (!is_gc)
		inv->index_count++;
}

/* Keys of both kinds end in numbers of fixed width: the last is the newest. */
static int read_listing(struct inventory *inv, struct err *e)
{
	const struct store_list *l = &inv->listing.all;
	const struct store_list_entry *gc = NULL;

	inv->parts = calloc(l->count + 1, sizeof(*inv->parts));
	if (!inv->parts)
		return err_set(e, -ENOMEM, "pool: out of memory");
	for (size_t i = 0; i < l->count; i++) {
		const struct store_list_entry *entry = &l->entries[i];
		struct pool_name name;

		/* Such as a plain directory's mark for an empty one. */
		if (!name_parse_pool(inv->pool, entry->key, entry->key_len,
				     &name))
			continue;
		if (name.kind == POOL_GCLIST)
			gc = entry;
		else if (name.kind == POOL_INDEX &&
			 entry->object.size <= INDEX_OBJECT_MAX)
			add_part(inv, entry, false);
	}
	if (gc)
		add_part(inv, gc, true);
	return 0;
}

int inventory_wait(struct inventory *inv, struct err *e)
{
	int r = keylist_wait(&inv->listing, e);

	if (r)
		return err_wrap(e, r, "listing the pool");
	return inv->parts ? 0 : read_listing(inv, e);
}

const char *inventory_pool(const struct inventory *inv)
{
	return inv->pool;
}

uint64_t inventory_asked_ms(const struct inventory *inv)
{
	return inv->listing.asked_ms;
}

static void got(struct store_req *req)
{
	struct part *p = req->arg;
	struct inventory *inv = p->inv;

	LOCK_SCOPE(&inv->lock);
	inv->running--;
	pthread_cond_signal(&inv->wake);
}

static bool cached(struct inventory *inv, struct part *p)
{
	return inv->cache &&
	       !cache_object(inv->cache, inv->store->bucket_id, p->listed->key,
			     p->listed->object.etag, &p->data);
}

static void get(struct inventory *inv, struct part *p)
{
	p->req.out = &p->data;
	p->req.done = got;
	p->req.arg = p;
	p->under_way = true;
	lock_take(&inv->lock);
	inv->running++;
	lock_drop(&inv->lock);
	store_submit(inv->store, &p->req);
}

static void ask(struct inventory *inv, struct part *p, uint64_t max_bytes)
{
	uint64_t size = p->listed->object.size;

	if (p->asked)
		return;
	if (cached(inv, p)) {
		p->asked = true;
		return;
	}
	if (!p->is_gc && size + inv->asked_bytes > max_bytes)
		return;
	if (!p->is_gc)
		inv->asked_bytes += size;
	p->asked = true;
	get(inv, p);
}

int inventory_fetch(struct inventory *inv, uint64_t max_bytes, struct err *e)
{
	int r = inventory_wait(inv, e);

	for (size_t i = inv->part_count; !r && i > 0; i--)
		ask(inv, &inv->parts[i - 1], max_bytes);
	return r;
}

int inventory_fetch_condemned(struct inventory *inv, struct err *e)
{
	int r = inventory_wait(inv, e);

	for (size_t i = inv->part_count; !r && i > 0; i--)
		if (inv->parts[i - 1].is_gc)
			ask(inv, &inv->parts[i - 1], 0);
	return r;
}

bool inventory_fetching(struct inventory *inv)
{
	LOCK_SCOPE(&inv->lock);
	return inv->running;
}

static int parse(struct inventory *inv, struct part *p, struct err *e)
{
	if (p->is_gc)
		return gclist_parse(&inv->condemned, p->data.data, p->data.len,
				    e);
	return index_parse(&p->index, p->data.data, p->data.len, e);
}

/* The outcome of one GET or of the cache. */
static int take_part(struct inventory *inv, struct part *p, struct err *e)
{
	struct err why = { 0 };
	int r;

	if (!p->under_way && !p->data.len)
		return 0; /* not asked for, or taken */
	r = p->under_way ? err_copy(&why, &p->req.err) : 0;
	if (!r)
		r = parse(inv, p, &why);
	if (!r && p->under_way && inv->cache)
		cache_object_put(inv->cache, inv->store->bucket_id,
				 p->listed->key, p->listed->object.etag,
				 p->data.data, p->data.len);
	p->under_way = false;
	buf_done(&p->data);
	if (!r)
		return 0;
	if (r != -ENOENT && r != -EBADMSG)
		return err_copy(e, &why);
	log_warn("'%s': %s; %s", p->listed->key, why.text,
		 p->is_gc ? "what the pool has is not reused"
			  : "its content is not reused");
	if (p->is_gc)
		inv->distrusted = true;
	return 0;
}

int inventory_settle(struct inventory *inv, struct err *e)
{
	int r = 0;

	wait_gets(inv);
	for (size_t i = 0; i < inv->part_count && !r; i++)
		r = take_part(inv, &inv->parts[i], e);
	return r ? err_wrap(e, r, "reading the pool's index") : 0;
}

bool inventory_condemned(const struct inventory *inv,
			 const struct object_id *id)
{
	return inv->distrusted || inventory_gone(inv, id);
}

bool inventory_gone(const struct inventory *inv, const struct object_id *id)
{
	return inv->condemned && gclist_has(inv->condemned, id);
}

bool inventory_find(const struct inventory *inv, const struct hash *hash,
		    struct block *ret_block)
{
	for (size_t i = inv->index_count; i > 0; i--) {
		const struct index *ix = inv->parts[i - 1].index;
		struct block b;

		if (!ix || !index_find(ix, hash, &b) ||
		    inventory_condemned(inv, &b.frame.blob))
			continue;
		*ret_block = b;
		return true;
	}
	return false;
}

uint64_t inventory_blob_end(const struct inventory *inv,
			    const struct object_id *id)
{
	uint64_t end = 0;

	for (size_t i = 0; i < inv->index_count; i++) {
		const struct index *ix = inv->parts[i].index;

		for (size_t k = 0; ix && k < index_count(ix); k++) {
			struct block b;

			index_at(ix, k, &b);
			if (!memcmp(&b.frame.blob, id, sizeof(*id)) &&
			    b.frame.off + b.frame.stored > end)
				end = b.frame.off + b.frame.stored;
		}
	}
	return end;
}
