/*
 * Access keys as JSON: what a credential_process prints, and what the metadata
 * services of containers and EC2 answer.
 *
 * Threads: any; pure computation.
 */
#pragma once

#include <stddef.h>

#include "s3/creds_keys.h"

/*
 * process: as of a credential_process, where a Version of 1 is due.
 * Errors: -EACCES with a sentence that quotes nothing of the input but the
 * words of an error in it; -ENOMEM.
 */
int creds_json_read(struct creds_keys **ret_keys, const void *data, size_t len,
		    bool process, struct err *e);
