/*
 * What a dry run would change, a line for each name on stdout:
 *
 *	new          dir/file
 *	changed      dir/other
 *	attributes   dir
 *	removed      old
 *
 * Paths are below the target, a directory's ends in a slash; on a terminal as
 * quote.h has them.
 */
#pragma once

#include "tools/diff.h"
#include "tools/extras.h"
#include "tools/scan.h"

/* One line. Threads: any. */
void preview_entry(const char *what, const struct scan_entry *entry);

/* diff: NULL for extras alone. dir: the target, which extras' objects have in
 * front; skip: bytes of it that extras' changes do not have. */
void preview_print(const struct scan *scan, const struct diff *diff,
		   const struct extras *x, const char *dir, size_t skip);
