/*
 * Local directories and files as one sorted list: what a push is made of.
 *
 * Everything is reached from the descriptors of the directories that were named,
 * component by component, and never through a symbolic link that was not named:
 * a link planted while the walk runs leads nowhere. The order is that of
 * catalogs, (directory, name) by bytes, whatever order the file system lists in.
 *
 * Use: scan_dir, scan_file and scan_list in any number, then scan_sort.
 *
 * Threads: building one at a time; afterwards any may read and scan_open_file.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "s3/base/err.h"
#include "s3/base/hash.h"
#include "tools/exclude.h"
#include "tools/filelist.h"
#include "tools/notes.h"

struct scan_entry {
	char *path; /* relative, "" for the directory itself; owned */
	size_t path_len;
	uint32_t source; /* in the scan's sources */
	uint16_t named; /* bytes of the path below its source that were named:
			   links are followed in them, but for the last
			   component */
	bool listed; /* a directory whose names were all read */
	struct stat st; /* regular file, directory or symlink */
	char *target; /* symlinks, st_size bytes and a NUL; owned */
	/* Regular files, filled in by hashing.h: */
	struct hash *hashes; /* block_count(st_size) of them; owned */
	void *data; /* the content, where it was kept; owned */
};

/* One that was named: a directory, or a file. */
struct scan_source {
	int fd; /* the directory, or the one that holds the file; owned */
	char *file; /* the file's name there, NULL for a directory; owned */
	size_t skip; /* bytes of its entries' paths that are not below it */
};

struct scan {
	struct scan_source *sources; /* owned */
	size_t source_count;
	struct scan_entry *entries; /* owned */
	size_t count, room;
	/* Of the entries: */
	uint64_t files, dirs, symlinks;
	uint64_t bytes; /* content of regular files */
};

void scan_init(struct scan *w);
void scan_done(struct scan *w);

struct scan_options {
	/* Directories that cannot be read, names that are too long for a
	 * catalog; the walk goes on without them. */
	struct notes *failed;
	struct notes *skipped; /* sockets, pipes and devices */
	/* Of paths below a source; names of sources count as such. */
	const struct exclude *exclude;
	/* Looked at now and then; true ends the walk with -ECANCELED. */
	bool (*stop)(void);
};

/*
 * Lists the directory `src` and all below it as `at`, "" or a relative path.
 * Errors: of opening `src`, -ENOMEM, -ECANCELED.
 */
int scan_dir(struct scan *w, const char *src, const char *at,
	     const struct scan_options *o, struct err *e);
/* The regular file (or a symlink to one) `src` alone, as the entry `at`. */
int scan_file(struct scan *w, const char *src, const char *at,
	      const struct scan_options *o, struct err *e);
/*
 * What a list names below the directory `src`, and the directories that it is
 * in, which are taken for directories also where they are links to such. What
 * is not there is noted as failed.
 */
int scan_list(struct scan *w, const char *src, const struct filelist *list,
	      const struct scan_options *o, struct err *e);
/* Puts all in order, directories that several sources have made into one; notes
 * other names that several have. */
void scan_sort(struct scan *w, struct notes *failed);

/* Opens a regular file of the walk for reading: descriptor or negative errno;
 * -ELOOP where a link stands now. Does not wait for a pipe that took its
 * place. */
int scan_open_file(const struct scan *w, const struct scan_entry *entry);

/* Whether the same content can be expected: type, size, mtime, ctime and
 * inode. */
bool scan_same_file(const struct stat *a, const struct stat *b);

/* The order of catalogs: by directory, then by name. */
int scan_compare(const char *a, size_t a_len, const char *b, size_t b_len);
