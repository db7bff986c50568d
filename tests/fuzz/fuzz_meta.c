/*
 * Metadata as headers, extended attributes and other tools have it: lines of
 * "name value". What is understood has to come back from our own words for it.
 */
#include "s3/meta.h"

#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct meta *m)
{
	struct meta_posix p, again;
	struct meta written;

	meta_to_posix(&p, m);
	meta_init(&written);
	if (meta_from_posix(&written, &p))
		abort();
	meta_to_posix(&again, &written);
	if (p.has_mode != again.has_mode || p.has_uid != again.has_uid ||
	    p.has_gid != again.has_gid || p.has_mtime != again.has_mtime ||
	    (p.has_mode && p.mode != again.mode) ||
	    (p.has_uid && p.uid != again.uid) ||
	    (p.has_gid && p.gid != again.gid) ||
	    (p.has_mtime && p.mtime_ns != again.mtime_ns))
		abort();
	meta_done(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = strndup((const char *)data, size);
	char *rest = text, *line;
	struct meta m;

	meta_init(&m);
	while ((line = strsep(&rest, "\n"))) {
		char *name = strsep(&line, " ");

		(void)meta_set(&m, name, line ? line : "");
	}
	if (meta_size(&m) > META_MAX)
		abort();
	check(&m);
	meta_done(&m);
	return 0;
}
