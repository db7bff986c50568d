/*
 * Decides what a push has to upload: which content the pool has already, which
 * files go into which pack, which blocks of a large file make a new blob.
 *
 * Pure: knows nothing of stores. Given the same files and the same offers: the
 * same packs.
 *
 * Use: plan_file for each file whose content the tree lacks at its path; offers of
 * places; plan_cut; upload; plan_place for every block uploaded; then plan_blocks
 * yields the places of each file. A file whose content was another one when it
 * was packed may leave blocks without a place: plan_cut again then takes what
 * is missing.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/block.h"
#include "s3/base/cleanup.h"
#include "s3/base/table.h"
#include "tools/scan.h"

/* What a pack of a small push holds, in bytes of its files. */
#define PLAN_PACK_RAW_MIN (2u << 20)

struct plan_pack {
	struct scan_entry **files; /* in path order; owned */
	size_t count;
	uint64_t raw; /* bytes of their content */
};

/* The most blocks of a large file that one blob holds, so that what is
 * interrupted loses no more. */
#define PLAN_BLOB_BLOCKS 1024

struct plan_blob {
	struct scan_entry *file; /* larger than PACKED_FILE_MAX */
	bool ends; /* the last of its file */
	uint32_t *blocks; /* which of its blocks; owned */
	size_t count;
	uint64_t raw; /* bytes of these blocks */
};

struct plan {
	struct table wanted; /* of struct want, by hash; owned */
	struct scan_entry **files; /* owned */
	size_t file_count, file_room;
	/* Results of plan_cut: */
	struct plan_pack *packs; /* owned */
	size_t pack_count;
	struct plan_blob *blobs; /* owned */
	size_t blob_count, blob_room;
	size_t upload_files; /* to be uploaded, in whole or in part */
	uint64_t upload_bytes; /* content to be uploaded */
	uint64_t reuse_bytes; /* content of these files that is not */
};

void plan_init(struct plan *p);
void plan_done(struct plan *p);

/* A regular file of the walk, hashed; in path order; borrowed. -ENOMEM. */
int plan_file(struct plan *p, struct scan_entry *file);

/* A place that the pool is known to have; counts if the block is wanted and has
 * no place yet. */
void plan_offer(struct plan *p, const struct block *block);
/* Asks `find` for every block that has no place yet. Returns how many it found. */
size_t plan_offer_all(struct plan *p,
		      bool (*find)(void *arg, const struct hash *hash,
				   struct block *ret_block),
		      void *arg);
/* Calls `fn` with the places that plan_offer_all found for blocks of large files
 * of which others are missing; stops at the first that returns non-zero, and
 * returns that. */
int plan_each_partial(const struct plan *p,
		      int (*fn)(void *arg, const struct block *block),
		      void *arg);
/* Takes back every place for which `gone` says so. Returns how many. */
size_t plan_withdraw(struct plan *p,
		     bool (*gone)(void *arg, const struct object_id *blob),
		     void *arg);
/* A place that was uploaded just now; comes before what was offered. -ENOMEM. */
int plan_place(struct plan *p, const struct block *block);

/*
 * Sets packs and blobs. A file of up to PACKED_FILE_MAX bytes is reused whole or
 * stored whole; content that occurs twice is stored once. Earlier results are
 * dropped. -ENOMEM.
 */
int plan_cut(struct plan *p);
/* Forgets all but the sums, to make room. */
void plan_forget(struct plan *p);
/* Whether the packs and blobs are those of another plan of the same walk. */
bool plan_equal(const struct plan *a, const struct plan *b);

/* The file's blocks with their places; room for block_count(size). False when
 * one has none. */
bool plan_blocks(const struct plan *p, const struct scan_entry *file,
		 struct block *ret_blocks);
