/*
 * What requests and transfer cost, estimated from a small table.
 */
#pragma once

#include "s3/store.h"

struct price_table {
	double per_1000[STORE_OP_COUNT]; /* US dollars */
	double per_gb_in; /* received from the store, 10^9 bytes */
	double per_gb_out; /* sent to it */
};

/* S3 Standard in us-east-1, transfer to the Internet. */
extern const struct price_table price_default;

double price_of(const struct price_table *t, const struct store_counts *c);
