/*
 * When a failed request is repeated, and how fast requests may go at all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/fault.h"

/* The attempts of one request. Threads: one at a time. */
struct retry {
	uint64_t deadline_ms; /* clock_now_ms */
	uint32_t failures; /* attempts that failed, races not counted */
	bool fresh; /* the next attempt must not reuse a connection */
	/* private: */
	struct backoff backoff;
	uint32_t races;
	uint32_t hops;
	uint32_t doubts;
	uint32_t cured; /* bits of enum fault_cure that were tried */
};

void retry_init(struct retry *r, uint64_t now_ms, uint64_t timeout_ms);

enum retry_verdict {
	RETRY_NO, /* the fault is the outcome */
	RETRY_LATE, /* it might have been mended, but time is up */
	RETRY_AT, /* repeat at *ret_at_ms */
};
/* Cures that need work first (keys, clock, region) are granted once each, the
 * region a few times; the caller does that work. asked_ms: how long the server
 * asked to wait, or 0; heeded up to a limit. */
enum retry_verdict retry_next(struct retry *r, const struct fault *f,
			      uint64_t now_ms, uint64_t asked_ms,
			      uint64_t *ret_at_ms);

/* The cure could not be had, and is granted once more. */
void retry_grant(struct retry *r, enum fault_cure cure);

/*
 * One token bucket for all requests of a store. Unlimited until the server
 * asks to slow down; then a share of the rate that was measured, rising again
 * with time until it no longer limits.
 *
 * Threads: any.
 */
struct throttle {
	struct lock lock; /* LOCK_RANK_XFER */
	/* guarded by lock: */
	double rate; /* requests a second; 0: unlimited */
	double tokens;
	uint64_t filled_ms; /* when tokens were last added */
	uint64_t slowed_ms; /* when the rate was last lowered */
	uint64_t window_ms; /* start of the second being measured */
	uint32_t in_window; /* requests started in it */
	double measured; /* requests a second in the window before */
};

void throttle_init(struct throttle *t);
void throttle_done(struct throttle *t);
/* Takes a token: 0, or the milliseconds until there is one. */
uint32_t throttle_take(struct throttle *t, uint64_t now_ms);
/* Whether it limits requests now. */
bool throttle_limits(struct throttle *t);
/* The server asked to slow down. */
void throttle_slow(struct throttle *t, uint64_t now_ms);
