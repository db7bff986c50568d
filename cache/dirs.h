/*
 * What is known of directories: pages of listings and the trees they name,
 * loaded when asked for, trusted for a while.
 *
 * A page is trusted from 1 s where things changed lately to the ttl where
 * nothing has for long: a tenth of the time since the last change seen, with
 * jitter. One load of a page or tree is under way at a time; others wait for it.
 *
 * Threads: any. Functions named _locked need dirs_lock; waiters are called from
 * threads of this module with no lock held.
 */
#pragma once

#include "cache/cache.h"
#include "cache/page.h"
#include "cache/viewtree.h"
#include "s3/base/lock.h"
#include "s3/store.h"

struct dirs;

struct dirs_options {
	struct store *store; /* borrowed, outlives it */
	struct cache *cache; /* borrowed; may be NULL */
	const char *prefix; /* of SOURCE: "" or "a/b/"; copied */
	uint32_t ttl_ms;
	/* Deadline of what is loaded before anything has arrived; 0: the
	 * store's. */
	uint32_t first_timeout_ms;
	bool reads; /* open connections while a tree is fetched */
};

int dirs_open(struct dirs **ret_dirs, const struct dirs_options *o,
	      struct err *e);
/* Cancels loads; waiters are called with -ECANCELED; waits for all. */
void dirs_free(struct dirs *d);
DEFINE_CLEANUP(struct dirs *, dirs_free)

struct lock *dirs_lock(struct dirs *d);

/* One who asks. */
struct dirs_wait {
	/* Called when what it waits for has arrived (e->code 0: ask again) or
	 * failed. */
	void (*again)(struct dirs_wait *w, const struct err *e);
	bool absent; /* what is not there must be so for at most 1 s */
	bool subtree; /* try one LIST for all that is below */
	/* private: */
	uint64_t tick;
	struct list link;
};

/* Begins a question: only what is asked of the store from now on, or still
 * trusted, answers it. */
void dirs_begin_locked(struct dirs *d, struct dirs_wait *w);

/*
 * What pages say about `dir` ("" or "a/b/") has proved to be old: those that
 * were asked for before now do not tell any more.
 */
void dirs_outdate_locked(struct dirs *d, const char *dir);

/* The most levels a path can have. */
#define DIRS_LEVELS_MAX 512

/* What stands at one level of a path. */
struct dirs_level {
	char *dir; /* "" or "a/b/", owned */
	enum page_answer answer; /* PAGE_TELLS or PAGE_EMPTY */
	struct page *page; /* that tells; counted; NULL if empty */
};

struct dirs_path {
	struct dirs_level *levels; /* from the bucket's root down; owned */
	size_t count;
	uint64_t until_ms; /* the earliest end of trust of the pages */
	uint64_t oldest_ms; /* when the oldest page was asked for */
};

void dirs_path_done(struct dirs_path *p);

/*
 * Every level from the bucket's root to `dir` ("" or "a/b/", at or below
 * SOURCE). 0; or 1 when `w` has been queued and will be called; or -ENOMEM,
 * -ENAMETOOLONG, -ECANCELED.
 */
int dirs_path_locked(struct dirs *d, const char *dir, struct dirs_wait *w,
		     struct dirs_path *ret_path);

/*
 * The tree that `dir`, the last level of the path, belongs to: counted, NULL if
 * none. own: only a tree rooted at `dir` itself. 0, 1 or an error as above.
 */
int dirs_tree_locked(struct dirs *d, const struct dirs_path *path, bool own,
		     struct dirs_wait *w, struct view_version **ret_version);
/*
 * Parts [first, end) of a version, counted. 0, 1 or an error as above. A part
 * that turns out to be gone makes the tree be looked up again.
 */
int dirs_parts_locked(struct dirs *d, struct view_version *v, uint32_t first,
		      uint32_t end, struct dirs_wait *w,
		      const struct view_tree **ret_trees);

/* The tree of version `seq` rooted at `dir`, and its first part, if it happens
 * to be loaded; else false. Both counted. */
bool dirs_loaded_locked(struct dirs *d, const char *dir, uint64_t seq,
			struct view_version **ret_version,
			const struct view_tree **ret_first);

/* Counts work of the user's own that dirs_free has to wait for. False once it
 * has begun. */
bool dirs_enter_locked(struct dirs *d);
void dirs_leave(struct dirs *d);
/* Runs CPU work on a thread of this module. */
struct pool *dirs_pool(struct dirs *d);
