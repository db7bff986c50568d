/*
 * The bytes of a tree object, version 1. All integers are little-endian.
 *
 *      0   8  "ASFSTREE"
 *      8   4  version, 1
 *     12   1  kind: 1, or 2 with a table of shards
 *     13   1  0
 *     14   2  length P of the pool's path, 0 … 511
 *     16   8  sequence number, as in the object's key; at least 1
 *     24  16  commit id
 *     40   8  commit time, signed, seconds since the epoch by the store's clock
 *     48   8  length of the catalog before compression
 *     56   8  length S of the catalog as stored
 *     64   P  path of the pool: empty, or "a/b/"
 *   64+P   S  the catalog as in catalog_stored.c: zstd frames one behind the
 *             other, each of 4 MiB plain bytes but the last, each with its
 *             content size
 * 64+P+S      kind 2: 8 bytes, the length of the table before compression, and
 *             the table of shard.c in such frames
 *    end  32  SHA-256 of all bytes before
 *
 * That the first entries stand here and not in a shard of their own saves a
 * request: they are the directories at the top, which every path goes through.
 *
 * Version and magic stay where they are in later versions, so that an old
 * program can say what it cannot read. Otherwise the hash is checked before
 * anything else is believed.
 */
#include "cache/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/catalog_stored.h"
#include "cache/le.h"
#include "cache/names.h"
#include "s3/base/buf.h"
#include "s3/base/span.h"

#define MAGIC "ASFSTREE"
#define MAGIC_LEN 8
#define VERSION 1
#define KIND_INLINE 1
#define KIND_SHARDS 2
#define HEAD_LEN 64
#define TABLE_MAX (256u << 20) /* plain bytes of a table of shards */

void tree_content_done(struct tree_content *c)
{
	catalog_unref(c->cat);
	shard_table_unref(c->table);
	*c = (struct tree_content){ 0 };
}

/* "" or "a/b/", of safe components. */
static bool pool_is_safe(const char *pool, size_t len)
{
	return !len || (len < TREE_POOL_MAX && pool[len - 1] == '/' &&
			path_is_safe(pool, len - 1));
}

static void put_head(unsigned char *to, const struct tree_head *head, int kind,
		     size_t pool_len, uint64_t raw, size_t stored)
{
	memset(to, 0, HEAD_LEN);
	memcpy(to, MAGIC, MAGIC_LEN);
	put_le32(to + 8, VERSION);
	to[12] = (unsigned char)kind;
	put_le16(to + 14, (uint16_t)pool_len);
	put_le64(to + 16, head->seq);
	memcpy(to + 24, head->commit.bytes, OBJECT_ID_LEN);
	put_le64(to + 40, (uint64_t)head->commit_s);
	put_le64(to + 48, raw);
	put_le64(to + 56, stored);
}

static int add_table(struct buf *out, const struct shard *shards,
		     uint32_t count, struct err *e)
{
	CLEANUP_BUF struct buf table = BUF_INIT(TABLE_MAX);
	int r = shard_table_encode(&table, shards, count, e);

	if (r)
		return r;
	r = buf_add_u64(out, table.len);
	if (!r)
		r = frames_compress(out, table.data, table.len);
	return r ? err_set(e, r, "no room for a table of %u shards", count) : 0;
}

int tree_encode(struct buf *out, const struct tree_head *head,
		const void *catalog, size_t len, const struct shard *shards,
		uint32_t count, struct err *e)
{
	size_t pool_len = strnlen(head->pool, sizeof(head->pool));
	CLEANUP_BUF struct buf stored = BUF_INIT(TREE_OBJECT_MAX);
	unsigned char fixed[HEAD_LEN];
	size_t start = out->len;
	struct hash sum;
	uint64_t plain;
	int r;

	if (!pool_is_safe(head->pool, pool_len) || !head->seq)
		return err_set(e, -EINVAL, "tree of pool '%.200s': not a pool",
			       head->pool);
	r = catalog_encode(&stored, catalog, len, &plain, e);
	if (r)
		return r;
	put_head(fixed, head, count ? KIND_SHARDS : KIND_INLINE, pool_len,
		 plain, stored.len);
	(void)buf_add(out, fixed, sizeof(fixed)); /* sticky */
	(void)buf_add(out, head->pool, pool_len);
	(void)buf_add(out, stored.data, stored.len);
	r = count ? add_table(out, shards, count, e) : 0;
	if (r)
		return r;
	if (out->len - start > TREE_OBJECT_MAX - HASH_LEN)
		return err_set(e, -EFBIG, "tree of %zu bytes is too large",
			       out->len - start);
	if (!buf_error(out)) {
		hash_of(&sum, out->data + start, out->len - start);
		(void)buf_add(out, sum.bytes, HASH_LEN);
	}
	return buf_error(out) ? err_set(e, buf_error(out), "no room for a tree")
			      : 0;
}

