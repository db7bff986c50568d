/*
 * Keeps the cache within its limit: evicts whole segments, and carries forward
 * what was used again.
 *
 * New blocks are on probation. What was used a second time when its segment is
 * evicted moves to a segment of the main queue, what was not is remembered for
 * a while by name, and goes to the main queue at once should it be wanted again.
 * The main queue gives each block as many rounds as it was used since the last.
 * So a scan, however long, only passes through probation (a tenth of the limit).
 * Look-ups within USE_BURST_MS are one use: a reader that takes a block in many
 * small pieces uses it once.
 *
 * Threads: any; one evictor works at a time on a host, others are told so.
 */
#pragma once

#include <stdint.h>

#include "cache/appender.h"
#include "cache/cachedb.h"
#include "s3/base/cleanup.h"
#include "s3/base/hash.h"

#define USE_BURST_MS 2000

struct evict;

struct evict_options {
	struct cachedb *db; /* borrowed */
	const char *dir; /* the cache's; borrowed */
	struct appender *main; /* borrowed; takes what is carried forward */
};

int evict_open(struct evict **ret_evict, const struct evict_options *o);
void evict_free(struct evict *ev); /* NULL is accepted */
DEFINE_CLEANUP(struct evict *, evict_free)

/* Notes a use of a block. Never blocks on disk. */
void evict_note_use(struct evict *ev, const struct hash *id);
/* Brings the uses noted into the index. */
void evict_merge_uses(struct evict *ev);

/*
 * Evicts until all segments count `target` bytes or less. limit: what the two
 * queues share. Returns 0, -EBUSY when another evictor is at work, -ENOSPC when
 * nothing is left that could go, or as the index and the disk say.
 * ret_freed: bytes, also on failure.
 */
int evict_run(struct evict *ev, uint64_t target, uint64_t limit,
	      uint64_t *ret_freed);
