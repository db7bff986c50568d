#include "cache/treeload.h"

#include <errno.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"

void treeload_init(struct treeload *l)
{
	*l = (struct treeload){ 0 };
	store_req_init(&l->req, STORE_GET, NULL);
	buf_init(&l->key, STORE_KEY_MAX);
	buf_init(&l->data, TREE_OBJECT_MAX);
}

void treeload_done(struct treeload *l)
{
	store_req_done(&l->req);
	buf_done(&l->key);
	buf_done(&l->data);
}

static const struct shard *shard_at(const struct treeload *l)
{
	return &l->of->table->shards[l->part - 1];
}

static int name_key(struct treeload *l, struct err *e)
{
	int r = l->of ? name_shard(&l->key, l->of->head.pool, &shard_at(l)->id)
		      : name_tree(&l->key, l->dir, l->seq);

	return r ? err_set(e, -ENAMETOOLONG, "'%s': path too long",
			   l->of ? l->of->dir : l->dir)
		 : 0;
}

static void prepare(struct treeload *l)
{
	store_req_done(&l->req);
	store_req_init(&l->req, STORE_GET, l->key.data);
	buf_reset(&l->data);
	l->req.out = &l->data;
	if (!l->of && l->object.etag[0])
		l->req.if_match = l->object.etag;
}

static int decode(struct treeload *l, struct err *e)
{
	struct err why = { 0 };
	int r;

	if (!l->of) {
		l->tree.read_ms = l->read_ms;
		return tree_version_decode(&l->tree, l->dir, l->seq, &l->data,
					   e);
	}
	r = shard_decode(&l->cat, l->of->table, l->part - 1, l->data.data,
			 l->data.len, &why);
	if (r == -EBADMSG)
		return err_set(e, r,
			       "'%s', a part of the tree of '%s': %s. Where it "
			       "stays so, an older version of the tree may be "
			       "whole: see 'assetctl log'",
			       l->key.data, l->of->dir, why.text);
	return r ? err_copy(e, &why) : 0;
}

/* Whether the cache has it. */
static bool in_cache(struct treeload *l)
{
	if (!l->cache)
		return false;
	if (l->of) {
		struct catalog_range range = shard_range(l->of->table, l->part);

		return !cache_catalog(l->cache, l->store->bucket_id,
				      l->key.data, &shard_at(l)->sum, &range,
				      &l->cat);
	}
	if (cache_object(l->cache, l->store->bucket_id, l->key.data,
			 l->object.etag, &l->data))
		return false;
	if (!decode(l, NULL))
		return true;
	log_warn("the cached copy of '%s' is damaged: fetching it anew",
		 l->key.data);
	return false;
}

int treeload_begin(struct treeload *l, struct err *e)
{
	int r;

	l->read_ms = clock_now_ms();
	r = name_key(l, e);
	if (r)
		return r;
	if (in_cache(l))
		return 0;
	prepare(l);
	return 1;
}

/* A part goes on to be used from where it can be mapped. */
static void keep(struct treeload *l)
{
	const uint32_t *bucket = l->store->bucket_id;
	const void *bytes;
	size_t len;

	if (!l->cache)
		return;
	if (!l->of) {
		cache_object_put(l->cache, bucket, l->key.data,
				 l->req.object.etag, l->data.data, l->data.len);
		return;
	}
	bytes = catalog_bytes(l->cat, &len);
	cache_catalog_put(l->cache, bucket, l->key.data, &shard_at(l)->sum,
			  bytes, len);
	{
		struct catalog *made = l->cat;

		if (in_cache(l))
			catalog_unref(made);
	}
}

int treeload_end(struct treeload *l, struct err *e)
{
	int r = l->req.err.code;

	if (r == -ENOENT && l->of)
		return err_set(
			e, -ESTALE,
			"'%s', a part of the tree of '%s', is gone: that "
			"version of the tree was pruned meanwhile",
			l->key.data, l->of->dir);
	if (r)
		return err_copy(e, &l->req.err);
	r = decode(l, e);
	if (r == -EBADMSG && !l->again) {
		if (e)
			log_info("%s: fetching it once more", e->text);
		err_clear(e);
		l->again = true;
		prepare(l);
		return 1;
	}
	if (!r)
		keep(l);
	return r;
}
