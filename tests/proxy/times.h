/*
 * The server's clock, moved while it runs: what it did before keeps its time.
 *
 * Each line of the file is a move, in order:
 *
 *   WHEN BY
 *
 * From WHEN (true seconds since the epoch) on, all times are BY seconds later
 * than without this line. The file is read again when it changes.
 *
 * Threads: one.
 */
#ifndef PROXY_TIMES_H
#define PROXY_TIMES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define TIMES_MAX 1024

struct times {
	const char *file; /* borrowed; NULL: no moves */
	struct stat read; /* the version of the file that was read */
	struct {
		int64_t when_s, by_s;
	} moves[TIMES_MAX];
	size_t count;
};

/* What the clock says for the true time `s`. */
int64_t times_told(struct times *t, int64_t s);
/* Rewrites "Sun, 06 Nov 1994 08:49:37 GMT" in place; leaves what is none. */
void times_rewrite_http(struct times *t, char *text, size_t len);
/* Rewrites each <LastModified> of an answer in XML, in place. */
void times_rewrite_xml(struct times *t, char *text, size_t len);

#endif
