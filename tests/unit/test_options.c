/* Words, lists, long options, and what is refused. */
#include "fs/options.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/words.h"
#include "s3/base/cleanup.h"
#include "tests/unit/tap.h"

#define ARGS_MAX 24

struct parsed {
	struct options o;
	struct err e;
	int rc;
};

/* args: separated by spaces. */
static void parse(struct parsed *p, const char *args)
{
	char text[512], *argv[ARGS_MAX] = { NULL };
	char *save = NULL;
	int argc = 0;

	(void)snprintf(text, sizeof(text), "assetfs %s", args);
	for (char *arg = strtok_r(text, " ", &save); arg && argc < ARGS_MAX;
	     arg = strtok_r(NULL, " ", &save))
		argv[argc++] = arg;
	options_init(&p->o);
	p->e = (struct err){ 0 };
	p->rc = options_parse(&p->o, argc, argv, &p->e);
}

static void test_refused(void)
{
	static const struct {
		const char *args;
		const char *text; /* part of the sentence */
	} cases[] = {
		{ "", "usage" },
		{ "s3://b", "usage" },
		{ "s3://b /m x", "'x': one SOURCE" },
		{ "s3://b /m -o frob", "unknown option 'frob'" },
		{ "s3://b /m -o frob=1", "unknown option 'frob'" },
		{ "s3://b /m --frob", "unknown option 'frob'" },
		{ "s3://b /m -x", "unknown option '-x'" },
		{ "s3://b /m -o", "-o needs" },
		{ "s3://b /m -o ttl", "option ttl needs a value" },
		{ "s3://b /m -o ttl=", "option ttl needs a value" },
		{ "s3://b /m -o ttl=-1", "'-1' is not" },
		{ "s3://b /m -o ttl=1s", "'1s' is not" },
		{ "s3://b /m -o ttl=99999999", "is not" },
		{ "s3://b /m -o cache_size=10X", "'10X' is not a size" },
		{ "s3://b /m -o cache_size=0", "is not a size" },
		{ "s3://b /m -o cache_size=99999999999T", "is not a size" },
		{ "s3://b /m -o cache_size=10KK", "is not a size" },
		{ "s3://b /m -o uid=root", "'root' is not a numeric id" },
		{ "s3://b /m -o uid=4294967295", "is not a numeric id" },
		{ "s3://b /m -o file_mode=888", "octal" },
		{ "s3://b /m -o umask=1777", "octal" },
		{ "s3://b /m -o max_background=0", "from 1 to 65535" },
		{ "s3://b /m -o read_ahead=1G", "64M at most" },
		{ "s3://b /m -o dbglevel=loud", "error, warn" },
		{ "s3://b /m -o ro=maybe", "takes no value" },
		{ "s3://b /m -o load_sse_c=x", "not supported" },
		{ "s3://b /m -o retry_timeout=x", "retry_timeout" },
		{ "s3://b /m -o endpoint=", "endpoint" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parsed p;

		parse(&p, cases[i].args);
		ok(p.rc == -EINVAL && strstr(p.e.text, cases[i].text),
		   "'%s' is refused: %s", cases[i].args, p.e.text);
		options_done(&p.o);
	}
}

static void test_defaults(void)
{
	struct parsed p;

	parse(&p, "s3://b/p /m");
	is_int(p.rc, 0, "two names are enough");
	is_str(p.o.source, "s3://b/p", "SOURCE");
	is_str(p.o.mountpoint, "/m", "MOUNTPOINT");
	is_int(p.o.ttl_ms, 60000, "default ttl");
	is_int(p.o.max_background, 512, "default max_background");
	is_int(p.o.file_mode, 0644, "default file_mode");
	is_int(p.o.dir_mode, 0755, "default dir_mode");
	is_int(p.o.store.retry_timeout_s, 300, "default retry_timeout");
	is_int(p.o.level, LOG_LEVEL_WARN, "default level");
	ok(!p.o.ignored && !p.o.cache_dir && !p.o.logfile && !p.o.read_only &&
		   !p.o.allow_other && !p.o.foreground,
	   "the rest is unset");
	options_done(&p.o);
}

static void test_list(void)
{
	struct parsed p;

	parse(&p, "b:/p /m -f -o rw,_netdev,allow_other,ttl=0,cache_size=3G "
		  "-ocache_dir=/a\\,b\\\\c,uid=7,gid=8,umask=0002 "
		  "-o x-systemd.automount,comment=a,user=me,url=http://h:1");
	is_int(p.rc, 0, "lists: %s", p.e.text);
	is_str(p.o.source, "b:/p", "SOURCE as s3fs writes it");
	is_int(p.o.ttl_ms, 0, "ttl=0");
	is_int(p.o.cache_size, 3LL << 30, "suffix G");
	is_str(p.o.cache_dir, "/a,b\\c", "escaped comma and backslash");
	is_int(p.o.uid, 7, "uid");
	is_int(p.o.gid, 8, "gid");
	is_int(p.o.file_mode, 0664, "umask and files");
	is_int(p.o.dir_mode, 0775, "umask and directories");
	is_str(p.o.store.endpoint, "http://h:1", "words of the store");
	ok(p.o.allow_other && p.o.foreground && !p.o.ignored,
	   "flags are set, words for mount(8) pass in silence");
	options_done(&p.o);
}

static void test_modes_beat_umask(void)
{
	struct parsed p;

	parse(&p, "s3://b /m -o file_mode=0600,umask=022,dir_mode=711");
	is_int(p.o.file_mode, 0600, "file_mode and umask");
	is_int(p.o.dir_mode, 0711, "dir_mode and umask");
	options_done(&p.o);
}

static void test_mountpoint_s3(void)
{
	struct parsed p;

	parse(&p, "bucket /m --read-only --allow-other --cache /c --uid 5 "
		  "--region eu-west-1 --prefix a/b/ --part-size 8388608");
	is_int(p.rc, 0, "flags of mountpoint-s3: %s", p.e.text);
	is_str(p.o.source, "s3://bucket/a/b/", "prefix");
	is_str(p.o.cache_dir, "/c", "value as next argument");
	is_int(p.o.uid, 5, "--uid");
	is_str(p.o.store.region, "eu-west-1", "--region");
	is_str(p.o.ignored, "part_size", "what has no meaning is named");
	ok(p.o.read_only && p.o.allow_other, "flags are set");
	options_done(&p.o);

	parse(&p, "--max-cache-size=100 --metadata-ttl minimal b /m "
		  "--no-sign-request --endpoint-url http://e");
	is_int(p.rc, 0, "before the names: %s", p.e.text);
	is_int(p.o.cache_size, 100 << 20, "MiB");
	is_int(p.o.ttl_ms, 0, "minimal");
	ok(p.o.store.anonymous, "a flag of the store takes no argument");
	is_str(p.o.store.endpoint, "http://e", "--endpoint-url");
	options_done(&p.o);
}

static void test_ignored(void)
{
	struct parsed p;

	parse(&p, "b /m -o parallel_count=5,ro,iam_role=auto,--file-mode=0640 "
		  "-o multireq_max=3");
	is_int(p.rc, 0, "words of s3fs: %s", p.e.text);
	is_str(p.o.ignored, "parallel_count, multireq_max",
	       "all without a meaning are named");
	is_str(p.o.store.iam_role, "auto", "iam_role has one");
	is_int(p.o.file_mode, 0640, "leading dashes, as goofys has them");
	options_done(&p.o);
}

static void test_prefix(void)
{
	static const struct {
		const char *args;
		const char *source;
	} cases[] = {
		{ "b /m --prefix=x", "s3://b/x" },
		{ "b:/p /m --prefix=x", "b:/p/x" },
		{ "s3://b /m --prefix=x", "s3://b/x" },
		{ "s3://b/p/ /m --prefix=x/", "s3://b/p/x/" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parsed p;

		parse(&p, cases[i].args);
		is_str(p.o.source, cases[i].source, "%s", cases[i].args);
		options_done(&p.o);
	}
}

static void test_paths(void)
{
	CLEANUP_FREE char *cwd = getcwd(NULL, 0);
	char want[4200];
	struct parsed p;

	parse(&p, "b /m -o logfile=l,passwd_file=p");
	(void)snprintf(want, sizeof(want), "%s/l", cwd);
	is_str(p.o.logfile, want, "logfile is made absolute");
	(void)snprintf(want, sizeof(want), "%s/p", cwd);
	is_str(p.o.store.passwd_file, want, "and passwd_file");
	options_done(&p.o);
}

static void test_help(void)
{
	struct parsed p;

	parse(&p, "-h");
	ok(!p.rc && p.o.help, "-h needs no names");
	options_done(&p.o);
	parse(&p, "--version");
	ok(!p.rc && p.o.version, "nor does --version");
	options_done(&p.o);
	parse(&p, "-- -b /m");
	is_str(p.o.source, "-b", "names after --");
	options_done(&p.o);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

/* The command line over the environment over the file. */
static void test_settings(void)
{
	char path[] = "/tmp/test_options.XXXXXX";
	struct parsed p;

	(void)close(mkstemp(path));
	(void)setenv("ASSETFS_CONF", path, 1);
	write_file(path, "[s3://b/shots]\n"
			 "url = http://file\n"
			 "region = of-file\n"
			 "passwd_file = /keys\n"
			 "profile = of-file\n"
			 "ttl = 7\n"
			 "cache_dir = /c\n"
			 "allow_other\n"
			 "big_writes\n"
			 "umask = 002\n");
	parse(&p, "s3://b/shots/x /m -o allow_other=0,gid=8");
	is_int(p.rc, 0, "settings: %s", p.e.text);
	is_str(p.o.store.endpoint, "http://file", "endpoint of the file");
	is_str(p.o.store.passwd_file, "/keys", "its keys");
	is_str(p.o.cache_dir, "/c", "its cache");
	is_int(p.o.ttl_ms, 7000, "its ttl");
	is_int(p.o.gid, 8, "a word of the command line");
	is_int(p.o.file_mode, 0664, "the umask counts");
	ok(!p.o.allow_other, "a flag can be unsaid");
	is_str(p.o.ignored, "big_writes", "noted once");
	options_done(&p.o);

	parse(&p, "b /m --prefix shots/y --ttl 9");
	is_int(p.o.ttl_ms, 9000, "the command line wins");
	is_str(p.o.store.endpoint, "http://file", "the prefix counts");
	is_str(p.o.source, "s3://b/shots/y", "and is there once");
	options_done(&p.o);

	(void)setenv("AWS_ENDPOINT_URL", "http://env", 1);
	(void)setenv("AWS_REGION", "of-env", 1);
	(void)setenv("AWS_ACCESS_KEY_ID", "x", 1);
	(void)setenv("ASSETFS_CACHE_DIR", "/d", 1);
	parse(&p, "s3://b/shots /m -o region=of-words");
	is_str(p.o.store.endpoint, "http://env", "the environment wins");
	is_str(p.o.store.region, "of-words", "but over it the words");
	ok(!p.o.store.passwd_file && !p.o.store.profile,
	   "keys of the environment go before those of the file");
	ok(!p.o.cache_dir, "its cache, too");
	options_done(&p.o);
	parse(&p, "s3://b/shots /m -o passwd_file=/own,cache_dir=/own");
	is_str(p.o.store.passwd_file, "/own", "keys by word");
	is_str(p.o.cache_dir, "/own", "cache by word");
	options_done(&p.o);
	parse(&p, "s3://other /m");
	is_int(p.o.ttl_ms, 60000, "another source has none of it");
	options_done(&p.o);

	write_file(path, "[default]\n\nttl = x\n");
	parse(&p, "s3://b /m");
	is_int(p.rc, -EINVAL, "a mistake");
	ok(strstr(p.e.text, ":3: option ttl"), "it says: %s", p.e.text);
	options_done(&p.o);
	write_file(path, "[default]\nallow_others\n");
	parse(&p, "s3://b /m");
	ok(strstr(p.e.text, ":2: unknown option 'allow_others'"),
	   "an unknown word: %s", p.e.text);
	options_done(&p.o);
	(void)unlink(path);
}

int main(void)
{
	static const char *const unset[] = {
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
		"AWS_REGION",	    "AWS_DEFAULT_REGION",
		"AWS_CA_BUNDLE",    "AWS_ACCESS_KEY_ID",
		"AWS_PROFILE",	    "ASSETFS_CACHE_DIR",
		"XDG_CONFIG_HOME",  "HOME",
	};

	for (size_t i = 0; i < TAP_COUNT(unset); i++)
		(void)unsetenv(unset[i]);
	(void)setenv("ASSETFS_CONF", "/nonexistent", 1);
	test_refused();
	test_defaults();
	test_list();
	test_modes_beat_umask();
	test_mountpoint_s3();
	test_ignored();
	test_prefix();
	test_paths();
	test_help();
	test_settings();
	return tap_done();
}
