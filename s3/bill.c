#include "s3/bill.h"

#include <inttypes.h>
#include <stdlib.h>

#include "s3/base/human.h"
#include "s3/base/io.h"
#include "s3/base/log.h"

#define PRICES_MAX (64u << 10) /* bytes of a table */

uint64_t bill_requests(const struct store_counts *c)
{
	uint64_t n = 0;

	for (int op = 0; op < STORE_OP_COUNT; op++)
		n += c->requests[op];
	return n;
}

/* The user's table ($ASSETFS_PRICES), where there is a good one. */
static void load_prices(struct price_table *t)
{
	CLEANUP_BUF struct buf text = BUF_INIT(PRICES_MAX);
	const char *path = getenv("ASSETFS_PRICES");
	struct err e = { 0 };

	*t = price_default;
	if (!path || !*path || io_read_file(path, &text, &e)) {
		if (e.code)
			log_warn("prices: %s", e.text);
		return;
	}
	if (price_parse(t, text.data, text.len, &e))
		log_warn("prices: '%s': %s", path, e.text);
}

double bill_price(const struct store_counts *c)
{
	struct price_table t;

	load_prices(&t);
	return price_of(&t, c);
}

int bill_add_requests(struct buf *out, const struct store_counts *c)
{
	uint64_t total = bill_requests(c);
	bool told[STORE_OP_COUNT] = { false };
	const char *before = " (";

	(void)buf_addf(out, "%" PRIu64 " request%s", total,
		       total == 1 ? "" : "s");
	for (int turn = 0; turn < STORE_OP_COUNT; turn++) {
		int best = -1;

		for (int op = 0; op < STORE_OP_COUNT; op++)
			if (!told[op] && c->requests[op] &&
			    (best < 0 || c->requests[op] > c->requests[best]))
				best = op;
		if (best < 0)
			break;
		told[best] = true;
		(void)buf_addf(out, "%s%" PRIu64 " %s", before,
			       c->requests[best],
			       store_op_name((enum store_op)best));
		before = ", ";
	}
	if (total)
		(void)buf_add_str(out, ")");
	if (c->retries)
		(void)buf_addf(out, ", %" PRIu64 " repeated", c->retries);
	if (c->bytes_out)
		(void)human_add_size(out, "; ", c->bytes_out, " sent");
	if (c->bytes_in)
		(void)human_add_size(out, c->bytes_out ? ", " : "; ",
				     c->bytes_in, " received");
	return buf_error(out);
}

int bill_add_price(struct buf *out, const struct store_counts *c)
{
	char text[HUMAN_MAX];

	human_price(text, bill_price(c));
	return buf_addf(out, "; about %s", text);
}
