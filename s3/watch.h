/*
 * Files that something was read from, to be read again when they change.
 *
 * Told by device, inode, size, mtime and ctime; coming and going are changes.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define WATCH_MAX 8

struct watch {
	struct watch_file {
		char *path; /* owned */
		struct stat st; /* all zero: there was no such file */
	} files[WATCH_MAX];
	size_t count;
};

void watch_done(struct watch *w); /* and usable again */
/*
 * Notes what stands at `path`; before it is read, so that a change meanwhile
 * is seen. A path that is there already keeps its first note. What does not
 * fit, or is relative, is not watched.
 */
void watch_add(struct watch *w, const char *path);
/* One stat(2) a file. */
bool watch_changed(const struct watch *w);
