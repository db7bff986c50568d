#include "s3/base/ini.h"

#include <string.h>

#include "tests/unit/tap.h"

static void test_lines(void)
{
	static const struct {
		enum ini_kind kind;
		unsigned int line;
		bool indented;
		const char *name, *value;
	} cases[] = {
		{ INI_WORD, 1, false, "early", "1" },
		{ INI_SECTION, 4, false, "s3://a b", NULL },
		{ INI_WORD, 5, false, "word", "a = b # c" },
		{ INI_WORD, 6, true, "nested", "" },
		{ INI_WORD, 7, false, "bare", NULL },
		{ INI_BAD, 8, false, NULL, NULL },
		{ INI_BAD, 9, false, NULL, NULL },
		{ INI_BAD, 10, false, NULL, NULL },
		{ INI_BAD, 11, false, NULL, NULL },
		{ INI_SECTION, 12, false, "x", NULL },
		{ INI_WORD, 13, false, "last", "y" },
	};
	char text[] = "\xef\xbb\xbf"
		      "early=1\n"
		      "# comment\n"
		      "  ; comment\n"
		      "[ s3://a b ]\n"
		      "word\t=  a = b # c \r\n"
		      "  nested =\n"
		      "bare\n"
		      "= value\n"
		      "[]\n"
		      "[open\n"
		      "[a] b\n"
		      "[x] # comment\n"
		      "last=y";
	struct ini_item item;
	struct ini ini;

	ini_init(&ini, text);
	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		is_int(ini_next(&ini, &item), cases[i].kind, "kind of item %zu",
		       i);
		is_int(item.line, cases[i].line, "its line");
		if (cases[i].kind == INI_BAD)
			continue;
		is_int(item.indented, cases[i].indented, "indented");
		is_str(item.name, cases[i].name, "its name");
		is_str(item.value, cases[i].value, "its value");
	}
	is_int(ini_next(&ini, &item), INI_END, "the end");
	is_int(ini_next(&ini, &item), INI_END, "stays the end");
}

static void test_empty(void)
{
	static const char *const texts[] = { "", "\n", "\n\n", "#", " \t\r\n" };
	struct ini_item item;
	struct ini ini;
	char copy[8];

	for (size_t i = 0; i < TAP_COUNT(texts); i++) {
		(void)strcpy(copy, texts[i]);
		ini_init(&ini, copy);
		is_int(ini_next(&ini, &item), INI_END, "nothing in text %zu",
		       i);
	}
}

int main(void)
{
	test_lines();
	test_empty();
	return tap_done();
}
