/*
 * Prints names and attributes: plain, long, as mtree(5), as JSON.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "cache/view.h"
#include "s3/base/buf.h"

enum listing_format {
	LISTING_NAMES,
	LISTING_LONG,
	LISTING_MTREE,
	LISTING_JSON,
};

struct listing_style {
	enum listing_format format;
	bool terminal; /* names are quoted */
};

/*
 * Appends one line (JSON: an object, without separators). name: as to be shown;
 * for mtree and JSON the path from the listed directory, "" for itself. target:
 * of a symbolic link, or NULL.
 * Errors: those of `out`, -ENOMEM.
 */
int listing_add(struct buf *out, const struct listing_style *style,
		const struct view_node *node, const char *name,
		const char *target);
