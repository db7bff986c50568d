/*
 * What every source of access keys is told.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "s3/creds_keys.h"
#include "s3/watch.h"

/* All strings NULL where unset. */
struct creds_options {
	const char *passwd_file;
	const char *profile;
	const char *iam_role; /* of this EC2 instance; "auto" for the one it
				      has */
	bool ecs; /* keys of the container, and no others */
	bool imds_v1; /* EC2 metadata without its session token */
	const char *bucket; /* for BUCKET:KEY:SECRET lines */
	const char *region; /* for STS; NULL: us-east-1 */
	const char *ca_bundle; /* for STS and https container addresses */
};

/*
 * A source is a function of (context, ret_keys, e). It yields 1 with keys, 0 if
 * it was not set up here, or a negative errno: -EIO for what may pass by itself
 * (nobody answers, 5xx), -ECANCELED when told to stop, -EACCES for what the
 * user has to mend, -ENOMEM. It may block, for a bounded time.
 */
struct creds_context {
	const struct creds_options *o;
	const atomic_bool *stop; /* end soon; NULL: never */
	struct watch *watch; /* the files that were read go here */
};
