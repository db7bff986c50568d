/*
 * A local directory tree as a sorted list: what a push is made of.
 *
 * Everything is reached from one directory descriptor, component by component,
 * and never through a symbolic link: a link planted while the walk runs leads
 * nowhere. The order is that of catalogs, (directory, name) by bytes, whatever
 * order the file system lists in.
 *
 * Threads: building one at a time; afterwards any may read and scan_open_file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "s3/base/err.h"
#include "s3/base/hash.h"
#include "tools/notes.h"

struct scan_entry {
	char *path; /* relative, "" for the directory itself; owned */
	size_t path_len;
	struct stat st; /* regular file, directory or symlink */
	char *target; /* symlinks, st_size bytes and a NUL; owned */
	/* Regular files, filled in by hashing.h: */
	struct hash *hashes; /* block_count(st_size) of them; owned */
	void *data; /* the content, where it was kept; owned */
};

struct scan {
	int root_fd; /* owned */
	char *file; /* a single file: its name in root_fd; owned */
	struct scan_entry *entries; /* owned */
	size_t count;
	/* Of the entries: */
	uint64_t files, dirs, symlinks;
	uint64_t bytes; /* content of regular files */
};

void scan_init(struct scan *w);
void scan_done(struct scan *w);

/*
 * Lists the directory `src` and all below it; its own entry comes first.
 *
 * failed:  directories that cannot be read and names that are too long for a
 *          catalog; the walk goes on without them.
 * skipped: sockets, pipes and devices.
 * stop:    looked at now and then; true ends the walk with -ECANCELED.
 * Errors: of opening `src`, -ENOMEM.
 */
int scan_dir(struct scan *w, const char *src, struct notes *failed,
	     struct notes *skipped, bool (*stop)(void), struct err *e);
/* The regular file (or a symlink to one) `src` alone, as the entry `name`. */
int scan_file(struct scan *w, const char *src, const char *name, struct err *e);

/* Opens a regular file of the walk for reading: descriptor or negative errno;
 * -ELOOP where a link stands now. Does not wait for a pipe that took its
 * place. */
int scan_open_file(const struct scan *w, const struct scan_entry *entry);

/* Whether the same content can be expected: type, size, mtime, ctime and
 * inode. */
bool scan_same_file(const struct stat *a, const struct stat *b);

/* The order of catalogs: by directory, then by name. */
int scan_compare(const char *a, size_t a_len, const char *b, size_t b_len);

static inline int64_t scan_mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}
