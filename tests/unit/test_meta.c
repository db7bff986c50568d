#include "s3/meta.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/unit/tap.h"

static void test_pairs(void)
{
	struct meta m, copy;
	char big[2049];

	meta_init(&m);
	meta_init(&copy);
	is_str(meta_get(&m, "mode"), NULL, "absent name");
	is_int(meta_set(&m, "mode", "1"), 0, "set");
	is_int(meta_set(&m, "other", "x y"), 0, "set another");
	is_int(meta_set(&m, "mode", "22"), 0, "replace");
	is_int(m.count, 2, "replacing adds no pair");
	is_str(meta_get(&m, "mode"), "22", "the new value");
	is_int(meta_set(&copy, "mode", "3"), 0, "set in the copy's target");
	is_int(meta_copy(&copy, &m), 0, "copy");
	is_str(meta_get(&copy, "mode"), "22", "copied over");
	is_str(meta_get(&copy, "other"), "x y", "copied");
	meta_done(&m);

	memset(big, 'x', sizeof(big));
	big[2046] = '\0';
	is_int(meta_set(&m, "ab", big), 0, "2048 bytes in all fit");
	is_int(meta_set(&m, "ab", big), 0, "replacing does not count twice");
	is_int(meta_set(&m, "c", ""), -E2BIG, "one more does not");
	big[2046] = 'x';
	big[2047] = '\0';
	is_int(meta_set(&m, "ab", big), -E2BIG, "nor a longer value");
	is_int(strlen(meta_get(&m, "ab")), 2046, "the old value stays");
	meta_done(&m);
	meta_done(&copy);
}

#define NONE INT64_MIN

