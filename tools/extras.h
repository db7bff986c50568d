/*
 * What the target of a push has and its source lacks: what --delete removes.
 *
 * Only what lies in a directory that was listed whole counts. Names that are
 * excluded, the directories that they are in, reserved names, and trees of their
 * own stay.
 *
 * Threads: one at a time.
 */
#pragma once

#include "cache/commit.h"
#include "s3/store.h"
#include "tools/diff.h"
#include "tools/exclude.h"
#include "tools/notes.h"

struct extras_input {
	const struct diff_input *diff;
	const struct exclude *exclude;
	struct store *store;
	struct cache *cache; /* may be NULL */
};

struct extras {
	/* Removals of the tree's entries, what is in a directory before it; they
	 * own their paths. */
	struct commit_change *changes; /* owned */
	size_t count;
	/* Plain objects, of the listing. */
	const struct store_list_entry **objects; /* owned array */
	size_t object_count;
	uint64_t names; /* files and links, each counted once */
};

/*
 * kept: by name, trees of their own that stay. Errors: as tree_part; -ENOMEM.
 * Blocks on the network, for parts of the tree.
 */
int extras_find(struct extras *ret_extras, const struct extras_input *in,
		struct notes *kept, struct err *e);
/* Adds the tree's entries in the place of files and links of the walk, which plain
 * objects have replaced. -ENOMEM. */
int extras_add_replaced(struct extras *x, const struct diff_input *in,
			const struct diff *diff);
void extras_done(struct extras *x);
