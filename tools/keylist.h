/*
 * A LIST of many pages, taken in the background.
 *
 * Threads: started and waited for by one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/lock.h"
#include "s3/store.h"

/* More keys than this below one prefix are refused: -E2BIG. */
#define KEYLIST_MAX 50000000u

struct keylist {
	struct store_list all; /* after keylist_wait: all pages, in order */
	uint64_t
		asked_ms; /* clock_now_ms before the first page was asked for */
	/* private: */
	struct store *store; /* NULL: not started */
	char *prefix;
	char *start_after;
	char *stop_at;
	char *token; /* of the page that is asked for */
	struct store_req reqs[2]; /* pages take turns */
	struct lock lock; /* LOCK_RANK_TOOL */
	pthread_cond_t wake;
	/* guarded by lock: */
	unsigned int turn; /* which of reqs is the page asked for last */
	bool submitted; /* and store_submit has returned for it */
	unsigned int asking; /* threads within ask() */
	bool landed; /* no request is under way, and none will be */
	bool cancelled;
	struct err err;
};

/*
 * All keys that begin with `prefix`, lie behind `start_after` (or NULL) and
 * before `stop_at` (or NULL); without delimiter. Strings are copied. -ENOMEM.
 */
int keylist_start(struct keylist *l, struct store *s, const char *prefix,
		  const char *start_after, const char *stop_at, struct err *e);
/* Errors: as store.h. May be called again; the answer stays. */
int keylist_wait(struct keylist *l, struct err *e);
/* Cancels and waits if it is still under way. A zeroed structure is accepted. */
void keylist_done(struct keylist *l);

/* Position of the first key that is not below `key`, by bytes. */
size_t keylist_seek(const struct store_list *l, const char *key, size_t len);
/* The object with exactly this key, or NULL. */
const struct store_list_entry *keylist_find(const struct store_list *l,
					    const char *key, size_t len);
