/*
 * Monotonic and wall time, jittered back-off, random ids.
 *
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_BOOTTIME: counts suspension, never goes back. */
uint64_t clock_now_ms(void);
/* Nanoseconds of CLOCK_MONOTONIC, for measuring. */
uint64_t clock_now_ns(void);
/* Seconds since the epoch by this host's clock. */
int64_t clock_wall_s(void);
/* Nanoseconds since the epoch. What 64 bits cannot say (before 1677, after 2262;
 * file systems know such times) becomes the nearest that they can. */
int64_t clock_ns_of(const struct timespec *t);

/*
 * Exponential back-off with full jitter: the n-th call, counted from 0, yields
 * a wait between base / 2 and base * 2^n, at most cap.
 */
struct backoff {
	uint32_t base_ms;
	uint32_t cap_ms;
	uint32_t tries; /* calls of backoff_next_ms so far */
};
void backoff_init(struct backoff *b, uint32_t base_ms, uint32_t cap_ms);
uint32_t backoff_next_ms(struct backoff *b);

/* Fills `out` from the kernel's random source. */
void random_bytes(void *out, size_t len);
/* Uniform in [0, bound); 0 when bound is 0. */
uint64_t random_below(uint64_t bound);
