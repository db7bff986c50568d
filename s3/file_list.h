/*
 * One page of a listing of a directory tree, as S3 would give it.
 *
 * Threads: any.
 */
#pragma once

#include "s3/file_root.h"

/*
 * Answers a LIST. A directory is an object "dir/" when it is empty or when
 * anything but reserved names stands below it, and a common prefix when
 * anything does or it is empty. Files that are neither regular, nor directory,
 * nor symlink are not listed, nor those whose key would be too long.
 *
 * A directory is read again for each page; memory is bounded by the page.
 */
int file_list(const struct file_root *root, struct store_req *req,
	      struct err *e);

/* Whether directory `path` below `at` is an object; true in doubt. */
bool file_dir_is_object(int at, const char *path);
