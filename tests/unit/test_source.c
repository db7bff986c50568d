#include "s3/source.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static void test_options(void)
{
	static const struct {
		const char *word, *value;
		int code;
	} cases[] = {
		{ "endpoint", "http://h:1", 1 },
		{ "url", "http://h:1", 1 },
		{ "endpoint-url", "http://h:1", 1 },
		{ "endpoint", NULL, -EINVAL },
		{ "endpoint", "", -EINVAL },
		{ "region", "x", 1 },
		{ "path_style", NULL, 1 },
		{ "use_path_request_style", NULL, 1 },
		{ "force-path-style", NULL, 1 },
		{ "no-sign-request", NULL, 1 },
		{ "public_bucket", "1", 1 },
		{ "public_bucket", "0", 1 },
		{ "public_bucket", "maybe", -EINVAL },
		{ "no_check_certificate", NULL, 1 },
		{ "retry_timeout", "10", 1 },
		{ "retry-timeout", "0", -EINVAL },
		{ "connect_timeout", "x", -EINVAL },
		{ "connect_timeout", "-1", -EINVAL },
		{ "max_connections", "1024", 1 },
		{ "max_connections", "1025", -EINVAL },
		{ "max_connections", NULL, -EINVAL },
		{ "ssl_verify_hostname", "0", 1 },
		{ "ssl_verify_hostname", "2", 1 },
		{ "ssl_verify_hostname", "3", -EINVAL },
		{ "requester_pays", NULL, 1 },
		{ "requester-pays", "0", 1 },
		{ "expected-bucket-owner", "123456789012", 1 },
		{ "expected-bucket-owner", "1\r\nx: y", -EINVAL },
		{ "storage-class", "STANDARD_IA", 1 },
		{ "storage_class", "standard_ia", 1 },
		{ "storage_class", "GLACIER_IR", 1 },
		{ "storage_class", "glacier", -EINVAL },
		{ "storage_class", "DEEP_ARCHIVE", -EINVAL },
		{ "storage_class", "a-b", -EINVAL },
		{ "storage_class", NULL, -EINVAL },
		{ "use_rrs", NULL, 1 },
		{ "sse", "aws:kms", 1 },
		{ "sse", "aws:kms:dsse", 1 },
		{ "sse", "aes256", 1 },
		{ "sse", "c", -EINVAL },
		{ "sse", NULL, -EINVAL },
		{ "sse-kms-key-id", "arn:aws:kms:eu-west-1:1:key/a-b", 1 },
		{ "sse-kms-key-id", "a b", -EINVAL },
		{ "use_sse", NULL, 1 },
		{ "use_sse", "1", 1 },
		{ "use_sse", "kmsid", 1 },
		{ "use_sse", "kmsid:", -EINVAL },
		{ "use_sse", "custom:/keys", -EINVAL },
		{ "use_sse", "c", -EINVAL },
		{ "use_sse", "x", -EINVAL },
		{ "upload-checksums", "off", 1 },
		{ "upload-checksums", "crc32c", 1 },
		{ "upload-checksums", "maybe", -EINVAL },
		{ "allow_other", NULL, 0 },
		{ "end", "x", 0 },
		{ "endpoints", "x", 0 },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct source_options o;
		struct err e = { 0 };

		source_options_init(&o);
		is_int(source_option(&o, cases[i].word, cases[i].value, &e),
		       cases[i].code, "option %s=%s", cases[i].word,
		       cases[i].value ? cases[i].value : "(none)");
		ok(cases[i].code >= 0 || strstr(e.text, cases[i].word),
		   "the message names it");
		source_options_done(&o);
	}
}

static void test_option_values(void)
{
	struct source_options o;
	struct err e = { 0 };

	source_options_init(&o);
	is_int(o.retry_timeout_s, 300, "default retry_timeout");
	(void)source_option(&o, "endpoint", "us-gov-west-1", &e);
	is_str(o.region, "us-gov-west-1", "endpoint as s3fs means it");
	ok(!o.endpoint, "is a region");
	(void)source_option(&o, "url", "http://a", &e);
	(void)source_option(&o, "endpoint", "http://b", &e);
	is_str(o.endpoint, "http://b", "the last one counts");
	(void)source_option(&o, "anonymous", NULL, &e);
	(void)source_option(&o, "public_bucket", "no", &e);
	ok(!o.anonymous, "a flag can be taken back");
	(void)source_option(&o, "retry_timeout", "7", &e);
	is_int(o.retry_timeout_s, 7, "a number");
	source_options_done(&o);
}

static void test_key_of_environment(void)
{
	struct source_options o;

	source_options_init(&o);
	setenv("AWSSSEKMSID", "arn:aws:k/2", 1);
	is_int(source_option(&o, "use_sse", "kmsid", NULL), 1, "kmsid");
	is_str(o.sse_kms_key_id, "arn:aws:k/2", "the environment's key");
	is_int(source_option(&o, "use_sse", "kmsid:arn:aws:k/1", NULL), 1, "ID");
	is_str(o.sse_kms_key_id, "arn:aws:k/1", "the option's key");
	unsetenv("AWSSSEKMSID");
	source_options_done(&o);
}

/* What the words for what is put come to. */
static void test_storage_words(void)
{
	static const struct {
		const char *word, *value;
		const char *sse, *key, *storage_class;
	} cases[] = {
		{ "sse", "AWS:KMS", "aws:kms", NULL, NULL },
		{ "sse", "AES256", "AES256", NULL, NULL },
		{ "use_sse", NULL, "AES256", NULL, NULL },
		{ "use_sse", "1", "AES256", NULL, NULL },
		{ "use_sse", "0", NULL, NULL, NULL },
		{ "use_sse", "k", "aws:kms", NULL, NULL },
		{ "use_sse", "kmsid:arn:aws:k/1", "aws:kms", "arn:aws:k/1",
		  NULL },
		{ "storage_class", "standard_ia", NULL, NULL, "STANDARD_IA" },
		{ "use_rrs", "1", NULL, NULL, "REDUCED_REDUNDANCY" },
		{ "use_rrs", "0", NULL, NULL, NULL },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct source_options o;

		source_options_init(&o);
		is_int(source_option(&o, cases[i].word, cases[i].value, NULL),
		       1, "%s=%s", cases[i].word,
		       cases[i].value ? cases[i].value : "(none)");
		is_str(o.sse, cases[i].sse, "sse");
		is_str(o.sse_kms_key_id, cases[i].key, "key");
		is_str(o.storage_class, cases[i].storage_class, "class");
		source_options_done(&o);
	}
}

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
	test_options();
	test_option_values();
	test_storage_words();
	test_key_of_environment();
	test_together();
	test_sources();
	test_dirs(dir);
	test_defaults();
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) ? 1 : tap_done();
}
