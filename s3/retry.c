#include "s3/retry.h"

#define BACKOFF_BASE_MS 100
#define BACKOFF_CAP_MS 10000
/* As many races as connections may have died at once; beyond that something
 * else is wrong, and waiting is right. */
#define RACES_MAX 3
/* From region to region. One is the rule; a bucket that was made or moved just
 * now may take another. */
#define HOPS_MAX 3
/* Answers that make no sense are hardly ever mended by the fourth. */
#define DOUBTS_MAX 3
/* What Retry-After may ask for: a server does not know our deadline. */
#define ASKED_MAX_MS 30000

void retry_init(struct retry *r, uint64_t now_ms, uint64_t timeout_ms)
{
	*r = (struct retry){ .deadline_ms = now_ms + timeout_ms };
	backoff_init(&r->backoff, BACKOFF_BASE_MS, BACKOFF_CAP_MS);
}

enum retry_verdict retry_next(struct retry *r, const struct fault *f,
			      uint64_t now_ms, uint64_t asked_ms,
			      uint64_t *ret_at_ms)
{
	uint64_t at_ms = now_ms;

	switch (f->cure) {
	case FAULT_FINAL:
		return RETRY_NO;
	case FAULT_REGION:
		if (r->hops++ == HOPS_MAX)
			return RETRY_NO;
		break;
	case FAULT_KEYS:
	case FAULT_CLOCK:
		if (r->cured & 1u << f->cure)
			return RETRY_NO;
		r->cured |= 1u << f->cure;
		break;
	case FAULT_DOUBT:
		if (r->doubts++ >= DOUBTS_MAX)
			return RETRY_NO;
		r->failures++;
		at_ms += backoff_next_ms(&r->backoff);
		break;
	case FAULT_AT_ONCE:
		if (r->races++ < RACES_MAX)
			break;
		__attribute__((fallthrough));
	case FAULT_RETRY:
	case FAULT_SLOW:
		r->failures++;
		at_ms += backoff_next_ms(&r->backoff);
		break;
	}
	if (asked_ms > ASKED_MAX_MS)
		asked_ms = ASKED_MAX_MS;
	if (at_ms < now_ms + asked_ms)
		at_ms = now_ms + asked_ms;
	r->fresh = f->cure == FAULT_AT_ONCE || f->cure == FAULT_DOUBT;
	if (at_ms >= r->deadline_ms)
		return RETRY_LATE;
	*ret_at_ms = at_ms;
	return RETRY_AT;
}

void retry_grant(struct retry *r, enum fault_cure cure)
{
	r->cured &= ~(1u << cure);
}

/* The share of the measured rate that is kept, the least rate, and the growth
 * in a second without complaint. */
#define KEEP 0.7
#define RATE_MIN 10.0
#define GROWTH 1.3
/* Complaints within this time tell of the same overload. */
#define CALM_MS 500

void throttle_init(struct throttle *t)
{
	*t = (struct throttle){ 0 };
	lock_init(&t->lock, LOCK_RANK_XFER);
}

void throttle_done(struct throttle *t)
{
	lock_done(&t->lock);
}

static void measure_locked(struct throttle *t, uint64_t now_ms)
{
	uint64_t passed = now_ms - t->window_ms;

	if (passed < 1000)
		return;
	t->measured = t->in_window * 1000.0 / (double)passed;
	t->in_window = 0;
	t->window_ms = now_ms;
}

static void fill_locked(struct throttle *t, uint64_t now_ms)
{
	double passed_s = (double)(now_ms - t->filled_ms) / 1000.0;

	if (t->rate == 0)
		return;
	if (passed_s > 1)
		passed_s = 1; /* idle time saves up one second's tokens */
	t->tokens += t->rate * passed_s;
	if (t->tokens > t->rate)
		t->tokens = t->rate;
	t->filled_ms = now_ms;
	if (now_ms - t->slowed_ms < 1000)
		return;
	t->rate *= 1 + (GROWTH - 1) * passed_s;
	/* Well above what is asked for: it limits nothing any more. */
	if (t->rate > 4 * t->measured + 100)
		t->rate = 0;
}

uint32_t throttle_take(struct throttle *t, uint64_t now_ms)
{
	double wait_ms;

	LOCK_SCOPE(&t->lock);
	measure_locked(t, now_ms);
	fill_locked(t, now_ms);
	if (t->rate != 0) {
		if (t->tokens < 1) {
			wait_ms = (1 - t->tokens) / t->rate * 1000;
			return (uint32_t)wait_ms + 1;
		}
		t->tokens -= 1;
	}
	t->in_window++;
	return 0;
}

bool throttle_limits(struct throttle *t)
{
	LOCK_SCOPE(&t->lock);
	return t->rate != 0;
}

void throttle_slow(struct throttle *t, uint64_t now_ms)
{
	double now;

	LOCK_SCOPE(&t->lock);
	measure_locked(t, now_ms);
	if (t->rate != 0 && now_ms - t->slowed_ms < CALM_MS)
		return;
	now = t->in_window > t->measured ? t->in_window : t->measured;
	if (t->rate != 0 && t->rate < now)
		now = t->rate;
	t->rate = now * KEEP > RATE_MIN ? now * KEEP : RATE_MIN;
	if (t->tokens > t->rate)
		t->tokens = 0;
	t->filled_ms = now_ms;
	t->slowed_ms = now_ms;
}
