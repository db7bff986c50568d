/*
 * Endpoint, bucket and key to host, path and query; the one percent-encoder.
 *
 * The encoded path and query are used for the request and for its signature
 * alike, so the two cannot differ.
 *
 * Threads: one at a time; constant after url_site_init.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/buf.h"
#include "s3/base/err.h"

/* Where a bucket is reached. Owned strings. */
struct url_site {
	char *origin; /* "https://host[:port]", what the connection goes to */
	char *host; /* "host[:port]" for the Host header; no default port */
	char *root; /* encoded path of the bucket, ends in "/" */
	bool is_aws; /* Amazon's own, not one that speaks the same */
	bool is_regional; /* of those the public one of a region: another region
			     has another */
};

/*
 * endpoint: URL with http or https scheme (https when it has none), optional
 * port and base path; NULL for AWS of `region`. The bucket goes into the path
 * when asked, for addresses and localhost, and where TLS could not match it:
 * a name with dots or other than lower-case letters.
 * Errors: -EINVAL, -ENOMEM.
 */
int url_site_init(struct url_site *u, const char *endpoint, const char *region,
		  const char *bucket, bool path_style, struct err *e);
void url_site_done(struct url_site *u);
/* Appends the encoded path of an object; of the bucket with key "". */
int url_path(struct buf *out, const struct url_site *u, const char *key);

/* Appends `s` with all but unreserved characters as %XX; '/' as the caller
 * says. */
int url_encode(struct buf *out, const char *s, size_t len, bool keep_slash);
/* Appends `s` with %XX decoded and '+' as a space. -EINVAL for a bad escape. */
int url_decode(struct buf *out, const char *s, size_t len);

/* Query parameters of one request. */
#define URL_QUERY_MAX 12

struct url_query {
	struct {
		const char *name; /* borrowed */
		const char *value;
	} params[URL_QUERY_MAX];
	size_t count;
};

/* Both borrowed; value may be "". More than URL_QUERY_MAX is a bug. */
void url_query_add(struct url_query *q, const char *name, const char *value);
/* Appends "a=1&b=" encoded, in the order that signing asks for. */
int url_query_write(struct buf *out, const struct url_query *q);
