/*
 * Founds a tree where others may found one above or below at the same time; then
 * the lower one hides what the upper one has put below it. commit.h says how
 * founders notice each other.
 *
 * The announcement and the look round take place while content is uploaded, so
 * that a push that nobody crosses pays no round trip for them.
 *
 * Threads: the owner's; a thread of its own between _begin and _end.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "cache/cache.h"
#include "s3/store.h"
#include "tools/diff.h"

struct founding {
	/* Borrowed; set before the first call: */
	struct store *store;
	struct cache *cache; /* may be NULL */
	const struct diff_input *in; /* base: none stands at or above in->dir */
	const char *prefix; /* of the keys at and below the target */
	bool single_writer;
	/* Results of founding_end: */
	bool announced; /* the commit makes version 2 */
	bool alone; /* if the commit is not beaten, nobody was missed */
	/* private: */
	pthread_t thread;
	bool running;
	struct err err;
};

/* Announces, and looks round meanwhile. */
void founding_begin(struct founding *f);
/* Waits for it; harmless where it was not begun. Errors: -EOPNOTSUPP when the
 * server does not honour the condition. All else that went wrong only means
 * that founding_check is needed. */
int founding_end(struct founding *f, struct err *e);

/* Whether somebody has announced a tree above or below, as far as the listings
 * that `in` was made of tell. */
bool founding_contested(const struct diff_input *in);

/*
 * After the commit that founded `in->base`: looks whether a tree was founded above
 * or below meanwhile. A tree above: takes the tree back. Errors: -EAGAIN: push
 * again, to what stands there now; -EEXIST, and as store.h.
 */
int founding_check(struct founding *f, struct err *e);
