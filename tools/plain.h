/*
 * Pushes a walk as plain objects, each at its path, with the metadata that s3fs
 * writes and a hash of the content, by which the next push sees that a file is
 * unchanged.
 *
 * The hash is META_HASH: in hex, the SHA-256 of the SHA-256s, in binary and in
 * order, of the blocks of 1 MiB that the content is cut into.
 *
 * Threads: one at a time. Blocks on the network.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "tools/diff.h"
#include "tools/hashing.h"

#define META_HASH "assetfs-hash"
#define PLAIN_JOBS 16

struct plain {
	/* Borrowed; set before the first call: */
	struct store *store;
	struct cache *cache; /* may be NULL */
	struct pool *pool;
	struct hashing *hashing; /* has run */
	const struct diff_input *in;
	const struct diff *diff;
	unsigned int jobs; /* at once; 0: PLAIN_JOBS */
	bool (*stop)(void);
	bool quiet; /* draw no progress */
	bool dry_run;
	/* Called for each that is or would be written; NULL: not. Any thread. */
	void (*told)(const char *what, const struct scan_entry *entry);
	/* Results: */
	uint64_t unchanged, unchanged_bytes; /* files */
	uint64_t upload_files, upload_bytes;
};

/* Notes, by name, what no key of the store can be. -ENOMEM. */
int plain_check(const struct plain *p, struct notes *failed, struct err *e);
/*
 * Uploads what the target does not have: files and links, or directories, which
 * have to come last, after all that is put into them or removed. One whose
 * attributes alone changed is copied within the store, and so is an object that a
 * younger entry of the tree hides. Errors: as plain_put; -EAGAIN for a file that
 * keeps changing.
 */
int plain_run(struct plain *p, bool dirs, struct err *e);
