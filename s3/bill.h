/*
 * What was asked of a store, in words, and what it costs by the price table:
 * the default one, or the user's in the file $ASSETFS_PRICES.
 *
 * Threads: any; the table is read at each call.
 */
#pragma once

#include "s3/base/buf.h"
#include "s3/price.h"
#include "s3/store.h"

/* All requests. */
uint64_t bill_requests(const struct store_counts *c);
/* US dollars. A table that cannot be read is warned of and not used. */
double bill_price(const struct store_counts *c);
/* Appends "13 requests (8 PUT, 3 LIST, 2 GET); 7.6 MB sent, 1.0 kB received",
 * the most frequent first. Errors: as buf_add. */
int bill_add_requests(struct buf *out, const struct store_counts *c);
/* Appends "; about $0.00005". */
int bill_add_price(struct buf *out, const struct store_counts *c);
