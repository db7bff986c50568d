#include "s3/hedge.h"

#include "tests/unit/tap.h"

static void test_budget(void)
{
	struct hedge h;
	int sent = 0;

	hedge_init(&h);
	for (int i = 0; i < 2000; i++) {
		hedge_begun(&h);
		if (hedge_may(&h)) {
			hedge_take(&h);
			sent++;
		}
	}
	ok(sent >= 100 && sent <= 103, "one in twenty: %d of 2000", sent);
	for (int i = 0; i < 2000; i++)
		hedge_begun(&h);
	for (sent = 0; hedge_may(&h); sent++)
		hedge_take(&h);
	is_int(sent, 8, "little is saved up");
}

static void test_time(void)
{
	struct hedge h;

	hedge_init(&h);
	is_int(hedge_after_ms(&h, HEDGE_GET), 2000, "nothing known");
	for (int i = 0; i < 64; i++)
		hedge_note(&h, HEDGE_GET, 20);
	is_int(hedge_after_ms(&h, HEDGE_GET), 500, "a near server");
	is_int(hedge_after_ms(&h, HEDGE_LIST), 2000, "of GETs alone");
	for (int i = 0; i < 64; i++)
		hedge_note(&h, HEDGE_GET, (uint64_t)i % 10 ? 400 : 700);
	is_int(hedge_after_ms(&h, HEDGE_GET), 1400, "a far or busy one");
	for (int i = 0; i < 64; i++)
		hedge_note(&h, HEDGE_GET, i ? 300 : 9000);
	is_int(hedge_after_ms(&h, HEDGE_GET), 600, "one exception");
	for (int i = 0; i < 64; i++)
		hedge_note(&h, HEDGE_GET, 100000000000);
	is_int(hedge_after_ms(&h, HEDGE_GET), 10000, "no end of it");
}

int main(void)
{
	test_budget();
	test_time();
	return tap_done();
}
