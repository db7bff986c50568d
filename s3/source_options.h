/*
 * How to reach a store, and how to put to it: words of a command line, of a mount
 * table or of a settings file, the environment, the profile.
 *
 * Threads: one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "s3/base/err.h"

/* Owned strings, NULL for unset. */
struct source_options {
	char *endpoint; /* URL; default AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL,
			       else AWS of the region */
	char *region; /* default AWS_REGION, AWS_DEFAULT_REGION, profile,
			       else us-east-1 */
	char *profile; /* default AWS_PROFILE */
	char *passwd_file; /* AK:SK or BUCKET:AK:SK lines, as s3fs has it */
	char *iam_role; /* keys of this role of the EC2 instance; "auto" for
			     the one that it has */
	bool ecs; /* keys of the container (ECS, EKS) */
	bool imds_v1; /* ask EC2 without a session token (imdsv1only) */
	bool path_style; /* forced; addresses and localhost imply it */
	bool anonymous; /* unsigned requests (public_bucket, no_sign_request) */
	char *ca_bundle; /* default AWS_CA_BUNDLE */
	bool no_check_certificate;
	uint32_t ssl_verify_hostname; /* default 2; 0: a certificate may be
					   another host's */
	bool requester_pays; /* who asks pays, and says that it knows */
	char *bucket_owner; /* account that the bucket must belong to, or the
				 server refuses */
	/* Of what is put: */
	char *sse; /* "AES256", "aws:kms" or "aws:kms:dsse"; NULL: as the
			bucket has it */
	char *sse_kms_key_id; /* NULL: the account's own key */
	char *storage_class; /* NULL: the server's default */
	bool no_upload_checksums; /* for servers that stumble over them */
	uint32_t retry_timeout_s; /* default 300: how long a request is
				       repeated while the network is away */
	uint32_t connect_timeout_s; /* default 10 */
	uint32_t max_connections; /* default 64 */
};

void source_options_init(struct source_options *o);
void source_options_done(struct source_options *o);
/* `to` as initialised before, or anything that owns nothing. -ENOMEM, and then
 * `to` is empty. */
int source_options_copy(struct source_options *to,
			const struct source_options *from, struct err *e);
/*
 * Takes one option word; value NULL for a bare word. Knows the names above and
 * those of s3fs and mountpoint-s3 that mean the same (url, use_path_request_style,
 * use_sse, endpoint-url, force-path-style, no-sign-request, …). `-` and `_` are
 * the same.
 * Returns 1 if taken, 0 if the word is none of the store's, -EINVAL for a bad
 * value.
 */
int source_option(struct source_options *o, const char *word, const char *value,
		  struct err *e);

/*
 * Lets the environment speak over what settings files said, before the command
 * line does: address, region, certificates, and credentials, where it has some.
 */
int source_options_environment(struct source_options *o, struct err *e);

/*
 * What the environment and the profile say where nothing else did; what words
 * mean only together. Errors: -EINVAL where they contradict each other; as
 * profile_load; -ENOMEM.
 */
int source_options_complete(struct source_options *o, struct err *e);
