/*
 * SOURCE as users write it.
 *
 *   s3://BUCKET[/PREFIX]   or BUCKET[:/PREFIX] as s3fs writes it
 *   file:///DIR[/PREFIX]   DIR is the nearest directory at or above the path
 *                          that holds .assetfs/, else the path itself
 *
 * Threads: parsing one at a time; the opened store as store.h says.
 */
#pragma once

#include "s3/source_options.h"
#include "s3/store.h"

struct source {
	struct store *store; /* owned */
	char *prefix; /* "" or "a/b/": where SOURCE points; owned */
};

/*
 * Parses SOURCE and opens its store; makes no request to it, but may ask a
 * service or program for access keys. Errors: -EINVAL with a
 * sentence on what is wrong with SOURCE or the options, -EACCES for unusable
 * credentials files, -ENXIO no such directory.
 * After any fork: starts threads.
 */
int source_open(struct source *ret_source, const char *text,
		const struct source_options *o, struct err *e);
void source_done(struct source *s);
