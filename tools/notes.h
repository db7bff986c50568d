/*
 * What went wrong with single files while the work went on: counted, the first
 * few (or all) kept word for word.
 *
 * Threads: any may add; the rest one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/lock.h"

#define NOTES_KEPT 10

struct notes {
	bool all; /* keep all of them; set before the first */
	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	char **lines; /* owned, as each of them; NULL where memory ran out */
	size_t kept, room;
	size_t count; /* also of those not kept */
};

void notes_init(struct notes *n);
void notes_done(struct notes *n);
/* One line, without newline. */
__attribute__((format(printf, 2, 3))) void notes_add(struct notes *n,
						     const char *fmt, ...);
size_t notes_count(struct notes *n);
/* Logs the lines and how many more there were, as errors or as warnings. */
void notes_log(struct notes *n, bool errors);
