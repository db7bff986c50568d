/*
 * When a request that waits for its first byte is raced by a second one.
 *
 * Most requests that are slow to their first byte are slow for no fault of the
 * object's: a busy disk or a lost packet over there. A second one is mostly
 * answered at once. It is sent when the first has taken twice as long as 95 % of
 * the late ones did, at least half a second, and never for more than one
 * request in twenty: a server that is slow as a whole is not asked twice.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum hedge_kind {
	HEDGE_NONE, /* not to be sent twice */
	HEDGE_GET,
	HEDGE_HEAD,
	HEDGE_LIST,
	HEDGE_KIND_COUNT
};

#define HEDGE_TIMES 64

struct hedge {
	/* private: */
	double tokens;
	struct hedge_times {
		uint32_t ms[HEDGE_TIMES]; /* the last ones, in a ring */
		uint32_t count; /* ever */
		uint32_t limit_ms; /* 0: too few are known */
	} kinds[HEDGE_KIND_COUNT];
};

void hedge_init(struct hedge *h);
/* One request begins; each earns a twentieth of a second one. */
void hedge_begun(struct hedge *h);
/* The first byte of an answer came after so long. */
void hedge_note(struct hedge *h, enum hedge_kind kind, uint64_t ms);
/* How long to wait for the first byte before a second one is sent. */
uint32_t hedge_after_ms(const struct hedge *h, enum hedge_kind kind);
/* Whether one may be sent now, and takes it from what was earned. */
bool hedge_may(const struct hedge *h);
void hedge_take(struct hedge *h);
