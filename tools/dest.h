/*
 * Where a push goes: what SRC and DEST on the command line mean together.
 *
 *	K   s3://b/assets/     the tree assets/K
 *	K   s3://b/assets/K    the same
 *	K/  s3://b/assets      what is in K, into assets
 *	f   s3://b/assets/     the file assets/f
 *	f   s3://b/assets/g    the file assets/g
 *
 * The bucket's root counts as a DEST with a slash; ".", ".." and "/" as a SRC
 * with one.
 *
 * Several sources, and what a list names, go into DEST whether it ends in a slash
 * or not, a directory under its own name unless it ends in a slash.
 *
 * Threads: any; pure computation.
 */
#pragma once

#include <stdbool.h>

#include "s3/base/err.h"

struct dest {
	char *dir; /* "" or "a/b/": what SRC's content goes into; owned */
	char *name; /* a single file's name in it; NULL for a directory; owned */
};

/*
 * dest: as on the command line. prefix: what it points to in its bucket, "" or
 * "a/b/".
 * Errors: -EINVAL for unsafe or reserved names, -ENOMEM.
 */
int dest_make(struct dest *ret_dest, const char *src, bool src_is_dir,
	      const char *dest, const char *prefix, struct err *e);
/* For several sources, or a list. Errors: the same. */
int dest_make_several(struct dest *ret_dest, const char *prefix, struct err *e);
/* Where one of several sources goes in it; "" for what is in a directory.
 * malloc'ed; NULL without memory. */
char *dest_at(const char *src, bool is_dir);
void dest_done(struct dest *t);
