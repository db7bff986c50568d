/*
 * What to send for an operation: method, URL, header fields, body, signature.
 *
 * A struct request is built once for an operation and holds what all its
 * attempts share; request_fill makes an attempt of it, signed for its moment.
 *
 * A conditional PUT whose answer was lost meets its own object when it is
 * repeated. To be told from others it bears a mark, new for each operation, in
 * REQUEST_MARK: content would not do, as two creators may write the same. So
 * does a conditional copy that replaces metadata; readers do not see it.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/err.h"
#include "s3/base/hash.h"
#include "s3/creds.h"
#include "s3/store.h"
#include "s3/url.h"
#include "s3/xfer.h"

#define REQUEST_MARK "x-amz-meta-assetfs-put"
#define REQUEST_MARK_LEN 16 /* hex digits */

struct request {
	const struct store_req *req; /* borrowed: what was asked for */
	enum store_op op; /* what is sent: its op, or another on its behalf */
	const char *key; /* of that; borrowed */
	const void *body; /* borrowed, or that of document */
	size_t body_len;
	struct buf document; /* a body of our own making */
	struct hash hash; /* of the body; set by request_hash, as is */
	char payload[HASH_HEX]; /* the same in hex */
	char mark[REQUEST_MARK_LEN + 1]; /* "": the operation has none */
};

/* Whether S3 can do this at all: -EINVAL, -ENAMETOOLONG, -EILSEQ. */
int request_check(const struct store_req *req, struct err *e);

/* Starts with an empty request; done releases it, and it can be made anew. */
void request_init(struct request *r);
void request_done(struct request *r);
/*
 * Makes it one for `op` on `key` on behalf of `req`. STORE_DELETE_MANY names
 * only the keys that XML can hold. -ENOMEM.
 */
int request_make(struct request *r, const struct store_req *req,
		 enum store_op op, const char *key);
/* Hashes the body: work in proportion to its length. */
void request_hash(struct request *r);

/* What the options of the store add to requests. Borrowed; NULL: nothing. */
struct request_terms {
	const char *sse; /* of what is put, as are */
	const char *sse_kms_key_id;
	const char *storage_class;
	bool checksums;
	const char *bucket_owner; /* of all, as is */
	bool requester_pays;
};

/* How an attempt is signed. Borrowed. */
struct request_signer {
	const struct creds_keys *keys; /* NULL: not at all */
	const struct hash *key; /* sign_key of stamp's day and region */
	const char *stamp; /* of sign_stamp */
	const char *region;
};

/* Fills in method, url, headers, body, out and ceilings of `x`. bucket: for
 * the source of a copy. -ENOMEM. */
int request_fill(const struct request *r, const struct url_site *site,
		 const char *bucket, const struct request_terms *terms,
		 const struct request_signer *signer, struct xfer_req *x);
