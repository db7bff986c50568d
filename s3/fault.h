/*
 * What a failed attempt means: the errno of it, and whether to try again.
 *
 * Threads: any; pure computation.
 */
#pragma once

#include <stdbool.h>

#include "s3/xfer.h"

enum fault_cure {
	FAULT_FINAL, /* repeating would change nothing */
	FAULT_RETRY, /* repeat after a wait */
	FAULT_SLOW, /* the same, and everybody slows down */
	FAULT_DOUBT, /* the answer makes no sense: damaged on the way, or no S3
			server. Repeat a few times, on other connections */
	FAULT_AT_ONCE, /* repeat without a wait; nothing went wrong there */
	FAULT_KEYS, /* repeat if there are other access keys by now */
	FAULT_CLOCK, /* repeat with the server's time */
	FAULT_REGION, /* repeat signed for the region that the reply names */
};

struct fault {
	int code; /* negative errno, as store.h lists them; 0: no fault */
	enum fault_cure cure;
	bool maybe_done; /* it may have taken effect all the same */
};

/*
 * status: of the reply, 200 too where an Error came with it.
 * s3_code: "NoSuchKey" and the like; "" where the reply had no body at all (as
 * HEAD), NULL where it had one that was no Error document.
 */
struct fault fault_of_reply(int status, const char *s3_code);
/* An attempt that yielded no reply; result is not XFER_OK. */
struct fault fault_of_xfer(enum xfer_result result);
/* Advice for the user, or NULL. */
const char *fault_advice(const char *s3_code);
