#include "s3/hedge.h"

#include <stdlib.h>
#include <string.h>

#define EARNED 0.05 /* per request */
#define TOKENS_FIRST 2.0
#define TOKENS_MAX 8.0
#define AFTER_MIN_MS 500
#define AFTER_MAX_MS 10000
/* Until there is something to go by; connections are opened then, too. */
#define AFTER_FIRST_MS 2000
#define COUNT_MIN 8

void hedge_init(struct hedge *h)
{
	memset(h, 0, sizeof(*h));
	h->tokens = TOKENS_FIRST;
}

void hedge_begun(struct hedge *h)
{
	h->tokens += EARNED;
	if (h->tokens > TOKENS_MAX)
		h->tokens = TOKENS_MAX;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t limit_of(const struct hedge_times *t)
{
	uint32_t sorted[HEDGE_TIMES], limit;
	size_t count = t->count < HEDGE_TIMES ? t->count : HEDGE_TIMES;

	memcpy(sorted, t->ms, count * sizeof(sorted[0]));
	qsort(sorted, count, sizeof(sorted[0]), compare);
	limit = 2 * sorted[count * 95 / 100];
	if (limit < AFTER_MIN_MS)
		return AFTER_MIN_MS;
	return limit < AFTER_MAX_MS ? limit : AFTER_MAX_MS;
}

void hedge_note(struct hedge *h, enum hedge_kind kind, uint64_t ms)
{
	struct hedge_times *t = &h->kinds[kind];

	t->ms[t->count++ % HEDGE_TIMES] =
		(uint32_t)(ms < AFTER_MAX_MS ? ms : AFTER_MAX_MS);
	if (t->count >= COUNT_MIN && t->count % COUNT_MIN == 0)
		t->limit_ms = limit_of(t);
}

uint32_t hedge_after_ms(const struct hedge *h, enum hedge_kind kind)
{
	uint32_t limit_ms = h->kinds[kind].limit_ms;

	return limit_ms ? limit_ms : AFTER_FIRST_MS;
}

bool hedge_may(const struct hedge *h)
{
	return h->tokens >= 1;
}

void hedge_take(struct hedge *h)
{
	h->tokens -= 1;
}
