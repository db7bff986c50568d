/*
 * Which old versions of a tree may go: those over 24 h old that are neither
 * among the last ten nor the one kept for each hour of the last seven days, and
 * all that came before a removal of the tree over seven days ago: nothing would
 * push them out of the last ten. Never the newest.
 *
 * Threads: any; a struct prune belongs to one at a time.
 */
#pragma once

#include "s3/store.h"

#define PRUNE_KEEP_LAST 10
#define PRUNE_KEEP_ALL_S (24 * 3600)
#define PRUNE_KEEP_HOURLY_S (7 * 24 * 3600)
#define PRUNE_KEEP_REMOVED_S (7 * 24 * 3600) /* what was before a removal */

struct prune_version {
	int64_t modified_s; /* LastModified */
	bool removal; /* of zero bytes: the tree was removed, or announced */
	bool prune; /* the answer */
};

struct prune_version prune_version_of(const struct store_object *object);

/* Fills in the answers; returns how many are to go. versions: all of one tree,
 * the newest first. now_s: the store's clock. Pure computation. */
size_t prune_choose(struct prune_version *versions, size_t count,
		    int64_t now_s);

/*
 * Pruning beside a commit: one request, and only where the LIST that was made
 * anyway shows many to be pruned.
 */
struct prune {
	/* private: */
	struct store *store; /* NULL: nothing is asked for */
	struct store_req req;
	struct store_wait wait;
	const char **keys; /* owned array of borrowed keys */
};

/* listed: a LIST of the tree's directory, or of its tree keys; borrowed until
 * prune_end. */
void prune_begin(struct prune *p, struct store *s,
		 const struct store_list *listed, const char *dir);
/* Waits. What could not be deleted is logged: the next commit, or a collector,
 * does it. A zeroed structure is accepted. */
void prune_end(struct prune *p);
