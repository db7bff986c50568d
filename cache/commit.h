/*
 * Commits versions of trees.
 *
 * A commit creates the next version with If-None-Match: *. Where somebody else
 * was faster it reads theirs, redoes its changes on it and tries the next. A
 * change applies only where the claim it saw still stands; edit.h says what
 * becomes of the tree.
 *
 * Of a large tree, only the shards whose range is changed are read and written
 * anew; they are complete before the version that names them is put.
 *
 * Blocks on the network. Threads: any; one commit object by one at a time.
 */
#pragma once

#include "cache/edit.h"
#include "cache/version.h"
#include "s3/store.h"

/* When a tree is cut into shards; zero means the default. */
struct commit_limits {
	uint32_t
		inline_entries; /* more do not stand in the tree object: 16384 */
	uint32_t shard_entries; /* of one shard, at least: 8192 */
};

struct commit {
	const struct commit_change *changes; /* borrowed */
	size_t count;
	struct object_id id; /* random, of this commit */
	struct object_ids *ids; /* borrowed: for shards; NULL: random ones */
	const char *pool; /* for a tree to be founded: "" or "a/b/" */
	bool single_writer; /* commit even where the server does not honour
				 If-None-Match */
	uint64_t
		gc_read_ms; /* clock_now_ms before the newest gc list was read */
	struct commit_limits limits;
	bool once; /* do not redo the changes on another's version */
	/* results: */
	uint64_t seq; /* of the version made */
	int64_t commit_s;
	size_t lost; /* changes not applied: another claim came first, and
			says something else */
	unsigned int redone; /* times it had to go on from another version than
				the one it began with: somebody else was
				faster */
	bool empty; /* nothing had to change: no version was made */
	bool founded; /* no tree stood there, or a removed one */
};

/*
 * Commits. base: the version the changes were decided on; on success it is
 * the version made. Before the first commit to a bucket (remembered in the cache)
 * the commit is put twice and the second must be refused.
 * Errors: as store.h; -EOPNOTSUPP when the server does not honour the condition;
 * -ETIME when more than 1 h passed since gc_read_ms; -EBADMSG; as edit_make;
 * -EAGAIN with `once` where somebody else was faster: base is as it was.
 */
int commit_run(struct store *s, struct cache *c, struct tree_version *base,
	       struct commit *commit, struct err *e);

/*
 * Takes back the tree that commit_run has just founded (commit.founded: it
 * holds nobody else's): the next version removes it. Errors: as store.h; -EEXIST
 * when somebody has committed to it since.
 */
int commit_unfound(struct store *s, const struct tree_version *t,
		   struct err *e);

/*
 * Founding a tree where others may found one above or below at the same time: a
 * founder announces itself by a version of zero bytes, and only then looks
 * whether others did or have founded. Two that founded so cannot have missed
 * each other: whoever announced last sees the first. It then contests the
 * announcement, so that the first one's commit is beaten, too, and both know
 * that they have to look again after their commits.
 */

/* Announces that the first version of a tree at `dir` will follow; proves the
 * bucket on the way as commit_run does. Errors: as commit_run; -EEXIST when a
 * version stands there. */
int commit_announce(struct store *s, struct cache *c, const char *dir,
		    bool single_writer, struct err *e);
/* Contests somebody's announcement; success also where that one has committed
 * since. Errors: as store.h. */
int commit_contest(struct store *s, const char *dir, struct err *e);

/*
 * Removes the tree: the version after `t` is one of zero bytes. A tree that has
 * been removed meanwhile is a success. Errors: as commit_run; -EAGAIN when
 * somebody else has committed since.
 */
int commit_remove_tree(struct store *s, struct cache *c,
		       const struct tree_version *t, bool single_writer,
		       struct err *e);

/*
 * Commits an old version of the tree anew, as the version after `base`, the
 * newest. commit: changes and pool are of no meaning; empty where `base` says
 * the same. The caller has seen to it that the newest gc list, read at
 * commit->gc_read_ms, condemns nothing that `old` names. Errors: as commit_run;
 * -EAGAIN when somebody else has committed since.
 */
int commit_restore(struct store *s, struct cache *c, struct tree_version *base,
		   const struct tree_version *old, struct commit *commit,
		   struct err *e);
