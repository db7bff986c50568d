/*
 * The paths of a list below a directory of the bucket, resolved, with the
 * directories above them.
 *
 * Threads: one.
 */
#pragma once

#include "cache/view.h"
#include "tools/exclude.h"
#include "tools/filelist.h"

struct chosen {
	struct view **view; /* freed and NULL after -EINTR */
	const char *root; /* the directory, as view.h has it */
	const struct filelist *list;
	const struct exclude *exclude;
	/*
	 * Each once, parents first. enter: a directory that the list names with
	 * all below it, which is not yielded then. Not 0: stop.
	 */
	int (*found)(void *arg, const struct view_node *node, bool enter);
	/* A path of the list that is not there, or cannot be looked at. */
	void (*failed)(void *arg, const struct err *e);
	void *arg;
};

/* Blocks. Errors: -EINTR, -ENOMEM, what `found` returned. */
int chosen_each(const struct chosen *c);
