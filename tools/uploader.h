/*
 * Uploads packs and large files, several at once within a memory budget.
 *
 * Items are begun in the order they were added. Until uploader_release nothing
 * is sent: packs are made in advance, while it is not yet known whether they are
 * needed.
 *
 * Threads: one, the owner's; the work runs on threads of the uploader.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache/block.h"
#include "s3/base/cleanup.h"
#include "tools/plan.h"
#include "tools/sending.h"

#define UPLOADER_AT_ONCE 8
#define UPLOADER_MEMORY (160u << 20) /* bytes; one item larger goes alone */

struct uploader;

struct uploader_options {
	struct store *store;
	struct cache *cache; /* may be NULL */
	struct pool *pool;
	const struct scan *scan;
	const char *pool_prefix; /* "" or "a/b/" */
	struct progress *progress; /* may be NULL */
	unsigned int jobs; /* packs and blobs at once; 0: UPLOADER_AT_ONCE */
};

/* All borrowed, and outliving the uploader. */
int uploader_open(struct uploader **ret_uploader,
		  const struct uploader_options *o, struct err *e);
/* Stops and waits. */
void uploader_free(struct uploader *u);
DEFINE_CLEANUP(struct uploader *, uploader_free)

/*
 * Adds everything that `plan` has cut; it stays unchanged while the uploader
 * lives. Entries of files that turn out changed when they are packed are brought
 * up to date (hashing_reread). -ENOMEM.
 */
int uploader_add(struct uploader *u, const struct plan *plan,
		 struct object_ids *ids, struct err *e);
/* From now on, send. */
void uploader_release(struct uploader *u);
/*
 * Waits for everything; ends early when one item fails or `stop` (looked at ten
 * times a second) says so.
 * Errors: of the first item that failed; -ECANCELED.
 */
int uploader_wait(struct uploader *u, bool (*stop)(void), struct err *e);

/* After uploader_wait, also a failed one: */
size_t uploader_objects(const struct uploader *u); /* uploaded completely */
/* The blocks of these, with their places, and whether they belong into an index.
 * Stops at the first that returns non-zero, and returns that. */
int uploader_each_block(const struct uploader *u,
			int (*fn)(void *arg, const struct block *block,
				  bool indexed),
			void *arg);
/* Large files that are not what was hashed, each once: blobs were given up. */
int uploader_each_changed(const struct uploader *u,
			  int (*fn)(void *arg, struct scan_entry *file),
			  void *arg);
