/*
 * Patterns of names that a push leaves alone.
 *
 * A pattern without a slash is matched against the last component of a path, one
 * with a slash against the whole path below its source, with or without a slash
 * in front; * and ? do not match a slash then. One that ends in a slash matches
 * directories only. What lies in a directory that matches is left alone, too.
 *
 * Threads: any, once all are added.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct exclude {
	struct exclude_pattern *patterns; /* owned */
	size_t count;
};

/* -EINVAL for an empty pattern, -ENOMEM. */
int exclude_add(struct exclude *x, const char *pattern);
void exclude_done(struct exclude *x);

/* Whether a path ("a/b", terminated) itself matches. */
bool exclude_match(const struct exclude *x, const char *path, bool is_dir);
/* Whether it, or a directory that it lies in, matches. */
bool exclude_covers(const struct exclude *x, const char *path, bool is_dir);
