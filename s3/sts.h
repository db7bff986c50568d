/*
 * Roles, by way of AWS's Security Token Service or a server that has the same
 * (Ceph RGW, MinIO).
 *
 * It is reached at AWS_ENDPOINT_URL_STS, else AWS_ENDPOINT_URL, else at AWS in
 * the region. What may pass by itself is tried three times.
 *
 * Threads: any; blocks for half a minute at most.
 */
#pragma once

#include "s3/creds_context.h"

/* Borrowed. */
struct sts_role {
	const char *arn;
	const char *session_name; /* NULL: "assetfs-" and the host's name */
	const char *external_id; /* or NULL */
	const char *duration; /* seconds; NULL: the server's default */
};

/* Signed with `keys`. Returns 1, or errors as a source (creds_context.h). */
int sts_assume_role(struct creds_keys **ret_keys, const struct sts_role *role,
		    const struct creds_keys *keys,
		    const struct creds_context *c, struct err *e);
/* The same with the token of another party in `token_file`, which all may read
 * but nobody else may write. */
int sts_assume_role_with_token(struct creds_keys **ret_keys,
			       const struct sts_role *role,
			       const char *token_file,
			       const struct creds_context *c, struct err *e);

/* What stood in an answer of STS; the keys are owned. */
struct sts_answer {
	struct creds_keys *keys; /* or NULL */
	char code[80]; /* of an error, or "" */
	char message[200];
};

/* Errors: -EBADMSG for what is no such document, -ENOMEM. Pure. */
int sts_read(struct sts_answer *ret_answer, const void *data, size_t len);
