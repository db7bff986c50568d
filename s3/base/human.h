/*
 * Sizes as people write and read them.
 *
 * Threads: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/base/err.h"

#define HUMAN_MAX 24 /* room that any of these texts needs */

/* "0 B", "999 B", "1.0 kB", "12.0 MB": powers of 1000, one decimal. */
void human_size(char out[HUMAN_MAX], uint64_t bytes);
/* Appends a size between two texts. Errors: as buf_add. */
int human_add_size(struct buf *out, const char *before, uint64_t bytes,
		   const char *after);
/* Two sizes in the unit of the second: "6.1/12.0 MB". */
void human_sizes(char out[2 * HUMAN_MAX], uint64_t part, uint64_t whole);
/* Dollars with the digits that matter: "$0.00005", "$1.25". */
void human_price(char out[HUMAN_MAX], double usd);
/*
 * "10G": bytes, or with one of K, M, G, T (powers of 1024; lower case, "B" and
 * "iB" behind it are accepted). -EINVAL with a sentence; what does not fit in
 * 63 bits too.
 */
int human_parse_size(const char *text, uint64_t *ret_bytes, struct err *e);
