/*
 * What a collector does to the pool's indexes: those that name what is condemned
 * are put anew without it, and many small ones become few.
 *
 * Each index is one of these:
 * - superseded: in the newest list already, and others name all of its places
 *   that are worth naming: condemned again, until it is deleted;
 * - replaced: names a blob that is condemned or gone, or is one of many small
 *   ones: condemned by this run, which puts others in its place;
 * - left as it is.
 *
 * An index that is replaced stays for a day at least, so that whoever has listed
 * it can still read it; what it names and this run condemns nobody uses, as the
 * list says so. Age is not looked at: nothing but this rule depends on an index.
 *
 * Blocks on the network. Threads: one.
 */
#pragma once

#include "cache/cache.h"
#include "cache/index.h"
#include "tools/gcscan.h"

struct gc_index {
	struct gc_object *object; /* borrowed */
	struct index *index; /* owned; NULL: has gone since it was listed */
	bool superseded;
	bool replaced;
};

struct gc_indexes {
	struct gc_index *all; /* owned; in order of time */
	size_t count;
	size_t made; /* by gc_indexes_put */
};

void gc_indexes_done(struct gc_indexes *ix);
/* Fetches all of them. Errors: as store.h; -EBADMSG, with the key. */
int gc_indexes_read(struct gc_indexes *ix, struct gc_scan *scan,
		    struct store *s, struct cache *c, struct err *e);
/*
 * Decides what becomes of each. scan: its blobs that this run condemns are
 * marked so; the indexes that it condemns are marked here. newest: the newest
 * list there is, or NULL.
 */
void gc_indexes_judge(struct gc_indexes *ix, const struct gc_scan *scan,
		      const struct gclist *newest);
/*
 * Puts those that take the place of the replaced ones. check: called before each
 * one; an error of it ends the work. Errors: as store.h.
 */
int gc_indexes_put(struct gc_indexes *ix, const struct gc_scan *scan,
		   struct store *s, const char *pool,
		   int (*check)(void *arg, struct err *e), void *arg,
		   struct err *e);
/* Takes back `ripe` of all blobs that are named by an index that stays. */
void gc_indexes_spare(const struct gc_indexes *ix, struct gc_scan *scan);
