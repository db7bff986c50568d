/*
 * Fetches content that the cache lacks: frames of blobs and pieces of plain
 * objects; verifies, caches, and hands it to all that wait.
 *
 * At most one fetch of a frame or piece is under way per process. A frame
 * brings all its blocks. Frames of one blob that are wanted together are
 * fetched by one range GET (gaps under 1 MiB are read over, at most 8 MiB a GET);
 * a third miss in one pack fetches the rest of it, as far as the catalog knows
 * it. A block that fails verification is fetched once more by a GET of its
 * frame alone; a second failure is -EIO with blob and hash in the text. Failed
 * prefetches are forgotten.
 *
 * Completion: `done` exactly once, on any thread (also on the caller's, before
 * the call returns, for a hit), with no lock held. err.code 0 and `ref` set, or
 * the error and ref NULL. `ref` belongs to the receiver.
 *
 * Errors: as store.h; -EIO for content that does not verify; -ESTALE when a
 * plain object is no longer the version asked for; -ECANCELED after
 * fetch_free began.
 *
 * Threads: any. Never blocks on the network.
 */
#pragma once

#include "cache/cache.h"
#include "cache/catalog.h"
#include "s3/base/pool.h"
#include "s3/store.h"

struct fetch;

struct fetch_options {
	struct store *store; /* borrowed, outlives the fetch */
	struct cache *cache; /* borrowed; NULL: nothing is kept */
	struct pool *pool; /* borrowed; decodes and verifies */
	uint64_t prefetch_max; /* bytes in flight for prefetch; 0: 64 MiB */
};

int fetch_open(struct fetch **ret_fetch, const struct fetch_options *o,
	       struct err *e);
/* Cancels and waits for what is under way. */
void fetch_free(struct fetch *f);
DEFINE_CLEANUP(struct fetch *, fetch_free)

/* Kept valid by the submitter until `done`, which may free it. */
struct fetch_req {
	void (*done)(struct fetch_req *req); /* set by the submitter */
	void *arg;
	enum store_priority priority;
	/* answer: */
	const struct cache_ref *ref;
	struct err err;
	/* private: */
	struct list link;
	struct hash id; /* of the record */
	uint32_t off, len; /* of what is wanted in the plain bytes fetched */
};

/*
 * One block of a packed file. pool: the tree's (names.h). Keeps a reference to
 * `cat` while under way.
 */
void fetch_block(struct fetch *f, struct catalog *cat, const char *pool,
		 uint32_t block, struct fetch_req *req);

/*
 * Readies blocks [first, first + count) of a catalog and what stands between
 * them in their packs, without an answer: what is missing is fetched at prefetch
 * priority within the budget, the rest is forgotten. A scan that just began
 * calls this with all that it is likely to read, in order. Planned when it
 * returns: a fetch_block behind it joins the plan.
 */
void fetch_prefetch(struct fetch *f, struct catalog *cat, const char *pool,
		    uint32_t first, uint32_t count);

/*
 * Plain objects are read in pieces of PIECE_SMALL (random readers) or PIECE_LARGE
 * (sequential ones) bytes, at multiples of it; index counts pieces of that
 * size. The GET bears If-Match. Either size may be answered from the other's
 * cached bytes.
 */
#define PIECE_SMALL (64u << 10)
#define PIECE_LARGE (1u << 20)
void fetch_piece(struct fetch *f, const char *key,
		 const struct store_object *object, uint32_t piece_size,
		 uint64_t index, struct fetch_req *req);
/* The same without an answer, `count` large pieces by ranges of up to 8 MiB. */
void fetch_prefetch_pieces(struct fetch *f, const char *key,
			   const struct store_object *object, uint64_t index,
			   uint64_t count);
