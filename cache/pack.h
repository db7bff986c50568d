/*
 * Packs: many small files as one .tar.zst object that plain tar extracts.
 *
 * Members in the order added, ustar, with PAX records only where ustar cannot
 * say it (paths that do not fit, large ids, times that are not whole seconds).
 * Frames are independent zstd frames, with checksums, cut so that many small
 * neighbours share one of 256 KiB to 1 MiB plain bytes, and a block of a larger
 * file begins its own. Behind the end of the archive, in skippable frames: a
 * table of contents and a footer (pack_toc.h), so that a pack can be read back
 * with nothing else; and no visible extra member.
 *
 * Given the same members and id: the same bytes.
 */
#pragma once

#include <sys/types.h>

#include "cache/block.h"
#include "cache/pack_toc.h"
#include "s3/base/cleanup.h"

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
 * Adds one regular file. Compresses frames that are full. The hashes are taken
 * on trust. Errors: -EINVAL; -EFBIG, the pack might pass PACK_STORED_MAX or its
 * table PACK_TOC_MAX: finish it, and add the member to the next (the first
 * member always fits); -ENOMEM, the writer can only be freed then.
 */
int pack_writer_add(struct pack_writer *w, const struct pack_member *m,
		    struct err *e);
/* Bytes so far: stored in finished frames, and at most for the open one. */
size_t pack_writer_stored(const struct pack_writer *w);
size_t pack_writer_raw(const struct pack_writer *w);

/*
 * Ends the archive. The object's bytes, at most PACK_STORED_MAX, are appended
 * to `out`. The blocks of all members
 * with their places, in order of addition, go to ret_blocks (malloc'ed, owned
 * by the caller). The writer is spent.
 */
int pack_writer_finish(struct pack_writer *w, struct buf *out,
		       struct block **ret_blocks, size_t *ret_count,
		       struct err *e);
