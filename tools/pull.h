/*
 * Copies a file or a directory tree out of the bucket to a target.
 *
 * Threads: one, but for session_interrupted.
 */
#pragma once

#include "s3/base/err.h"
#include "tools/exclude.h"
#include "tools/filelist.h"
#include "tools/location.h"
#include "tools/progress.h"
#include "tools/target.h"

struct pull_job {
	struct location *at; /* borrowed; its view and fetch are freed when the
				run is broken off */
	const struct target *target; /* borrowed */
	const char *name; /* below the target, "" for the root; borrowed */
	const struct exclude *exclude; /* borrowed */
	const struct filelist
		*only; /* these paths below a directory, NULL: all;
					borrowed */
	struct progress *progress; /* may be NULL */
	uint64_t files_before, bytes_before; /* of other jobs, for progress */
	bool delete; /* remove what the source does not have */
	bool dry_run;
};

struct pull_result {
	uint64_t files, dirs, symlinks;
	uint64_t bytes; /* content of those files */
	uint64_t unchanged; /* files and links left alone */
	uint64_t saved; /* bytes of those, and those the cache had */
	uint64_t removed;
	uint64_t failed; /* things that could not be copied; told by log_error,
			    the first few by name */
};

/*
 * *ret_result is set in any case. Errors: -EINTR when interrupted, what made it
 * hopeless to go on (-ENOSPC, -ETIMEDOUT, …; told), -ENOMEM. Single failures are
 * only counted.
 */
int pull_run(const struct pull_job *job, struct pull_result *ret_result);
