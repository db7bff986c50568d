/*
 * Carries why something failed.
 *
 * The return value (0 or a negative errno) decides; the text explains, in one
 * sentence a user can act on. The place that fails sets it, callers prefix what
 * only they know. No allocation, so it works for -ENOMEM and travels inside
 * asynchronous requests. A NULL `e` is accepted everywhere.
 *
 * Threads: a struct err belongs to one thread at a time.
 */
#pragma once

#include <stdarg.h>

struct err {
	int code; /* negative errno, 0 when unset */
	char text[400]; /* one line, no newline; truncated with "…" */
};

/*
 * Sets the text and returns `code` (a negative errno). %m works: errno is
 * taken on entry.
 */
__attribute__((format(printf, 3, 4))) int err_set(struct err *e, int code,
						  const char *fmt, ...);

/*
 * Prefixes "…: " to the text that the failing callee left, and returns `code`.
 * Where the callee set nothing, the text becomes the prefix and strerror.
 */
__attribute__((format(printf, 3, 4))) int err_wrap(struct err *e, int code,
						   const char *fmt, ...);

/* Copies `from` to `to` and returns its code. */
int err_copy(struct err *to, const struct err *from);

void err_clear(struct err *e);
