/*
 * A store made of a plain directory, with the guarantees of S3.
 *
 * Keys are paths below it; "dir/" is a directory. What S3 keeps as metadata is
 * the file's own mode, owner, mtime. LastModified is ctime. ETags change with
 * every change of content. Creation with if_absent is link(2) of a complete
 * temporary file, replacement is rename(2). The clock is a file touched on that
 * file system. Its own files live in .assetfs/tmp and .assetfs/clock; reading
 * creates none of them.
 *
 * A symlink is an object whose content is its target. Symlinks are never
 * followed, nothing outside of the directory is touched.
 *
 * Where it differs from S3:
 * - parents exist: PUT of "a/b" makes directory "a/", and it stays when "a/b"
 *   is deleted. DELETE of "a/" removes an empty directory and leaves others.
 *   A directory that holds reserved names only is no object, nor is one that
 *   holds versions of a tree: each new version would make it younger than what
 *   that says of it. Metadata put to such a one are not seen again.
 * - -EISDIR for a PUT where a directory stands, -ENOTDIR for one below a file
 *   or symlink. A key cannot be a file and a directory.
 * - ETags also change when attributes do.
 * - -ESTALE also for a GET without if_match, of a file that other programs keep
 *   changing in place.
 * - A COPY onto itself with metadata sets it in place.
 * - timeout_ms is not looked at: requests wait for the file system as long as
 *   any program would. store_cancel ends waiting requests and long copies.
 */
#pragma once

#include "s3/store.h"

/* dir: an existing directory (-ENXIO otherwise). Starts worker threads. */
int file_store_open(struct store **ret_store, const char *dir, struct err *e);
