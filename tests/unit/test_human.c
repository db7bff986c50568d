#include "s3/base/human.h"

#include <errno.h>

#include "tests/unit/tap.h"

static void sizes(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 999, "999 B" },
		{ 1000, "1.0 kB" },
		{ 999949, "999.9 kB" },
		{ 999951, "1.0 MB" },
		{ 12000000, "12.0 MB" },
		{ 1500000000, "1.5 GB" },
		{ UINT64_MAX, "18446.7 PB" },
	};
	char text[2 * HUMAN_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		human_size(text, cases[i].bytes);
		is_str(text, cases[i].text, "size %zu", i);
	}
	human_sizes(text, 6100000, 12000000);
	is_str(text, "6.1/12.0 MB", "two sizes in one unit");
	human_sizes(text, 3, 70);
	is_str(text, "3/70 B", "two sizes in bytes");
}

static void prices(void)
{
	static const struct {
		double usd;
		const char *text;
	} cases[] = {
		{ 0, "$0" },
		{ 1.25, "$1.25" },
		{ 0.049, "$0.05" },
		{ 0.0012, "$0.001" },
		{ 0.0000543, "$0.00005" },
		{ 123.456, "$123.46" },
	};
	char text[HUMAN_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		human_price(text, cases[i].usd);
		is_str(text, cases[i].text, "price %zu", i);
	}
}

static void parsing(void)
{
	static const struct {
		const char *text;
		int r;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "1K", 0, 1024 },
		{ "10m", 0, 10 << 20 },
		{ "10G", 0, 10ull << 30 },
		{ "2TiB", 0, 2ull << 40 },
		{ "3GB", 0, 3ull << 30 },
		{ "", -EINVAL, 0 },
		{ "G", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "1X", -EINVAL, 0 },
		{ "1Kx", -EINVAL, 0 },
		{ "9999999T", -EINVAL, 0 },
		{ "99999999999999999999", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = { 0 };
		uint64_t bytes = 77;
		int r = human_parse_size(cases[i].text, &bytes, &e);

		is_int(r, cases[i].r, "'%s'", cases[i].text);
		is_int(bytes, r ? 77 : cases[i].bytes, "'%s': value",
		       cases[i].text);
		ok(!r == !e.code, "'%s': told why", cases[i].text);
	}
}

int main(void)
{
	sizes();
	prices();
	parsing();
	return tap_done();
}
