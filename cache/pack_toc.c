/*
 * The bytes behind the archive in a pack, and behind the blocks in the blob of a
 * large file, version 1. All integers are little-endian.
 *
 *   skippable zstd frame: 0x184D2A5B u32, length u32, and the table as stored:
 *      one zstd frame that bears its content size, then SHA-256 of that frame
 *   skippable zstd frame: 0x184D2A5C u32, 64 u32, and the footer, which ends
 *   the object:
 *      0   8  "ASFSPEND"
 *      8  16  id of the pack
 *     24   8  offset of the table as stored (behind its frame's header)
 *     32   4  its length as stored, with the hash
 *     36   4  its plain length, at most 2^24
 *     40   4  version, 1
 *     44  20  the first bytes of the SHA-256 of bytes 0 … 43
 *
 * Plain, the table is:
 *
 *      0   8  "ASFSPTOC"
 *      8   4  version, 1
 *     12   4  members; none in the blob of a large file
 *     16   4  blocks
 *     20   4  frames
 *     24   4  blobs: 1, or 0 without blocks
 *     28   4  bytes of strings
 *     32      members (32 bytes each), in the order of the archive
 *               0   4  path: offset in the strings
 *               4   2  length of the path, 1 … 4096
 *               6   2  mode as in stat(2), of a regular file
 *               8   4  uid
 *              12   4  gid
 *              16   8  mtime, signed, nanoseconds since the epoch
 *              24   4  size, 1 … 2^24
 *              28   4  first block
 *   then      blocks, frames and the blob, which is the pack: see places.h; the
 *             blocks of the members in order, so that each begins where the one
 *             before ended; those of a large file in the order of the blob, each
 *             a frame, from its first byte on
 *   then      strings: the paths, in order, without gaps
 *
 * The hash covers the table as stored: so that not even a bit that a decoder
 * ignores can change unseen.
 */
#include "cache/pack_toc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "cache/le.h"
#include "cache/names.h"
#include "cache/places.h"
#include "s3/base/span.h"

#define TOC_MAGIC "ASFSPTOC"
#define FOOTER_MAGIC "ASFSPEND"
#define MAGIC_LEN 8
#define VERSION 1
#define HEAD_LEN 32
#define MEMBER_LEN 32
#define SUM_AT 44
#define SUM_LEN 20
#define SKIP_HEAD 8 /* magic and length of a skippable frame */
#define SKIP_TOC 0x184D2A5Bu
#define SKIP_FOOTER 0x184D2A5Cu
#define LEVEL 3

/* ---- reading ------------------------------------------------------------- */

struct pack_toc {
	char *bytes; /* owned */
	size_t count;
	const unsigned char *members; /* into bytes, as below */
	struct places places;
	const char *strings;
	size_t strings_len;
};

static int damaged(struct err *e, const char *what)
{
	return err_set(e, -EBADMSG, "pack is damaged: %s", what);
}

int pack_footer_parse(struct pack_toc_place *ret_place, const void *tail,
		      size_t len, uint64_t size, struct err *e)
{
	struct pack_toc_place at;
	const unsigned char *p;
	struct hash sum;

	if (len < PACK_FOOTER_LEN || len > size)
		return damaged(e, "too short for a footer");
	p = (const unsigned char *)tail + len - PACK_FOOTER_LEN;
	if (memcmp(p, FOOTER_MAGIC, MAGIC_LEN))
		return err_set(e, -EBADMSG, "not a pack: it has no footer");
	if (get_le32(p + 40) != VERSION)
		return err_set(e, -EBADMSG,
			       "pack of format %u: damaged, or written by a "
			       "later version of assetfs",
			       get_le32(p + 40));
	hash_of(&sum, p, SUM_AT);
	if (memcmp(sum.bytes, p + SUM_AT, SUM_LEN))
		return damaged(e, "its footer does not hash to what it says");
	memcpy(at.id.bytes, p + 8, OBJECT_ID_LEN);
	at.off = get_le64(p + 24);
	at.stored = get_le32(p + 32);
	at.raw = get_le32(p + 36);
	if (at.off > size || at.stored <= HASH_LEN || at.raw > PACK_TOC_MAX ||
	    at.stored > PACK_STORED_MAX ||
	    size - at.off != (uint64_t)at.stored + SKIP_HEAD + PACK_FOOTER_LEN)
		return damaged(e, "its footer does not fit its length");
	*ret_place = at;
	return 0;
}