static void test_mtime(void)
{
	static const struct {
		const char *name, *value;
		int64_t want; /* NONE: not taken */
	} cases[] = {
		{ "mtime", "0", 0 },
		{ "mtime", "1700000000", 1700000000000000000 },
		{ "mtime", "1700000000.5", 1700000000500000000 },
		{ "mtime", "1700000000.123456789", 1700000000123456789 },
		{ "mtime", "1700000000.1234567899", 1700000000123456789 },
		{ "mtime", "1700000000.000000001", 1700000000000000001 },
		{ "mtime", "-1.5", -1500000000 },
		{ "mtime", "-0.25", -250000000 },
		{ "mtime", "9223372036.854775807", INT64_MAX },
		{ "mtime", "9223372036.854775808", NONE },
		{ "mtime", "-9223372036.854775807", -INT64_MAX },
		{ "mtime", "99999999999999999999999", NONE },
		{ "mtime", "18446744073709551616", NONE },
		{ "mtime", "", NONE },
		{ "mtime", "-", NONE },
		{ "mtime", ".5", NONE },
		{ "mtime", "5.", NONE },
		{ "mtime", "5.x", NONE },
		{ "mtime", "5 ", NONE },
		{ "mtime", " 5", NONE },
		{ "mtime", "+5", NONE },
		{ "mtime", "1e9", NONE },
		{ "mtime", "5.5.5", NONE },
		{ "file-mtime", "1595002920123456789ns", 1595002920123456789 },
		{ "file-mtime", "1595002920123ms", 1595002920123000000 },
		{ "file-mtime", "1595002920123", 1595002920123000000 },
		{ "file-mtime", "9223372036854775807ms", NONE },
		{ "file-mtime", "12h", NONE },
		{ "goog-reserved-file-mtime", "1700000000",
		  1700000000000000000 },
		{ "something", "1700000000", NONE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct meta_posix p;
		struct meta m;

		meta_init(&m);
		(void)meta_set(&m, cases[i].name, cases[i].value);
		meta_to_posix(&p, &m);
		is_int(p.has_mtime ? p.mtime_ns : NONE, cases[i].want,
		       "%s: '%s'", cases[i].name, cases[i].value);
		meta_done(&m);
	}
}

static void test_numbers(void)
{
	static const struct {
		const char *name, *value;
		long long mode, uid, gid; /* -1: not taken */
	} cases[] = {
		{ "mode", "33188", 0100644, -1, -1 },
		{ "mode", "41471", 0120777, -1, -1 },
		{ "mode", "0", 0, -1, -1 },
		{ "mode", "65535", 0177777, -1, -1 },
		{ "mode", "65536", -1, -1, -1 },
		{ "mode", "-1", -1, -1, -1 },
		{ "mode", "0x1ff", -1, -1, -1 },
		{ "file-permissions", "0100755", 0100755, -1, -1 },
		{ "file-permissions", "0100758", -1, -1, -1 },
		{ "goog-reserved-posix-mode", "640", 0640, -1, -1 },
		{ "uid", "1000", -1, 1000, -1 },
		{ "uid", "4294967294", -1, 4294967294, -1 },
		{ "uid", "4294967295", -1, -1, -1 },
		{ "uid", "18446744073709551617", -1, -1, -1 },
		{ "file-owner", "5", -1, 5, -1 },
		{ "goog-reserved-posix-uid", "6", -1, 6, -1 },
		{ "gid", "100", -1, -1, 100 },
		{ "gid", "", -1, -1, -1 },
		{ "file-group", "7", -1, -1, 7 },
		{ "goog-reserved-posix-gid", "8", -1, -1, 8 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct meta_posix p;
		struct meta m;

		meta_init(&m);
		(void)meta_set(&m, cases[i].name, cases[i].value);
		meta_to_posix(&p, &m);
		ok((p.has_mode ? (long long)p.mode : -1) == cases[i].mode &&
			   (p.has_uid ? (long long)p.uid : -1) ==
				   cases[i].uid &&
			   (p.has_gid ? (long long)p.gid : -1) == cases[i].gid,
		   "%s: '%s'", cases[i].name, cases[i].value);
		meta_done(&m);
	}
}

static void test_order(void)
{
	struct meta_posix p;
	struct meta m;

	meta_init(&m);
	(void)meta_set(&m, "goog-reserved-posix-mode", "600");
	(void)meta_set(&m, "file-permissions", "0100640");
	(void)meta_set(&m, "mode", "33188");
	meta_to_posix(&p, &m);
	is_int(p.mode, 0100644, "s3fs goes first");
	(void)meta_set(&m, "mode", "nonsense");
	meta_to_posix(&p, &m);
	is_int(p.mode, 0100640, "then the AWS gateways");
	(void)meta_set(&m, "file-permissions", "nonsense");
	meta_to_posix(&p, &m);
	is_int(p.mode, 0600, "then GCS");
	meta_done(&m);
}

static void test_round_trip(void)
{
	static const struct {
		int64_t ns;
		const char *text;
	} times[] = {
		{ 0, "0" },
		{ 1700000000000000000, "1700000000" },
		{ 1700000000000000007, "1700000000.000000007" },
		{ -1500000000, "-1.500000000" },
		{ -1, "-0.000000001" },
		{ INT64_MAX, "9223372036.854775807" },
		{ INT64_MIN, "-9223372036.854775808" },
	};
	struct meta_posix p = { .has_mode = true,
				.mode = 0100644,
				.has_gid = true,
				.gid = 4000000000 };
	struct meta m;

	meta_init(&m);
	is_int(meta_from_posix(&m, &p), 0, "from_posix");
	is_str(meta_get(&m, "mode"), "33188", "mode is decimal");
	is_str(meta_get(&m, "gid"), "4000000000", "gid is unsigned");
	is_str(meta_get(&m, "uid"), NULL, "no uid unless set");
	is_str(meta_get(&m, "mtime"), NULL, "no mtime unless set");
	meta_done(&m);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct meta_posix in = { .has_mtime = true,
					 .mtime_ns = times[i].ns },
				  out;

		(void)meta_from_posix(&m, &in);
		is_str(meta_get(&m, "mtime"), times[i].text, "written");
		meta_to_posix(&out, &m);
		ok(out.has_mtime && out.mtime_ns == times[i].ns, "read back");
		meta_done(&m);
	}
}

int main(void)
{
	test_pairs();
	test_mtime();
	test_numbers();
	test_order();
	test_round_trip();
	return tap_done();
}
