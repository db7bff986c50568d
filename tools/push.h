/*
 * One push: local directories and files into a bucket, packed, in one commit.
 *
 * Threads: one at a time. Blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/err.h"
#include "tools/session.h"
#include "tools/sources.h"

struct push_options {
	struct sources sources;
	const char *dest; /* as on the command line */
	const struct session_options *session;
	bool plain; /* each file an object at its path */
	bool delete; /* what the target has in pushed directories, and the source
			lacks */
	unsigned int jobs; /* uploads at once; 0: the default */
	bool dry_run; /* look and tell, but change nothing in the bucket */
};

struct push_result {
	uint64_t files, dirs, symlinks;
	uint64_t bytes; /* content of the files */
	uint64_t unchanged; /* files that the target had */
	uint64_t unchanged_bytes; /* their content */
	uint64_t reused_bytes; /* content that the pool had */
	uint64_t upload_files; /* to be sent in whole or in part */
	uint64_t upload_bytes; /* content, before compression */
	size_t upload_objects; /* packs and blobs it makes */
	uint64_t removed; /* plain objects of the same names; files deleted */
	size_t warnings; /* logged: something is not as asked for */
};

/*
 * Session: opened on options->dest. Warnings are logged.
 * Errors: a sentence for the user; nothing was changed then but for content
 * that nobody refers to. -ECANCELED when interrupted.
 */
int push_run(struct push_result *ret_result, struct session *session,
	     const struct push_options *o, struct err *e);
