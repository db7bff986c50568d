/*
 * What a command line names: SRC..., a list, patterns to leave out; where it goes
 * and what it is.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/err.h"
#include "tools/dest.h"
#include "tools/exclude.h"
#include "tools/scan.h"

/* All borrowed, but for the patterns. */
struct sources {
	const char *const *srcs; /* as on the command line */
	size_t count; /* at least 1 */
	/* A list of what to take, relative to the one source; "-" is stdin; NULL:
	 * all of it. */
	const char *files_from;
	bool from0; /* names in it end in NUL */
	struct exclude exclude;
};

/* dest: as on the command line; prefix: what it points to. Errors: as dest_make;
 * of looking at SRC. */
int sources_dest(const struct sources *s, const char *dest, const char *prefix,
		 struct dest *ret_dest, struct err *e);
/*
 * Lists all of it, sorted. failed: by name what cannot be read or has no place in
 * a tree. skipped, stop: as in scan.h. Errors: as scan.h, filelist.h.
 */
int sources_scan(const struct sources *s, const struct dest *dest,
		 struct scan *scan, struct notes *failed, struct notes *skipped,
		 bool (*stop)(void), struct err *e);
