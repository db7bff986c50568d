/* filelist: what the lines of a list stand for. */
#include "tools/filelist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

/* The list as "path path/ …", "/" behind those with all below them. */
static void text_of(const struct filelist *l, char *out, size_t room)
{
	size_t at = 0;

	*out = '\0';
	for (size_t i = 0; i < l->count; i++)
		at += (size_t)snprintf(out + at, room - at, "%s%s%s",
				       i ? " " : "", l->items[i].path,
				       l->items[i].below ? "/" : "");
}

static void test_lines(void)
{
	static const struct {
		const char *data;
		const char *want;
		size_t failed;
	} cases[] = {
		{ "", "", 0 },
		{ "\n\n", "", 0 },
		{ "b\na\n", "a b", 0 },
		{ "b\na", "a b", 0 },
		{ "a\na\na/\n", "a/", 0 },
		{ "./a//b/./c\n", "a/b/c", 0 },
		{ ".\n", "/", 0 },
		{ "./\n", "/", 0 },
		{ "a/.\n", "a/", 0 },
		{ "/base/x\n/real/y/\n", "x y/", 0 },
		{ "/base\n", "/", 0 },
		{ "/basement/x\n/x\n", "", 2 },
		{ "../a\na/..\n..\n", "", 3 },
		{ "..a\n", "..a", 0 },
		{ "a\r\n", "a\r", 0 },
	};
	static const char *const bases[] = { "/base", "/real" };

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct filelist l = { 0 };
		struct notes failed;
		struct err e = { 0 };
		char got[256];

		notes_init(&failed);
		ok(!filelist_parse(&l, cases[i].data, strlen(cases[i].data),
				   false, bases, 2, &failed, &e),
		   "case %zu", i);
		text_of(&l, got, sizeof(got));
		is_str(got, cases[i].want, "its paths");
		is_int(notes_count(&failed), cases[i].failed, "what is wrong");
		filelist_done(&l);
		notes_done(&failed);
	}
}

static void test_nul(void)
{
	static const char data[] = "a\nb\0/c\0\0d";
	static const char *const root[] = { "" };
	struct filelist l = { 0 };
	struct notes failed;
	struct err e = { 0 };
	char got[256];

	notes_init(&failed);
	ok(!filelist_parse(&l, data, sizeof(data) - 1, true, root, 1, &failed,
			   &e),
	   "ended by NULs");
	text_of(&l, got, sizeof(got));
	is_str(got, "a\nb c d", "below the root");
	is_int(notes_count(&failed), 0, "all are paths");
	filelist_done(&l);
	notes_done(&failed);
}

int main(void)
{
	test_lines();
	test_nul();
	return tap_done();
}
