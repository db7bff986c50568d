#include "s3/price.h"

#include "tests/unit/tap.h"

static bool near(double a, double b)
{
	double d = a - b;

	return d < 1e-12 && d > -1e-12;
}

static void parsing(void)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "", true },
		{ "\n\n# nothing\n  \t\n", true },
		{ "GET 1", true },
		{ "get 1 # lower case\r\nput\t.5\n", true },
		{ "in 0\nout 0", true },
		{ "GOT 1", false },
		{ "GET", false },
		{ "GET one", false },
		{ "GET 1 2", false },
		{ "GET -1", false },
		{ "GET nan", false },
		{ "GET inf", false },
		{ "GET 1e9", false },
		{ "GET 1x", false },
	};
	struct price_table t;
	struct err e = { 0 };
	static const char own[] = "# ours\nGET 2\nin 0.5\n";
	const struct store_counts some = {
		.requests = { [STORE_GET] = 1000, [STORE_PUT] = 1000 },
		.bytes_in = 1000000000,
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(!price_parse(&t, cases[i].text, strlen(cases[i].text),
				NULL) == cases[i].good,
		   "table %zu", i);
	ok(!price_parse(&t, own, strlen(own), NULL), "a table");
	ok(near(price_of(&t, &some), 2.505), "names some, keeps others");
	(void)price_parse(&t, "GET 1\n\nPUT\n", 11, &e);
	ok(strstr(e.text, "line 3"), "the line is named: %s", e.text);
	ok(near(price_of(&t, &some), 2.505), "a bad table changes nothing");
	ok(price_parse(&t, "GET\0001", 5, NULL), "NUL");
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
	parsing();
	return tap_done();
}
