/*
 * The segments that a process has open for reading, and references to records
 * in them.
 *
 * A segment's file stays open, and readable, while anything refers to it, also
 * when it was evicted meanwhile.
 *
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "cache/cache.h"
#include "cache/segment.h"
#include "s3/base/cleanup.h"

struct segtable;
struct segfile;

/* dir: the folder of segments. -ENOMEM. */
int segtable_open(struct segtable **ret_table, const char *dir);
/* References that are out stay valid. NULL is accepted. */
void segtable_free(struct segtable *t);
DEFINE_CLEANUP(struct segtable *, segtable_free)
/* -ENOENT no such file, -EBADMSG not a segment of ours; and as open(2). */
int segtable_get(struct segtable *t, uint64_t number, struct segfile **ret_seg);
void segfile_put(struct segfile *seg); /* NULL is accepted */
DEFINE_CLEANUP(struct segfile *, segfile_put)
/* Closes what was unlinked, so that its space comes free. */
void segtable_sweep(struct segtable *t);

/*
 * The record of `id` whose payload of `len` bytes stands at `off`. Large ones
 * are checked once and then referred to in the file, others read and checked
 * each time. -EBADMSG where it is not there or damaged.
 */
int segfile_ref(struct segfile *seg, const struct hash *id, uint32_t off,
		uint32_t len, const struct cache_ref **ret_ref);
