/*
 * Requests in three classes as S3 bills them: writes and listings, reads, and
 * what is free (deletes and aborts). Every attempt counts, also those that a
 * store repeats: they are billed too.
 */
#include "s3/price.h"

#define WRITE_PER_1000 0.005
#define READ_PER_1000 0.0004

const struct price_table price_default = {
	.per_1000 =
		{
			[STORE_GET] = READ_PER_1000,
			[STORE_HEAD] = READ_PER_1000,
			[STORE_PUT] = WRITE_PER_1000,
			[STORE_LIST] = WRITE_PER_1000,
			[STORE_COPY] = WRITE_PER_1000,
			[STORE_DELETE] = 0,
			[STORE_DELETE_MANY] = 0,
			[STORE_UPLOAD_START] = WRITE_PER_1000,
			[STORE_UPLOAD_PART] = WRITE_PER_1000,
			[STORE_UPLOAD_FINISH] = WRITE_PER_1000,
			[STORE_UPLOAD_ABORT] = 0,
		},
	.per_gb_in = 0.09,
	.per_gb_out = 0,
};

double price_of(const struct price_table *t, const struct store_counts *c)
{
	double usd = (double)c->bytes_in / 1e9 * t->per_gb_in +
		     (double)c->bytes_out / 1e9 * t->per_gb_out;

	for (int op = 0; op < STORE_OP_COUNT; op++)
		usd += (double)c->requests[op] / 1000 * t->per_1000[op];
	return usd;
}
