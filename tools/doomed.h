/*
 * Plain objects that are to be deleted since a tree says otherwise now: only as
 * they were when they were listed.
 *
 * Blocks on the network. Threads: one at a time.
 */
#pragma once

#include "s3/store.h"

struct doomed {
	const struct store_list_entry **objects; /* owned array of borrowed */
	size_t count;
};

void doomed_done(struct doomed *d);
/*
 * Deletes them, the last ones first. Where the listing of `prefix` that shows
 * them, asked for at asked_ms, is older than a few seconds, it is taken again,
 * and what has changed since is left alone and dropped from `d`. (Not every
 * server heeds a condition on DELETE.) Errors: as store.h.
 */
int doomed_delete(struct doomed *d, struct store *s, const char *prefix,
		  uint64_t asked_ms, struct err *e);
