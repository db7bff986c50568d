#include "s3/base/clock.h"

#include <stdlib.h>
#include <sys/random.h>

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts); /* cannot fail for these clocks */
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now_ms(void)
{
	return now_ns(CLOCK_BOOTTIME) / 1000000u;
}

uint64_t clock_now_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

int64_t clock_wall_s(void)
{
	return (int64_t)(now_ns(CLOCK_REALTIME) / 1000000000u);
}

int64_t clock_ns_of(const struct timespec *t)
{
	int64_t ns;

	if (__builtin_mul_overflow((int64_t)t->tv_sec, 1000000000, &ns) ||
	    __builtin_add_overflow(ns, t->tv_nsec, &ns))
		return t->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

void backoff_init(struct backoff *b, uint32_t base_ms, uint32_t cap_ms)
{
	b->base_ms = base_ms;
	b->cap_ms = cap_ms;
	b->tries = 0;
}

uint32_t backoff_next_ms(struct backoff *b)
{
	uint64_t top = b->base_ms, low;

	for (uint32_t i = 0; i < b->tries && top < b->cap_ms; i++)
		top *= 2;
	if (top > b->cap_ms)
		top = b->cap_ms;
	low = b->base_ms / 2 < top ? b->base_ms / 2 : top;
	b->tries++;
	return (uint32_t)(low + random_below(top - low + 1));
}

void random_bytes(void *out, size_t len)
{
	unsigned char *p = out;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0)
			continue; /* EINTR is the only failure left */
		p += n;
		len -= (size_t)n;
	}
}

uint64_t random_below(uint64_t bound)
{
	uint64_t x;

	if (!bound)
		return 0;
	random_bytes(&x, sizeof(x));
	return x % bound; /* the bias is of no matter for jitter */
}
