/*
 * Blobs that trees name and the pool does not have: another tool, or a rule of the
 * bucket, has deleted them. A collector puts them into its list, so that pushes
 * take them for absent, and who still has the content uploads it anew.
 *
 * Blocks. Threads: one.
 */
#pragma once

#include "cache/mark.h"
#include "tools/gcscan.h"

/*
 * Sets scan->lost. marked: all that trees name, read after `scan` was listed. What
 * is not in it may have been uploaded meanwhile: then the blobs are listed again.
 * pool: "" or "a/b/". Errors: as store.h.
 */
int gc_find_lost(struct gc_scan *scan, const struct mark *marked,
		 struct store *s, const char *pool, struct err *e);
