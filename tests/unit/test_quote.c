#include "tools/quote.h"

#include "tests/unit/tap.h"

static const struct {
	const char *name;
	const char *terminal;
	const char *mtree;
} cases[] = {
	{ "plain.txt", "plain.txt", "plain.txt" },
	{ "two words", "two words", "two\\040words" },
	{ "a\nb", "a\\012b", "a\\012b" },
	{ "\033[2J", "\\033[2J", "\\033\\1332J" },
	{ "back\\slash", "back\\134slash", "back\\134slash" },
	{ "\303\244", "\303\244", "\\303\\244" },
	{ "\344", "\\344", "\\344" },
	{ "x\302\233y", "x\\302\\233y", "x\\302\\233y" }, /* C1 control */
	{ "\300\257", "\\300\\257", "\\300\\257" }, /* overlong */
	{ "\355\240\200", "\\355\\240\\200",
	  "\\355\\240\\200" }, /* surrogate */
	{ "\342\202", "\\342\\202", "\\342\\202" }, /* cut short */
	{ "#c=*?", "#c=*?", "\\043c\\075\\052\\077" },
	{ "\177", "\\177", "\\177" },
	{ "", "", "" },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_BUF struct buf t = BUF_INIT(100);
		CLEANUP_BUF struct buf m = BUF_INIT(100);
		size_t len = strlen(cases[i].name);

		(void)quote_terminal(&t, cases[i].name, len);
		(void)quote_mtree(&m, cases[i].name, len);
		is_str(t.data ? t.data : "", cases[i].terminal, "terminal %zu",
		       i);
		is_str(m.data ? m.data : "", cases[i].mtree, "mtree %zu", i);
	}
	ok(quote_is_utf8("a\303\244\n", 4), "UTF-8");
	ok(!quote_is_utf8("a\344", 2), "Latin-1 is not");
	return tap_done();
}
