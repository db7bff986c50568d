/*
 * Content of open files: from a byte range to blocks or pieces, and what is
 * fetched ahead.
 *
 * Threads: any; reads of one handle may overlap.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fs/mount.h"

struct reader;

/* An open regular file. Takes over the reference to `ino`, also on failure.
 * -ENOMEM. */
int reader_open(struct reader **ret_reader, struct mount *m, struct inode *ino);
/* The handle is released; reads under way keep what they need. */
void reader_free(struct reader *r);

/*
 * Answers `req` with [off, off + len), clipped at the file's end, now or when
 * the content has come. Never waits for the network. ESTALE when a plain object
 * is no longer the version that was opened and the cache lacks the range.
 */
void reader_read(struct reader *r, fuse_req_t req, uint64_t off, size_t len);

/* Answers a readlink of a symbolic link. Takes over the reference to `ino`. */
void reader_readlink(struct mount *m, fuse_req_t req, struct inode *ino);
