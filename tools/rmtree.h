/*
 * One tree in which paths are removed, or which is removed as a whole.
 *
 * Blocks. Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cache/version.h"

struct rmtree {
	struct tree_version seen; /* as it was when rm looked */
	char **paths; /* within the tree, "" for all of it; owned */
	size_t count, room;
	bool removed; /* result: has a version of zero bytes now */
	size_t kept; /* result: entries that others have changed since */
};

void rmtree_done(struct rmtree *t);
/* The path is copied. -ENOMEM. */
int rmtree_add(struct rmtree *t, const char *path);
/* Whether the tree, as it was seen, has an entry there, and whether it is a
 * directory. Errors: as tree_part. */
int rmtree_find(const struct rmtree *t, struct store *s, struct cache *c,
		const char *path, bool *ret_found, bool *ret_dir,
		struct err *e);
/* Errors: as commit_run. */
int rmtree_run(struct rmtree *t, struct store *s, struct cache *c,
	       bool single_writer, struct err *e);
