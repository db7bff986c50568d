/*
 * Reads blocks from their places in the blobs of a pool and checks them: that
 * the blob is there and large enough, that frames decode, that blocks hash to
 * their names, and that a pack's table of contents says the same of them.
 *
 * Each frame is read once, near ones by one request, packs that are needed as a
 * whole by one GET.
 *
 * Threads: one; callbacks come on any.
 */
#pragma once

#include "cache/block.h"
#include "s3/base/pool.h"
#include "s3/store.h"

struct blobcheck_block {
	struct block block;
	void *owner; /* the caller's: the file it belongs to */
};

struct blobcheck {
	struct store *store; /* borrowed, as all */
	struct pool *pool;
	const char *pool_dir; /* "" or "a/b/" */
	/* All keys of blobs there, by a LIST of now. */
	const struct store_list *blobs;
	bool list_only; /* what the LIST shows, and no more */
	/* What is wrong with one block, or (hash NULL) with all that the owner
	 * has in the blob; text: why. blob: its key. */
	void (*bad)(void *arg, void *owner, const char *blob,
		    const struct hash *hash, const char *text);
	/* A block is through, well or not. */
	void (*checked)(void *arg, const struct blobcheck_block *b);
	void *arg;
	/* results: */
	uint64_t frames, blob_count;
};

/* Sorts the blocks. Errors: -EINTR, -ENOMEM, -ETIMEDOUT (the store is
 * away; told). */
int blobcheck_run(struct blobcheck *c, struct blobcheck_block *blocks,
		  size_t count);
