/*
 * The stored form of a catalog, version 1, before compression. A column of
 * numbers of n bytes for m records is n planes of m bytes: the lowest byte of
 * each, the next one of each, …. A difference is taken modulo 2^(8n).
 *
 *   header, 44 bytes, as in catalog_format.h but for its magic, "ASFSCATL"
 *   directories   path length 2, entries in its run 4
 *   entries       length of the name 1, mode 2, owner 2, size 6,
 *                 seconds of mtime 5 (signed, rounded down), nanoseconds 4,
 *                 commit time 4
 *   blocks        cutting rule of its file 1,
 *                 frame 3: difference to the block before (to 0)
 *                 offset 3: difference to the end of the block before, rounded
 *                 up to a multiple of 512, where that is in the same frame
 *   frames        blob 4: difference to the frame before (to 0)
 *                 codec 1
 *                 offset 6: difference to the end of the frame before, where
 *                 that is in the same blob
 *                 length as stored 3, plain length 3
 *   blobs, owners, strings, hashes: as in memory
 *
 * Hashes come last, as nothing can be said of them in fewer bytes. Offsets in the
 * strings, first entries and first blocks follow from lengths and counts, the
 * lengths of blocks from sizes.
 *
 * Decoding makes the form in memory, which is checked by its own parser; here
 * only what is summed up is held against what there is.
 */
#include "cache/catalog_stored.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "cache/catalog_format.h"
#include "s3/base/buf.h"
#include "s3/base/span.h"

#define STORED_MAGIC "ASFSCATL"
#define FRAME_RAW (4u << 20) /* plain bytes of one zstd frame */
#define LEVEL 6
#define NS_PER_S INT64_C(1000000000)
#define RECORD 512u /* members of a pack begin at multiples */

enum {
	DIR_LEN = 2 + 4,
	ENTRY_LEN = 1 + 2 + 2 + 6 + 5 + 4 + 4,
	BLOCK_LEN = 1 + 3 + 3,
	FRAME_LEN = 4 + 1 + 6 + 3 + 3,
};

/* ---- frames -------------------------------------------------------------- */

int frames_compress(struct buf *out, const void *data, size_t len)
{
	const char *from = data;

	for (size_t pos = 0; pos < len;) {
		size_t n = len - pos < FRAME_RAW ? len - pos : FRAME_RAW;
		size_t room = ZSTD_compressBound(n), got;
		char *to = buf_reserve(out, room);

		if (!to)
			return buf_error(out);
		got = ZSTD_compress(to, room, from + pos, n, LEVEL);
		if (ZSTD_isError(got))
			return -ENOMEM;
		out->len += got;
		pos += n;
	}
	return 0;
}

static int decompress_one(struct buf *out, size_t want, struct span *s,
			  struct err *e)
{
	size_t n, stored = ZSTD_findFrameCompressedSize(s->p, s->left);
	const void *frame;
	char *to;

