#include "s3/source.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static void test_together(void)
{
	struct source_options o;
	struct source s = { NULL, NULL };
	struct err e = { 0 };

	source_options_init(&o);
	o.anonymous = true;
	(void)source_option(&o, "sse", "AES256", NULL);
	(void)source_option(&o, "sse_kms_key_id", "k", NULL);
	is_int(source_open(&s, "s3://bucket", &o, &e), -EINVAL,
	       "a key for what takes none: %s", e.text);
	source_options_done(&o);
}

static void test_sources(void)
{
	static const struct {
		const char *text;
		int code;
		const char *name, *prefix; /* prefix NULL: only the code */
	} cases[] = {
		{ "s3://bucket", 0, "s3://bucket at http://h", "" },
		{ "s3://bucket/", 0, "s3://bucket at http://h", "" },
		{ "s3://bucket/a/b", 0, "s3://bucket at http://h", "a/b/" },
		{ "s3://bucket/a//b/", 0, "s3://bucket at http://h", "a/b/" },
		{ "s3://Old_Bucket.1", 0, "s3://Old_Bucket.1 at http://h", "" },
		{ "bucket", 0, "s3://bucket at http://h", "" },
		{ "bucket:/show/1", 0, "s3://bucket at http://h", "show/1/" },
		{ "bucket:/", 0, "s3://bucket at http://h", "" },
		{ "s3://", -EINVAL, NULL, NULL },
		{ "s3:///a", -EINVAL, NULL, NULL },
		{ "s3://bu cket", -EINVAL, NULL, NULL },
		{ "s3://a..b", -EINVAL, NULL, NULL },
		{ "s3://../x", -EINVAL, NULL, NULL },
		{ "s3://bucket/a/../b", -EINVAL, NULL, NULL },
		{ "s3://bucket/./b", -EINVAL, NULL, NULL },
		{ "", -EINVAL, NULL, NULL },
		{ "/srv/dir", -EINVAL, NULL, NULL },
		{ "bucket/dir", -EINVAL, NULL, NULL },
		{ "bucket:dir", -EINVAL, NULL, NULL },
		{ "gs://bucket", -EINVAL, NULL, NULL },
		{ "file://relative", -EINVAL, NULL, NULL },
		{ "file:///nonexistent/dir", -ENXIO, NULL, NULL },
	};
	struct source_options o;
	struct err e = { 0 };

	source_options_init(&o);
	(void)source_option(&o, "url", "http://h", &e);
	o.anonymous = true;
	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct source s = { NULL, NULL };
		int r;

		err_clear(&e);
		r = source_open(&s, cases[i].text, &o, &e);
		is_int(r, cases[i].code, "'%s'", cases[i].text);
		if (!r && cases[i].prefix) {
			is_str(s.prefix, cases[i].prefix, "its prefix");
			is_str(s.store->name, cases[i].name, "its name");
		} else if (r) {
			ok(e.text[0], "refused: %s", e.text);
		}
		if (!r)
			source_done(&s);
	}
	source_options_done(&o);
}

/* The pool is at the nearest .assetfs at or above. */
static void test_dirs(const char *dir)
{
	static const struct {
		const char *below, *store, *prefix;
	} cases[] = {
		{ "", "", "" },
		{ "/", "", "" },
		{ "/a/b", "/a/b", "" },
		{ "/p/x/y/", "/p", "x/y/" },
		{ "/p", "/p", "" },
		{ "/p/x/absent/z", "/p", "x/absent/z/" },
	};
	static const char *const dirs[] = { "/a",	   "/a/b", "/p",
					    "/p/.assetfs", "/p/x", "/p/x/y" };
	char text[300], want[300];
	struct source_options o;

	for (size_t i = 0; i < TAP_COUNT(dirs); i++) {
		(void)snprintf(text, sizeof(text), "%s%s", dir, dirs[i]);
		(void)mkdir(text, 0700);
	}
	source_options_init(&o);
	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct source s = { NULL, NULL };
		struct err e = { 0 };

		(void)snprintf(text, sizeof(text), "file://%s%s", dir,
			       cases[i].below);
		(void)snprintf(want, sizeof(want), "file://%s%s", dir,
			       cases[i].store);
		if (!is_int(source_open(&s, text, &o, &e), 0, "'%s'", text))
			continue;
		is_str(s.prefix, cases[i].prefix, "its prefix");
		is_str(s.store->name, want, "its store");
		source_done(&s);
	}
	source_options_done(&o);
}

static void test_defaults(void)
{
	struct source_options o;
	struct source s = { NULL, NULL };
	struct err e = { 0 };

	source_options_init(&o);
	(void)setenv("AWS_ACCESS_KEY_ID", "AK", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "SKSKSKSK", 1);
	(void)setenv("AWS_ENDPOINT_URL", "http://general", 1);
	is_int(source_open(&s, "s3://b-1", &o, &e), 0, "AWS_ENDPOINT_URL");
	is_str(s.store->name, "s3://b-1 at http://general", "is used");
	source_done(&s);
	(void)setenv("AWS_ENDPOINT_URL_S3", "http://special", 1);
	is_int(source_open(&s, "s3://b-1", &o, &e), 0, "AWS_ENDPOINT_URL_S3");
	is_str(s.store->name, "s3://b-1 at http://special", "goes before it");
	source_done(&s);
	(void)setenv("AWS_REGION", "no such/region", 1);
	is_int(source_open(&s, "s3://b-1", &o, &e), -EINVAL, "bad AWS_REGION");
	ok(!o.endpoint && !o.region, "options are left alone");
	(void)unsetenv("AWS_REGION");
	(void)unsetenv("AWS_ACCESS_KEY_ID");
	(void)setenv("HOME", "/nonexistent", 1);
	if (access("/etc/passwd-s3fs", F_OK))
		is_int(source_open(&s, "s3://b-1", &o, &e), -EACCES,
		       "no credentials");
	source_options_done(&o);
}

int main(void)
{
	static const char *const names[] = { "AWS_ENDPOINT_URL",
					     "AWS_ENDPOINT_URL_S3",
					     "AWS_REGION",
					     "AWS_DEFAULT_REGION",
					     "AWS_PROFILE",
					     "AWS_CA_BUNDLE",
					     "AWS_SESSION_TOKEN",
					     "AWS_CONFIG_FILE",
					     "AWS_SHARED_CREDENTIALS_FILE" };
	char dir[] = "/tmp/test_source.XXXXXX", command[100];

	for (size_t i = 0; i < TAP_COUNT(names); i++)
		(void)unsetenv(names[i]);
	if (!mkdtemp(dir))
		return 1;
	test_together();
	test_sources();
	test_dirs(dir);
	test_defaults();
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) ? 1 : tap_done();
}
