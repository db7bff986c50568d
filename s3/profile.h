/*
 * Settings from the shared AWS files, ~/.aws/credentials and ~/.aws/config.
 *
 * AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name other files. The
 * credentials file goes before the config file.
 *
 * Threads: any; reads the environment and the files at each call.
 */
#pragma once

#include <stdbool.h>

#include "s3/base/buf.h"
#include "s3/base/err.h"

/* The values that assetfs knows; NULL where absent. Owned. */
struct profile {
	bool found; /* a section of this name exists */
	char *access;
	char *secret;
	char *token;
	char *region;
};

/*
 * name: the profile; NULL for AWS_PROFILE, else "default".
 * Errors: -EACCES for a file with keys that others may read, or that cannot be
 * read; -EINVAL for one that is too large; -ENOMEM. Absent files are no error.
 */
int profile_load(struct profile *ret_profile, const char *name, struct err *e);
void profile_done(struct profile *p);
/* NULL, AWS_PROFILE or "default" resolved: what messages should call it. */
const char *profile_name(const char *name);

/*
 * Reads a file of secrets, at most 1 MiB. -ENOENT if there is none (no text
 * set), -EACCES with advice if its mode grants more than `allowed` (0600, say).
 */
int profile_read_secret(const char *path, unsigned int allowed, struct buf *out,
			struct err *e);
