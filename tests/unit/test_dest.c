/* dest: SRC and DEST together. */
#include "tools/dest.h"

#include <errno.h>

#include "tests/unit/tap.h"

static void test_names(void)
{
	static const struct {
		const char *src;
		bool is_dir;
		const char *dest, *prefix;
		const char *dir, *name;
	} cases[] = {
		{ "K", true, "s3://b/assets/", "assets/", "assets/K/", NULL },
		{ "/x/K", true, "s3://b/assets/", "assets/", "assets/K/",
		  NULL },
		{ "K", true, "s3://b/assets/L", "assets/L/", "assets/L/",
		  NULL },
		{ "K/", true, "s3://b/assets", "assets/", "assets/", NULL },
		{ "K/", true, "s3://b/assets/", "assets/", "assets/", NULL },
		{ "K", true, "s3://b", "", "K/", NULL },
		{ "K", true, "s3://b/", "", "K/", NULL },
		{ "K//", true, "s3://b", "", "", NULL },
		{ ".", true, "s3://b/a/", "a/", "a/", NULL },
		{ "x/..", true, "s3://b/a/", "a/", "a/", NULL },
		{ "/", true, "s3://b/a/", "a/", "a/", NULL },
		{ "K", true, "s3://b/a/b/c/", "a/b/c/", "a/b/c/K/", NULL },
		{ "f", false, "s3://b/a/", "a/", "a/", "f" },
		{ "x/f", false, "s3://b/a/g", "a/g/", "a/", "g" },
		{ "x/f", false, "s3://b/g", "g/", "", "g" },
		{ "x/f", false, "s3://b", "", "", "f" },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct dest d = { 0 };
		struct err e = { 0 };

		ok(!dest_make(&d, cases[i].src, cases[i].is_dir, cases[i].dest,
			      cases[i].prefix, &e),
		   "'%s' to '%s'", cases[i].src, cases[i].dest);
		is_str(d.dir, cases[i].dir, "the directory");
		is_str(d.name, cases[i].name, "the name");
		dest_done(&d);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *src, *dest, *prefix;
		int want;
	} cases[] = {
		{ ".assetfs", "s3://b/", "", -EINVAL },
		{ "K", "s3://b/.assetfs/", ".assetfs/", -EINVAL },
		{ "K", "s3://b/.assetfs/x/", ".assetfs/x/", -EINVAL },
		{ "K", "s3://b/p/.assetfs/", "p/.assetfs/", -EINVAL },
		{ "K", "s3://b/p/assetfs/", "p/assetfs/", 0 },
		{ ".assetfs-tree-0000000000000000", "s3://b/a/", "a/",
		  -EINVAL },
		{ "K", "s3://b/a/../c/", "a/../c/", -EINVAL },
		{ "K", "s3://b/a//c/", "a//c/", -EINVAL },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct dest d = { 0 };
		struct err e = { 0 };

		is_int(dest_make(&d, cases[i].src, true, cases[i].dest,
				 cases[i].prefix, &e),
		       cases[i].want, "'%s' to '%s'", cases[i].src,
		       cases[i].dest);
		dest_done(&d);
	}
}

int main(void)
{
	test_names();
	test_refused();
	return tap_done();
}
