/*
 * One set of access keys; never changes once it is handed out.
 *
 * Threads: any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/cleanup.h"
#include "s3/base/err.h"

struct creds_keys {
	char *access; /* key id */
	char *secret;
	char *token; /* of a session, or NULL */
	char *source; /* where they came from, as messages say it */
	int64_t expires_s; /* seconds since the epoch; 0: not known to */
	/* private: */
	_Atomic unsigned int refs;
};

/*
 * token: NULL or "" for none. Secret and token are registered with the log's
 * masks. Errors: -EINVAL for what could not be sent in a header field, -ENOMEM.
 */
int creds_keys_new(struct creds_keys **ret_keys, const char *access,
		   const char *secret, const char *token, int64_t expires_s,
		   struct err *e);
/* Before they are handed out. -ENOMEM. */
__attribute__((format(printf, 2, 3))) int creds_keys_from(struct creds_keys *k,
							  const char *fmt, ...);

struct creds_keys *creds_keys_ref(struct creds_keys *k); /* one more */
void creds_keys_put(struct creds_keys *k); /* NULL is accepted */
DEFINE_CLEANUP(struct creds_keys *, creds_keys_put)

/* Source and time do not count. */
bool creds_keys_same(const struct creds_keys *a, const struct creds_keys *b);
/* Whether their time is over by this host's clock. */
bool creds_keys_expired(const struct creds_keys *k);

/* Wipes and frees; NULL is accepted. */
void secret_free(char *s);
