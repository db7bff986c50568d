#include "cache/prune.h"

#include "tests/unit/tap.h"

#define HOUR 3600
#define DAY (24 * HOUR)
/* In the middle of an hour. */
#define NOW (INT64_C(1000) * DAY + HOUR / 2)

/* Ages in minutes, the newest first; what shall go is marked by a minus. */
struct row {
	const char *name;
	size_t count;
	size_t removal; /* which of them, from 1; 0: none */
	int ages[32];
};

/* Ten young ones, so that the tail is not among the last ten. */
#define TEN 0, 1, 2, 3, 4, 5, 6, 7, 8, 9

static const struct row rows[] = {
	{ "none", 0, 0, { 0 } },
	{ "one, however old", 1, 0, { 1000000 } },
	{ "ten old ones",
	  10,
	  0,
	  { 100000, 100001, 100002, 100003, 100004, 100005, 100006, 100007,
	    100008, 100009 } },
	{ "the eleventh, younger than a day", 12, 0, { TEN, 1439, 1440 } },
	{ "the one kept for its hour, and another",
	  12,
	  0,
	  { TEN, 1445, -1446 } },
	{ "one in each of two hours", 12, 0, { TEN, 1500, 1560 } },
	{ "the last day of hours", 12, 0, { TEN, 10079, -10085 } },
	{ "over seven days", 12, 0, { TEN, -10081, -20000 } },
	{ "of an hour whose newest is among the last ten",
	  12,
	  0,
	  { 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, -2000,
	    -2001 } },
	{ "before a removal seven days old", 3, 1, { 10080, 10080, 10085 } },
	{ "before one that is older", 3, 1, { 10081, -10081, -10085 } },
	{ "and what came after it", 4, 3, { 9, 10079, 10081, -10082 } },
	{ "a removal alone", 1, 1, { 1000000 } },
};

static void test_row(const struct row *row)
{
	struct prune_version v[32] = { 0 };
	size_t want = 0, got;

	for (size_t i = 0; i < row->count; i++) {
		int age = row->ages[i];

		v[i].modified_s = NOW - 60 * (int64_t)(age < 0 ? -age : age);
		v[i].removal = i + 1 == row->removal;
		v[i].prune = true; /* to be written in any case */
	}
	got = prune_choose(v, row->count, NOW);
	for (size_t i = 0; i < row->count; i++) {
		want += row->ages[i] < 0;
		ok(v[i].prune == (row->ages[i] < 0), "%s: version %zu",
		   row->name, i);
	}
	is_int((int)got, (int)want, "%s: how many", row->name);
}

/* A commit a minute for ten days: what stays when pruned now and then is what
 * stays when pruned once. */
static void test_again(void)
{
	enum { COUNT = 10 * 24 * 60 };
	static struct prune_version all[COUNT], some[COUNT];
	size_t left = 0, n;

	for (int i = 0; i < COUNT; i++)
		all[i].modified_s = NOW - 60 * (int64_t)i;
	n = COUNT - prune_choose(all, COUNT, NOW);
	/* A day of minutes, and six days of hours. */
	ok(n > 1440 + 6 * 24 - 2 && n <= 1441 + 6 * 24 + 1, "%zu stay", n);

	memcpy(some, all, sizeof(all));
	(void)prune_choose(some, COUNT, NOW - 2 * DAY);
	for (int i = 0; i < COUNT; i++)
		if (!some[i].prune)
			some[left++].modified_s = all[i].modified_s;
	is_int((int)(left - prune_choose(some, left, NOW)), (int)n,
	       "the same when some had gone before");
}

int main(void)
{
	for (size_t i = 0; i < TAP_COUNT(rows); i++)
		test_row(&rows[i]);
	test_again();
	return tap_done();
}
