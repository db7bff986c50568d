/*
 * A list of files to push, as --files-from has it: paths relative to a base
 * directory, one a line or each ended by a NUL.
 *
 * An absolute path has to lie below the base. A path that ends in a slash stands
 * for the directory and all below it, any other for itself alone. "." as a
 * component and doubled slashes are dropped; ".." is refused, since what it
 * means depends on links.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/err.h"
#include "tools/notes.h"

struct filelist_item {
	char *path; /* relative to the base; "" is the base; owned */
	bool below; /* and all below it */
};

struct filelist {
	struct filelist_item
		*items; /* sorted by bytes, no two the same; owned */
	size_t count;
};

void filelist_done(struct filelist *l);
/*
 * bases: absolute paths that name the base directory, without a slash at the
 * end (the root is ""). failed: lines that are no path below it.
 * Errors: -ENOMEM.
 */
int filelist_parse(struct filelist *ret_list, const char *data, size_t len,
		   bool nul, const char *const *bases, size_t base_count,
		   struct notes *failed, struct err *e);
/* Reads the file, or stdin for "-". base: a directory, as on the command line.
 * Errors: of reading, -EFBIG, -ENOMEM. */
int filelist_read(struct filelist *ret_list, const char *file, bool nul,
		  const char *base, struct notes *failed, struct err *e);
