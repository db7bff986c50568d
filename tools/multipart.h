/*
 * A multipart upload of which a few parts are under way at a time.
 *
 * Threads: one for each upload.
 */
#pragma once

#include "tools/sending.h"

#define MULTIPART_AT_ONCE 4

struct multipart_part {
	struct sent sent;
	void *body; /* owned */
	uint32_t number; /* 0: the slot is free */
};

struct multipart {
	/* private: */
	struct sending *s;
	const char *key; /* borrowed */
	char *id; /* owned; NULL: not begun */
	struct multipart_part slots[MULTIPART_AT_ONCE];
	struct store_part *parts; /* owned; those that were taken */
	uint32_t count;
};

/* meta: of the object, or NULL. multipart_done in any case. Errors: as store.h,
 * -ENOMEM. */
int multipart_start(struct multipart *m, struct sending *s, const char *key,
		    const struct meta *meta, struct err *e);
/* Waits until a part can be sent, so that no more memory than for
 * MULTIPART_AT_ONCE of them is needed. Errors: of a part sent before. */
int multipart_ready(struct multipart *m, struct err *e);
/* After multipart_ready: sends the next part. body: malloc'ed, taken over. worth:
 * bytes of progress. */
int multipart_send(struct multipart *m, void *body, size_t len, uint64_t worth,
		   struct err *e);
/* Waits for all parts and completes the object. */
int multipart_finish(struct multipart *m, struct err *e);
/* Where it was not finished: ends what is under way and removes the parts. A
 * zeroed structure is accepted. */
void multipart_done(struct multipart *m);
