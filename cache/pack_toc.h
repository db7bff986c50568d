/*
 * The end of a pack, and of a large file's blob: table of contents and footer.
 *
 * The table lists the members (a large file's blob has none), and every block
 * with its hash and place. It and the footer are each covered by a SHA-256.
 *
 * Threads: a parsed table is immutable.
 */
#pragma once

#include <sys/types.h>

#include "cache/block.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"

#define PACK_FOOTER_LEN 64
#define PACK_TOC_MAX (16u << 20) /* plain bytes; more is refused */

struct pack_toc_place {
	struct object_id id; /* of the pack */
	uint64_t off; /* in the object, bytes */
	uint32_t stored; /* bytes in the object */
	uint32_t raw; /* bytes once decoded */
};

/*
 * Where the table stands, from the object's end: the last `len` (at least
 * PACK_FOOTER_LEN) bytes of an object of `size` bytes. Fetch that range unless
 * `tail` holds it, and give it to pack_toc_parse. Errors: -EBADMSG, also for an
 * object that is no pack.
 */
int pack_footer_parse(struct pack_toc_place *ret_place, const void *tail,
		      size_t len, uint64_t size, struct err *e);

struct pack_toc_member {
	const char *path; /* borrowed from the table */
	size_t path_len;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t mtime_ns;
	uint64_t size;
	uint32_t first_block; /* for pack_toc_block_at */
	uint32_t block_count;
};

struct pack_toc;
/* toc: the range that `at` tells, borrowed for the call. Errors: -EBADMSG,
 * -ENOMEM. */
int pack_toc_parse(struct pack_toc **ret_toc, const struct pack_toc_place *at,
		   const void *toc, size_t len, struct err *e);
void pack_toc_free(struct pack_toc *t);
DEFINE_CLEANUP(struct pack_toc *, pack_toc_free)
size_t pack_toc_member_count(const struct pack_toc *t);
void pack_toc_member_at(const struct pack_toc *t, size_t i,
			struct pack_toc_member *ret_member);
size_t pack_toc_block_count(const struct pack_toc *t);
void pack_toc_block_at(const struct pack_toc *t, uint32_t block,
		       struct block *ret_block);

/*
 * Writing. Members are collected as records; blocks are those of all members in
 * order, in frames of the one blob.
 */
struct pack_toc_writer {
	struct buf members;
	struct buf strings;
	size_t count;
};
void pack_toc_writer_init(struct pack_toc_writer *w);
void pack_toc_writer_done(struct pack_toc_writer *w);
/* -ENOMEM, -EFBIG. */
int pack_toc_writer_add(struct pack_toc_writer *w,
			const struct pack_toc_member *m);
/* Plain bytes of a table with one more member (path_len 0: with none more). */
uint64_t pack_toc_writer_size(const struct pack_toc_writer *w, size_t path_len,
			      uint64_t block_count, uint64_t frame_count);
/* Upper bound of what pack_toc_writer_finish appends for a table of `raw`. */
uint64_t pack_toc_bound(uint64_t raw);
/* Appends table and footer. off: where in the object they begin. -ENOMEM,
 * -EFBIG. */
int pack_toc_writer_finish(struct pack_toc_writer *w, struct buf *out,
			   uint64_t off, const struct object_id *id,
			   const struct block *blocks, size_t block_count);
