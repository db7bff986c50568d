/*
 * Uploads one local file, link or directory as a plain object.
 *
 * Content is checked against its hashes while it is read. Up to PLAIN_PUT_MAX
 * bytes go by one PUT, more by a multipart upload that is aborted on failure.
 *
 * Threads: any; different entries at once. Blocks on the network.
 */
#pragma once

#include "s3/meta.h"
#include "tools/scan.h"
#include "tools/sending.h"

#define PLAIN_PUT_MAX (16u << 20) /* bytes */

/* Errors: -ESTALE when the file is not what was hashed; -ECANCELED when the push
 * stops; as store.h; of reading; -ENOMEM. */
int plain_put(struct sending *s, const struct scan_entry *entry,
	      const char *key, const struct meta *meta, struct err *e);
/* Upper bound of the memory that it takes, in bytes. */
uint64_t plain_put_memory(const struct scan_entry *entry);
