/*
 * Access keys by way of a profile of the AWS files.
 *
 * What a profile says is looked at in this order, as the AWS command line has
 * it: role_arn (with web_identity_token_file, source_profile or
 * credential_source), aws_access_key_id, credential_process. A profile that is
 * the source of another uses its own keys before its role; a chain of roles may
 * be 8 long and must not come back to where it was.
 */
#pragma once

#include "s3/creds_context.h"

/* name: NULL for AWS_PROFILE, else "default". named: the user asked for this
 * profile, so that 0, nothing in it, is -EACCES. A source otherwise. */
int creds_from_profile(const struct creds_context *c, const char *name,
		       bool named, struct creds_keys **ret_keys, struct err *e);
/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and, to tell of
 * it, AWS_CREDENTIAL_EXPIRATION. */
int creds_from_environment(const struct creds_context *c,
			   struct creds_keys **ret_keys, struct err *e);
