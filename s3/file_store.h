/*
 * A store made of a plain directory, with the guarantees of S3.
 *
 * Keys are paths below it; "dir/" is a directory. What S3 keeps as metadata is
 * the file's own mode, owner, mtime. LastModified is ctime. ETags change with
 * every change of content. Creation with if_absent is link(2) of a complete
 * temporary file, replacement is rename(2). The clock is a file touched on that
 * file system. Its own files live in .assetfs/tmp and .assetfs/clock.
 */
#pragma once

#include "s3/store.h"

/* dir: an existing directory (-ENXIO otherwise). Starts worker threads. */
int file_store_open(struct store **ret_store, const char *dir, struct err *e);
