/*
 * A catalog and where it stands in the bucket.
 *
 * Threads: immutable, counted atomically.
 */
#pragma once

#include "cache/catalog.h"

struct view_tree {
	struct catalog *cat;
	char *dir; /* the tree's root: "" or "a/b/", from the bucket's root */
	char *pool; /* "" or "a/b/" */
	uint64_t seq;
};

/* Takes a reference of its own to the catalog. NULL without memory. One
 * reference. */
struct view_tree *view_tree_new(struct catalog *cat, const char *dir,
				const char *pool, uint64_t seq);
const struct view_tree *view_tree_ref(const struct view_tree *t);
void view_tree_unref(const struct view_tree *t); /* NULL is accepted */
DEFINE_CLEANUP(const struct view_tree *, view_tree_unref)
/* Whether `path` (from the bucket's root) lies at or below the tree's root, and
 * the path within the tree. */
bool view_tree_within(const struct view_tree *t, const char *path, size_t len,
		      const char **ret_rel, size_t *ret_len);
