/*
 * Headers of tar members: ustar, with a PAX header in front only where ustar
 * cannot say it (a path that does not fit, ids above 2097151, times that are
 * not whole seconds of 1970 … 2242), and GNU's for long names that are not
 * ASCII.
 *
 * The same member gives the same bytes, and differs from its neighbours in as
 * few bytes as possible.
 *
 * Threads: any; pure computation.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "s3/base/buf.h"

#define TAR_BLOCK 512
/* Most that tar_header appends for a path of PATH_MAX_LEN. */
#define TAR_HEADER_MAX (TAR_BLOCK * (1 + 1 + 1 + 9 + 1))
#define TAR_SIZE_MAX ((1ull << 33) - 1)

struct tar_member {
	const char *path; /* relative, safe, at most PATH_MAX_LEN */
	size_t path_len;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	int64_t mtime_ns;
	uint64_t size; /* at most TAR_SIZE_MAX */
};

/* Appends the headers of a regular file. Errors: of the buffer. */
int tar_header(struct buf *out, const struct tar_member *m);
/* Bytes of padding behind a member of `size` bytes. */
static inline size_t tar_padding(uint64_t size)
{
	return (size_t)(-size & (TAR_BLOCK - 1));
}
