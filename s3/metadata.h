/*
 * Access keys that the surroundings give: the container (ECS, EKS) or the EC2
 * instance that this runs on.
 *
 * Proxies of the environment are passed by. Times and tries are short: where
 * nobody answers a chain must go on. AWS_METADATA_SERVICE_TIMEOUT (seconds) and
 * AWS_METADATA_SERVICE_NUM_ATTEMPTS set others, as for the AWS command line.
 *
 * Both are sources as creds_context.h says.
 */
#pragma once

#include "s3/creds_context.h"

/*
 * AWS_CONTAINER_CREDENTIALS_RELATIVE_URI (at 169.254.170.2) or _FULL_URI, which
 * has to be https, or http on loopback or to the fixed addresses of ECS and
 * EKS. AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, else _TOKEN, goes along. The
 * file may be readable by all, as EKS makes it.
 */
int metadata_container(const struct creds_context *c,
		       struct creds_keys **ret_keys, struct err *e);
/*
 * EC2's IMDSv2, at AWS_EC2_METADATA_SERVICE_ENDPOINT if that is set; version 1,
 * without a session token, only where imds_v1 says so. 0 where
 * AWS_EC2_METADATA_DISABLED is "true" and no role was named. Where nobody
 * answers it is -EIO, even on a machine that is no instance.
 */
int metadata_instance(const struct creds_context *c,
		      struct creds_keys **ret_keys, struct err *e);

/* Whether keys may come from this address: secrets never cross a network in
 * plain text. -EACCES with the rule. Pure. */
int metadata_check_url(const char *url, struct err *e);
