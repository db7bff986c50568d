/*
 * HTTP exchanges: one thread that owns curl, a queue into it, completions out.
 *
 * An exchange is one attempt: nothing is repeated here, no redirect followed.
 * One that may be hedged (hedge.h) runs twice where its first byte is late; the
 * first answer counts, the other is broken off.
 *
 * Waiting exchanges start in order of priority, then of submission; a few
 * connections are kept from the lower priorities, so that a reader never waits
 * for an upload to end.
 *
 * The submitter owns the structure and keeps it, and all it points to, valid
 * until `done`, which runs on the transfer thread with no lock held: it must
 * neither block nor compute for long.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/base/err.h"
#include "s3/base/list.h"
#include "s3/headers.h"
#include "s3/hedge.h"
#include "s3/store.h"

enum xfer_result {
	XFER_OK, /* a whole reply, of whatever status */
	XFER_UNREACHABLE, /* no address or no connection; nothing was sent */
	XFER_RACE, /* a kept connection was closed as it was used again */
	XFER_CUT, /* broken off on the way */
	XFER_STALLED, /* nothing moved for stall_ms */
	XFER_DEADLINE,
	XFER_CANCELLED,
	XFER_TOO_BIG, /* more than `out`, or what we take from a server */
	XFER_UNTRUSTED, /* TLS: certificate or protocol not accepted */
	XFER_NO_MEMORY,
};

struct exchange;

struct xfer_req {
	/* Filled in by the submitter. */
	enum store_priority priority;
	uint64_t start_ms; /* not before; clock_now_ms; 0: now */
	uint64_t deadline_ms; /* clock_now_ms; 0: none */
	/* While this process is stopped or the machine suspended the deadline
	 * moves on, up to here; 0: not at all. */
	uint64_t latest_ms;
	uint32_t stall_ms; /* 0: 30 s */
	bool fresh; /* on a connection of its own */
	enum hedge_kind hedge; /* may be set by `prepare` too */
	/*
	 * Fills in the four fields below, right before the exchange starts, on
	 * the transfer thread; url and headers are reset. Without success the
	 * exchange ends as XFER_NO_MEMORY.
	 */
	int (*prepare)(struct xfer_req *req);
	void (*done)(struct xfer_req *req);

	const char *method; /* GET, HEAD, PUT, POST or DELETE; static */
	struct buf url;
	struct headers headers;
	const void *body; /* borrowed; NULL for none */
	size_t body_len;
	/* How much of it has left this machine, about once a second; NULL:
	 * nobody cares. Threads: the transfer thread. */
	void (*moved)(struct xfer_req *req, size_t bytes);

	/* Where the body of a reply of status out_status goes, appended; NULL:
	 * into `reply`, as with every other status. */
	struct buf *out;
	int out_status;
	size_t reply_max; /* ceiling of `reply` for status 200 */

	/* Filled in by the transfer thread. */
	enum xfer_result result;
	char error[160]; /* what went wrong, unless XFER_OK */
	int status;
	struct headers answer; /* of the reply */
	struct buf reply; /* body; the start of it where it was too long for an
			     error message */
	uint64_t received; /* bytes of body */
	uint32_t begun; /* how often it was sent: 0, 1, or 2 if hedged */
	bool resent; /* curl met a dead kept connection and sent it twice; the
			first may have arrived */

	/* Private. */
	struct list link;
	bool cancelled;
	uint32_t running; /* exchanges */
	uint64_t stopped_ms; /* when the deadline was moved last */
	const struct exchange *first; /* that was answered first */
	uint64_t begin_ms, answer_ms; /* sent, and first answered */
};

void xfer_req_init(struct xfer_req *req);
void xfer_req_done(struct xfer_req *req);

struct throttle;

struct xfer_options {
	uint32_t max_connections;
	uint32_t connect_timeout_s;
	const char *ca_bundle; /* or NULL; copied */
	bool no_check_certificate;
	bool any_hostname; /* a valid certificate may be another host's */
	struct throttle *throttle; /* asked before each start; borrowed */
	bool hedge; /* at all */
};

struct xfer;

/* Starts the thread. Errors: -ENOMEM, -EAGAIN, -EINVAL. */
int xfer_open(struct xfer **ret_xfer, const struct xfer_options *o,
	      struct err *e);
/* Threads: any, `done` included. */
void xfer_submit(struct xfer *x, struct xfer_req *req);
/* So many requests will come at once: opens the connections that are lacking,
 * at the latest with the next one. Threads: any. */
void xfer_expect(struct xfer *x, unsigned int count);
/* Ends the exchange soon as XFER_CANCELLED, also one submitted later. The
 * structure must be valid. Threads: any. */
void xfer_cancel(struct xfer *x, struct xfer_req *req);
/* Cancels what is left and joins the thread. NULL is accepted. */
void xfer_free(struct xfer *x);
