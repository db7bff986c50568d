/*
 * What one listing showed: of a directory (with delimiter), or of the whole
 * subtree below it. Answers questions about the directory and those below.
 *
 * Reserved and unsafe names are skipped by all but page_tree.
 *
 * Threads: immutable once made, counted atomically.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/cleanup.h"
#include "s3/store.h"

struct page {
	char *dir; /* "" or "a/b/", from the bucket's root; owned */
	bool recursive; /* shows all that is below, not only the names */
	struct store_list list; /* owned */
	uint64_t asked; /* the view's tick when it was asked for */
	uint64_t asked_ms; /* clock_now_ms then */
	uint64_t until_ms; /* trusted until */
	int64_t newest_s; /* latest LastModified in it; 0: none */
	size_t hidden; /* unsafe names in it */
	_Atomic unsigned int refs;
};

/* Takes over the list (left empty). NULL without memory. One reference. */
struct page *page_new(const char *dir, bool recursive, struct store_list *list);
struct page *page_ref(struct page *p);
void page_unref(struct page *p);
DEFINE_CLEANUP(struct page *, page_unref)

enum page_answer {
	PAGE_SILENT, /* does not tell about that directory */
	PAGE_TELLS, /* tells what is in it */
	PAGE_EMPTY, /* proves that no key is below it */
};

/* p->dir is a prefix of `dir`. */
enum page_answer page_covers(const struct page *p, const char *dir);

/* One name in a directory, as objects tell. */
struct page_child {
	const char *name; /* borrowed from the page; not terminated */
	size_t name_len;
	const struct store_object *object; /* the key is the name; or NULL */
	const struct store_object *marker; /* key "name/"; or NULL */
	bool below; /* keys below it make it a directory */
	bool sure; /* false: with delimiter, only reserved names may be below,
		       and there may be a marker */
};

/* dir: PAGE_TELLS. False: there is no such name. */
bool page_find(const struct page *p, const char *dir, const char *name,
	       size_t name_len, struct page_child *ret_child);
/* All names of `dir`, sorted by name: malloc'ed array. ret_hidden: how many it
 * has that cannot be file names. -ENOMEM. */
int page_children(const struct page *p, const char *dir,
		  struct page_child **ret_children, size_t *ret_count,
		  size_t *ret_hidden);
/* The marker of `dir` itself; NULL: none. */
const struct store_object *page_marker(const struct page *p, const char *dir);
/* Whether any unreserved key, or a tree that is not removed, is below `dir`. */
bool page_below(const struct page *p, const char *dir);
/* The newest tree key in `dir`. */
bool page_tree(const struct page *p, const char *dir, uint64_t *ret_seq,
	       struct store_object *ret_object);
/* Whether the two show the same. */
bool page_equal(const struct page *a, const struct page *b);
