#include "s3/base/clock.h"

#include <time.h>

#include "tests/unit/tap.h"

static void test_backoff(void)
{
	static const struct {
		uint32_t base, cap;
	} cases[] = { { 100, 20000 },
		      { 1, 1 },
		      { 500, 100 },
		      { 0, 1000 },
		      { 3000000000u, 4000000000u } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t top = cases[i].base, highest = 0;
		bool good = true;

		for (int round = 0; round < 50; round++) {
			struct backoff b;

			backoff_init(&b, cases[i].base, cases[i].cap);
			top = cases[i].base;
			for (int n = 0; n < 40; n++) {
				uint32_t ms = backoff_next_ms(&b);
				uint64_t limit =
					top < cases[i].cap ? top : cases[i].cap;

				good = good && ms <= limit &&
				       (ms >= cases[i].base / 2 ||
					ms == limit || limit < cases[i].base);
				highest = ms > highest ? ms : highest;
				if (top < cases[i].cap)
					top *= 2;
			}
		}
		ok(good, "base %u, cap %u: within bounds", cases[i].base,
		   cases[i].cap);
		ok(!cases[i].base || highest > cases[i].cap / 2,
		   "and reaches up");
	}
}

static void test_random(void)
{
	unsigned char a[64], b[64];
	bool good = true;
	int seen[5] = { 0 };

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	ok(memcmp(a, b, sizeof(a)), "random bytes differ");
	for (int i = 0; i < 1000; i++) {
		uint64_t x = random_below(5);

		good = good && x < 5;
		seen[x % 5]++;
	}
	for (int i = 0; i < 5; i++)
		good = good && seen[i] > 100;
	ok(good, "below a bound, all of it");
	is_int(random_below(0), 0, "no bound");
	is_int(random_below(1), 0, "nothing to choose from");
}

static void test_ns_of(void)
{
	static const struct {
		struct timespec t;
		int64_t ns;
	} cases[] = {
		{ { 0, 0 }, 0 },
		{ { 1, 2 }, 1000000002 },
		{ { -1, 999999999 }, -1 },
		{ { -2, 500000000 }, -1500000000 },
		{ { 9223372036, 854775807 }, INT64_MAX },
		{ { 9223372036, 854775808 }, INT64_MAX },
		{ { 13569465600, 0 }, INT64_MAX }, /* the year 2400 */
		{ { INT64_MAX, 999999999 }, INT64_MAX },
		{ { -9223372036, 0 }, -9223372036000000000 },
		{ { -9223372038, 0 }, INT64_MIN },
		{ { INT64_MIN, 0 }, INT64_MIN },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(clock_ns_of(&cases[i].t), cases[i].ns, "ns of a time");
}

int main(void)
{
	uint64_t ms = clock_now_ms(), ns = clock_now_ns();
	struct timespec pause = { .tv_nsec = 20000000 };

	(void)nanosleep(&pause, NULL);
	ok(clock_now_ms() - ms >= 19 && clock_now_ms() - ms < 5000, "ms");
	ok(clock_now_ns() - ns >= 20000000, "ns");
	ok(clock_wall_s() > 1600000000, "wall");
	test_backoff();
	test_random();
	test_ns_of();
	return tap_done();
}
