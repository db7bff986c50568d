/*
 * Header fields of one request or reply.
 *
 * Names are kept in lower case, values without white space at their ends.
 * At most 256 fields and 64 KiB in all: a reply beyond that is refused.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stddef.h>

struct header {
	char *name; /* owned, together with the value */
	const char *value;
};

struct headers {
	struct header *fields; /* owned; in the order they were added */
	size_t count;
	/* private: */
	size_t room;
	size_t bytes;
};

void headers_init(struct headers *h);
void headers_done(struct headers *h);
/* Empties. */
void headers_reset(struct headers *h);
/* Copies both. -ENOMEM, or -EFBIG over the ceiling. */
int headers_add(struct headers *h, const char *name, const char *value);
__attribute__((format(printf, 3, 4))) int
headers_addf(struct headers *h, const char *name, const char *fmt, ...);
/* Takes "Name: value\r\n" as it came; what is no header field is skipped. */
int headers_add_line(struct headers *h, const char *line, size_t len);
/* The first field of this name (lower case); NULL when absent. Borrowed until
 * the next change. */
const char *headers_get(const struct headers *h, const char *name);
