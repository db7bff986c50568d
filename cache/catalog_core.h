/*
 * A catalog's own structure, shared by its parts: looking up (catalog.c) and
 * checks (catalog_check.c).
 *
 * Threads: as catalog.h.
 */
#pragma once

#include <stdatomic.h>

#include "cache/catalog.h"
#include "cache/catalog_format.h"

struct catalog {
	atomic_uint refs;

	/* constant after parsing: */
	const void *data; /* owned, malloc'ed, unless mapped */
	size_t len;
	void *map; /* NULL: not mapped; owned */
	size_t map_len;
	struct catalog_counts n;
	const unsigned char *dirs;
	const unsigned char *entries;
	const unsigned char *owners;
	const char *strings;
	struct places places;
	/*
	 * Blocks sorted by frame, and where each frame's begin; NULL where they
	 * stand like that in the catalog itself.
	 */
	uint32_t *by_frame; /* owned */
	uint32_t *frame_starts; /* owned; frame_count + 1 */
};

/* dir < n.dirs, entry < n.entries: where catalog_format.h has its bytes. */
static inline const unsigned char *catalog_dir_rec(const struct catalog *cat,
						   uint32_t i)
{
	return cat->dirs + (size_t)i * CATALOG_DIR_LEN;
}

static inline const unsigned char *catalog_entry_rec(const struct catalog *cat,
						     uint32_t i)
{
	return cat->entries + (size_t)i * CATALOG_ENTRY_LEN;
}

/*
 * Checks all of the bytes that cat->data and len say, and sets what points into
 * them; range: as catalog_parse has it. Errors: -EBADMSG with what is wrong.
 */
int catalog_check_bytes(struct catalog *cat, const struct catalog_range *range,
			struct err *e);
