/*
 * Access keys: found (creds_chain.h), held, and renewed in time.
 *
 * A thread of its own renews keys that expire five to ten minutes ahead, at
 * half time where they live shorter, and looks every five seconds whether one of
 * the files they came from has changed. While that fails the old keys are
 * handed out, and a warning says so once; a server that refuses them makes a
 * request ask for others (creds_renew), and all that ask meanwhile share one
 * answer.
 *
 * Files with secrets that others may read or write are refused; tokens of a web
 * identity or a container, which the platform writes readable for all, only if
 * others may write them. Secrets are registered with the log's masks.
 *
 * Threads: any, after creds_open.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/err.h"
#include "s3/base/list.h"
#include "s3/creds_context.h"
#include "s3/creds_keys.h"

struct creds;

/*
 * Finds keys, which can take a program a minute and a service half of one, and
 * starts the thread. o: copied.
 * Errors: -EACCES with advice when no keys are found or a file is unsafe,
 * -EINVAL for a passwd file that is none, -EIO for a service that does not
 * answer, -ENOMEM, -EAGAIN.
 */
int creds_open(struct creds **ret_creds, const struct creds_options *o,
	       struct err *e);
/* Ends what is under way at once. From here on renewals yield -ECANCELED. */
void creds_stop(struct creds *c);
/* After the last renewal is done; keys handed out stay valid. */
void creds_free(struct creds *c);
DEFINE_CLEANUP(struct creds *, creds_free)

/* The keys last found, be they expired; give back with creds_keys_put. Does not
 * block. */
struct creds_keys *creds_get(struct creds *c);

/* The server refused keys: other ones are wanted. */
struct creds_renewal {
	const struct creds_keys *refused; /* borrowed until `done` */
	/*
	 * result: 1 if other keys are there now, 0 if the same were found
	 * again, or a negative errno with `e`: -EIO for what may pass by
	 * itself, -EACCES, -ECANCELED, -ENOMEM. Runs once, on the thread of
	 * creds or within creds_renew, with no lock held; must not block.
	 */
	void (*done)(struct creds_renewal *r, int result, const struct err *e);
	/* private: */
	struct list link;
	bool queued;
};

/* Does not block. r is zero but for its first two fields at its first use. */
void creds_renew(struct creds *c, struct creds_renewal *r);
/* True if it was waiting still; then `done` will not run. */
bool creds_renew_cancel(struct creds *c, struct creds_renewal *r);

/* For people. */
struct creds_about {
	char source[256]; /* "profile 'work'" */
	char access[16]; /* the start of the key id, "AKIA…" */
	int64_t expires_s; /* seconds since the epoch; 0: not known to */
	char trouble[400]; /* why the last renewal failed, or "" */
};
void creds_describe(struct creds *c, struct creds_about *ret_about);
