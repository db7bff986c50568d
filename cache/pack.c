/*
 * The archive in a pack is one tar stream, compressed piecewise:
 *
 *   zstd frames    plain, one behind the other: members (headers, content,
 *                  padding to 512 bytes)
 *   zstd frame     the end of the archive: 1024 zero bytes
 *   table, footer  in skippable frames: see pack_toc.c
 *
 * Every frame bears its content size and a checksum: what is around blocks has
 * no hash, and `zstd -t` should find rot.
 *
 * One frame is open and grows in `raw`. A file of one block goes to the open
 * frame with its headers; the frame is closed before it would exceed 1 MiB, and
 * once it has 256 KiB. The blocks of a larger file each begin a frame, the
 * first of which bears the headers too, and the last may be joined by small
 * files.
 * So no frame is larger than a block and headers, and no block is in two.
 *
 * Blocks get their frame when it is closed: those from `open_block` on have
 * none yet.
 */
#include "cache/pack.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "cache/names.h"
#include "cache/tar.h"

#define FRAME_ENOUGH (256u << 10) /* plain bytes at which a frame is closed */
#define TAR_END (2 * TAR_BLOCK)
/* What a frame may add to incompressible bytes, beyond compressBound's margin
 * for all of them together. */
#define FRAME_SLACK 256

struct pack_writer {
	struct object_id id;
	ZSTD_CCtx *zstd;
	struct buf out; /* closed frames */
	struct buf raw; /* the open frame */
	struct buf header; /* of the member that is being added */
	size_t closed_raw; /* plain bytes in closed frames */
	size_t frame_count; /* closed */

	struct block *blocks;
	size_t block_count;
	size_t block_room;
	size_t open_block; /* first one of the open frame */

	struct pack_toc_writer toc;
};

_Static_assert(BLOCK_MAX + TAR_HEADER_MAX + TAR_BLOCK <= FRAME_RAW_MAX,
	       "a block and its headers fit a frame");

int pack_writer_open(struct pack_writer **ret_writer,
		     const struct object_id *id)
{
	struct pack_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->id = *id;
	/* The sum is checked before anything is added; the rest is for the
	 * bounds that compression reserves. */
	buf_init(&w->out, PACK_STORED_MAX + 2 * FRAME_STORED_MAX);
	buf_init(&w->raw, FRAME_RAW_MAX);
	buf_init(&w->header, TAR_HEADER_MAX);
	pack_toc_writer_init(&w->toc);
	w->zstd = ZSTD_createCCtx();
	if (!w->zstd ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(
		    w->zstd, ZSTD_c_compressionLevel, PACK_LEVEL)) ||
	    ZSTD_isError(
		    ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1))) {
		pack_writer_free(w);
		return -ENOMEM;
	}
	*ret_writer = w;
	return 0;
}

void pack_writer_free(struct pack_writer *w)
{
	if (!w)
		return;
	(void)ZSTD_freeCCtx(w->zstd); /* accepts NULL; cannot fail */
	buf_done(&w->out);
	buf_done(&w->raw);
	buf_done(&w->header);
	free(w->blocks);
	pack_toc_writer_done(&w->toc);
	free(w);
}

/* ---- frames -------------------------------------------------------------- */

static int close_frame(struct pack_writer *w)
{
	struct frame_place place = {
		.blob = w->id,
		.off = w->out.len,
		.raw = (uint32_t)w->raw.len,
		.codec = CODEC_ZSTD,
	};
	size_t room = ZSTD_compressBound(w->raw.len), n;
	char *to;

	if (!w->raw.len)
		return 0;
	to = buf_reserve(&w->out, room);
	if (!to)
		return buf_error(&w->out);
	n = ZSTD_compress2(w->zstd, to, room, w->raw.data, w->raw.len);
	if (ZSTD_isError(n))
		return -ENOMEM; /* with room for the bound, nothing else can */
	assert(n <= FRAME_STORED_MAX);
	w->out.len += n;
	place.stored = (uint32_t)n;
	for (; w->open_block < w->block_count; w->open_block++)
		w->blocks[w->open_block].frame = place;
	w->closed_raw += w->raw.len;
	w->frame_count++;
	buf_reset(&w->raw);
	return 0;
}

static int add_block(struct pack_writer *w, const struct hash *hash,
		     const char *data, uint32_t len)
{
	if (w->block_count == w->block_room) {
		size_t room = w->block_room ? 2 * w->block_room : 64;
		struct block *blocks =
			realloc(w->blocks, room * sizeof(*blocks));

		if (!blocks)
			return -ENOMEM;
		w->blocks = blocks;
		w->block_room = room;
	}
	w->blocks[w->block_count] = (struct block){
		.hash = *hash,
		.len = len,
		.off = (uint32_t)w->raw.len,
	};
	if (buf_add(&w->raw, data, len))
		return buf_error(&w->raw);
	w->block_count++;
	return 0;
}

