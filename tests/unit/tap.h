/*
 * TAP for unit tests: each check prints one line, "ok 3 - name" or "not ok",
 * and tap_done() prints the plan. A test's main ends with `return tap_done();`.
 *
 *	struct { const char *in; int want; } cases[] = { ... };
 *
 *	for (size_t i = 0; i < TAP_COUNT(cases); i++)
 *		is_int(parse(cases[i].in), cases[i].want, "%s", cases[i].in);
 *	return tap_done();
 *
 * Every check returns whether it passed, so that what depends on it can be
 * left out: `if (!ok(fd >= 0, "opens")) return tap_done();`. Arguments are
 * evaluated once. A test that cannot run here says why: tap_skip(), before
 * any check, ends the program.
 *
 * Threads: any; the counts are behind one lock. Include it in one file only.
 */
#ifndef TESTS_UNIT_TAP_H
#define TESTS_UNIT_TAP_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct {
	pthread_mutex_t lock;
	unsigned int run, failed; /* guarded by lock */
} tap = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Prints the result line, and for a failure `why` on a line of its own. */
__attribute__((format(printf, 5, 0))) static inline bool
tap_result(bool passed, const char *file, int line, const char *why,
	   const char *fmt, va_list ap)
{
	pthread_mutex_lock(&tap.lock);
	tap.run++;
	tap.failed += !passed;
	printf("%sok %u - ", passed ? "" : "not ", tap.run);
	vprintf(fmt, ap);
	printf("\n");
	if (!passed)
		printf("# %s:%d: %s\n", file, line, why);
	fflush(stdout);
	pthread_mutex_unlock(&tap.lock);
	return passed;
}

__attribute__((format(printf, 5, 6))) static inline bool
tap_ok(bool passed, const char *file, int line, const char *why,
       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tap_result(passed, file, line, why, fmt, ap);
	va_end(ap);
	return passed;
}

__attribute__((format(printf, 5, 6))) static inline bool
tap_is_int(const char *file, int line, int64_t got, int64_t want,
	   const char *fmt, ...)
{
	char why[80];
	va_list ap;

	snprintf(why, sizeof(why), "got %jd, want %jd", (intmax_t)got,
		 (intmax_t)want);
	va_start(ap, fmt);
	tap_result(got == want, file, line, why, fmt, ap);
	va_end(ap);
	return got == want;
}

/* NULL is equal to NULL alone. */
__attribute__((format(printf, 5, 6))) static inline bool
tap_is_str(const char *file, int line, const char *got, const char *want,
	   const char *fmt, ...)
{
	bool same = got && want ? !strcmp(got, want) : got == want;
	char why[1024];
	va_list ap;

	snprintf(why, sizeof(why), "got '%s', want '%s'", got ? got : "(null)",
		 want ? want : "(null)");
	va_start(ap, fmt);
	tap_result(same, file, line, why, fmt, ap);
	va_end(ap);
	return same;
}

__attribute__((format(printf, 6, 7))) static inline bool
tap_is_mem(const char *file, int line, const void *got, const void *want,
	   size_t len, const char *fmt, ...)
{
	const unsigned char *g = got, *w = want;
	char why[80] = "";
	va_list ap;
	size_t i = 0;

	while (i < len && g[i] == w[i])
		i++;
	if (i < len)
		snprintf(why, sizeof(why), "byte %zu: got %02x, want %02x", i,
			 g[i], w[i]);
	va_start(ap, fmt);
	tap_result(i == len, file, line, why, fmt, ap);
	va_end(ap);
	return i == len;
}

/* ok(condition, "name of case %d", i) */
#define ok(cond, ...)                                                          \
	tap_ok((cond), __FILE__, __LINE__, "failed: " #cond, __VA_ARGS__)
/* Any integer that an int64_t holds; unsigned ones are compared as such. */
#define is_int(got, want, ...)                                                 \
	tap_is_int(__FILE__, __LINE__, (int64_t)(got), (int64_t)(want),        \
		   __VA_ARGS__)
#define is_str(got, want, ...)                                                 \
	tap_is_str(__FILE__, __LINE__, (got), (want), __VA_ARGS__)
#define is_mem(got, want, len, ...)                                            \
	tap_is_mem(__FILE__, __LINE__, (got), (want), (len), __VA_ARGS__)

static inline _Noreturn void tap_skip(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(77);
}

/* Prints the plan; what main returns. Nothing checked is a failure too. */
static inline int tap_done(void)
{
	printf("1..%u\n", tap.run);
	if (tap.failed)
		printf("# %u of %u failed\n", tap.failed, tap.run);
	return tap.failed || !tap.run;
}

#endif
