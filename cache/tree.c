/*
 * The bytes of a tree object, version 1. All integers are little-endian.
 *
 *      0   8  "ASFSTREE"
 *      8   4  version, 1
 *     12   1  kind: 1, the catalog stands in this object
 *     13   1  0
 *     14   2  length P of the pool's path, 0 … 511
 *     16   8  sequence number, as in the object's key; at least 1
 *     24  16  commit id
 *     40   8  commit time, signed, seconds since the epoch by the store's clock
 *     48   8  length of the catalog, at most 2^30
 *     56   8  length S of the catalog as stored
 *     64   P  path of the pool: empty, or "a/b/"
 *   64+P   S  the catalog: zstd frames one behind the other, each of 4 MiB
 *             plain bytes but the last, each with its content size
 * 64+P+S  32  SHA-256 of all bytes before
 *
 * Version and magic stay where they are in later versions, so that an old
 * program can say what it cannot read. Otherwise the hash is checked before
 * anything else is believed.
 *
 * The frames have a fixed plain length so that decoding needs no more memory
 * than what the previous frames have proven to be there.
 */
#include "cache/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "cache/le.h"
#include "cache/names.h"
#include "s3/base/buf.h"
#include "s3/base/span.h"

#define MAGIC "ASFSTREE"
#define MAGIC_LEN 8
#define VERSION 1
#define KIND_INLINE 1
#define HEAD_LEN 64
#define PART_RAW (4u << 20) /* plain bytes of one zstd frame */
#define LEVEL 3

/* "" or "a/b/", of safe components. */
static bool pool_is_safe(const char *pool, size_t len)
{
	return !len || (len < TREE_POOL_MAX && pool[len - 1] == '/' &&
			path_is_safe(pool, len - 1));
}

static int compress_catalog(struct buf *out, const char *data, size_t len)
{
	for (size_t pos = 0; pos < len;) {
		size_t n = len - pos < PART_RAW ? len - pos : PART_RAW;
		size_t room = ZSTD_compressBound(n), got;
		char *to = buf_reserve(out, room);

		if (!to)
			return buf_error(out);
		got = ZSTD_compress(to, room, data + pos, n, LEVEL);
		if (ZSTD_isError(got))
			return -ENOMEM;
		out->len += got;
		pos += n;
	}
	return 0;
}

static void put_head(unsigned char *to, const struct tree_head *head,
		     size_t pool_len, size_t raw, size_t stored)
{
	memset(to, 0, HEAD_LEN);
	memcpy(to, MAGIC, MAGIC_LEN);
	put_le32(to + 8, VERSION);
	to[12] = KIND_INLINE;
	put_le16(to + 14, (uint16_t)pool_len);
	put_le64(to + 16, head->seq);
	memcpy(to + 24, head->commit.bytes, OBJECT_ID_LEN);
	put_le64(to + 40, (uint64_t)head->commit_s);
	put_le64(to + 48, raw);
	put_le64(to + 56, stored);
}

int tree_encode(struct buf *out, const struct tree_head *head,
		const void *catalog, size_t len, struct err *e)
{
	size_t pool_len = strnlen(head->pool, sizeof(head->pool));
	CLEANUP_BUF struct buf stored = BUF_INIT(TREE_OBJECT_MAX);
	unsigned char fixed[HEAD_LEN];
	struct hash sum;
	size_t start = out->len;
	int r;

	if (!pool_is_safe(head->pool, pool_len) || !head->seq)
		return err_set(e, -EINVAL, "tree of pool '%.200s': not a pool",
			       head->pool);
	if (len > CATALOG_MAX)
		return err_set(e, -EFBIG, "catalog of %zu bytes is too large",
			       len);
	r = compress_catalog(&stored, catalog, len);
	if (!r &&
	    stored.len > TREE_OBJECT_MAX - HEAD_LEN - TREE_POOL_MAX - HASH_LEN)
		r = -EFBIG;
	if (r)
		return err_set(e, r, "no room for a tree of %zu bytes", len);
	put_head(fixed, head, pool_len, len, stored.len);
	(void)buf_add(out, fixed, sizeof(fixed)); /* sticky */
	(void)buf_add(out, head->pool, pool_len);
	(void)buf_add(out, stored.data, stored.len);
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

/* One zstd frame of at most PART_RAW plain bytes from the front of `s`. */
static int decompress_part(struct buf *out, struct span *s, struct err *e)
{
	size_t want = out->max - out->len, n, stored;
	const void *frame;
	char *to;

	if (want > PART_RAW)
		want = PART_RAW;
	stored = ZSTD_findFrameCompressedSize(s->p, s->left);
	if (ZSTD_isError(stored) ||
	    ZSTD_getFrameContentSize(s->p, s->left) != want)
		return damaged(e, "not the frames of a catalog");
	frame = span_take(s, stored);
	to = buf_reserve(out, want);
	if (!to)
		return err_set(e, buf_error(out), "no memory for a catalog");
	n = ZSTD_decompress(to, want, frame, stored);
	if (ZSTD_isError(n) &&
	    ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err_set(e, -ENOMEM, "no memory for a catalog");
	if (n != want)
		return damaged(e, "a frame of its catalog does not decode");
	out->len += n;
	return 0;
}

static int decode_catalog(struct catalog **ret_cat, uint64_t raw,
			  const void *stored, size_t len, struct err *e)
{
	CLEANUP_BUF struct buf out = BUF_INIT((size_t)raw);
	struct span s = span_of(stored, len);
	CLEANUP_FREE char *data = NULL;
	int r = 0;

	while (!r && s.left && out.len < raw)
		r = decompress_part(&out, &s, e);
	if (r)
		return r;
	if (s.left || out.len != raw)
		return damaged(e, "its catalog does not have its length");
	data = buf_take(&out);
	if (!data)
		return err_set(e, -ENOMEM, "no memory for a catalog");
	r = catalog_parse(ret_cat, data, (size_t)raw, e);
	if (r)
		return err_wrap(e, r, "tree object");
	data = NULL; /* the catalog's now */
	return 0;
}

static int decode_head(struct tree_head *ret_head, struct span *s,
		       uint64_t *ret_raw, uint64_t *ret_stored, struct err *e)
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
	if (version != VERSION || kind != KIND_INLINE)
		return err_set(e, -EBADMSG,
			       "tree object of format %u, kind %u: written by "
			       "a later version of assetfs",
			       version, kind);
	if (zero || !head.seq || !pool_is_safe(pool, pool_len) ||
	    *ret_raw > CATALOG_MAX)
		return damaged(e, "its head makes no sense");
	memcpy(head.commit.bytes, id, OBJECT_ID_LEN);
	memcpy(head.pool, pool, pool_len);
	*ret_head = head;
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

int tree_decode(struct tree_head *ret_head, struct catalog **ret_cat,
		const void *data, size_t len, struct err *e)
{
	struct tree_head head;
	uint64_t raw, stored;
	struct span s;
	int r;

	if (!len)
		return err_set(e, -ENODATA, "the tree was removed");
	r = check_whole(data, len, e);
	if (r)
		return r;
	s = span_of(data, len - HASH_LEN);
	r = decode_head(&head, &s, &raw, &stored, e);
	if (r)
		return r;
	if (stored != s.left)
		return damaged(e, "its catalog does not have its length");
	if (ret_cat)
		r = decode_catalog(ret_cat, raw, s.p, s.left, e);
	if (r)
		return r;
	*ret_head = head;
	return 0;
}
