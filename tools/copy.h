/*
 * Brings files out of the bucket to a target: fetches their content in parallel
 * within a window, and writes each complete file under its name.
 *
 * Files are taken in the order added and asked for in batches, so that what
 * stands together in the bucket is fetched together.
 *
 * Threads: one, but for the callbacks, which come on any thread and without a
 * lock held.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache/fetch.h"
#include "cache/view.h"
#include "s3/base/pool.h"
#include "tools/progress.h"
#include "tools/target.h"

struct copy;

struct copy_options {
	struct fetch *fetch; /* borrowed */
	struct cache *cache; /* borrowed; may be NULL */
	struct pool *pool; /* borrowed; writes to disk */
	const struct target *target; /* borrowed */
	struct progress *progress; /* borrowed; may be NULL */
	/* copy_pump has something to do, or copy_idle may have changed. */
	void (*wake)(void *arg);
	/* A file could not be copied; e tells which and why. */
	void (*failed)(void *arg, const struct err *e);
	void *arg;
};

struct copy_counts {
	uint64_t files, symlinks;
	uint64_t bytes; /* content of those files */
	uint64_t cached; /* of those asked for: bytes the cache had */
};

int copy_open(struct copy **ret_copy, const struct copy_options *o);
/*
 * Adds a regular file or symbolic link, attributes known. node: counted by the
 * copy. dir, name: in the target; copied. -ENOMEM.
 */
int copy_add(struct copy *c, const struct view_node *node, const char *dir,
	     const char *name, const struct target_attr *attr);
/* Starts what fits in the window. */
void copy_pump(struct copy *c);
/* Files added and not begun; and whether they fill the window. */
size_t copy_backlog(const struct copy *c);
bool copy_has_plenty(const struct copy *c);
/* Nothing waits and nothing is under way. */
bool copy_idle(struct copy *c);
/* A failure that the next file would meet too (disk full, store away). */
bool copy_hopeless(struct copy *c);
/* Forgets what waits; what is under way ends without making a file. */
void copy_stop(struct copy *c);
void copy_counts(struct copy *c, struct copy_counts *ret_counts);
/* Stops, and waits for what is under way: free the fetch first to have it
 * cancelled. NULL is accepted. */
void copy_free(struct copy *c);
DEFINE_CLEANUP(struct copy *, copy_free)
