/*
 * The namespace as users see it: plain objects and trees below SOURCE, merged.
 *
 * For one name the later claim wins (LastModified of the object, commit time of
 * the entry, whole seconds of the store's clock; the object in a tie); a path
 * belongs to the deepest tree at or above it; a name that is file and directory
 * shows as the directory; reserved and unsafe names are hidden.
 *
 * Paths are relative to SOURCE, without leading or trailing slash; "" is its
 * root. What is answered was true of the bucket at most `ttl` ago.
 *
 * Completion: `done` exactly once, on any thread (also on the caller's, before
 * the call returns), with no lock held. Threads: any. Never blocks on the
 * network.
 *
 * Errors: -ENOENT only when the store said so; -ENOTDIR; -EACCES, -EIO,
 * -ETIMEDOUT and others as store.h, never turned into "absent".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cache/cache.h"
#include "cache/catalog.h"
#include "cache/dirs.h"
#include "s3/base/cleanup.h"
#include "s3/store.h"

enum view_kind {
	VIEW_DIR,
	VIEW_PACKED, /* regular file or symlink of a tree */
	VIEW_PLAIN, /* regular file or symlink that is an object */
};

/* A name, resolved. Counted, immutable. */
struct view_node {
	char *path; /* relative to SOURCE */
	enum view_kind kind;
	/*
	 * VIEW_PLAIN: false until the object's metadata were fetched; then only
	 * size, mtime (LastModified) and the defaults of view_options are known.
	 * VIEW_DIR: false where only its parent was listed, which does not tell
	 * whether a tree or a marker describes it; the rest are the defaults.
	 */
	bool attrs_known;
	mode_t mode; /* with type */
	uid_t uid;
	gid_t gid;
	uint64_t size;
	int64_t mtime_ns;
	/* VIEW_DIR: bytes of the file of the same name that it hides; 0: none,
	 * or not known, as of SOURCE itself. */
	uint64_t hides;
	/* Equal for equal content and attributes of one path: a hash of what
	 * the claim that won says. */
	struct hash version;
	/* VIEW_PACKED, and VIEW_DIR where a tree has an entry for it: */
	const struct view_tree *tree; /* counted by the node */
	uint32_t entry;
	/* VIEW_PLAIN: */
	char *key; /* from the bucket's root */
	struct store_object object;
};

const struct view_node *view_node_ref(const struct view_node *n);
void view_node_unref(const struct view_node *n); /* NULL is accepted */

/* A directory at one moment, sorted by name. Counted, immutable. */
struct view_listing {
	const struct view_node *self;
	const struct view_node *const *nodes; /* counted by the listing */
	size_t count;
	size_t hidden; /* names in it that cannot be file names */
};

const struct view_listing *view_listing_ref(const struct view_listing *l);
void view_listing_unref(const struct view_listing *l); /* NULL: accepted */
DEFINE_CLEANUP(const struct view_node *, view_node_unref)
DEFINE_CLEANUP(const struct view_listing *, view_listing_unref)

struct view_options {
	struct store *store; /* borrowed; outlives the view */
	struct cache *cache; /* borrowed; may be NULL */
	const char *prefix; /* of SOURCE: "" or "a/b/"; copied */
	/* For what has no metadata of its own: */
	uid_t uid;
	gid_t gid;
	mode_t file_mode; /* permission bits; 0: 0644 */
	mode_t dir_mode; /* 0: 0755 */
	/* Longest trust in a listing; the shortest is min(1 s, ttl_ms). 0: asks
	 * each time. */
	uint32_t ttl_ms;
	/* Content will be read: connections are opened while a tree is
	 * fetched. */
	bool reads;
};

struct view;
/*
 * Opens and proves that SOURCE can be read: lists its root, and looks for trees
 * at and above it (a 403 above counts as none). Blocks. Errors: -ENXIO (bucket),
 * -EACCES, -ETIMEDOUT, … within timeout_ms.
 */
int view_open(struct view **ret_view, const struct view_options *o,
	      uint32_t timeout_ms, struct err *e);
void view_free(struct view *v); /* cancels and waits */
DEFINE_CLEANUP(struct view *, view_free)

struct view_req {
	void (*done)(struct view_req *req); /* set by the submitter */
	void *arg;
	/* answer; the receiver's references: */
	const struct view_node *node; /* view_lookup */
	const struct view_listing *listing; /* view_list */
	uint32_t ttl_ms; /* how much longer this may be trusted */
	struct err err;
	/* private: */
	struct view *view;
	struct dirs_wait wait;
	char *path;
	bool want_list;
	bool want_attrs;
};

/*
 * One path. want_attrs: fetch a plain object's metadata where they are not
 * known yet (attrs_known is true then).
 */
void view_lookup(struct view *v, const char *path, bool want_attrs,
		 struct view_req *req);
/*
 * All of one directory. Where nothing is known of it yet, one LIST of the whole
 * subtree is tried: if it fits in a page, it answers for all that is below.
 */
void view_list(struct view *v, const char *path, struct view_req *req);

/*
 * The object behind a path was found to be gone, or another: what was listed
 * of it is trusted no longer, so that the next question asks the store.
 */
void view_outdated(struct view *v, const char *path);

/* Blocking forms, for tools. */
int view_lookup_wait(struct view *v, const char *path, bool want_attrs,
		     const struct view_node **ret_node, struct err *e);
int view_list_wait(struct view *v, const char *path,
		   const struct view_listing **ret_listing, struct err *e);
