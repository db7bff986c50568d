/*
 * What requests and transfer cost, estimated from a small table.
 */
#pragma once

#include "s3/base/err.h"
#include "s3/store.h"

struct price_table {
	double per_1000[STORE_OP_COUNT]; /* US dollars */
	double per_gb_in; /* received from the store, 10^9 bytes */
	double per_gb_out; /* sent to it */
};

/* S3 Standard in us-east-1, transfer to the Internet. */
extern const struct price_table price_default;

/*
 * Reads a table of one's own: lines of a word and dollars, '#' begins a comment.
 * Words are those of store_op_name, for 1000 requests, and "in" and "out", for
 * 10^9 bytes received and sent. What is not named keeps the default.
 * ret_table: written on success only. Errors: -EINVAL, naming the line.
 */
int price_parse(struct price_table *ret_table, const char *text, size_t len,
		struct err *e);

double price_of(const struct price_table *t, const struct store_counts *c);
