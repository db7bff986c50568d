/*
 * Whole reads and writes, small files replaced durably, and the standard
 * streams' places.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "s3/base/buf.h"
#include "s3/base/err.h"

/* Reads up to `len` bytes at `off`, through EINTR and short reads. Returns the
 * count (short only at the end of the file) or a negative errno. */
ssize_t io_pread_full(int fd, void *data, size_t len, uint64_t off);
/* Writes all of it or fails with a negative errno. */
int io_pwrite_full(int fd, const void *data, size_t len, uint64_t off);
int io_write_full(int fd, const void *data, size_t len);

/* A small file as a whole, appended to `out` (its ceiling holds). */
int io_read_file(const char *path, struct buf *out, struct err *e);

#define IO_TEXT_MAX (1u << 20) /* bytes of a file of settings */
/*
 * A file of settings, NUL-terminated in `out`; st: for a verdict on its owner and
 * mode. Errors: -ENOENT where there is none (no text set); -EACCES; -EINVAL for
 * what is no regular file, too large, or no text; -ENOMEM.
 */
int io_read_text(const char *path, struct buf *out, struct stat *ret_st,
		 struct err *e);
/*
 * Creates or replaces `path` by temporary file, fsync and rename, so that
 * readers see the old content or the new. mode: as for open(2).
 */
int io_replace_file(const char *path, const void *data, size_t len, mode_t mode,
		    struct err *e);
/* mkdir -p. */
int io_make_dirs(const char *path, mode_t mode, struct err *e);
/*
 * First thing in main: what is closed of stdin, stdout and stderr is opened so
 * that using it fails (-EBADF), else the next file opened would take its place,
 * and be written to by whoever prints.
 */
void io_hold_std(void);
