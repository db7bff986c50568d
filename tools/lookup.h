/*
 * Looks up many paths of a view at once, with attributes.
 *
 * Threads: one.
 */
#pragma once

#include "cache/view.h"
#include "s3/base/err.h"

struct lookup {
	const char *path; /* as view.h has it; borrowed */
	/* answer: */
	const struct view_node *node; /* counted, the caller's; NULL: failed */
	struct err *err; /* why; owned by the caller; NULL without memory */
	/* private: */
	struct lookup_batch *batch;
	struct view_req req;
};

/* Blocks. Errors: -EINTR: the view has been freed to cancel what was under way,
 * and *v is NULL; items without an answer have neither node nor err. */
int lookup_all(struct view **v, struct lookup *items, size_t count);
/* Frees the answers. */
void lookup_done(struct lookup *items, size_t count);
