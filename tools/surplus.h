/*
 * What stands in a target and not in the source, for --delete: found directory
 * by directory while the copy is planned, removed at the end, once all else is
 * known to have gone well.
 *
 * Removal stays below the target, on its file system, and follows no symbolic
 * link.
 *
 * Threads: one.
 */
#pragma once

#include <stddef.h>

#include "tools/target.h"

struct surplus_item {
	char *dir; /* in the target; owned */
	char *name; /* owned */
};

struct surplus {
	struct surplus_item *items; /* owned */
	size_t count, room;
};

/*
 * Notes the names in the directory `dir` that `keep` does not want. A directory
 * that does not exist has none. Errors: by name; -ENOMEM.
 */
int surplus_note(struct surplus *s, const struct target *t, const char *dir,
		 bool (*keep)(void *arg, const char *name, bool is_dir),
		 void *arg, struct err *e);
/* Removes one noted name with all that is below; *removed counts what went.
 * Errors: by name; what is gone stays gone. */
int surplus_remove(const struct target *t, const struct surplus_item *item,
		   uint64_t *removed, struct err *e);
/* A zeroed structure is accepted. */
void surplus_done(struct surplus *s);
