/*
 * A progress line on a terminal (stderr), silence otherwise.
 *
 * "push  [#####.....]  52%  120/242 files  6.1/12.0 MB  8.3 MB/s  ETA 2s",
 * redrawn at most ten times a second, fitted to the terminal's width, erased by
 * progress_stop. Where no total is known yet it is "push: reading  12 files
 * 5.0 kB", or without the numbers while they are 0.
 *
 * Threads: any may call progress_total, progress_add and progress_phase.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress;

/* verb: borrowed for good. quiet: never draw. NULL without memory, which every
 * function here accepts. */
struct progress *progress_start(const char *verb, bool quiet);
void progress_total(struct progress *p, uint64_t files, uint64_t bytes);
void progress_add(struct progress *p, uint64_t files, uint64_t bytes);
/* A short word on what goes on: "reading", "uploading". Borrowed for good. */
void progress_phase(struct progress *p, const char *phase);
void progress_stop(struct progress *p);

/* One line as it is drawn, at most `columns` wide; for tests too. */
struct progress_state {
	const char *verb;
	const char *phase; /* NULL or "": none */
	uint64_t files, files_total;
	uint64_t bytes, bytes_total; /* totals 0: not known yet */
	double per_s; /* bytes a second, lately */
};
void progress_render(char *out, size_t room, unsigned int columns,
		     const struct progress_state *state);
