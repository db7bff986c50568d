#include "tools/session.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

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

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

/* The command line over the environment over the file. */
static void settings(void)
{
	char path[] = "/tmp/test_session.XXXXXX";
	struct session_options given, all;
	struct err e = { 0 };

	(void)close(mkstemp(path));
	(void)setenv("ASSETFS_CONF", path, 1);
	write_file(path, "[default]\n"
			 "endpoint = http://file\n"
			 "retry_timeout = 7\n"
			 "max_connections = 3\n"
			 "cache_dir = /c\n"
			 "pool = p\n"
			 "single_writer\n"
			 "allow_other\n"
			 "ttl = 5\n");
	(void)setenv("AWS_ENDPOINT_URL", "http://env", 1);
	session_options_init(&given);
	session_options_init(&all);
	(void)session_option(&given, 'o', "pool=q,max_connections=4", NULL);
	(void)session_option(&given, OPT_CACHE_DIR, "/d", NULL);
	(void)session_option(&given, OPT_JSON, NULL, NULL);
	is_int(session_settings(&all, "s3://b/x", &given, &e), 0,
	       "settings: %s", e.text);
	is_str(all.source.endpoint, "http://env", "of the environment");
	is_int(all.source.retry_timeout_s, 7, "of the file");
	is_int(all.source.max_connections, 4, "of the command line");
	is_str(all.cache_dir, "/d", "of the command line");
	is_str(all.pool, "q/", "the pool, too");
	ok(all.single_writer && all.json, "flags of both");
	session_options_done(&all);
	session_options_done(&given);

	session_options_init(&given);
	session_options_init(&all);
	(void)session_option(&given, 'o', "single_writer=0", NULL);
	(void)setenv("ASSETFS_CACHE_DIR", "/e", 1);
	is_int(session_settings(&all, "s3://b/x", &given, &e), 0, "again");
	ok(!all.single_writer, "a flag can be unsaid");
	ok(!all.cache_dir, "the environment's cache goes before the file's");
	session_options_done(&all);

	write_file(path, "[s3://b]\nsigv2\n");
	session_options_init(&all);
	is_int(session_settings(&all, "s3://b/x", &given, &e), -EINVAL,
	       "a word that would change what is asked: %s", e.text);
	session_options_done(&all);
	session_options_done(&given);
	(void)unlink(path);
}

int main(void)
{
	static const char *const unset[] = {
		"AWS_ENDPOINT_URL_S3", "AWS_REGION",	    "AWS_ACCESS_KEY_ID",
		"AWS_PROFILE",	       "ASSETFS_CACHE_DIR", "HOME",
		"XDG_CONFIG_HOME",
	};

	for (size_t i = 0; i < TAP_COUNT(unset); i++)
		(void)unsetenv(unset[i]);
	settings();
	words();
	values();
	ok(!session_interrupted(), "not interrupted");
	return tap_done();
}
