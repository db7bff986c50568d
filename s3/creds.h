/*
 * Access keys: where they come from, and who holds them.
 *
 * Providers, in order; the first that knows keys wins:
 *   passwd_file=   lines AK:SK or BUCKET:AK:SK as s3fs has them
 *   profile=       when named as an option
 *   environment    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   profile        of AWS_PROFILE, else "default"
 *   ~/.passwd-s3fs, /etc/passwd-s3fs
 *
 * Files with secrets that others may read or write are refused; the one in
 * /etc may be readable by its group. Keys are registered with the log's masks.
 *
 * Threads: any, after creds_open.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "s3/base/cleanup.h"
#include "s3/base/err.h"

/* One set of keys; never changes. */
struct creds_keys {
	char *access; /* key id */
	char *secret;
	char *token; /* of a session, or NULL */
	/* private: */
	_Atomic unsigned int refs;
};

struct creds_options {
	const char *passwd_file; /* or NULL */
	const char *profile; /* or NULL */
	const char *bucket; /* for BUCKET:AK:SK lines */
};

struct creds;

/* o: borrowed for the call. Errors: -EACCES with advice when no keys are found
 * or a file is unsafe, -EINVAL, -ENOMEM. */
int creds_open(struct creds **ret_creds, const struct creds_options *o,
	       struct err *e);
void creds_free(struct creds *c); /* keys handed out stay valid */
DEFINE_CLEANUP(struct creds *, creds_free)

/* The keys last found; give back with creds_keys_put. Does not block. */
struct creds_keys *creds_get(struct creds *c);
struct creds_keys *creds_keys_ref(struct creds_keys *k); /* one more */
void creds_keys_put(struct creds_keys *k); /* NULL is accepted */

/*
 * The server refused `refused`: asks the providers again. Returns 1 if other
 * keys are there now, 0 if not, or as creds_open. Blocks on files.
 */
int creds_refresh(struct creds *c, const struct creds_keys *refused,
		  struct err *e);
