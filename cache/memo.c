/*
 * Keys are SHA-256 of length-prefixed fields. Values, little-endian:
 *
 *	file: size u64, mtime sec i64 nsec u32, ctime likewise, hashes
 *	head: count u16, then per pair: name len u16, value len u16, both texts
 *	fact: the text
 *
 * A value that does not parse counts as absent. Failed puts are only forgotten.
 */
#include "cache/memo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/block.h"
#include "s3/base/clock.h"
#include "s3/base/span.h"

#define FRESH_S 2 /* times closer than this may hide a second change */
#define FACT_MAX 255
#define NAMES_MAX (STORE_KEY_MAX + STORE_ETAG_MAX + 256)
#define HEAD_MAX 65536

static void add_field(struct buf *b, const void *data, size_t len)
{
	(void)buf_add_u32(b, (uint32_t)len);
	(void)buf_add(b, data, len);
}

/* ---- hashes of local files ----------------------------------------------- */

static int file_key(const struct stat *st, struct hash *out)
{
	CLEANUP_BUF struct buf b = BUF_INIT(NAMES_MAX);

	(void)buf_add_u64(&b, st->st_dev);
	(void)buf_add_u64(&b, st->st_ino);
	if (buf_error(&b))
		return buf_error(&b);
	hash_of(out, b.data, b.len);
	return 0;
}

static void add_identity(struct buf *b, const struct stat *st)
{
	(void)buf_add_u64(b, (uint64_t)st->st_size);
	(void)buf_add_u64(b, (uint64_t)st->st_mtim.tv_sec);
	(void)buf_add_u32(b, (uint32_t)st->st_mtim.tv_nsec);
	(void)buf_add_u64(b, (uint64_t)st->st_ctim.tv_sec);
	(void)buf_add_u32(b, (uint32_t)st->st_ctim.tv_nsec);
}

int memo_file_hashes(struct cachedb *db, const struct stat *st,
		     struct hash **ret_hashes)
{
	CLEANUP_BUF struct buf value = BUF_INIT(CACHEDB_VALUE_MAX);
	CLEANUP_BUF struct buf want = BUF_INIT(NAMES_MAX);
	uint64_t count = block_count((uint64_t)st->st_size);
	struct hash key, *hashes;
	int r = file_key(st, &key);

	add_identity(&want, st);
	if (!r)
		r = buf_error(&want);
	if (!r)
		r = cachedb_get(db, CACHEDB_FILES, key.bytes, HASH_LEN, &value);
	if (r)
		return r;
	if (value.len < want.len || memcmp(value.data, want.data, want.len) ||
	    value.len - want.len != count * HASH_LEN)
		return -ENOENT;
	hashes = malloc(count * HASH_LEN + 1);
	if (!hashes)
		return -ENOMEM;
	memcpy(hashes, value.data + want.len, count * HASH_LEN);
	*ret_hashes = hashes;
	return 0;
}

/* Whether a change after `read_s` would have left another time behind. ctime
 * counts too: many a copy sets mtime back. */
static bool at_rest(const struct stat *st, int64_t read_s)
{
	return st->st_mtim.tv_sec <= read_s - FRESH_S - 1 &&
	       st->st_ctim.tv_sec <= read_s - FRESH_S - 1;
}

void memo_file_hashes_put(struct cachedb *db, const struct stat *st,
			  int64_t read_s, const struct hash *hashes,
			  size_t count)
{
	CLEANUP_BUF struct buf value = BUF_INIT(CACHEDB_VALUE_MAX);
	struct hash key;

	if (count != block_count((uint64_t)st->st_size) ||
	    !at_rest(st, read_s) || file_key(st, &key))
		return;
	add_identity(&value, st);
	(void)buf_add(&value, hashes, count * HASH_LEN);
	if (!buf_error(&value))
		(void)cachedb_put(db, CACHEDB_FILES, key.bytes, HASH_LEN,
				  value.data, value.len);
}

/* ---- metadata of objects ------------------------------------------------- */

