/*
 * Names as text: file names are bytes, and some of them do harm on a terminal
 * or break a line-oriented format.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/buf.h"

/* Appends a name for a terminal: control characters, backslashes and what is
 * no UTF-8 become \ooo, the rest stays. */
int quote_terminal(struct buf *out, const char *name, size_t len);
/* Appends a name for mtree(5): all but letters, digits and a few harmless signs
 * becomes \ooo. '/' stays. */
int quote_mtree(struct buf *out, const char *name, size_t len);
/* Length of the UTF-8 character at `s` that is no control character; 0: none
 * such, or not UTF-8. */
size_t quote_utf8(const char *s, size_t len);
bool quote_is_utf8(const char *name, size_t len);
