/*
 * Whether an object's content is what the reply says it is.
 *
 * For plain HTTP: TCP's own sum misses one damaged packet in some ten thousand,
 * while TLS misses none. Only a whole object can be checked. Known are the
 * checksums of S3 that cover the whole object, and an ETag that is an MD5 sum:
 * 32 hex digits without a dash, and not of an object encrypted by SSE-KMS or
 * SSE-C, as "Common response headers" of the S3 reference has it.
 *
 * Threads: any; pure computation, in proportion to the content.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/headers.h"

/* NULL: right, or nothing to compare with; else the name of what differs. */
const char *verify_content(const struct headers *answer, const void *data,
			   size_t len);