	if (ZSTD_isError(stored) ||
	    ZSTD_getFrameContentSize(s->p, s->left) != want)
		return err_set(e, -EBADMSG, "not the frames of a catalog");
	frame = span_take(s, stored);
	to = buf_reserve(out, want);
	if (!to)
		return err_set(e, buf_error(out), "no memory for a catalog");
	n = ZSTD_decompress(to, want, frame, stored);
	if (ZSTD_isError(n) &&
	    ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err_set(e, -ENOMEM, "no memory for a catalog");
	if (n != want)
		return err_set(e, -EBADMSG,
			       "a frame of its catalog does not decode");
	out->len += n;
	return 0;
}

int frames_decompress(struct buf *out, uint64_t plain, const void *stored,
		      size_t len, struct err *e)
{
	struct span s = span_of(stored, len);
	int r = 0;

	while (!r && s.left && plain) {
		size_t n = plain < FRAME_RAW ? (size_t)plain : FRAME_RAW;

		r = decompress_one(out, n, &s, e);
		plain -= n;
	}
	if (!r && (s.left || plain))
		r = err_set(e, -EBADMSG,
			    "its catalog does not have its length");
	return r;
}

/* ---- columns ------------------------------------------------------------- */

/* A column of `count` numbers of `width` bytes. */
struct column {
	unsigned char *at;
	size_t count;
	unsigned int width;
};

static struct column column_of(unsigned char **at, size_t count,
			       unsigned int width)
{
	struct column c = { .at = *at, .count = count, .width = width };

	*at += count * width;
	return c;
}

static void column_put(const struct column *c, size_t i, uint64_t v)
{
	for (unsigned int k = 0; k < c->width; k++)
		c->at[k * c->count + i] = (unsigned char)(v >> (8 * k));
}

static uint64_t column_get(const struct column *c, size_t i)
{
	uint64_t v = 0;

	for (unsigned int k = 0; k < c->width; k++)
		v |= (uint64_t)c->at[k * c->count + i] << (8 * k);
	return v;
}

/* All parts of the stored form, in order. */
struct columns {
	struct column dir_len, dir_count;
	struct column name_len, mode, owner, size, seconds, ns, commit;
	struct column cut, frame, off;
	struct column blob, codec, frame_off, stored, raw;
	unsigned char *blobs, *owners, *strings, *hashes;
};

static uint64_t columns_size(const struct catalog_counts *n)
{
	return CATALOG_HEADER_LEN + (uint64_t)n->dirs * DIR_LEN +
	       (uint64_t)n->entries * ENTRY_LEN +
	       (uint64_t)n->places.block_count * (BLOCK_LEN + HASH_LEN) +
	       (uint64_t)n->places.frame_count * FRAME_LEN +
	       (uint64_t)n->places.blob_count * OBJECT_ID_LEN +
	       (uint64_t)n->owners * CATALOG_OWNER_LEN + n->strings_len;
}

/* Lays them out behind the header at `at`. */
static void columns_of(struct columns *c, unsigned char *at,
		       const struct catalog_counts *n)
{
	const struct places *p = &n->places;

	at += CATALOG_HEADER_LEN;
	c->dir_len = column_of(&at, n->dirs, 2);
	c->dir_count = column_of(&at, n->dirs, 4);
	c->name_len = column_of(&at, n->entries, 1);
	c->mode = column_of(&at, n->entries, 2);
	c->owner = column_of(&at, n->entries, 2);
	c->size = column_of(&at, n->entries, 6);
	c->seconds = column_of(&at, n->entries, 5);
	c->ns = column_of(&at, n->entries, 4);
	c->commit = column_of(&at, n->entries, 4);
	c->cut = column_of(&at, p->block_count, 1);
	c->frame = column_of(&at, p->block_count, 3);
	c->off = column_of(&at, p->block_count, 3);
	c->blob = column_of(&at, p->frame_count, 4);
	c->codec = column_of(&at, p->frame_count, 1);
	c->frame_off = column_of(&at, p->frame_count, 6);
	c->stored = column_of(&at, p->frame_count, 3);
	c->raw = column_of(&at, p->frame_count, 3);
	c->blobs = at;
	c->owners = c->blobs + (size_t)p->blob_count * OBJECT_ID_LEN;
	c->strings = c->owners + (size_t)n->owners * CATALOG_OWNER_LEN;
	c->hashes = c->strings + n->strings_len;
}

/* The sections in memory, in order. */
struct sections {
	unsigned char *dirs, *entries, *hashes, *blocks, *frames, *blobs,
		*owners, *strings;
};

static void sections_of(struct sections *s, unsigned char *at,
			const struct catalog_counts *n)
{
	const struct places *p = &n->places;

	s->dirs = at + CATALOG_HEADER_LEN;
	s->entries = s->dirs + (size_t)n->dirs * CATALOG_DIR_LEN;
	s->hashes = s->entries + (size_t)n->entries * CATALOG_ENTRY_LEN;
	s->blocks = s->hashes + (size_t)p->block_count * HASH_LEN;
	s->frames = s->blocks + (size_t)p->block_count * PLACES_BLOCK_LEN;
	s->blobs = s->frames + (size_t)p->frame_count * PLACES_FRAME_LEN;
	s->owners = s->blobs + (size_t)p->blob_count * OBJECT_ID_LEN;
	s->strings = s->owners + (size_t)n->owners * CATALOG_OWNER_LEN;
}

static void copy_sections(struct columns *c, struct sections *s,
			  const struct catalog_counts *n, bool to_columns)
{
	const struct places *p = &n->places;
	const struct {
		unsigned char *column, *section;
		size_t len;
	} all[] = {
		{ c->blobs, s->blobs, (size_t)p->blob_count * OBJECT_ID_LEN },
		{ c->owners, s->owners, (size_t)n->owners * CATALOG_OWNER_LEN },
		{ c->strings, s->strings, n->strings_len },
		{ c->hashes, s->hashes, (size_t)p->block_count * HASH_LEN },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (to_columns)
			memcpy(all[i].column, all[i].section, all[i].len);
		else
			memcpy(all[i].section, all[i].column, all[i].len);
	}
}

/* Where a block would begin right behind another in a pack. */
static uint32_t next_off(uint32_t off, uint32_t len)
{
	return (off + len + RECORD - 1) / RECORD * RECORD;
}

/* ---- encoding ------------------------------------------------------------ */

static void split_time(int64_t ns, int64_t *ret_s, uint32_t *ret_ns)
{
	int64_t rest = ns % NS_PER_S;

	*ret_s = ns / NS_PER_S - (rest < 0);
	*ret_ns = (uint32_t)(rest < 0 ? rest + NS_PER_S : rest);
}

static void encode_entries(struct columns *c, const struct sections *s,
			   const struct catalog_counts *n)
{
	for (uint32_t i = 0; i < n->entries; i++) {
		const unsigned char *rec =
			s->entries + (size_t)i * CATALOG_ENTRY_LEN;
		int64_t seconds;
		uint32_t ns;

		split_time((int64_t)get_le64(rec + 24), &seconds, &ns);
		column_put(&c->name_len, i, rec[22]);
		column_put(&c->mode, i, get_le16(rec + 14));
		column_put(&c->owner, i, get_le16(rec + 12));
		column_put(&c->size, i, get_le48(rec + 16));
		column_put(&c->seconds, i, (uint64_t)seconds);
		column_put(&c->ns, i, ns);
		column_put(&c->commit, i, get_le32(rec + 8));
	}
}

static void encode_blocks(struct columns *c, const struct sections *s,
			  const struct catalog_counts *n)
{
	uint32_t last = 0, end = 0;

	for (uint32_t i = 0; i < n->places.block_count; i++) {
		const unsigned char *rec =
			s->blocks + (size_t)i * PLACES_BLOCK_LEN;
		uint32_t frame = get_le24(rec), off = get_le24(rec + 3);

		if (i && frame != last)
			end = 0;
		column_put(&c->cut, i, CUT_FIXED_1M);
		column_put(&c->frame, i, frame - last);
		column_put(&c->off, i, off - end);
		last = frame;
		end = next_off(off, get_le24(rec + 6));
	}
}

static void encode_frames(struct columns *c, const struct sections *s,
			  const struct catalog_counts *n)
{
	uint32_t last = 0;
	uint64_t end = 0;

	for (uint32_t i = 0; i < n->places.frame_count; i++) {
		const unsigned char *rec =
			s->frames + (size_t)i * PLACES_FRAME_LEN;
		uint32_t blob = get_le32(rec);
		uint64_t off = get_le48(rec + 5);

		if (i && blob != last)
			end = 0;
		column_put(&c->blob, i, blob - last);
		column_put(&c->codec, i, rec[4]);
		column_put(&c->frame_off, i, off - end);
		column_put(&c->stored, i, get_le24(rec + 11));
		column_put(&c->raw, i, get_le24(rec + 14));
		last = blob;
		end = off + get_le24(rec + 11);
	}
}

int catalog_encode(struct buf *out, const void *bytes, size_t len,
		   uint64_t *ret_plain, struct err *e)
{
	CLEANUP_FREE unsigned char *to = NULL;
	struct span head = span_of(bytes, len);
	struct catalog_counts n;
	struct columns c;
	struct sections s;
	int r = catalog_take_header(&head, CATALOG_MAGIC, &n, e);

	if (r)
		return r;
	assert(catalog_size(&n) == len);
	to = malloc((size_t)columns_size(&n));
	if (!to)
		return err_set(e, -ENOMEM, "no memory for a catalog");
	catalog_put_header(to, STORED_MAGIC, &n);
	columns_of(&c, to, &n);
	sections_of(&s, (unsigned char *)(uintptr_t)bytes, &n);
	for (uint32_t i = 0; i < n.dirs; i++) {
		const unsigned char *rec = s.dirs + (size_t)i * CATALOG_DIR_LEN;

		column_put(&c.dir_len, i, get_le16(rec + 4));
		column_put(&c.dir_count, i, get_le32(rec + 10));
	}
	encode_entries(&c, &s, &n);
	encode_blocks(&c, &s, &n);
	encode_frames(&c, &s, &n);
	copy_sections(&c, &s, &n, true);
	r = frames_compress(out, to, (size_t)columns_size(&n));
	if (r)
		return err_set(e, r, "no room for a catalog of %zu bytes", len);
	*ret_plain = columns_size(&n);
	return 0;
}

/* ---- decoding ------------------------------------------------------------ */

static int damaged(struct err *e, const char *what)
{
	return err_set(e, -EBADMSG, "its catalog is damaged: %s", what);
}

static int decode_dirs(const struct columns *c, const struct sections *s,
		       const struct catalog_counts *n, uint64_t *strings,
		       struct err *e)
{
	uint64_t first = n->root;

