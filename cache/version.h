/*
 * Finds and reads versions of trees.
 *
 * Blocks on the network, but for tree_newest and tree_version_decode. Threads:
 * any; a struct tree_version belongs to one at a time.
 */
#pragma once

#include "cache/cache.h"
#include "cache/catalog.h"
#include "cache/tree.h"
#include "s3/store.h"

/* A version of the tree at `dir`, loaded; or the place of one to be founded. */
struct tree_version {
	char *dir; /* "" or "a/b/", from the bucket's root; owned */
	struct tree_head head; /* seq 0: there is none yet */
	/* Read by way of tree_part, so as to see all of it: */
	struct catalog *cat; /* its first part; owned reference; NULL: none
				yet, or removed */
	struct shard_table *table; /* the others; owned reference; or NULL */
	bool contested; /* somebody announced one above (tree_locate) */
	uint64_t read_ms; /* clock_now_ms before it was asked for: whether it
			     was the newest, where somebody listed that */
};

void tree_version_done(struct tree_version *t);

/*
 * The parts of a version: catalogs that each hold a contiguous range of its
 * entries, in the order of catalog.h. A small tree has one, inside its object; a
 * large one has shards besides, objects of their own. A part's catalog holds
 * entries of its range alone; the root's entry (path "") is in the first.
 */
uint32_t tree_part_count(const struct tree_version *t); /* 0: none, removed */
/* The part whose range `path` lies in, whether or not it is there. */
uint32_t tree_part_of(const struct tree_version *t, const char *path,
		      size_t len);
/* Parts [*ret_first, *ret_end) that together hold the run of the directory. */
void tree_parts_in(const struct tree_version *t, const char *dir, size_t len,
		   uint32_t *ret_first, uint32_t *ret_end);
/* The shard's id. False for the part inside the tree object. */
bool tree_part_id(const struct tree_version *t, uint32_t part,
		  struct object_id *ret_id);
/* Reads a part, from the cache where it has it; a counted reference. Errors: as
 * tree_load, but -ESTALE where it is gone, as the version was pruned meanwhile. */
int tree_part(struct store *s, struct cache *c, const struct tree_version *t,
	      uint32_t part, struct catalog **ret_cat, struct err *e);

/* The newest version that a LIST of `dir` (or of its tree keys) shows. False:
 * none. */
bool tree_newest(const struct store_list *l, const char *dir, uint64_t *ret_seq,
		 struct store_object *ret_object);

/*
 * Walks the parts that paths asked about lie in, one in memory at a time: ask in
 * the order of parts. Threads: one at a time.
 */
struct tree_cursor {
	/* set by the user; borrowed: */
	struct store *store;
	struct cache *cache; /* may be NULL */
	const struct tree_version *tree;
	/* private: */
	struct catalog *cat; /* owned */
	uint32_t part;
};
/* The catalog of a part, valid until the next call. Errors: as tree_part. */
int tree_cursor_part(struct tree_cursor *c, uint32_t part,
		     struct catalog **ret_cat, struct err *e);
/* 0, -ENOENT where the tree has no such entry (`e` is not set then), or an
 * error. */
int tree_cursor_find(struct tree_cursor *c, const char *path, size_t len,
		     struct catalog **ret_cat, struct catalog_entry *ret_entry,
		     struct err *e);
void tree_cursor_done(struct tree_cursor *c);

/*
 * A founder announces itself by a first version of zero bytes, which cannot be a
 * removed tree, before it looks whether somebody else did.
 */
static inline bool tree_is_announcement(uint64_t seq,
					const struct store_object *object)
{
	return seq == 1 && !object->size;
}

/* The newest version of a tree, as a LIST shows it. */
struct tree_listed {
	const char *dir; /* "a/b/", from the bucket's root; borrowed, dir_len */
	size_t dir_len;
	uint64_t seq;
	const struct store_object *object;
};
/* The next tree below `dir` (not at it) in a LIST of all that is below, from
 * *pos on, which starts at 0. False: no more. */
bool tree_next_below(const struct store_list *l, const char *dir, size_t *pos,
		     struct tree_listed *ret_tree);

/* Reads one version, from the cache where it has it; without an ETag in
 * `object` whatever stands at its key. Errors: as store.h, and
 * -EBADMSG damaged. A removed tree is a success with cat NULL. */
int tree_load(struct store *s, struct cache *c, const char *dir, uint64_t seq,
	      const struct store_object *object, struct tree_version *ret_tree,
	      struct err *e);

/* A LIST of a directory; its first page holds the tree keys. */
struct tree_listing {
	const struct store_list *keys; /* borrowed */
	uint64_t asked_ms; /* clock_now_ms before it was asked for */
};

/*
 * The tree that the directory `dir` belongs to: its own, else the nearest above
 * it that is not removed, else none (head.seq 0, dir as given: a push founds it
 * there). listed: of `dir`, or NULL to make one. One LIST for each level above
 * is made in parallel, only if `dir` has no tree. A 403 above counts as none.
 */
int tree_locate(struct store *s, struct cache *c, const char *dir,
		const struct tree_listing *listed,
		struct tree_version *ret_tree, struct err *e);

/* Whether a tree stands above `dir`, not removed; `announced` is called for
 * each place where one was announced. One LIST for each level, in parallel; a 403
 * counts as none. */
int tree_above(struct store *s, const char *dir,
	       void (*announced)(void *arg, const char *dir), void *arg,
	       bool *ret_found, struct err *e);

/* The newest version by a LIST of its own. */
int tree_find_newest(struct store *s, const char *dir, bool *ret_found,
		     uint64_t *ret_seq, struct store_object *ret_object,
		     struct err *e);

/* The version that `data` (a whole tree object) says; dir and seq as its key
 * has them. Pure computation. Errors: as tree_load, but for the store's. */
int tree_version_decode(struct tree_version *t, const char *dir, uint64_t seq,
			const struct buf *data, struct err *e);
