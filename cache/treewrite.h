/*
 * Writes what a tree has become: a catalog for the tree object, and of a large
 * tree the shards that changed, and the table of all.
 *
 * Copy on write: the shards in which nothing changed stay as they are. One that
 * has grown too large is cut, a tiny one is joined with the next. A tree goes into
 * shards above a limit, and back below half of it.
 *
 * Blocks on the network. Threads: one at a time.
 */
#pragma once

#include "cache/edit.h"
#include "cache/shard.h"

#define TREEWRITE_AT_ONCE 6 /* shards being sent */

struct treewrite_sending {
	struct store_req req;
	struct store_wait wait;
	struct buf key, data;
	bool busy;
};

struct treewrite {
	/* Borrowed; set before the first run: */
	struct store *store;
	struct cache *cache; /* may be NULL */
	struct object_ids *ids;
	uint32_t inline_entries, shard_entries; /* see commit.h */
	/* The outcome of the last run; what it borrows is valid as long as its
	 * edit: */
	struct buf catalog; /* for the tree object */
	struct shard *shards; /* with the rest; count 0: none */
	uint32_t shard_count;
	/* private: */
	char pool[TREE_POOL_MAX]; /* of the last run */
	uint32_t shard_room;
	struct catalog_writer *writer;
	struct edit_entry *waiting; /* for their shard */
	size_t wait_count, wait_room;
	uint64_t wait_weight;
	struct shard *made; /* put by any run; without keys */
	size_t made_count, made_room;
	bool first_done; /* the catalog for the tree object is written */
	struct treewrite_sending sending[TREEWRITE_AT_ONCE];
	unsigned int next; /* of sending */
};

void treewrite_init(struct treewrite *w);
void treewrite_done(struct treewrite *w); /* waits for what is under way */
/*
 * pool: where shards go: "" or "a/b/". On success all of them are complete. A
 * later run, after a race was lost, puts none again that turns out the same.
 * Errors: as store.h; as tree_part; -EFBIG; -EINVAL for a pool that is none.
 */
int treewrite_run(struct treewrite *w, struct edit *ed, const char *pool,
		  struct err *e);
