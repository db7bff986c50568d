#include "tools/session.h"

#include <errno.h>

#include "tests/unit/tap.h"

static const struct {
	const char *words;
	int r;
} cases[] = {
	{ "endpoint=http://127.0.0.1:7480", 1 },
	{ "allow_other,ro,_netdev,x-systemd.automount,uid=1000", 1 },
	{ "allow-other,read-only", 1 },
	{ "defaults,nofail,ttl=5,write=back", 1 },
	{ "", 1 },
	{ ",,", 1 },
	{ "cache_size=10G", 1 },
	{ "cache_size=ten", -EINVAL },
	{ "allow_others", -EINVAL },
	{ "endpiont=http://x", -EINVAL },
	{ "allow_other,nonsense=1,ro", -EINVAL },
};

static void words(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session_options o;
		struct err e = { 0 };

		session_options_init(&o);
		is_int(session_option(&o, 'o', cases[i].words, &e), cases[i].r,
		       "-o '%s'", cases[i].words);
		ok((cases[i].r < 0) == !!e.code, "  told why");
		session_options_done(&o);
	}
}

static void values(void)
{
	struct session_options o;

	session_options_init(&o);
	is_int(session_option(&o, 'o',
			      "endpoint=http://h:1,use-cache=/c\\,d\\\\e,"
			      "cache_size=2K,single_writer,pool=/a/b/",
			      NULL),
	       1, "a list of words");
	is_str(o.source.endpoint, "http://h:1", "store word");
	is_str(o.cache_dir, "/c,d\\e", "escaped comma and backslash");
	is_int(o.cache_size, 2048, "size");
	ok(o.single_writer, "bare word");
	is_str(o.pool, "a/b/", "pool");
	is_int(session_option(&o, OPT_ENDPOINT, "http://i:2", NULL), 1,
	       "--endpoint");
	is_str(o.source.endpoint, "http://i:2", "the later one counts");
	is_int(session_option(&o, OPT_CACHE_DIR, "/x", NULL), 1, "--cache-dir");
	is_str(o.cache_dir, "/x", "its value");
	is_int(session_option(&o, OPT_REGION, "eu-1", NULL), 1, "--region");
	is_str(o.source.region, "eu-1", "its value");
	is_int(session_option(&o, OPT_JSON, NULL, NULL), 1, "--json");
	is_int(session_option(&o, 'q', NULL, NULL), 1, "-q");
	ok(o.json && o.quiet && !o.help && !o.verbose, "flags");
	is_int(session_option(&o, 'o', "pool=/", NULL), 1, "pool at the root");
	is_str(o.pool, "", "its value");
	is_int(session_option(&o, 'Z', NULL, NULL), 0, "a verb's own option");
	session_options_done(&o);
}

int main(void)
{
	words();
	values();
	ok(!session_interrupted(), "not interrupted");
	return tap_done();
}
