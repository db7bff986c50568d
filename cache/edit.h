/*
 * What a version of a tree becomes by a list of changes: which of them apply,
 * and the entries of each of its parts afterwards. Whether the tree stands in one
 * object or in shards makes no difference to the outcome.
 *
 * Changes take effect in their order, the last one for a path counts. Removing a
 * directory removes all below it. Parents that are missing are made, as
 * directories of mode 0755 with owner, mtime and commit time of their first
 * child (in order of names); a root that nobody put and without children has
 * mode 0755 and zeros.
 *
 * Blocks on the network, for parts. Threads: one at a time.
 */
#pragma once

#include "cache/version.h"
#include "s3/base/table.h"

struct commit_change {
	const char *
		path; /* relative to the tree's root; borrowed; "" is the root */
	size_t path_len;
	bool remove; /* else put: */
	bool if_empty; /* remove: a directory only when nothing is in it, else it
			  stays, and nothing is lost */
	bool fresh; /* new content: gets the commit's time; else attr's */
	struct catalog_attr attr;
	const char *target; /* symlinks; borrowed */
	const struct block *blocks; /* regular files; borrowed */
	size_t block_count;
	/* The claim seen when the change was decided: */
	bool seen; /* there was an entry */
	int64_t seen_commit_s; /* and its commit time */
};

/* All borrowed. */
struct edit_input {
	struct store *store;
	struct cache *cache; /* may be NULL */
	const struct tree_version *base;
	const struct commit_change *changes;
	size_t count;
	int64_t commit_s; /* time of fresh content */
};

struct edit_part {
	struct catalog *cat; /* counted; NULL: not loaded */
	bool touched; /* other entries than before */
	bool cleared; /* nothing of the base is left in it */
	size_t first_op, end_op;
};

struct edit {
	/* results: */
	size_t applied, lost; /* changes */
	/* Of the base, or of none where it has none: one part, without any. */
	struct edit_part *parts;
	uint32_t part_count;
	/* private: */
	struct edit_input in;
	struct table by_path; /* of struct edit_op */
	struct edit_op **ops; /* in order of keys */
	size_t op_count, op_room;
	struct edit_chunk *chunks;
	bool clears; /* something is removed with what is below */
};

/* An entry of the new version: of a catalog (op NULL), or a change. */
struct edit_entry {
	const struct catalog *cat;
	uint32_t index;
	const struct edit_op *op;
};

/*
 * Errors: -EINVAL for what no catalog can hold, -ENOTDIR where a parent is a
 * file or where a file would take the place of a directory that is not empty;
 * -ENOMEM; as tree_part. edit_done in any case.
 */
int edit_make(struct edit *ed, const struct edit_input *in, struct err *e);
void edit_done(struct edit *ed);

/*
 * Calls emit for each entry of the part afterwards, in order. What it is given
 * stays valid until edit_done. Its error ends the walk.
 */
int edit_walk(struct edit *ed, uint32_t part,
	      int (*emit)(void *arg, const struct edit_entry *entry,
			  struct err *e),
	      void *arg, struct err *e);
struct catalog_key edit_key(const struct edit_entry *entry);
/* About as many bytes as the entry takes before compression. */
uint64_t edit_weight(const struct edit_entry *entry);
int edit_write(struct catalog_writer *w, const struct edit_entry *entry,
	       struct err *e);
