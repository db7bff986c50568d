/*
 * The window is topped up when less than half of it is left between the reader
 * and the end of what was fetched, so that ranges stay large.
 */
#include "fs/ahead.h"

bool ahead_in_row(const struct ahead *a)
{
	return a->started && (!a->start || a->end - a->start >= AHEAD_RUN);
}

bool ahead_read(struct ahead *a, uint64_t off, uint64_t len, uint64_t size,
		struct ahead_range *ret_range)
{
	uint64_t to = off + len, from, until;
	bool first = !a->started;
	bool follows = !first && off + AHEAD_SLACK >= a->end &&
		       off <= a->end + AHEAD_SLACK && to > a->start;

	if (!follows) {
		*a = (struct ahead){ .start = off, .end = to, .started = true };
		/* The head of a file is often all that is wanted of it. */
		return false;
	}
	if (to > a->end)
		a->end = to;
	if (!ahead_in_row(a))
		return false;
	if (!a->window)
		a->window = AHEAD_MIN;
	from = a->fetched > a->end ? a->fetched : a->end;
	until = a->end + a->window;
	if (until > size)
		until = size;
	if (from >= until || from - a->end > a->window / 2)
		return false;
	*ret_range = (struct ahead_range){ .off = from, .len = until - from };
	a->fetched = until;
	if (a->window < AHEAD_MAX)
		a->window *= 2;
	return true;
}
