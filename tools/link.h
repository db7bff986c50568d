/*
 * Targets of symbolic links: in the catalog for packed ones, the content of the
 * object for plain ones.
 *
 * Threads: any.
 */
#pragma once

#include "cache/fetch.h"
#include "cache/view.h"

/* No file system takes longer ones. */
#define LINK_TARGET_MAX 4095 /* bytes */

/* The target of a packed link: borrowed from the node's tree, not terminated.
 * NULL when the node is none. */
const char *link_packed_target(const struct view_node *node, size_t *ret_len);

struct link {
	const struct view_node *node; /* of a symbolic link; borrowed */
	char *target; /* result, owned by the caller; NULL: could not be had */
	/* private: */
	struct link_batch *batch;
	struct fetch_req req;
};

/*
 * Fills in the targets of all links, in parallel. Returns the number of those
 * that could not be had; *e tells of one of them. Blocks.
 */
size_t link_read(struct fetch *f, struct link *links, size_t count,
		 struct err *e);
