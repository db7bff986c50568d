/*
 * Checks what stands below a place in the bucket, from the store and not from
 * the cache: that each file's content can be read and is what its catalog or
 * its ETag says, and that what the pool's indexes name is there.
 *
 * Threads: one, but for the callback.
 */
#pragma once

#include "s3/base/hash.h"
#include "tools/location.h"
#include "tools/progress.h"

/* Something wrong. */
struct verify_bad {
	const char *path; /* the file, or an object's key */
	const char *blob; /* its key, or NULL */
	const struct hash *block; /* of that blob, or NULL */
	const char *text; /* why */
};

struct verify_job {
	struct location *at; /* borrowed; opened without a cache; its view is
				freed when the run is broken off */
	struct progress *progress; /* may be NULL */
	bool list_only; /* only what listings show: existence and lengths */
	void (*bad)(void *arg,
		    const struct verify_bad *bad); /* one at a time */
	void *arg;
};

struct verify_result {
	uint64_t files, symlinks, dirs;
	uint64_t bytes; /* content of those files */
	uint64_t blocks, frames, blobs;
	uint64_t plain; /* of the files: objects */
	uint64_t unproven; /* of those: read, with nothing to check against */
	uint64_t indexes;
	uint64_t bad; /* files, directories and indexes */
};

/* *ret_result is set in any case. Errors: -EINTR, -ENOMEM, what made it hopeless
 * to go on (told by `bad`). */
int verify_run(const struct verify_job *job, struct verify_result *ret_result);
