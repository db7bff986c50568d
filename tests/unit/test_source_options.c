#include "s3/source_options.h"

#include <errno.h>
#include <stdlib.h>

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
	is_int(source_option(&o, "use_sse", "kmsid:arn:aws:k/1", NULL), 1,
	       "ID");
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

/* What nothing said, and what is said by two words. */
static void test_complete(void)
{
	struct source_options o;
	struct err e = { 0 };

	source_options_init(&o);
	(void)setenv("AWS_REGION", "eu-west-1", 1);
	(void)setenv("AWS_ENDPOINT_URL", "http://h", 1);
	(void)source_option(&o, "endpoint", "http://mine", NULL);
	(void)source_option(&o, "sse_kms_key_id", "k", NULL);
	is_int(source_options_complete(&o, &e), 0, "complete");
	is_str(o.endpoint, "http://mine", "what was said stays");
	is_str(o.region, "eu-west-1", "the rest is the environment's");
	is_str(o.sse, "aws:kms", "a key alone is one of KMS");
	(void)source_option(&o, "sse", "AES256", NULL);
	is_int(source_options_complete(&o, &e), -EINVAL, "both: %s", e.text);
	(void)unsetenv("AWS_REGION");
	(void)unsetenv("AWS_ENDPOINT_URL");
	source_options_done(&o);
}

int main(void)
{
	test_options();
	test_option_values();
	test_storage_words();
	test_key_of_environment();
	test_complete();
	return tap_done();
}
