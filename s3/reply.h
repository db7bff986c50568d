/*
 * What came back from an attempt: the answer, or why there is none.
 *
 * Nothing is believed that was not checked: status, range, length and ETag of
 * a GET, the document of everything that answers with one. Over plain HTTP the
 * content of a whole object as well (verify.h); of a part nobody could tell.
 *
 * Threads: one at a time; pure computation, on a LIST or a whole object in
 * proportion to it.
 */
#pragma once

#include <stdint.h>

#include "s3/base/err.h"
#include "s3/fault.h"
#include "s3/request.h"
#include "s3/store.h"
#include "s3/xfer.h"

/* Names for messages. Borrowed. */
struct reply_names {
	const char *bucket;
	const char *endpoint;
	const char *access; /* key id, or NULL */
	const char *region; /* that it was signed for */
};

struct reply {
	struct fault fault; /* code 0: success */
	struct err err; /* the words to it, without operation and key */
	char region[64]; /* the region that the server named, or "" */
	int64_t date_s; /* its clock, or 0 */
	uint64_t wait_ms; /* that the server asked for by Retry-After, or 0 */
	bool unknown_upload; /* S3 said NoSuchUpload */
};

/*
 * Judges the exchange `x`, made of `r`. On success the answer fields of `req`
 * are filled in (freshly initialised before, except err); `out` is the
 * caller's to take back on failure.
 */
void reply_read(struct reply *ret_reply, const struct request *r,
		const struct xfer_req *x, const struct reply_names *names,
		struct store_req *req);

/* The ETag that S3 gives an object made of exactly these parts; false where that
 * cannot be told. */
bool reply_etag_of(char out[STORE_ETAG_MAX], const struct store_part *parts,
		   size_t count);