static int damaged(struct err *e, const char *what)
{
	return err_set(e, -EBADMSG, "tree object is damaged: %s", what);
}

static int decode_table(struct shard_table **ret_table, struct span *s,
			struct err *e)
{
	uint64_t plain = span_u64(s);
	CLEANUP_BUF struct buf table = BUF_INIT(TABLE_MAX);
	int r;

	if (s->bad || plain > TABLE_MAX)
		return damaged(e, "its table of shards is too large");
	r = frames_decompress(&table, plain, s->p, s->left, e);
	return r ? r : shard_table_decode(ret_table, table.data, table.len, e);
}

static int decode_head(struct tree_head *ret_head, struct span *s,
		       int *ret_kind, uint64_t *ret_raw, uint64_t *ret_stored,
		       struct err *e)
{
	struct tree_head head = { 0 };
	const char *magic = span_take(s, MAGIC_LEN);
	uint32_t version = span_u32(s);
	uint8_t kind = span_u8(s), zero = span_u8(s);
	uint16_t pool_len = span_u16(s);
	const void *id, *pool;

	head.seq = span_u64(s);
	id = span_take(s, OBJECT_ID_LEN);
	head.commit_s = (int64_t)span_u64(s);
	*ret_raw = span_u64(s);
	*ret_stored = span_u64(s);
	pool = span_take(s, pool_len);
	if (s->bad || !magic || !id || !pool)
		return damaged(e, "cut short");
	if (version != VERSION || (kind != KIND_INLINE && kind != KIND_SHARDS))
		return err_set(e, -EBADMSG,
			       "tree object of format %u, kind %u: written by "
			       "a later version of assetfs",
			       version, kind);
	if (zero || !head.seq || !pool_is_safe(pool, pool_len))
		return damaged(e, "its head makes no sense");
	memcpy(head.commit.bytes, id, OBJECT_ID_LEN);
	memcpy(head.pool, pool, pool_len);
	*ret_head = head;
	*ret_kind = kind;
	return 0;
}

/* Magic and version come first, then the hash over all. */
static int check_whole(const void *data, size_t len, struct err *e)
{
	const unsigned char *p = data;
	struct hash sum;

	if (len < HEAD_LEN + HASH_LEN || memcmp(p, MAGIC, MAGIC_LEN))
		return damaged(e, "not a tree");
	if (get_le32(p + 8) != VERSION)
		return err_set(e, -EBADMSG,
			       "tree object of format %u: damaged, or written "
			       "by a later version of assetfs",
			       get_le32(p + 8));
	if (len > TREE_OBJECT_MAX)
		return damaged(e, "too large");
	hash_of(&sum, data, len - HASH_LEN);
	if (memcmp(sum.bytes, p + len - HASH_LEN, HASH_LEN))
		return damaged(e, "its bytes do not hash to what it says");
	return 0;
}

/* The table first, since it tells where the catalog has to end. */
static int decode_content(struct tree_content *ret_content, int kind,
			  uint64_t raw, size_t stored, struct span *s,
			  struct err *e)
{
	CLEANUP(tree_content_done) struct tree_content c = { 0 };
	const void *catalog = span_take(s, stored);
	struct catalog_range range;
	int r = 0;

	if (kind == KIND_SHARDS) {
		r = decode_table(&c.table, s, e);
		if (r)
			return r;
		range = shard_range(c.table, 0);
	}
	r = catalog_decode(&c.cat, raw, catalog, stored,
			   c.table ? &range : NULL, e);
	if (r)
		return r;
	*ret_content = c;
	c = (struct tree_content){ 0 };
	return 0;
}

int tree_decode(struct tree_head *ret_head, struct tree_content *ret_content,
		const void *data, size_t len, struct err *e)
{
	struct tree_content content = { 0 };
	struct tree_head head;
	uint64_t raw, stored;
	struct span s;
	int r, kind = 0;

	if (!len)
		return err_set(e, -ENODATA, "the tree was removed");
	r = check_whole(data, len, e);
	if (r)
		return r;
	s = span_of(data, len - HASH_LEN);
	r = decode_head(&head, &s, &kind, &raw, &stored, e);
	if (r)
		return r;
	if (kind == KIND_INLINE ? stored != s.left : stored > s.left)
		return damaged(e, "its catalog does not have its length");
	if (ret_content)
		r = decode_content(&content, kind, raw, (size_t)stored, &s, e);
	if (r)
		return err_wrap(e, r, "tree object");
	if (ret_content)
		*ret_content = content;
	*ret_head = head;
	return 0;
}
