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

#include <stdbool.h>
#include <stdint.h>

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

/* The line for people, and the JSON object; malloc'ed, without a newline. NULL
 * without memory. */
char *summary_text(const struct summary *s);
char *summary_json(const struct summary *s);

/* To stdout; nothing when quiet and not json. */
void summary_print(const struct summary *s, bool json, bool quiet);