/* ---- members ------------------------------------------------------------- */

static int check_member(const struct pack_member *m, struct err *e)
{
	if (!path_is_safe(m->path, m->path_len))
		return err_set(e, -EINVAL, "unsafe path in a pack");
	if (!S_ISREG(m->mode) || m->mode & ~(mode_t)(S_IFMT | 07777) ||
	    !m->size || m->size > PACKED_FILE_MAX)
		return err_set(e, -EINVAL, "'%.*s' cannot stand in a pack",
			       (int)m->path_len, m->path);
	return 0;
}

/* Would the object with `m` surely stay within its limits? */
static bool fits(const struct pack_writer *w, const struct pack_member *m)
{
	uint64_t blocks = block_count(m->size);
	uint64_t toc = pack_toc_writer_size(&w->toc, m->path_len,
					    w->block_count + blocks,
					    w->frame_count + blocks + 2);
	size_t raw = w->raw.len + TAR_HEADER_MAX + (size_t)m->size + TAR_BLOCK +
		     TAR_END;
	uint64_t stored = w->out.len + ZSTD_compressBound(raw) +
			  (blocks + 3) * FRAME_SLACK + pack_toc_bound(toc);

	return toc <= PACK_TOC_MAX && stored <= PACK_STORED_MAX;
}

static int list_member(struct pack_writer *w, const struct pack_member *m)
{
	struct pack_toc_member listed = {
		.path = m->path,
		.path_len = m->path_len,
		.mode = m->mode,
		.uid = m->uid,
		.gid = m->gid,
		.mtime_ns = m->mtime_ns,
		.size = m->size,
		.first_block = (uint32_t)w->block_count,
	};

	return pack_toc_writer_add(&w->toc, &listed);
}

static int make_header(struct pack_writer *w, const struct pack_member *m)
{
	struct tar_member header = {
		.path = m->path,
		.path_len = m->path_len,
		.mode = m->mode,
		.uid = m->uid,
		.gid = m->gid,
		.mtime_ns = m->mtime_ns,
		.size = m->size,
	};

	buf_reset(&w->header);
	return tar_header(&w->header, &header);
}

static int add_content(struct pack_writer *w, const struct pack_member *m)
{
	uint64_t count = block_count(m->size);
	int r;

	for (uint64_t i = 0; i < count; i++) {
		const char *data = (const char *)m->data + i * BLOCK_MAX;

		r = i ? close_frame(w) : 0;
		if (!r)
			r = add_block(w, &m->hashes[i], data,
				      block_len(m->size, i));
		if (r)
			return r;
	}
	return buf_add_zero(&w->raw, tar_padding(m->size));
}

static int add_member(struct pack_writer *w, const struct pack_member *m)
{
	int r = make_header(w, m);

	if (r)
		return r;
	if (w->raw.len + w->header.len + m->size + tar_padding(m->size) >
	    BLOCK_MAX)
		r = close_frame(w);
	if (!r)
		r = list_member(w, m);
	if (!r)
		r = buf_add(&w->raw, w->header.data, w->header.len);
	if (!r)
		r = add_content(w, m);
	if (!r && w->raw.len >= FRAME_ENOUGH)
		r = close_frame(w);
	return r;
}

int pack_writer_add(struct pack_writer *w, const struct pack_member *m,
		    struct err *e)
{
	int r = check_member(m, e);

	if (r)
		return r;
	if (!fits(w, m))
		return err_set(e, -EFBIG, "pack is full");
	r = add_member(w, m);
	return r ? err_set(e, r, "no memory for a pack") : 0;
}

size_t pack_writer_stored(const struct pack_writer *w)
{
	return w->out.len + (w->raw.len ? ZSTD_compressBound(w->raw.len) : 0);
}

size_t pack_writer_raw(const struct pack_writer *w)
{
	return w->closed_raw + w->raw.len;
}

/* ---- the end ------------------------------------------------------------- */

static int end_archive(struct pack_writer *w)
{
	int r = close_frame(w);

	if (!r)
		r = buf_add_zero(&w->raw, TAR_END);
	if (!r)
		r = close_frame(w);
	if (!r)
		r = pack_toc_writer_finish(&w->toc, &w->out, w->out.len, &w->id,
					   w->blocks, w->block_count);
	assert(r || w->out.len <= PACK_STORED_MAX);
	return r;
}

int pack_writer_finish(struct pack_writer *w, struct buf *out,
		       struct block **ret_blocks, size_t *ret_count,
		       struct err *e)
{
	int r = end_archive(w);

	if (!r)
		r = buf_add(out, w->out.data, w->out.len);
	if (!r && !w->blocks) {
		w->blocks = calloc(1, sizeof(*w->blocks));
		r = w->blocks ? 0 : -ENOMEM;
	}
	if (r)
		return err_set(e, r, "no memory for a pack");
	*ret_blocks = TAKE_PTR(w->blocks);
	*ret_count = w->block_count;
	return 0;
}
