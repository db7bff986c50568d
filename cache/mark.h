/*
 * What trees name: the ids of all blobs and shards that versions refer to.
 *
 * Blocks on the network. Threads: any; marking may run on several at once.
 */
#pragma once

#include <stdbool.h>

#include "cache/block.h"
#include "cache/version.h"
#include "s3/base/cleanup.h"
#include "s3/store.h"

struct mark;
/* pool: "" or "a/b/", whose blobs mark_any_blob tells of, or NULL; borrowed until
 * mark_free. -ENOMEM. */
int mark_open(struct mark **ret_mark, const char *pool);
void mark_free(struct mark *m);
DEFINE_CLEANUP(struct mark *, mark_free)

/*
 * Reads one version of a tree, past every cache, and marks what it names.
 * object: as listed. Errors: as tree_load; -ENOENT it has gone. A shard that is
 * missing is -EIO: nobody may take the tree for one that names nothing.
 */
int mark_version(struct mark *m, struct store *s, const char *dir, uint64_t seq,
		 const struct store_object *object, struct err *e);
/* The places of one version that was loaded. */
int mark_parts(struct mark *m, struct store *s, const struct tree_version *t,
	       struct err *e);

bool mark_has(const struct mark *m, const struct object_id *id);
/* Whether `fn` says so of any id that is marked; it is called until it does. */
bool mark_any(const struct mark *m,
	      bool (*fn)(void *arg, const struct object_id *id), void *arg);
/* The same of the blobs of the pool. */
bool mark_any_blob(const struct mark *m,
		   bool (*fn)(void *arg, const struct object_id *id),
		   void *arg);
