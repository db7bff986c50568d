/*
 * What the pool has, as far as a push may rely on it: the places that an index
 * in today's listing names and the newest list of condemned objects does not.
 *
 * One LIST, taken in the background, shows indexes and condemned lists; their
 * contents are fetched, or taken from the cache, when they are asked for.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/block.h"
#include "cache/cache.h"
#include "s3/base/cleanup.h"
#include "s3/store.h"

struct inventory;

/* Asks for the LIST. cache: may be NULL. pool: "" or "a/b/"; copied. -ENOMEM. */
int inventory_open(struct inventory **ret_inv, struct store *s, struct cache *c,
		   const char *pool, struct err *e);
void inventory_free(struct inventory *inv);
DEFINE_CLEANUP(struct inventory *, inventory_free)

/* Waits for the LIST. Errors: as store.h. */
int inventory_wait(struct inventory *inv, struct err *e);
/* After inventory_wait: */
const char *inventory_pool(const struct inventory *inv);
/* clock_now_ms before the LIST was asked for. */
uint64_t inventory_asked_ms(const struct inventory *inv);

/*
 * Asks for the newest condemned list, and for indexes from the newest to older
 * ones as long as those not in the cache are no more than `max_bytes` together,
 * with what was asked for before. Returns at once; inventory_settle waits. May be
 * called again with more.
 */
int inventory_fetch(struct inventory *inv, uint64_t max_bytes, struct err *e);
/* Asks for the newest condemned list alone. */
int inventory_fetch_condemned(struct inventory *inv, struct err *e);
/* Whether anything asked for has to come over the network and may not have
 * arrived yet. */
bool inventory_fetching(struct inventory *inv);
/*
 * Waits for all that was asked for. An index that has gone or is damaged is left
 * out (logged); where the condemned list cannot be read, nothing in the pool
 * counts. Errors: as store.h.
 */
int inventory_settle(struct inventory *inv, struct err *e);

/* After inventory_settle. False when no index names it, or its blob is
 * condemned. */
bool inventory_find(const struct inventory *inv, const struct hash *hash,
		    struct block *ret_block);
/* Where in the blob the last block ends that an index names there; 0: none does. */
uint64_t inventory_blob_end(const struct inventory *inv,
			    const struct object_id *id);
bool inventory_condemned(const struct inventory *inv,
			 const struct object_id *id);
/* The same for what a tree has: not where the list could not be read. */
bool inventory_gone(const struct inventory *inv, const struct object_id *id);
