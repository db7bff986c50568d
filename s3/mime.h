/*
 * Metadata values that a header field cannot carry as they are.
 *
 * What is not printable ASCII, or has spaces where proxies and signatures
 * would change them, is written as RFC 2047 encoded words (UTF-8, base64),
 * which is what S3 itself returns for such values. Reading takes both the "B"
 * and the "Q" form; what is no well-formed encoded word stays as it is.
 *
 * Threads: any; pure computation.
 */
#pragma once

#include "s3/base/buf.h"

/* Both append. Errors: as buf. A NUL in decoded words is dropped with its
 * word: the value stays encoded. */
int mime_encode(struct buf *out, const char *value);
int mime_decode(struct buf *out, const char *value);
