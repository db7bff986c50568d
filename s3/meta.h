/*
 * User metadata of an object: name/value pairs, and what POSIX makes of them.
 *
 * Names are without "x-amz-meta-", lower case. Written are the names of s3fs
 * (mode, uid, gid, mtime; decimal; mtime in seconds with optional ".fraction",
 * read as a decimal fraction of any length); read are also those of the AWS
 * gateways (file-permissions octal, file-owner, file-group, file-mtime) and of
 * GCS (goog-reserved-posix-mode octal, -uid, -gid, goog-reserved-file-mtime),
 * in this order.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define META_MAX 2048 /* bytes */

struct meta_pair {
	char *name;
	char *value;
};

struct meta {
	struct meta_pair *pairs; /* owned */
	size_t count;
};

void meta_init(struct meta *m);
void meta_done(struct meta *m);
/* Copies both; an existing name is replaced. -ENOMEM; -E2BIG over 2 KiB in all
 * (the limit of S3). */
int meta_set(struct meta *m, const char *name, const char *value);
/* Borrowed until the next change; NULL when absent. */
const char *meta_get(const struct meta *m, const char *name);
/* Bytes of all names and values, as the limit counts them. */
size_t meta_size(const struct meta *m);
int meta_copy(struct meta *to, const struct meta *from);

/* What is known of a file's attributes; a field counts only if its bit is set. */
struct meta_posix {
	bool has_mode, has_uid, has_gid, has_mtime;
	mode_t mode; /* with the type bits if the object stored them */
	uid_t uid;
	gid_t gid;
	int64_t mtime_ns; /* since the epoch */
};

/* Adds the s3fs names of every field that is set. Errors: as meta_set. */
int meta_from_posix(struct meta *m, const struct meta_posix *p);
/* Values that make no sense are skipped, never guessed. */
void meta_to_posix(struct meta_posix *p, const struct meta *m);
