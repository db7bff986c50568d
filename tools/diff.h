/*
 * What a push changes: a local walk against a version of a tree and against the
 * plain objects that a LIST of the target showed.
 *
 * Of a tree in shards only those are read in whose range the walk lies, one in
 * memory at a time.
 *
 * Threads: one at a time. Blocks on the network, for shards.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache/commit.h"
#include "s3/store.h"
#include "tools/inventory.h"
#include "tools/notes.h"
#include "tools/plan.h"
#include "tools/scan.h"

enum diff_kind {
	DIFF_SAME,
	DIFF_ATTR, /* attributes alone */
	DIFF_CONTENT, /* new, other content, or hidden by a plain object */
};

struct diff_item {
	enum diff_kind kind;
	bool seen; /* the tree has an entry */
	int64_t seen_commit_s;
	uint32_t part, entry; /* in the tree, if seen */
};

struct diff_input {
	struct store *store;
	struct cache *cache; /* may be NULL */
	const struct scan *scan; /* hashed */
	const char *dir; /* where the walk goes, from the bucket's root */
	const struct tree_version *base; /* the tree that dir belongs to */
	const struct store_list *listed; /* all keys below dir */
	/* Of the base's pool, with its condemned list: files with content that is
	 * gone are new. May be NULL. */
	const struct inventory *inventory;
};

struct diff {
	struct diff_item *items; /* one for each entry of the walk; owned */
	uint32_t *order; /* of the walk's entries, by part of the tree; owned */
	uint32_t *parts; /* that had, or will have, other content; owned */
	uint32_t part_count;
	size_t changes; /* not DIFF_SAME */
	uint64_t same_files, same_bytes;
};

/*
 * refused: by name, what cannot be pushed: a file where the bucket has a
 * directory and the reverse, and what lies in another tree below `dir`.
 * Errors: -ENOMEM; as tree_part.
 */
int diff_make(struct diff *ret_diff, const struct diff_input *in,
	      struct notes *refused, struct err *e);
void diff_done(struct diff *d);

/* Notes, by name, the trees in `in->listed` that what is walked lies in, other
 * than the one it is pushed to: its entries would be void. */
void diff_other_trees(const struct diff_input *in, struct notes *refused);

/* The changes to commit; owns what they point to, but for the walk's. */
struct diff_changes {
	struct commit_change *changes;
	size_t count;
	char **paths; /* owned strings */
	struct block *blocks;
};

/*
 * Yields the changes. Content of regular files comes from `plan`, whose blocks
 * all have places; of those whose attributes alone changed, from the tree.
 * Errors: -ENOMEM; -EAGAIN for a file without a place, by name; as tree_part.
 */
int diff_changes_make(struct diff_changes *ret_changes, const struct diff *d,
		      const struct diff_input *in, const struct plan *plan,
		      struct err *e);
void diff_changes_done(struct diff_changes *c);

/* Appends the key of a walk's entry; a directory's ends in "/" (the bucket's root
 * is ""). */
int diff_key(struct buf *out, const char *dir, const struct scan_entry *entry);
