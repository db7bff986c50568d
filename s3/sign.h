/*
 * AWS Signature Version 4 as pure functions of request, time and keys.
 *
 * Paths are taken as they are sent: S3 neither normalises nor encodes twice.
 *
 * Threads: any; pure computation.
 */
#pragma once

#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/base/hash.h"
#include "s3/headers.h"

#define SIGN_STAMP_LEN 17 /* "20130524T000000Z" with terminator */
#define SIGN_DATE_LEN 9 /* "20130524" with terminator */

/* now_s: epoch seconds by the server's clock. */
void sign_stamp(char out[SIGN_STAMP_LEN], int64_t now_s);

/* The derived key for a day ("20130524"), region and service. */
void sign_key(struct hash *out, const char *secret, const char *date,
	      const char *region, const char *service);

/* Borrowed. All headers are signed; Host and X-Amz-Date are among them. */
struct sign_request {
	const char *method;
	const char *path; /* encoded */
	const char *query; /* encoded and sorted, "" for none */
	const struct headers *headers;
	const char *payload; /* hex SHA-256 of the body, or what S3 defines */
};

/* Appends the canonical request to `out` and the list of signed header names
 * to `names`. Errors: as buf. */
int sign_canonical(struct buf *out, struct buf *names,
		   const struct sign_request *r);

struct sign_scope {
	const char *access; /* key id */
	const struct hash *key; /* of sign_key, for stamp's day */
	const char *stamp;
	const char *region;
	const char *service;
};

/* Appends the value of the Authorization header. Errors: -ENOMEM, -EFBIG. */
int sign_authorization(struct buf *out, const struct sign_request *r,
		       const struct sign_scope *s);
