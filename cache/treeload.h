/*
 * Brings one version of a tree, or a part of one, from the cache or the bucket:
 * the one place that knows what to do about copies that are damaged. It makes no
 * request itself, so that it serves those who wait and those who must not.
 *
 *	r = treeload_begin(&l, e);
 *	while (r == 1) {
 *		(submit l.req, wait until it is complete)
 *		r = treeload_end(&l, e);
 *	}
 *	treeload_done(&l);
 *
 * What came damaged is fetched once more: it may have been damaged on the way.
 *
 * Threads: one at a time. Both steps decode, and read local disk.
 */
#pragma once

#include "cache/cache.h"
#include "cache/version.h"

struct treeload {
	struct store *store; /* borrowed */
	struct cache *cache; /* borrowed; may be NULL */
	/* What is wanted, borrowed. A version: */
	const char *dir;
	uint64_t seq;
	struct store_object object; /* as listed; without ETag: any */
	/* or a part of one, a shard: */
	const struct tree_version *of;
	uint32_t part; /* above 0 */
	/* The answer, the receiver's: */
	struct tree_version tree; /* of a removed one neither cat nor table */
	struct catalog *cat;
	/* For the submitter, who fills in timeout, done and arg each time: */
	struct store_req req;
	/* private: */
	struct buf key, data;
	uint64_t read_ms;
	bool again;
};

/* Of which only the members above, up to `part`, are set. */
void treeload_init(struct treeload *l);
void treeload_done(struct treeload *l); /* not what was answered */

/*
 * 0: here it is; 1: submit l->req; or an error: as store.h, but for a part
 * -ESTALE instead of -ENOENT (its version was pruned); -EBADMSG: damaged twice.
 */
int treeload_begin(struct treeload *l, struct err *e);
int treeload_end(struct treeload *l, struct err *e);