int memo_object_name(const uint32_t bucket_id[4], const char *key,
		     const char *etag, uint64_t extra, struct hash *ret_name)
{
	CLEANUP_BUF struct buf b = BUF_INIT(NAMES_MAX);

	for (size_t i = 0; i < 4; i++)
		(void)buf_add_u32(&b, bucket_id[i]);
	add_field(&b, key, strlen(key));
	add_field(&b, etag, strlen(etag));
	(void)buf_add_u64(&b, extra);
	if (buf_error(&b))
		return buf_error(&b);
	hash_of(ret_name, b.data, b.len);
	return 0;
}

static int decode_head(const void *data, size_t len, struct meta *meta)
{
	struct span s = span_of(data, len);
	uint16_t count = span_u16(&s);

	for (uint16_t i = 0; i < count && !s.bad; i++) {
		size_t name_len = span_u16(&s), value_len = span_u16(&s);
		const char *name = span_take(&s, name_len);
		const char *value = span_take(&s, value_len);
		CLEANUP_FREE char *n = name ? strndup(name, name_len) : NULL;
		CLEANUP_FREE char *v = value ? strndup(value, value_len) : NULL;

		if (!n || !v)
			return s.bad ? -ENOENT : -ENOMEM;
		if (meta_set(meta, n, v))
			return -ENOENT;
	}
	return s.bad || s.left ? -ENOENT : 0;
}

int memo_head(struct cachedb *db, const uint32_t bucket_id[4], const char *key,
	      const struct store_object *object, struct meta *ret_meta)
{
	CLEANUP_BUF struct buf value = BUF_INIT(HEAD_MAX);
	struct meta meta;
	struct hash name;
	int r = memo_object_name(bucket_id, key, object->etag,
				 (uint64_t)object->modified_s, &name);

	if (!r)
		r = cachedb_get(db, CACHEDB_HEADS, name.bytes, HASH_LEN,
				&value);
	if (r)
		return r;
	meta_init(&meta);
	r = decode_head(value.data, value.len, &meta);
	if (r) {
		meta_done(&meta);
		return r;
	}
	*ret_meta = meta;
	return 0;
}

void memo_head_put(struct cachedb *db, const uint32_t bucket_id[4],
		   const char *key, const struct store_object *object,
		   const struct meta *meta, int64_t date_s)
{
	CLEANUP_BUF struct buf value = BUF_INIT(HEAD_MAX);
	struct hash name;

	/* Another change within the same second would look the same. */
	if (!object->etag[0] || object->modified_s > date_s - FRESH_S - 1 ||
	    memo_object_name(bucket_id, key, object->etag,
			     (uint64_t)object->modified_s, &name))
		return;
	(void)buf_add_u16(&value, (uint16_t)meta->count);
	for (size_t i = 0; i < meta->count; i++) {
		const struct meta_pair *p = &meta->pairs[i];
		size_t name_len = strlen(p->name), value_len = strlen(p->value);

		if (name_len > UINT16_MAX || value_len > UINT16_MAX)
			return;
		(void)buf_add_u16(&value, (uint16_t)name_len);
		(void)buf_add_u16(&value, (uint16_t)value_len);
		(void)buf_add(&value, p->name, name_len);
		(void)buf_add(&value, p->value, value_len);
	}
	if (!buf_error(&value) && meta->count <= UINT16_MAX)
		(void)cachedb_put(db, CACHEDB_HEADS, name.bytes, HASH_LEN,
				  value.data, value.len);
}

/* ---- facts --------------------------------------------------------------- */

int memo_fact(struct cachedb *db, const uint32_t bucket_id[4], const char *name,
	      struct buf *ret_value)
{
	CLEANUP_BUF struct buf value = BUF_INIT(FACT_MAX);
	struct hash key;
	int r = memo_object_name(bucket_id, name, "", 0, &key);

	if (!r)
		r = cachedb_get(db, CACHEDB_FACTS, key.bytes, HASH_LEN, &value);
	return r ? r
		 : buf_add(ret_value, value.data ? value.data : "", value.len);
}

void memo_fact_put(struct cachedb *db, const uint32_t bucket_id[4],
		   const char *name, const char *value)
{
	size_t len = strlen(value);
	struct hash key;

	if (len <= FACT_MAX && !memo_object_name(bucket_id, name, "", 0, &key))
		(void)cachedb_put(db, CACHEDB_FACTS, key.bytes, HASH_LEN, value,
				  len);
}
