/*
 * Removes paths from a bucket: what trees say of them, then the plain objects.
 *
 * Each tree concerned gets one commit, the shallower ones first, so that nothing
 * that a deeper tree has hidden comes to light meanwhile; a tree that is removed
 * with its root gets a version of zero bytes. A commit takes away what was there
 * when rm looked and nothing else: what somebody else has put there since stays.
 * Plain objects go afterwards, if they are still as they were listed. Objects of
 * a pool are never touched.
 *
 * Blocks. Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/notes.h"
#include "tools/session.h"

struct rm_path {
	const char *text; /* as the user wrote it, for messages */
	const char *key; /* from the bucket's root, without slash at the end */
	bool slash; /* written with one: has to be a directory */
};

struct rm_options {
	bool recursive;
	bool force; /* what is not there is no failure */
	bool dry_run;
	bool single_writer;
	/* Asked before a directory goes; NULL: not asked. */
	bool (*ask)(const char *text);
};

struct rm_result {
	size_t paths; /* removed; dry run: would be */
	size_t trees; /* removed with their root */
	size_t objects; /* plain ones deleted */
	size_t kept; /* entries that somebody else has changed meanwhile */
};

/*
 * paths: all in the bucket of the session. What is wrong with one of them is
 * noted in `failed`, and the others are removed. Errors: as store.h and
 * commit_run, for all that was left to do then.
 */
int rm_run(struct rm_result *res, struct session *session,
	   const struct rm_options *o, const struct rm_path *paths,
	   size_t count, struct notes *failed, struct err *e);