static int check_member(const struct pack_toc *t, size_t i, uint64_t *strings,
			uint64_t *blocks, struct err *e)
{
	const unsigned char *rec = t->members + i * MEMBER_LEN;
	uint16_t len = get_le16(rec + 4), mode = get_le16(rec + 6);
	uint32_t size = get_le32(rec + 24);
	uint64_t count = block_count(size);

	if (get_le32(rec) != *strings || len > t->strings_len - *strings ||
	    !path_is_safe(t->strings + *strings, len))
		return damaged(e, "a member's path");
	if (!S_ISREG(mode) || !size || size > PACKED_FILE_MAX)
		return damaged(e, "a member's attributes");
	if (get_le32(rec + 28) != *blocks ||
	    count > t->places.block_count - *blocks)
		return damaged(e, "a member's blocks");
	for (uint64_t k = 0; k < count; k++)
		if (places_len(&t->places, (uint32_t)(*blocks + k)) !=
		    block_len(size, k))
			return damaged(e, "a member's blocks");
	*strings += len;
	*blocks += count;
	return 0;
}

static int check_members(const struct pack_toc *t, struct err *e)
{
	uint64_t strings = 0, blocks = 0;

	for (size_t i = 0; i < t->count; i++) {
		int r = check_member(t, i, &strings, &blocks, e);

		if (r)
			return r;
	}
	if (strings != t->strings_len ||
	    (t->count && blocks != t->places.block_count))
		return damaged(e, "its table has parts that no member uses");
	return 0;
}

/* Blocks of a pack stand in it, before its table; those of a large file are all
 * that stands there. */
static int check_frames(const struct pack_toc *t,
			const struct pack_toc_place *at, struct err *e)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < t->places.block_count; i++) {
		struct block b;

		places_at(&t->places, i, &b);
		if (memcmp(&b.frame.blob, &at->id, sizeof(at->id)) ||
		    b.frame.off + b.frame.stored > at->off)
			return damaged(e, "a block's place");
		if (t->count ? b.frame.codec != CODEC_ZSTD
			     : b.frame.off != end || b.len != b.frame.raw)
			return damaged(e, "a block's frame");
		end = b.frame.off + b.frame.stored;
	}
	return 0;
}

static int parse_table(struct pack_toc *t, const struct pack_toc_place *at,
		       struct err *e)
{
	struct span s = span_of(t->bytes, at->raw);
	const char *magic = span_take(&s, MAGIC_LEN);
	uint32_t version = span_u32(&s);
	uint64_t need;
	int r;

	t->count = span_u32(&s);
	t->places.block_count = span_u32(&s);
	t->places.frame_count = span_u32(&s);
	t->places.blob_count = span_u32(&s);
	t->strings_len = span_u32(&s);
	if (s.bad || !magic || memcmp(magic, TOC_MAGIC, MAGIC_LEN) ||
	    version != VERSION)
		return damaged(e, "its table is none of this format");
	need = (uint64_t)t->count * MEMBER_LEN + places_size(&t->places) +
	       t->strings_len;
	if (need != s.left || t->places.blob_count > 1)
		return damaged(e, "its table does not have the length of its "
				  "parts");
	t->members = span_take(&s, t->count * MEMBER_LEN);
	r = places_parse(&t->places, &s, e);
	if (r)
		return err_wrap(e, r, "pack is damaged");
	t->strings = span_take(&s, t->strings_len);
	r = check_members(t, e);
	return r ? r : check_frames(t, at, e);
}

