/*
 * One page of a listing of a directory tree, as S3 would give it.
 *
 * Threads: any.
 */
#pragma once

#include "s3/base/lock.h"
#include "s3/file_root.h"

#define FILE_LISTS_KEPT 4

/* Listings whose next page may be asked for. */
struct file_lists {
	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	struct file_walk *kept[FILE_LISTS_KEPT]; /* owned */
};

void file_lists_init(struct file_lists *l);
void file_lists_done(struct file_lists *l);

/*
 * Answers a LIST. A directory is an object "dir/" when it is empty or when
 * anything but reserved names stands below it, unless it holds versions of a
 * tree itself; and a common prefix when anything does or it is empty. Files that
 * are neither regular, nor directory, nor symlink are not listed, nor those whose
 * key would be too long.
 *
 * Pages that follow one another within some seconds show the names of one
 * reading of a directory; so a name that is new behind the first page may be on
 * the next listing only. Memory: the page, and for large directories some 64 Ki
 * names for each of FILE_LISTS_KEPT listings.
 */
int file_list(const struct file_root *root, struct file_lists *lists,
	      struct store_req *req, struct err *e);

/* Whether directory `path` below `at` is an object; true in doubt. */
bool file_dir_is_object(int at, const char *path);
