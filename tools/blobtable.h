/*
 * Finds the blocks of large files that no index names: an index has some of a
 * blob, the table behind the blob has all of them.
 *
 * Threads: one at a time. Blocks on the network.
 */
#pragma once

#include "s3/base/err.h"
#include "s3/store.h"
#include "tools/inventory.h"
#include "tools/plan.h"

/*
 * Reads the tables of the blobs in which the pool's indexes (settled) have places
 * for some blocks of a large file, but not for all, and offers what they list. A
 * blob that has gone loses its places; one whose table cannot be read gives
 * none (logged). One GET a blob.
 * Errors: as store.h; -ENOMEM.
 */
int blobtable_offer(struct plan *plan, const struct inventory *inv,
		    struct store *s, struct err *e);
