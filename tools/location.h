/*
 * A path in a bucket as users write it, opened: "s3://bucket/shots/K", a file
 * or a directory.
 *
 * Threads: one.
 */
#pragma once

#include "cache/view.h"
#include "tools/session.h"

struct location {
	struct session session;
	struct view *view;
	const struct view_node *node; /* counted; attributes known */
	bool reads; /* content will be read, see view_options */
	char *name; /* the last component as written; owned; may be "" */
};

/*
 * Errors: as session_open and view_open; -ENOENT when nothing stands there.
 * The text names it. On failure there is nothing to close.
 */
int location_open(struct location *l, const char *text,
		  const struct session_options *o, bool reads, struct err *e);
/*
 * The same for a look at the path alone, not at what is below, by fewer requests
 * for a deep path: the directory below the bucket's root that it lies in is
 * listed with all that is below, which for a tree is one page.
 */
int location_open_one(struct location *l, const char *text,
		      const struct session_options *o, struct err *e);
/* Cancels what is under way. */
void location_close(struct location *l);
