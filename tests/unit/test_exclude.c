/* exclude: which paths a pattern matches. */
#include "tools/exclude.h"

#include <errno.h>

#include "tests/unit/tap.h"

static void test_match(void)
{
	static const struct {
		const char *pattern, *path;
		bool is_dir, match, covers;
	} cases[] = {
		{ "*.tmp", "a.tmp", false, true, true },
		{ "*.tmp", "d/e/a.tmp", false, true, true },
		{ "*.tmp", "a.tmp/b", false, false, true },
		{ "*.tmp", "a.tmpx", false, false, false },
		{ "*", ".hidden", false, true, true },
		{ "cache/", "cache", true, true, true },
		{ "cache/", "cache", false, false, false },
		{ "cache/", "d/cache", true, true, true },
		{ "cache/", "d/cache/x/y", false, false, true },
		{ "/a", "a", false, true, true },
		{ "/a", "d/a", false, false, false },
		{ "d/*.bak", "d/x.bak", false, true, true },
		{ "d/*.bak", "d/e/x.bak", false, false, false },
		{ "d/*.bak", "e/d/x.bak", false, false, false },
		{ "/d/e/", "d/e", true, true, true },
		{ "/d/e/", "d/e/f", false, false, true },
		{ "[ab]?", "d/bx", false, true, true },
		{ "\\*", "*", false, true, true },
		{ "\\*", "x", false, false, false },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct exclude x = { 0 };

		ok(!exclude_add(&x, "never") &&
			   !exclude_add(&x, cases[i].pattern),
		   "'%s'", cases[i].pattern);
		ok(exclude_match(&x, cases[i].path, cases[i].is_dir) ==
			   cases[i].match,
		   "and '%s' itself", cases[i].path);
		ok(exclude_covers(&x, cases[i].path, cases[i].is_dir) ==
			   cases[i].covers,
		   "or what it lies in");
		exclude_done(&x);
	}
}

int main(void)
{
	struct exclude none = { 0 };

	test_match();
	ok(!exclude_covers(&none, "a/b", false), "nothing excludes nothing");
	is_int(exclude_add(&none, ""), -EINVAL, "an empty pattern");
	is_int(exclude_add(&none, "//"), -EINVAL, "nothing but slashes");
	exclude_done(&none);
	return tap_done();
}
