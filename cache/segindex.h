/*
 * What the index says of segments and blocks.
 *
 * A segment is listed before its file is made and marked dying before the file
 * is unlinked; numbers are never used twice. Space is counted here, over all
 * processes: an open segment counts with all of its room.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache/cachedb.h"
#include "cache/segment.h"
#include "s3/base/hash.h"

enum segment_state {
	SEGMENT_OPEN, /* may be appended to by who holds its file's lock */
	SEGMENT_FULL,
	SEGMENT_DYING, /* being evicted */
};

struct segment_entry {
	uint64_t number;
	enum segment_state state;
	enum segment_queue queue;
	bool indexed; /* no record of it is missing from the index */
	uint32_t size; /* bytes written, as far as known */
	uint32_t room; /* bytes it may grow to */
	uint64_t boot; /* of the system when it was last opened */
	int64_t born_s; /* this host's clock */
};

/* Identifies this boot of the system. */
uint64_t segindex_boot(void);
/* Bytes a segment counts with. */
uint64_t segindex_counted(const struct segment_entry *s);
/* Bytes of all. */
int segindex_used(struct cachedb *db, uint64_t *ret_used);
/* All segments, oldest first; malloc'ed. */
int segindex_list(struct cachedb *db, struct segment_entry **ret_entries,
		  size_t *ret_count);

/*
 * Lists a new open segment with a number of its own. -ENOSPC when all segments
 * would count more than `limit` with it.
 */
int segindex_create(struct cachedb *db, enum segment_queue queue, uint32_t room,
		    uint64_t limit, struct segment_entry *ret_entry);
/*
 * Takes over an open, indexed segment whose lock the caller holds, to append
 * behind `end`. -ENOSPC as above, -ESTALE when it is not that any more.
 */
int segindex_adopt(struct cachedb *db, uint64_t number, uint32_t end,
		   uint64_t limit, struct segment_entry *ret_entry);
/* Replaces the entry of a segment that is still listed and not dying (unless
 * the entry says dying); -ESTALE otherwise. */
int segindex_update(struct cachedb *db, const struct segment_entry *s);
/* Adds one that was found on disk; an entry that is there stays. */
int segindex_found(struct cachedb *db, const struct segment_entry *s);
/* Forgets one whose file is gone. */
int segindex_remove(struct cachedb *db, uint64_t number);

/* Where a block stands, and how often it was used since it came there. */
struct block_place {
	uint64_t segment;
	uint32_t off; /* of the payload */
	uint32_t len; /* bytes */
	uint8_t uses; /* saturates at USES_MAX */
};
#define USES_MAX 3

/* -ENOENT and as cachedb_get. */
int segindex_block(struct cachedb *db, const struct hash *id,
		   struct block_place *ret_place);
int segindex_block_put(struct cachedb *db, const struct hash *id,
		       const struct block_place *place);
/* Erases the block unless it stands elsewhere by now. */
void segindex_block_drop(struct cachedb *db, const struct hash *id,
			 const struct block_place *place);
/* Whether it was evicted on probation lately. */
bool segindex_ghost(struct cachedb *db, const struct hash *id);

/* Adds the records that the index lacks. */
int segindex_blocks_found(struct cachedb *db, uint64_t segment,
			  const struct record *recs, size_t count);
/* Counts one use more of each. */
int segindex_blocks_used(struct cachedb *db, const struct hash *ids,
			 size_t count);

/* What becomes of a block of a dying segment. */
struct block_move {
	struct hash id;
	struct block_place from;
	bool live; /* out of segindex_blocks_live: the index means this copy */
	bool keep; /* `to` holds a copy */
	bool ghost; /* remember it as evicted on probation */
	struct block_place to;
};
/* Fills in `live` and from.uses. */
int segindex_blocks_live(struct cachedb *db, struct block_move *moves,
			 size_t count);
/* Carries out the moves of those that still stand where they stood. */
int segindex_blocks_move(struct cachedb *db, const struct block_move *moves,
			 size_t count);
