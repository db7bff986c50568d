#include "s3/price.h"

#include "tests/unit/tap.h"

static bool near(double a, double b)
{
	double d = a - b;

	return d < 1e-12 && d > -1e-12;
}

int main(void)
{
	static const struct {
		const char *what;
		struct store_counts counts;
		double usd;
	} cases[] = {
		{ "nothing", { { 0 }, 0, 0, 0 }, 0 },
		{ "a thousand PUT", { .requests[STORE_PUT] = 1000 }, 0.005 },
		{ "ten thousand GET", { .requests[STORE_GET] = 10000 }, 0.004 },
		{ "LIST is billed as a write",
		  { .requests[STORE_LIST] = 2000 },
		  0.01 },
		{ "deletes and aborts are free",
		  { .requests = { [STORE_DELETE] = 500,
				  [STORE_DELETE_MANY] = 5,
				  [STORE_UPLOAD_ABORT] = 5 } },
		  0 },
		{ "a multipart upload of three parts",
		  { .requests = { [STORE_UPLOAD_START] = 1,
				  [STORE_UPLOAD_PART] = 3,
				  [STORE_UPLOAD_FINISH] = 1 } },
		  0.000025 },
		{ "received bytes cost, sent ones do not",
		  { .bytes_in = 2000000000, .bytes_out = 5000000000 },
		  0.18 },
	};
	const struct price_table own = {
		.per_1000[STORE_GET] = 1,
		.per_gb_in = 0,
		.per_gb_out = 2,
	};
	const struct store_counts some = {
		.requests[STORE_GET] = 500,
		.bytes_in = 1000000000,
		.bytes_out = 500000000,
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(near(price_of(&price_default, &cases[i].counts),
			cases[i].usd),
		   "%s", cases[i].what);
	ok(near(price_of(&own, &some), 1.5), "another table");
	return tap_done();
}
