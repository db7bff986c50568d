/*
 * Exactly one answer for each FUSE request that waits for something.
 *
 * A handler embeds a struct call in what it keeps while it waits, and answers
 * through the functions below from its completion. If the caller is killed
 * meanwhile the call answers EINTR by itself, and the late completion's answer
 * falls away; no other signal ends a call.
 *
 * This is the edge where errors are logged, once, with the path.
 *
 * Threads: any; a call is answered by one thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "fs/fuse.h"
#include "s3/base/cleanup.h"
#include "s3/base/err.h"
#include "s3/base/list.h"

/* The calls of one mount whose callers got a signal, looked at until they end:
 * the kernel tells of the first signal only, and a kill may follow. */
struct waits;
int waits_open(struct waits **ret_waits, struct err *e);
/* No call is under way any more. NULL is accepted. */
void waits_free(struct waits *w);
DEFINE_CLEANUP(struct waits *, waits_free)

struct call {
	fuse_req_t req;
	struct waits *waits;
	const char *what; /* "read"; constant */
	const char *path; /* valid until the answer */
	void (*free)(struct call *c);
	/* private: */
	atomic_bool answered;
	atomic_int refs;
	struct list link; /* guarded by the waits' lock */
};

/*
 * Starts a call. free: releases the enclosing structure; called once, after the
 * answer and the end of all that might look at it, on any thread. The request
 * may be answered before this returns: only the call may be touched from here
 * on, and only until it is answered.
 */
void call_begin(struct call *c, struct waits *w, fuse_req_t req,
		const char *what, const char *path,
		void (*free)(struct call *c));

/*
 * The answers. Each ends the call: `c` is gone afterwards. True if the kernel
 * took it; else what it was told (look-ups, handles) is to be taken back by the
 * caller.
 */
void reply_err(struct call *c, const struct err *e);
bool reply_entry(struct call *c, const struct fuse_entry_param *entry);
bool reply_attr(struct call *c, const struct stat *st, double timeout_s);
bool reply_open(struct call *c, const struct fuse_file_info *fi);
bool reply_readlink(struct call *c, const char *target);
bool reply_data(struct call *c, struct fuse_bufvec *bufs);

/* The errno that a caller in the kernel gets for one of ours. */
int reply_errno(int code);
/* True if SIGKILL awaits this thread. */
bool reply_is_killed(pid_t tid);
