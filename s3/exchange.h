/*
 * One exchange on a curl easy handle: set-up, what arrives, what it ended as.
 *
 * Threads: the transfer thread.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/cleanup.h"
#include "s3/base/list.h"
#include "s3/sockets.h"
#include "s3/xfer.h"

struct exchange {
	struct list link; /* the owner's */
	CURL *easy; /* reused from one exchange to the next */
	struct xfer_req *req; /* while one is under way */
	/* private: */
	struct sockets *sockets;
	int port; /* local, of the connection it runs on; 0: none yet */
	struct curl_slist *fields;
	char error[CURL_ERROR_SIZE];
	bool in_body; /* the header has come */
	bool lost; /* we broke it off: another was answered first */
	bool repeated; /* we broke it off: it is the answer to another */
	bool overflow; /* we broke it off: too much came */
	int64_t moved; /* bytes that crossed the network */
	uint64_t moved_ms; /* when `moved` last changed */
};

/* sockets: borrowed for good. NULL without memory. */
struct exchange *exchange_new(struct sockets *sockets);
void exchange_free(struct exchange *x);
DEFINE_CLEANUP(struct exchange *, exchange_free)

/* Prepares req and sets the easy handle up for it. -ENOMEM. */
int exchange_begin(struct exchange *x, struct xfer_req *req,
		   const struct xfer_options *o, uint64_t now_ms);
/* Begins one more for the same request, as it was prepared. -ENOMEM. */
int exchange_join(struct exchange *x, struct xfer_req *req,
		  const struct xfer_options *o, uint64_t now_ms);
/* Lets go of a request that other exchanges go on with. */
void exchange_leave(struct exchange *x);
/* Whether nothing has moved for too long. Asked about once a second; tells
 * req->moved, too. */
bool exchange_stalled(struct exchange *x, uint64_t now_ms);
/* curl is done with it: fills in the result. The easy handle is out of the
 * multi handle. Yields the request, which is no longer ours. */
struct xfer_req *exchange_end(struct exchange *x, CURLcode code);
/* The same where the exchange was broken off, or never began. */
struct xfer_req *exchange_break(struct exchange *x, enum xfer_result result);
