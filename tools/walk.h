/*
 * Goes through a directory tree of the bucket, directory by directory, each
 * before what is below it, names sorted. Listings are asked for ahead and in
 * parallel, so that a tree of plain objects does not cost a round trip after
 * the other; a bounded number is held.
 *
 * Threads: one, but for `wake`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cache/view.h"
#include "s3/base/err.h"

struct walk_options {
	struct view *view; /* borrowed */
	bool attrs; /* fetch metadata of objects where a listing has none */
	/* Of directories, too, before they are entered; else what only their
	 * own listing tells comes with that. */
	bool dirs;
	/* Called on any thread, without a lock, when walk_next may have news.
	 * NULL: none. */
	void (*wake)(void *arg);
	void *arg;
};

struct walk_name {
	const struct view_node *node; /* counted by the walk_dir */
	/* Its metadata could not be had; node is as listed. */
	bool failed;
	struct err *err; /* why; owned; NULL without memory */
};

struct walk_dir {
	char *path; /* as view.h has it; owned */
	const struct view_node *self; /* counted */
	struct walk_name *names; /* owned */
	size_t count;
	size_t hidden; /* as in a view_listing */
	struct err err; /* code 0, or why it cannot be listed */
};

void walk_dir_done(struct walk_dir *d);

struct walk;
/* dir: where to begin. -ENOMEM. */
int walk_open(struct walk **ret_walk, const struct walk_options *o,
	      const struct view_node *dir);
/* Another one to visit when what is known is through. -ENOMEM. */
int walk_add(struct walk *w, const struct view_node *dir);
/* Waits for what is under way: free the view first to have it cancelled. NULL
 * is accepted. */
void walk_free(struct walk *w);
DEFINE_CLEANUP(struct walk *, walk_free)

/*
 * The next directory: 1 and *ret_dir, owned by the caller; 0 at the end. One below
 * where the walk began that is not there is left out.
 * -EAGAIN: nothing yet (wait false); -EINTR: session_interrupted; -ENOMEM.
 */
int walk_next(struct walk *w, bool wait, struct walk_dir *ret_dir);
/* Goes below the directory that walk_next yielded last. -ENOMEM. */
int walk_descend(struct walk *w, const struct walk_dir *dir);
