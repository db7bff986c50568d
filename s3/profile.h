/*
 * Settings from the shared AWS files, ~/.aws/credentials and ~/.aws/config.
 *
 * AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name other files. The
 * credentials file goes before the config file, setting by setting. Without
 * HOME, as at boot, the home directory is that of the user database.
 *
 * Threads: any; reads the environment and the files at each call.
 */
#pragma once

#include <stdbool.h>

#include "s3/base/buf.h"
#include "s3/base/err.h"
#include "s3/watch.h"

/* The values that assetfs knows; NULL where absent. Owned. */
struct profile {
	bool found; /* a section of this name exists */
	char *access;
	char *secret;
	char *token;
	char *region;
	char *role_arn;
	char *source_profile;
	char *credential_source;
	char *role_session_name;
	char *external_id;
	char *duration; /* seconds */
	char *mfa_serial;
	char *process; /* credential_process */
	char *web_identity_file;
	char *sso; /* sso_session or sso_start_url */
};

/*
 * name: the profile; NULL for AWS_PROFILE, else "default".
 * watch: the files are added to it; or NULL.
 * Errors: -EACCES for a file with keys that others may read, one with a
 * credential_process that others may write, or one that cannot be read;
 * -EINVAL for one that is too large or no INI text; -ENOMEM. Absent files are
 * no error.
 */
int profile_load(struct profile *ret_profile, const char *name,
		 struct watch *watch, struct err *e);
void profile_done(struct profile *p);
/*
 * The same of one text, which is cut up; adds what `p` lacks. config: by the
 * rules of the config file. Errors: -EBADMSG at *ret_line, -ENOMEM.
 */
int profile_parse(struct profile *p, char *text, const char *name, bool config,
		  unsigned int *ret_line);
/* NULL, AWS_PROFILE or "default" resolved: what messages should call it. */
const char *profile_name(const char *name);

/* Appends the path of `file` in the home directory; nothing where there is no
 * such directory. -EINVAL, -ENOMEM. */
int profile_home(struct buf *out, const char *file, struct err *e);
/*
 * Reads a file of secrets, at most 1 MiB. -ENOENT if there is none (no text
 * set), -EACCES with advice if its mode grants more than `allowed` (0600, say).
 */
int profile_read_secret(const char *path, unsigned int allowed, struct buf *out,
			struct err *e);