	for (uint32_t i = 0; i < n->dirs; i++) {
		unsigned char *rec = s->dirs + (size_t)i * CATALOG_DIR_LEN;
		uint64_t len = column_get(&c->dir_len, i);
		uint64_t count = column_get(&c->dir_count, i);

		if (len > n->strings_len - *strings ||
		    count > n->entries - first)
			return damaged(e, "a directory out of bounds");
		put_le32(rec, (uint32_t)*strings);
		put_le16(rec + 4, (uint16_t)len);
		put_le32(rec + 6, (uint32_t)first);
		put_le32(rec + 10, (uint32_t)count);
		*strings += len;
		first += count;
	}
	return 0;
}

/* The nanoseconds of a time; false if it does not fit. */
static bool join_time(uint64_t seconds, uint64_t ns, int64_t *ret_ns)
{
	/* 40 bits, signed. */
	int64_t s = (int64_t)(seconds << 24) >> 24;

	if (ns >= (uint64_t)NS_PER_S)
		return false;
	/* As each part has its sign, the sum goes past neither end. */
	if (s < 0 && ns)
		return !__builtin_mul_overflow(s + 1, NS_PER_S, ret_ns) &&
		       !__builtin_sub_overflow(*ret_ns, NS_PER_S - (int64_t)ns,
					       ret_ns);
	return !__builtin_mul_overflow(s, NS_PER_S, ret_ns) &&
	       !__builtin_add_overflow(*ret_ns, (int64_t)ns, ret_ns);
}

static void decode_block_lens(const struct sections *s, uint32_t first,
			      uint64_t size)
{
	for (uint64_t i = 0; i < block_count(size); i++)
		put_le24(s->blocks + (first + i) * PLACES_BLOCK_LEN + 6,
			 block_len(size, i));
}

static int decode_entries(const struct columns *c, const struct sections *s,
			  const struct catalog_counts *n, uint64_t strings,
			  struct err *e)
{
	uint64_t blocks = 0;

