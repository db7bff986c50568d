/*
 * The versions of a tree, and the way back to one of them.
 *
 * Blocks. Threads: one; it uses others for reading.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/block.h"
#include "s3/store.h"
#include "tools/session.h"

struct history_version {
	uint64_t seq;
	struct store_object object;
	bool gone; /* pruned while we looked: the rest is not known */
	bool removed; /* zero bytes: a removal, or announced only; all below but
			 commit_s is zero */
	struct object_id id; /* of the commit */
	int64_t commit_s; /* of a removal: its LastModified */
	bool counted; /* files and bytes are known: it has no shards */
	uint64_t files; /* and symbolic links */
	uint64_t bytes; /* content of files */
};

struct history {
	char *dir; /* "" or "a/b/": the tree's root; owned */
	struct history_version *versions; /* the newest first; owned */
	size_t count;
	uint64_t asked_ms; /* clock_now_ms before they were listed */
};

/*
 * Of the tree at the directory `prefix` ("" or "a/b/"), also a removed one, else
 * of the one that the path belongs to. read: the versions themselves, too, with
 * one GET each. Errors: as tree_load; -ENOENT when there is no tree.
 */
int history_read(struct history *ret_history, struct session *session,
		 const char *prefix, bool read, struct err *e);
void history_done(struct history *h);

/*
 * Commits version `seq` anew. *ret_seq: the version made, or the newest where
 * that says the same. Errors: as commit_restore; -ENOENT for a version that is
 * not there or is a removal; -EEXIST where a removed tree would hide what a tree
 * above it has there; -ESTALE when a collector has condemned what it
 * names.
 */
int history_restore(const struct history *h, struct session *session,
		    uint64_t seq, bool single_writer, uint64_t *ret_seq,
		    bool *ret_made, struct err *e);
