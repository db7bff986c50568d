/*
 * Requests under way in an HTTP store. Private to http_store and http_call.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/lock.h"
#include "s3/base/pool.h"
#include "s3/creds.h"
#include "s3/request.h"
#include "s3/retry.h"
#include "s3/sign.h"
#include "s3/source_options.h"
#include "s3/store.h"
#include "s3/url.h"
#include "s3/xfer.h"

#define REGION_MAX 64

struct http_store {
	struct store base;

	/* set at open, then constant: */
	char *bucket;
	char *endpoint; /* as given; NULL: AWS */
	bool path_style;
	uint64_t timeout_ms;
	struct source_options options;
	struct request_terms terms; /* borrowed from them */
	struct creds *creds; /* NULL: anonymous */
	struct pool *pool;
	struct xfer *xfer;
	struct throttle throttle;

	struct lock lock; /* LOCK_RANK_STORE; held for moments */
	/* guarded by lock: */
	pthread_cond_t all_done; /* pending became 0 */
	size_t pending; /* submitted, and `done` has not returned */
	bool closing;
	bool stopped; /* store_stop */
	struct list calls; /* of struct call */
	struct list refused; /* store_req.link: failed before they began */
	struct pool_job refuse_job;
	bool refusing; /* refuse_job is queued */
	struct url_site site;
	char region[REGION_MAX];
	int64_t clock_offset_s; /* the server's clock less ours */
	bool away; /* the server could not be reached at the last try */

	/* the transfer thread's: the signing key of the day */
	struct creds_keys *sign_keys;
	char sign_date[SIGN_DATE_LEN];
	char sign_region[REGION_MAX];
	struct hash sign_hash;
};

struct call {
	struct http_store *s;
	struct store_req *req;
	struct list link; /* in s->calls; guarded by s->lock */
	struct pool_job job;
	struct xfer_req xfer;
	struct request request;
	struct retry retry;
	size_t out_start; /* req->out->len at submission */
	size_t next_key; /* DELETE_MANY: those before it are dealt with */
	struct creds_keys *keys; /* that the last attempt was signed with */
	struct creds_renewal renewal; /* of keys that were refused */
	char region[REGION_MAX]; /* that the last attempt was signed for */
	bool maybe_done; /* an earlier attempt may have taken effect */
	int look_code; /* what to report if the look finds nothing of ours */
	struct err last; /* failure of the last attempt */
};

/* Whether this can be the name of a region: it becomes part of a host name. */
bool call_region_ok(const char *region);
/* NULL without memory. */
struct call *call_new(struct http_store *s, struct store_req *req);
void call_free(struct call *c); /* one that was never sent */
/*
 * Makes the next request of the call, if there is one: operations may take
 * several. False at the end, or with an error in `e`.
 */
bool call_next(struct call *c, struct err *e);
/* Sends what call_next made; from here on the call ends by itself. */
void call_send(struct call *c);
/* Ends the call soon as -ECANCELED. With s->lock held. */
void call_cancel(struct call *c);
/* Hands the request back; nothing of it may be touched after `done`. */
void http_store_complete(struct http_store *s, struct store_req *req);