	for (uint32_t i = 0; i < n->entries; i++) {
		unsigned char *rec = s->entries + (size_t)i * CATALOG_ENTRY_LEN;
		uint64_t name_len = column_get(&c->name_len, i);
		uint64_t size = column_get(&c->size, i);
		uint16_t mode = (uint16_t)column_get(&c->mode, i);
		uint64_t text = name_len + (S_ISLNK(mode) ? size : 0);
		int64_t mtime_ns;

		if (text > n->strings_len - strings)
			return damaged(e, "a name out of bounds");
		if (S_ISREG(mode) &&
		    block_count(size) > n->places.block_count - blocks)
			return damaged(e, "a file without its blocks");
		if (!join_time(column_get(&c->seconds, i),
			       column_get(&c->ns, i), &mtime_ns))
			return damaged(e, "no time of a file");
		memset(rec, 0, CATALOG_ENTRY_LEN);
		put_le32(rec, (uint32_t)strings);
		put_le32(rec + 8, (uint32_t)column_get(&c->commit, i));
		put_le16(rec + 12, (uint16_t)column_get(&c->owner, i));
		put_le16(rec + 14, mode);
		put_le48(rec + 16, size);
		rec[22] = (unsigned char)name_len;
		put_le64(rec + 24, (uint64_t)mtime_ns);
		strings += text;
		if (!S_ISREG(mode))
			continue;
		put_le32(rec + 4, (uint32_t)blocks);
		if (size)
			rec[23] = (unsigned char)column_get(&c->cut, blocks);
		for (uint64_t k = 1; k < block_count(size); k++)
			if (column_get(&c->cut, blocks + k) != rec[23])
				return damaged(e, "a file cut by two rules");
		decode_block_lens(s, (uint32_t)blocks, size);
		blocks += block_count(size);
	}
	return blocks == n->places.block_count
		       ? 0
		       : damaged(e, "blocks that no file has");
}

/* After the entries, which tell how long each block is. */
static void decode_blocks(const struct columns *c, const struct sections *s,
			  const struct catalog_counts *n)
{
	uint32_t last = 0, end = 0;

	for (uint32_t i = 0; i < n->places.block_count; i++) {
		unsigned char *rec = s->blocks + (size_t)i * PLACES_BLOCK_LEN;
		uint32_t delta = (uint32_t)column_get(&c->frame, i);
		uint32_t frame = (last + delta) & 0xffffff;
		uint32_t off;

		if (i && frame != last)
			end = 0;
		off = (end + (uint32_t)column_get(&c->off, i)) & 0xffffff;
		put_le24(rec, frame);
		put_le24(rec + 3, off);
		last = frame;
		end = next_off(off, get_le24(rec + 6));
	}
}

static void decode_frames(const struct columns *c, const struct sections *s,
			  const struct catalog_counts *n)
{
	uint32_t last = 0;
	uint64_t end = 0;

	for (uint32_t i = 0; i < n->places.frame_count; i++) {
		unsigned char *rec = s->frames + (size_t)i * PLACES_FRAME_LEN;
		uint32_t blob = last + (uint32_t)column_get(&c->blob, i);
		uint64_t off;

		if (i && blob != last)
			end = 0;
		off = (end + column_get(&c->frame_off, i)) &
		      CATALOG_SIZE_MAX; /* 48 bits */
		put_le32(rec, blob);
		rec[4] = (unsigned char)column_get(&c->codec, i);
		put_le48(rec + 5, off);
		put_le24(rec + 11, (uint32_t)column_get(&c->stored, i));
		put_le24(rec + 14, (uint32_t)column_get(&c->raw, i));
		last = blob;
		end = off + get_le24(rec + 11);
	}
}

static int decode_columns(unsigned char *from, const struct catalog_counts *n,
			  unsigned char *to, struct err *e)
{
	struct columns c;
	struct sections s;
	uint64_t strings = 0;
	int r;

	columns_of(&c, from, n);
	sections_of(&s, to, n);
	catalog_put_header(to, CATALOG_MAGIC, n);
	copy_sections(&c, &s, n, false);
	r = decode_dirs(&c, &s, n, &strings, e);
	if (!r)
		r = decode_entries(&c, &s, n, strings, e);
	if (r)
		return r;
	decode_blocks(&c, &s, n);
	decode_frames(&c, &s, n);
	return 0;
}

int catalog_decode(struct catalog **ret_cat, uint64_t plain, const void *stored,
		   size_t len, const struct catalog_range *range, struct err *e)
{
	CLEANUP_BUF struct buf from = BUF_INIT((size_t)plain);
	CLEANUP_FREE unsigned char *to = NULL;
	struct catalog_counts n;
	struct span head;
	int r;

	if (plain > CATALOG_MAX)
		return damaged(e, "too large");
	r = frames_decompress(&from, plain, stored, len, e);
	if (r)
		return r;
	head = span_of(from.data, from.len);
	r = catalog_take_header(&head, STORED_MAGIC, &n, e);
	if (r)
		return r;
	if (columns_size(&n) != plain)
		return damaged(e, "it does not have the length of its parts");
	to = malloc((size_t)catalog_size(&n));
	if (!to)
		return err_set(e, -ENOMEM, "no memory for a catalog");
	r = decode_columns((unsigned char *)from.data, &n, to, e);
	if (!r)
		r = catalog_parse(ret_cat, to, (size_t)catalog_size(&n), range,
				  e);
	if (r)
		return r;
	to = NULL; /* the catalog's now */
	return 0;
}
