/*
 * Brings into the index what stands in segments and not in it: what a process
 * that died had written, and everything after an index was lost.
 *
 * Threads: one at a time per recovery; any number of processes at once.
 */
#pragma once

#include "cache/cachedb.h"

/* Lists the segments of a folder in an empty index, as yet unread. Fails with
 * what the folder or the index says. */
int recover_list(struct cachedb *db, const char *dir, struct err *e);

/*
 * Reads one segment that needs it and that nobody else holds. 1 when one was
 * done, 0 when none is left, negative errno when the index failed.
 */
int recover_step(struct cachedb *db, const char *dir);
