/* What a push may rely on when a long time has passed. */
#include "tools/content.h"

#include <errno.h>

#include "s3/base/clock.h"
#include "tests/unit/tap.h"

#define DAY_MS (24ull * 3600 * 1000)

static void test_age(void)
{
	static const struct {
		const char *name;
		uint64_t days;
		int want;
	} cases[] = {
		{ "just uploaded", 0, 0 },
		{ "five days ago", 5, 0 },
		{ "six days ago", 6, -ETIME },
		{ "a week ago", 7, -ETIME },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct content c;
		struct err e = { 0 };

		content_init(&c);
		c.began_ms = clock_now_ms() - cases[i].days * DAY_MS;
		is_int(content_index_begin(&c, 0, &e), cases[i].want, "%s: %s",
		       cases[i].name, e.text);
		(void)content_index_end(&c, NULL);
		content_done(&c);
	}
}

int main(void)
{
	test_age();
	return tap_done();
}
