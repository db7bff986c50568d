/*
 * The directory of the local cache: choice, safety, who uses it, its space.
 *
 * Threads: any, after cachedir_open.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/cleanup.h"
#include "s3/base/err.h"

struct cachedir;

/*
 * dir: NULL for the default (see cache.h). Made with its parents and folders;
 * refused unless it is the caller's alone and on a local disk. Holds the lock
 * under which the index is opened until cachedir_opened.
 * Errors: -EACCES, -EOPNOTSUPP, -EROFS, -ENOSPC, -ENAMETOOLONG, -ENOMEM, -EIO.
 */
int cachedir_open(struct cachedir **ret_dir, const char *dir, struct err *e);
/* No other process uses it. Until cachedir_opened. */
bool cachedir_is_sole(const struct cachedir *d);
void cachedir_opened(struct cachedir *d);
/*
 * Ends the use. True: it was the last, and none begins before cachedir_free.
 */
bool cachedir_close(struct cachedir *d);
void cachedir_free(struct cachedir *d); /* NULL is accepted */
DEFINE_CLEANUP(struct cachedir *, cachedir_free)

const char *cachedir_path(const struct cachedir *d);
const char *cachedir_index(const struct cachedir *d);
const char *cachedir_segments(const struct cachedir *d);
const char *cachedir_catalogs(const struct cachedir *d);

/*
 * Bytes the cache may take, of which it has `used`: the smaller of `size` (0: a
 * tenth of the disk) and what the disk can spare with a twentieth kept free.
 */
uint64_t cachedir_limit(const struct cachedir *d, uint64_t size, uint64_t used);
