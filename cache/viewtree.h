/*
 * A version of a tree as the view holds it: its parts, each loaded when it is
 * asked for.
 *
 * Threads: trees are immutable, but for what is said to be guarded; all are
 * counted atomically.
 */
#pragma once

#include "cache/version.h"
#include "s3/base/list.h"

/* The catalog of one part, and where it stands in the bucket. */
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

struct view_part {
	const struct view_tree *tree; /* counted; NULL: not loaded */
	bool reading; /* a load is under way; never of the first */
	uint64_t used_ms; /* clock_now_ms */
	struct list waiters; /* of struct dirs_wait */
};

struct view_version {
	struct tree_version of;
	uint32_t count;
	struct view_part *parts; /* guarded by the lock of dirs; owned */
	uint32_t loaded; /* guarded, too: how many of them */
};

/* Takes over `of`, which is not removed, on success. Its first part is there
 * already. NULL without memory. One reference. */
struct view_version *view_version_new(struct tree_version *of);
struct view_version *view_version_ref(struct view_version *v);
void view_version_unref(struct view_version *v); /* NULL is accepted */
DEFINE_CLEANUP(struct view_version *, view_version_unref)
/* Whether `path` (from the bucket's root) lies at or below the tree's root, and
 * the path within the tree. */
bool view_version_within(const struct view_version *v, const char *path,
			 size_t len, const char **ret_rel, size_t *ret_len);
