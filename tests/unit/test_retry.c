#include "s3/retry.h"

#include <errno.h>

#include "tests/unit/tap.h"

static const struct fault final = { -EACCES, FAULT_FINAL, false };
static const struct fault again = { -EIO, FAULT_RETRY, true };
static const struct fault race = { -EIO, FAULT_AT_ONCE, true };
static const struct fault keys = { -EACCES, FAULT_KEYS, false };

static void test_verdicts(void)
{
	struct retry r;
	uint64_t at = 0, last = 0;
	int tries = 0;

	retry_init(&r, 1000, 5000);
	is_int(retry_next(&r, &final, 1000, 0, &at), RETRY_NO, "final");
	is_int(retry_next(&r, &race, 1000, 0, &at), RETRY_AT, "race");
	ok(at == 1000 && r.fresh && !r.failures,
	   "at once, on a fresh connection, no failure");
	is_int(retry_next(&r, &keys, 1000, 0, &at), RETRY_AT, "other keys");
	is_int(retry_next(&r, &keys, 1000, 0, &at), RETRY_NO, "only once");
	is_int(retry_next(&r, &again, 1000, 0, &at), RETRY_AT, "failure");
	ok(at >= 1050 && at < 1200 && !r.fresh && r.failures == 1,
	   "a short wait first: %d", (int)(at - 1000));
	for (last = at; retry_next(&r, &again, last, 0, &at) == RETRY_AT;
	     last = at)
		tries++;
	ok(last < 6000 && tries > 2 && tries < 12,
	   "until the deadline: %d more", tries);
	is_int(retry_next(&r, &again, 7000, 0, &at), RETRY_LATE, "past it");
}

static void test_races_end(void)
{
	struct retry r;
	uint64_t at = 0;
	int at_once = 0;

	retry_init(&r, 0, 100000);
	for (int i = 0; i < 10; i++)
		if (retry_next(&r, &race, 0, 0, &at) == RETRY_AT && !at)
			at_once++;
	is_int(at_once, 3, "races are repeated at once three times");
	ok(r.failures == 7, "then they are failures");
}

static void test_doubts(void)
{
	static const struct fault doubt = { -EIO, FAULT_DOUBT, true };
	struct retry r;
	uint64_t at = 0;
	int again_count = 0;

	retry_init(&r, 0, 100000);
	while (retry_next(&r, &doubt, 0, 0, &at) == RETRY_AT && r.fresh)
		again_count++;
	is_int(again_count, 3, "what makes no sense is asked for thrice more");
}

static void test_asked(void)
{
	struct retry r;
	uint64_t at = 0;

	retry_init(&r, 1000, 100000);
	is_int(retry_next(&r, &again, 1000, 5000, &at), RETRY_AT, "asked");
	is_int(at, 6000, "for 5 s");
	is_int(retry_next(&r, &again, 1000, 7000000, &at), RETRY_AT, "asked");
	is_int(at, 31000, "for longer than is heeded");
	is_int(retry_next(&r, &again, 90000, 20000, &at), RETRY_LATE,
	       "beyond the deadline");
}

/* Takes for a simulated second at up to `wanted` a second. */
static int simulate(struct throttle *t, uint64_t *now_ms, int wanted)
{
	int taken = 0;

	for (int ms = 0; ms < 1000; ms++, (*now_ms)++)
		while (taken <= wanted * ms / 1000 && taken < wanted) {
			if (throttle_take(t, *now_ms))
				break;
			taken++;
		}
	return taken;
}

static void test_throttle(void)
{
	struct throttle t;
	uint64_t now = 100000;
	int first, n = 0, seconds = 0;

	throttle_init(&t);
	(void)simulate(&t, &now, 200);
	is_int(simulate(&t, &now, 200), 200, "unlimited at first");
	throttle_slow(&t, now);
	throttle_slow(&t, now); /* of the same overload */
	ok(throttle_take(&t, now) > 0, "tokens are gone at once");
	first = simulate(&t, &now, 200);
	ok(first > 110 && first < 160, "then a share of it: %d", first);
	for (n = first; n < 200 && seconds < 60; seconds++)
		n = simulate(&t, &now, 200);
	ok(seconds >= 1 && seconds < 10, "back to full in %d s", seconds);
	for (int i = 0; i < 40; i++) {
		now += 1000;
		throttle_slow(&t, now);
	}
	n = simulate(&t, &now, 200);
	ok(n >= 5 && n <= 20, "slow, but never stopped: %d", n);
	for (seconds = 0; seconds < 120 && t.rate != 0; seconds++)
		(void)simulate(&t, &now, 5);
	ok(t.rate == 0, "unlimited again after %d s", seconds);
	throttle_done(&t);
}

int main(void)
{
	test_verdicts();
	test_races_end();
	test_doubts();
	test_asked();
	test_throttle();
	return tap_done();
}
