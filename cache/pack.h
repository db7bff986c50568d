/*
 * Packs: many small files as one .tar.zst object that plain tar extracts.
 *
 * Members in the order added, ustar, with PAX records only where ustar cannot
 * say it (long names, large ids, non-ASCII needs none: ustar is bytes). Frames
 * are independent zstd frames cut so that many small neighbours share one of
 * 256 KiB to 1 MiB plain bytes, and a block of a larger file has its own. Behind
 * the end of the archive, in skippable frames: a table of contents (members,
 * blocks, frames) and a fixed footer, so that a pack can be read back with
 * nothing else; and no visible extra member.
 *
 * Given the same members and id: the same bytes.
 */
#pragma once

#include <sys/types.h>

#include "cache/block.h"
#include "s3/base/cleanup.h"

#define PACK_FOOTER_LEN 64
#define PACK_LEVEL 3 /* zstd */

struct pack_writer;

/* Threads: one at a time. -ENOMEM. */
int pack_writer_open(struct pack_writer **ret_writer,
		     const struct object_id *id);
void pack_writer_free(struct pack_writer *w);
DEFINE_CLEANUP(struct pack_writer *, pack_writer_free)

struct pack_member {
	const char *path; /* relative, safe; as in the catalog */
	size_t path_len;
	mode_t mode; /* regular files, with type */
	uid_t uid;
	gid_t gid;
	int64_t mtime_ns;
	uint64_t size; /* 1 … PACKED_FILE_MAX */
	const void *data; /* the content, borrowed for the call */
	const struct hash *hashes; /* of its blocks, in order */
};

/*
 * Adds one regular file. Compresses frames that are full. Errors: -EINVAL,
 * -ENOMEM, -EFBIG (the pack would pass PACK_STORED_MAX: finish it, and add the
 * member to the next).
 */
int pack_writer_add(struct pack_writer *w, const struct pack_member *m,
		    struct err *e);
/* Bytes so far: stored in finished frames plus an upper bound of the open one. */
size_t pack_writer_stored(const struct pack_writer *w);
size_t pack_writer_raw(const struct pack_writer *w);

/*
 * Ends the archive. `out` gets the object's bytes. The blocks of all members
 * with their places, in order of addition, go to ret_blocks (malloc'ed, owned
 * by the caller). The writer is spent.
 */
int pack_writer_finish(struct pack_writer *w, struct buf *out,
		       struct block **ret_blocks, size_t *ret_count,
		       struct err *e);

/*
 * Reading a pack back from its own table of contents: tail is the object's end
 * (at least PACK_FOOTER_LEN bytes; the whole object or a suffix of it), of an
 * object of `size` bytes.
 * pack_toc_span tells where the table stands: fetch that range if `tail` does
 * not hold it. pack_toc_parse takes it.
 */
struct pack_toc_place {
	struct object_id id;
	uint64_t off;
	uint32_t stored;
	uint32_t raw;
};
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
	uint32_t first_block;
	uint32_t block_count;
};

struct pack_toc;
/* toc: the skippable frame's content as stored. Errors: -EBADMSG, -ENOMEM. */
int pack_toc_parse(struct pack_toc **ret_toc, const struct pack_toc_place *at,
		   const void *toc, size_t len, struct err *e);
void pack_toc_free(struct pack_toc *t);
DEFINE_CLEANUP(struct pack_toc *, pack_toc_free)
size_t pack_toc_member_count(const struct pack_toc *t);
void pack_toc_member_at(const struct pack_toc *t, size_t i,
			struct pack_toc_member *ret_member);
void pack_toc_block_at(const struct pack_toc *t, uint32_t block,
		       struct block *ret_block);
