/*
 * What one reader of one file is up to: going through it, or jumping about.
 *
 * Reads count as going through while each begins about where one before it
 * ended (the kernel sends several at once, in no order). Only after AHEAD_RUN
 * bytes of that, or when they began at the file's start, is anything fetched
 * that was not asked for; then in windows that double.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define AHEAD_RUN (512u << 10) /* bytes read in a row, to be believed */
#define AHEAD_SLACK (1u << 20) /* bytes by which reads may overtake */
#define AHEAD_MIN (2u << 20) /* bytes of the first window */
#define AHEAD_MAX (32u << 20)

struct ahead {
	uint64_t start; /* where the run began */
	uint64_t end; /* the furthest byte of it */
	uint64_t fetched; /* what was fetched ahead ends here */
	uint32_t window; /* bytes; 0 before the first */
	bool started;
};

/* A file read from its start to its end: [off, off + len) is to be fetched. */
struct ahead_range {
	uint64_t off;
	uint64_t len;
};

/*
 * Notes a read of [off, off + len) in a file of `size` bytes, len > 0, within
 * the file. True: ret_range (not empty, behind the read, within the file) is
 * worth fetching now.
 */
bool ahead_read(struct ahead *a, uint64_t off, uint64_t len, uint64_t size,
		struct ahead_range *ret_range);
/* After ahead_read: whether the file is being gone through, so that large
 * pieces pay. */
bool ahead_in_row(const struct ahead *a);
