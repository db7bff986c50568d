/*
 * Key files as s3fs has them: lines KEY:SECRET or BUCKET:KEY:SECRET.
 *
 * Threads: any; reads the file at each call.
 */
#pragma once

#include "s3/creds_keys.h"
#include "s3/watch.h"

#define PASSWD_ETC "/etc/passwd-s3fs"

/*
 * A line for this very bucket goes before one for any. Returns 1 with keys, 0
 * if none of the lines is for the bucket. The file is added to `watch`.
 * Errors: -ENOENT (no text set), -EACCES for a file that others can get at
 * (PASSWD_ETC may be readable by its group), -EINVAL, -ENOMEM.
 */
int passwd_find(struct creds_keys **ret_keys, const char *path,
		const char *bucket, struct watch *watch, struct err *e);
/* The text of such a file, which is changed; path: for messages. */
int passwd_parse(struct creds_keys **ret_keys, char *text, const char *path,
		 const char *bucket, struct err *e);
