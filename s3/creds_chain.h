/*
 * Where access keys are looked for, and in which order.
 *
 * What the options name is used, and nothing else:
 *   passwd_file=    lines KEY:SECRET or BUCKET:KEY:SECRET as s3fs has them
 *   profile=        of ~/.aws/credentials and ~/.aws/config
 *   ecs             of the container
 *   iam_role=       of the EC2 instance
 * Otherwise the first that has keys, in the order of AWS's own tools:
 *   environment     AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   web identity    AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN
 *   profile         of AWS_PROFILE, else "default"
 *   s3fs            ~/.passwd-s3fs, /etc/passwd-s3fs
 *   container       AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *   EC2             IMDSv2
 *
 * The s3fs files stand before the two that ask the surroundings: what somebody
 * wrote down for this machine goes before what every program on it gets, as it
 * does with s3fs, and a file costs no wait. A source that is set up and fails
 * ends the search: going on would act under another name than the user meant.
 * Only EC2, which is not set up but there or not, fails in silence.
 *
 * Threads: any; blocks on files, programs and the network.
 */
#pragma once

#include "s3/creds_context.h"

/* Errors: -ENOKEY where nothing is set up, with advice; else as a source. */
int creds_chain_find(const struct creds_context *c,
		     struct creds_keys **ret_keys, struct err *e);
