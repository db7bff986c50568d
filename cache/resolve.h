/*
 * Resolves one path of the view from what dirs knows: the rules of view.h.
 * Private to view.
 *
 * A path is answered by the levels from the bucket's root to its parent
 * directory (the tree that the parent belongs to, the parent's names), and, if it
 * may be a directory, by its own level (its marker, what is below, a tree of its
 * own, which voids the shallower tree's entry).
 */
#pragma once

#include "cache/dirs.h"
#include "cache/view.h"

/* What all questions of a view share; borrowed. */
struct resolver {
	struct dirs *dirs;
	const struct view_options *o;
	const char *prefix; /* of SOURCE */
};

struct question {
	const char *path; /* relative to SOURCE; safe, or "" */
	bool list; /* the directory's names, too */
	struct dirs_wait *wait;
};

struct found {
	const struct view_node *node; /* counted */
	struct page *page; /* of the directory itself; counted */
	enum page_answer answer;
	struct view_version *tree; /* it belongs to; counted */
	const struct view_tree *part; /* with the entry; counted */
	const struct view_listing *listing; /* if asked for; counted */
	uint64_t until_ms; /* trusted until */
	uint64_t oldest_ms; /* when the oldest page was asked for */
};

void found_done(struct found *f);

/*
 * With the lock of dirs. 0 with *f filled in; 1 when the question has been
 * queued (q->wait will be called); -ENOENT (f's times are valid), -ENOTDIR,
 * -ENAMETOOLONG, -ENOMEM, -ECANCELED. found_done releases f in every case.
 */
int resolve_locked(const struct resolver *v, struct question *q,
		   struct found *f);