static int decode_table(char *to, const struct pack_toc_place *at,
			const void *stored, size_t len, struct err *e)
{
	size_t n;

	if (ZSTD_getFrameContentSize(stored, len) != at->raw ||
	    ZSTD_findFrameCompressedSize(stored, len) != len)
		return damaged(e, "its table is not one zstd frame");
	n = ZSTD_decompress(to, at->raw, stored, len);
	if (ZSTD_isError(n) &&
	    ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err_set(e, -ENOMEM, "no memory for a pack's table");
	return n == at->raw ? 0 : damaged(e, "its table does not decode");
}

int pack_toc_parse(struct pack_toc **ret_toc, const struct pack_toc_place *at,
		   const void *toc, size_t len, struct err *e)
{
	CLEANUP(pack_toc_freep) struct pack_toc *t = NULL;
	size_t frame_len;
	struct hash sum;
	int r;

	if (len != at->stored || len <= HASH_LEN || at->raw > PACK_TOC_MAX)
		return damaged(e, "its table does not have its length");
	frame_len = len - HASH_LEN;
	hash_of(&sum, toc, frame_len);
	if (memcmp(sum.bytes, (const char *)toc + frame_len, HASH_LEN))
		return damaged(e, "its table does not hash to what it says");
	t = calloc(1, sizeof(*t));
	if (t)
		t->bytes = malloc(at->raw + 1ul);
	if (!t || !t->bytes)
		return err_set(e, -ENOMEM, "no memory for a pack's table");
	r = decode_table(t->bytes, at, toc, frame_len, e);
	if (!r)
		r = parse_table(t, at, e);
	if (r)
		return r;
	*ret_toc = TAKE_PTR(t);
	return 0;
}

void pack_toc_free(struct pack_toc *t)
{
	if (!t)
		return;
	free(t->bytes);
	free(t);
}

size_t pack_toc_member_count(const struct pack_toc *t)
{
	return t->count;
}

void pack_toc_member_at(const struct pack_toc *t, size_t i,
			struct pack_toc_member *ret_member)
{
	const unsigned char *rec = t->members + i * MEMBER_LEN;

	ret_member->path = t->strings + get_le32(rec);
	ret_member->path_len = get_le16(rec + 4);
	ret_member->mode = get_le16(rec + 6);
	ret_member->uid = get_le32(rec + 8);
	ret_member->gid = get_le32(rec + 12);
	ret_member->mtime_ns = (int64_t)get_le64(rec + 16);
	ret_member->size = get_le32(rec + 24);
	ret_member->first_block = get_le32(rec + 28);
	ret_member->block_count = (uint32_t)block_count(ret_member->size);
}

size_t pack_toc_block_count(const struct pack_toc *t)
{
	return t->places.block_count;
}

void pack_toc_block_at(const struct pack_toc *t, uint32_t block,
		       struct block *ret_block)
{
	places_at(&t->places, block, ret_block);
}

/* ---- writing ------------------------------------------------------------- */

void pack_toc_writer_init(struct pack_toc_writer *w)
{
	buf_init(&w->members, PACK_TOC_MAX);
	buf_init(&w->strings, PACK_TOC_MAX);
	w->count = 0;
}

void pack_toc_writer_done(struct pack_toc_writer *w)
{
	buf_done(&w->members);
	buf_done(&w->strings);
}

int pack_toc_writer_add(struct pack_toc_writer *w,
			const struct pack_toc_member *m)
{
	unsigned char rec[MEMBER_LEN];
	int r;

	put_le32(rec, (uint32_t)w->strings.len);
	put_le16(rec + 4, (uint16_t)m->path_len);
	put_le16(rec + 6, (uint16_t)m->mode);
	put_le32(rec + 8, m->uid);
	put_le32(rec + 12, m->gid);
	put_le64(rec + 16, (uint64_t)m->mtime_ns);
	put_le32(rec + 24, (uint32_t)m->size);
	put_le32(rec + 28, m->first_block);
	r = buf_add(&w->members, rec, sizeof(rec));
	if (!r)
		r = buf_add(&w->strings, m->path, m->path_len);
	if (!r)
		w->count++;
	return r;
}

uint64_t pack_toc_writer_size(const struct pack_toc_writer *w, size_t path_len,
			      uint64_t block_count, uint64_t frame_count)
{
	return HEAD_LEN + w->members.len + (path_len ? MEMBER_LEN : 0) +
	       w->strings.len + path_len +
	       block_count * (HASH_LEN + PLACES_BLOCK_LEN) +
	       frame_count * PLACES_FRAME_LEN + OBJECT_ID_LEN;
}

uint64_t pack_toc_bound(uint64_t raw)
{
	return SKIP_HEAD + ZSTD_compressBound((size_t)raw) + HASH_LEN +
	       SKIP_HEAD + PACK_FOOTER_LEN;
}

static int write_table(const struct pack_toc_writer *w, struct buf *out,
		       const struct block *blocks, size_t count)
{
	CLEANUP(place_set_done) struct place_set set = { 0 };
	CLEANUP_BUF struct buf places = BUF_INIT(PACK_TOC_MAX);
	unsigned char head[HEAD_LEN] = TOC_MAGIC, rec[PLACES_BLOCK_LEN];

	place_set_init(&set);
	for (size_t i = 0; i < count; i++) {
		uint32_t frame;
		int r = place_set_add(&set, &blocks[i].frame, &frame);

		if (r)
			return r;
		places_put(rec, frame, blocks[i].off, blocks[i].len);
		(void)buf_add(&places, rec, sizeof(rec)); /* sticky */
	}
	if (buf_error(&places))
		return buf_error(&places);
	put_le32(head + 8, VERSION);
	put_le32(head + 12, (uint32_t)w->count);
	put_le32(head + 16, (uint32_t)count);
	put_le32(head + 20, set.frames.count);
	put_le32(head + 24, set.blobs.count);
	put_le32(head + 28, (uint32_t)w->strings.len);
	(void)buf_add(out, head, sizeof(head)); /* sticky, as all below */
	(void)buf_add(out, w->members.data, w->members.len);
	for (size_t i = 0; i < count; i++)
		(void)buf_add(out, blocks[i].hash.bytes, HASH_LEN);
	(void)buf_add(out, places.data, places.len);
	(void)buf_add(out, set.frames.records,
		      (size_t)set.frames.count * PLACES_FRAME_LEN);
	(void)buf_add(out, set.blobs.records,
		      (size_t)set.blobs.count * OBJECT_ID_LEN);
	return buf_add(out, w->strings.data, w->strings.len);
}

static int add_footer(struct buf *out, const struct pack_toc_place *at)
{
	unsigned char footer[PACK_FOOTER_LEN] = FOOTER_MAGIC;
	struct hash sum;

	memcpy(footer + 8, at->id.bytes, OBJECT_ID_LEN);
	put_le64(footer + 24, at->off);
	put_le32(footer + 32, at->stored);
	put_le32(footer + 36, at->raw);
	put_le32(footer + 40, VERSION);
	hash_of(&sum, footer, SUM_AT);
	memcpy(footer + SUM_AT, sum.bytes, SUM_LEN);
	(void)buf_add_u32(out, SKIP_FOOTER); /* sticky */
	(void)buf_add_u32(out, PACK_FOOTER_LEN);
	return buf_add(out, footer, sizeof(footer));
}

int pack_toc_writer_finish(struct pack_toc_writer *w, struct buf *out,
			   uint64_t off, const struct object_id *id,
			   const struct block *blocks, size_t block_count)
{
	CLEANUP_BUF struct buf table = BUF_INIT(PACK_TOC_MAX);
	struct pack_toc_place at = { .id = *id };
	struct hash sum;
	size_t room, n;
	char *to;
	int r;

	r = write_table(w, &table, blocks, block_count);
	if (r)
		return r;
	room = SKIP_HEAD + ZSTD_compressBound(table.len) + HASH_LEN;
	to = buf_reserve(out, room);
	if (!to)
		return buf_error(out);
	n = ZSTD_compress(to + SKIP_HEAD, room - SKIP_HEAD, table.data,
			  table.len, LEVEL);
	if (ZSTD_isError(n))
		return -ENOMEM; /* with room for the bound, nothing else can */
	hash_of(&sum, to + SKIP_HEAD, n);
	memcpy(to + SKIP_HEAD + n, sum.bytes, HASH_LEN);
	at.off = off + SKIP_HEAD;
	at.stored = (uint32_t)(n + HASH_LEN);
	at.raw = (uint32_t)table.len;
	put_le32(to, SKIP_TOC);
	put_le32(to + 4, at.stored);
	out->len += SKIP_HEAD + at.stored;
	return add_footer(out, &at);
}
