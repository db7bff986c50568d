/*
 * What a run did and cost: one line for people, or JSON.
 *
 * "pushed 242 files, 12.0 MB in 1.2 s; 13 requests (8 PUT, 3 LIST, 2 GET);
 *  7.6 MB sent; 4.4 MB not moved (pool); about $0.00005"
 *
 * Prices are those of the table in the file $ASSETFS_PRICES (price.h), else the
 * default.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/store.h"

struct summary {
	const char *verb; /* "push"; JSON */
	const char *past; /* "pushed"; people */
	uint64_t files, dirs, symlinks;
	uint64_t bytes; /* content of those files */
	uint64_t saved_pool; /* not sent: the pool had it */
	uint64_t saved_cache; /* not fetched: the cache or the target had it */
	uint64_t unchanged; /* files left alone */
	uint64_t removed;
	double seconds;
	struct store_counts counts;
	bool dry_run;
	bool unbilled; /* a store without a bill: no price is told */
};

/* Appends the line for people, without a newline. Errors: those of `out`. */
int summary_add_text(struct buf *out, const struct summary *s);
/* Sets the members of a JSON object: 0, or -1 without memory (output.h). */
int summary_set_json(json_t *o, const struct summary *s);

/* To stdout; nothing when quiet and not json. Returns the exit status. */
int summary_print(const struct summary *s, bool json, bool quiet);
