/*
 * Brings the content of a push into the pool: what the pool lacks is packed and
 * uploaded, then an index of it.
 *
 * Packs can be made in advance, while it is not known yet what the pool has
 * (content_guess); they are used if that turns out to be all of it.
 *
 * Threads: one at a time. Blocks on the network.
 */
#pragma once

#include <stdbool.h>

#include "cache/commit.h"
#include "tools/diff.h"
#include "tools/hashing.h"
#include "tools/inventory.h"
#include "tools/plan.h"
#include "tools/progress.h"
#include "tools/uploader.h"

/* An index on its way. */
struct content_index {
	struct store_req req;
	struct store_wait wait;
	struct buf data, key;
};

struct content {
	/* Borrowed; set before the first call: */
	struct store *store;
	struct cache *cache; /* may be NULL */
	struct pool *pool;
	struct hashing *hashing; /* has run */
	struct object_ids *ids;
	bool (*stop)(void);
	unsigned int jobs; /* as in uploader.h */
	bool quiet; /* draw no progress */

	struct inventory *inventory; /* owned */
	char *pool_name; /* owned; outlives what is sent there */
	struct plan plan;
	/* private: */
	struct progress *progress;
	struct plan guess;
	struct uploader *guessed; /* owned; NULL: none */
	bool guess_sent;
	struct block *added; /* in the pool, not in an index yet; owned */
	size_t added_count, added_room;
	struct content_index *indexes; /* begun; owned */
	size_t index_count;
	uint64_t
		listed_ms; /* clock_now_ms before the inventory was asked for */
	uint64_t began_ms; /* clock_now_ms when uploading began; 0: not yet */
};

void content_init(struct content *c);
void content_done(struct content *c);

/* Asks for the LIST of the pool at "" or "a/b/". Where it is another pool than
 * before, a guess is dropped. */
int content_open_pool(struct content *c, const char *pool, struct err *e);

/* Begins to make packs of everything, if all of it is in memory. */
int content_guess(struct content *c, struct err *e);
/* Whether that goes on; its progress shows then. */
bool content_guessing(const struct content *c);
/*
 * For a target without a tree of its own: asks for the indexes; if none of them
 * has to come over the network, and none names any of the content, the guess is
 * right and is sent.
 */
int content_check_guess(struct content *c, struct err *e);

/*
 * Plans the upload of what `diff` calls changed content: looks for it in the parts
 * of the tree that change, and in the pool. Only indexes are fetched, and of
 * those no more than there is content to upload.
 */
int content_plan(struct content *c, const struct diff *diff,
		 const struct tree_version *base, struct err *e);
/*
 * Uploads; afterwards all content has a place that counts. On failure what was
 * uploaded completely is put into an index, so that the next push can use it.
 * Errors: -EAGAIN for what keeps changing; -ETIME when so much time went by that
 * a collector may have deleted what was uploaded first; as store.h; -ECANCELED.
 */
int content_upload(struct content *c, struct err *e);
/*
 * After content_upload: sends the index of all that was added, and waits for it.
 * Nothing that refers to a blob may be sent before the blob is complete, but
 * index and tree do not need each other: the commit runs in between. A failure
 * costs others the reuse of what was added, nothing else.
 * _end is called whatever _begin returned. last: the push has failed or was
 * broken off, and only keeps what is complete.
 */
int content_index_begin(struct content *c, bool last, struct err *e);
int content_index_end(struct content *c, struct err *e);
/* Objects' blocks that this push has added to the pool so far. */
size_t content_added(const struct content *c);
