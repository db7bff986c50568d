/*
 * Pieces of plain objects.
 *
 * What identifies a piece in the cache names the version of the object (ETag and
 * size) and the piece's size and number. The ETag also goes with the GET, so
 * that no piece is ever of another version. Objects without ETag cannot be told
 * apart from their successors and are not cached.
 *
 * A small piece is cut out of the large one around it where that is cached or
 * under way.
 */
#include "cache/fetch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/fetch_unit.h"
#include "s3/base/cleanup.h"

#define NAME_MAX_BYTES (STORE_KEY_MAX + STORE_ETAG_MAX + 256)

struct piece_unit {
	struct fetch_unit unit;
	struct hash id;
};

static void piece_free(struct fetch_unit *u)
{
	fetch_unit_done(u);
	free(container_of(u, struct piece_unit, unit));
}

/* The store has checked length and version. */
static int piece_open(struct fetch_unit *u, const void *stored, size_t len,
		      struct fetch_opened *out, struct err *e)
{
	const struct piece_unit *pu = container_of(u, struct piece_unit, unit);

	out->records = calloc(1, sizeof(*out->records));
	if (!out->records)
		return err_set(e, -ENOMEM, "out of memory");
	out->raw = stored;
	out->raw_len = len;
	out->records[0].id = pu->id;
	out->records[0].len = (uint32_t)len;
	out->count = 1;
	return 0;
}

static const struct fetch_unit_ops piece_ops = {
	.open = piece_open,
	.free = piece_free,
};

static int piece_id(const struct fetch *f, const char *key,
		    const struct store_object *object, uint32_t piece_size,
		    uint64_t index, struct hash *ret_id)
{
	CLEANUP_BUF struct buf b = BUF_INIT(NAME_MAX_BYTES);
	size_t key_len = strlen(key), etag_len = strlen(object->etag);

	(void)buf_add(&b, "piece", 6);
	for (size_t i = 0; i < 4; i++)
		(void)buf_add_u32(&b, fetch_store(f)->bucket_id[i]);
	(void)buf_add_u32(&b, (uint32_t)key_len);
	(void)buf_add(&b, key, key_len);
	(void)buf_add_u32(&b, (uint32_t)etag_len);
	(void)buf_add(&b, object->etag, etag_len);
	(void)buf_add_u64(&b, object->size);
	(void)buf_add_u32(&b, piece_size);
	(void)buf_add_u64(&b, index);
	if (buf_error(&b))
		return buf_error(&b);
	hash_of(ret_id, b.data, b.len);
	return 0;
}

/* Length of a piece; 0 behind the end. */
static uint32_t piece_len(uint64_t size, uint32_t piece_size, uint64_t index)
{
	uint64_t left;

	if (index > size / piece_size)
		return 0;
	left = size - index * piece_size;
	return left < piece_size ? (uint32_t)left : piece_size;
}

static struct fetch_unit *piece_new(const char *key,
				    const struct store_object *object,
				    uint32_t piece_size, uint64_t index,
				    const struct hash *id)
{
	struct piece_unit *pu = calloc(1, sizeof(*pu));
	const char *etag = object->etag[0] ? object->etag : NULL;

	if (!pu)
		return NULL;
	if (fetch_unit_init(&pu->unit, key, etag)) {
		piece_free(&pu->unit);
		return NULL;
	}
	pu->id = *id;
	pu->unit.ops = &piece_ops;
	memcpy(pu->unit.key, id->bytes, HASH_LEN);
	pu->unit.key_len = HASH_LEN;
	pu->unit.off = index * piece_size;
	pu->unit.len = piece_len(object->size, piece_size, index);
	pu->unit.keep = etag != NULL;
	return &pu->unit;
}

/* A cached record, or a part of it copied out. */
static bool answer_cached(struct fetch *f, const struct hash *id, uint32_t off,
			  uint32_t len, struct fetch_req *req)
{
	struct cache *cache = fetch_cache(f);
	const struct cache_ref *whole;
	void *data;

	if (!cache || cache_get(cache, id, &whole))
		return false;
	if (!off && whole->len == len) {
		fetch_answer(req, whole, 0, "");
		return true;
	}
	data = malloc(len);
	if (!data || cache_ref_read(whole, off, data, len) != (ssize_t)len) {
		free(data);
		cache_ref_put(whole);
		return false;
	}
	cache_ref_put(whole);
	fetch_answer(req, cache_ref_memory(data, len), -ENOMEM,
		     "out of memory");
	return true;
}

/* From the large piece around a small one, cached or under way. */
static bool answer_from_large(struct fetch *f, const char *key,
			      const struct store_object *object, uint64_t index,
			      uint32_t len, struct fetch_req *req)
{
	const uint64_t per_large = PIECE_LARGE / PIECE_SMALL;
	const uint32_t off = (uint32_t)(index % per_large) * PIECE_SMALL;
	struct hash id;

	if (piece_id(f, key, object, PIECE_LARGE, index / per_large, &id))
		return false;
	if (answer_cached(f, &id, off, len, req))
		return true;
	req->id = id;
	req->off = off;
	req->len = len;
	return fetch_join(f, id.bytes, HASH_LEN, req);
}

void fetch_piece(struct fetch *f, const char *key,
		 const struct store_object *object, uint32_t piece_size,
		 uint64_t index, struct fetch_req *req)
{
	uint32_t len = piece_len(object->size, piece_size, index);
	const bool known = object->etag[0] != '\0';
	struct fetch_unit *u;
	struct hash id;
	int r;

	assert(piece_size == PIECE_SMALL || piece_size == PIECE_LARGE);
	list_init(&req->link);
	if (!len) {
		fetch_answer(req, NULL, -ERANGE, "read behind the end");
		return;
	}
	r = piece_id(f, key, object, piece_size, index, &id);
	if (r) {
		fetch_answer(req, NULL, r, strerror(-r));
		return;
	}
	if (known && answer_cached(f, &id, 0, len, req))
		return;
	if (known && piece_size == PIECE_SMALL &&
	    answer_from_large(f, key, object, index, len, req))
		return;
	req->id = id;
	req->off = 0;
	req->len = len;
	u = piece_new(key, object, piece_size, index, &id);
	if (!u) {
		fetch_answer(req, NULL, -ENOMEM, "out of memory");
		return;
	}
	(void)fetch_want(f, u, req); /* old or new, it waits */
}

void fetch_prefetch_pieces(struct fetch *f, const char *key,
			   const struct store_object *object, uint64_t index,
			   uint64_t count)
{
	uint64_t most = fetch_budget(f) / PIECE_LARGE;
	struct cache *cache = fetch_cache(f);
	CLEANUP_FREE struct fetch_unit **units = NULL;
	size_t n = 0;

	if (!cache || !object->etag[0])
		return;
	if (count > most)
		count = most;
	units = calloc(count ? count : 1, sizeof(*units));
	for (uint64_t i = 0; units && i < count; i++) {
		struct hash id;

		if (!piece_len(object->size, PIECE_LARGE, index + i) ||
		    piece_id(f, key, object, PIECE_LARGE, index + i, &id))
			break;
		if (cache_has(cache, &id))
			continue;
		units[n] = piece_new(key, object, PIECE_LARGE, index + i, &id);
		if (!units[n])
			break;
		n++;
	}
	fetch_plan(f, units, n);
}
