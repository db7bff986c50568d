/*
 * Loads of pages and trees, and the state of directories they fill. Private to
 * dirs; see dirs.c for how it is used.
 */
#pragma once

#include "cache/dirs.h"
#include "s3/base/pool.h"
#include "s3/base/table.h"

struct slot {
	struct table_item item; /* key: dir */
	char *dir;
	bool above; /* above SOURCE: tree keys alone */
	bool flat; /* one LIST for the whole subtree did not fit */
	struct page *page; /* latest; NULL before the first */
	uint64_t
		outdated; /* pages asked for before this tick are not trusted */
	uint64_t changed_ms; /* when a page last differed from the one before */
	bool listing; /* a LIST is under way */
	struct view_version *tree; /* rooted here, last needed */
	bool reading; /* a tree is being read */
	unsigned int missing; /* times a listed tree, or a part of one, could
				 not be found */
	struct list waiters; /* of struct dirs_wait */
};

struct dirs {
	struct store *store;
	struct cache *cache;
	char *prefix;
	uint32_t ttl_ms;
	uint32_t first_timeout_ms;
	bool reads;
	struct pool *pool;

	struct lock lock; /* LOCK_RANK_VIEW */
	/* guarded by lock: */
	pthread_cond_t idle;
	struct table slots; /* of struct slot, owned */
	struct list loads; /* of struct load, under way */
	uint64_t tick;
	char recent[STORE_KEY_MAX + 2]; /* the last path answered */
	size_t busy; /* loads and users inside */
	bool ending;
	bool arrived; /* something has */
	bool told_hidden, told_forbidden;
};

/*
 * Prepare a load: ret_start collects what dirload_submit starts, which is called
 * with the lock let go, since a store may complete on the caller's thread. -ENOMEM.
 */
int dirload_list_locked(struct dirs *d, struct slot *s, bool recursive,
			struct list *ret_start);
int dirload_tree_locked(struct dirs *d, struct slot *s, uint64_t seq,
			const struct store_object *object,
			struct list *ret_start);
int dirload_part_locked(struct dirs *d, struct view_version *v, uint32_t part,
			struct list *ret_start);
/* A slot, if there is one. */
struct slot *dirs_slot_locked(struct dirs *d, const char *dir);
void dirload_submit(struct dirs *d, struct list *start);
/* Asks all loads to end. */
void dirload_cancel_locked(struct dirs *d);
