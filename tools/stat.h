/*
 * Tells where a file's bytes stand: as text for people, or as JSON.
 *
 * Threads: one.
 */
#pragma once

#include "tools/location.h"

/* What reading a file costs if the cache has nothing of it. */
struct stat_cost {
	uint64_t requests;
	uint64_t bytes; /* received, with gaps that are read over */
};

/* node: attributes known. */
void stat_cost(const struct view_node *node, struct stat_cost *ret_cost);
/*
 * shown: the path as the user wrote it. target: of a symbolic link, or NULL.
 * Append to `out` (JSON: one object, without a newline).
 * Errors: those of `out`, -ENOMEM.
 */
int stat_text(struct buf *out, const struct location *at, const char *shown,
	      const char *target);
int stat_json(struct buf *out, const struct location *at, const char *shown,
	      const char *target);
