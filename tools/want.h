/*
 * Pieces of files that are wanted from the bucket: blocks of packed files,
 * PIECE_LARGE bytes of plain ones.
 *
 * Threads: any; pure but for the calls into fetch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/fetch.h"
#include "cache/view.h"

struct want {
	const struct view_node *node; /* of a regular file or plain link;
					 borrowed */
	uint64_t index; /* of the piece in the file */
	void *owner; /* the caller's */
};

/* What the catalog says of a node that has an entry. */
void want_entry(const struct view_node *node, struct catalog_entry *ret_entry);
/* Block `index` of a sound packed file. */
void want_block(const struct view_node *node, uint64_t index,
		struct block *ret_block);
/* Whether the catalog has as many blocks for it as its size asks for. */
bool want_is_sound(const struct view_node *node);
/* Whether these, one for each block, are the hashes of a packed file's content.
 */
bool want_hashes_are(const struct view_node *node, const struct hash *hashes);
/* Whether a packed file's block is BLOCK_MAX zeros, by its name. */
bool want_is_zero(const struct view_node *node, uint64_t index);
/* In the order in which they stand in the bucket. */
void want_sort(struct want *wants, size_t count);
/* Tells fetch of all of them, sorted, so that neighbours come with one request.
 */
void want_announce(const struct want *wants, size_t count, struct fetch *f);
/* Asks for one; the answer comes as fetch.h has it. */
void want_fetch(const struct want *w, struct fetch *f, struct fetch_req *req);
/* Whether the cache has it already; plain pieces: false. cache: may be NULL. */
bool want_is_cached(const struct want *w, struct cache *cache);
