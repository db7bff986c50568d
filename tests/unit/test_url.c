#include "s3/url.h"

#include <errno.h>

#include "tests/unit/tap.h"

static void test_encode(void)
{
	static const struct {
		const char *in;
		bool keep_slash;
		const char *want;
	} cases[] = {
		{ "", true, "" },
		{ "aZ09-_.~", true, "aZ09-_.~" },
		{ "a b+c%d", true, "a%20b%2Bc%25d" },
		{ "a/b//c", true, "a/b//c" },
		{ "a/b", false, "a%2Fb" },
		{ "?#&='\"<>*!()", true,
		  "%3F%23%26%3D%27%22%3C%3E%2A%21%28%29" },
		{ "\x01\x7f\xc3\xa9", true, "%01%7F%C3%A9" },
		{ "../a/./b", true, "../a/./b" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = BUF_INIT(100);

		(void)url_encode(&b, cases[i].in, strlen(cases[i].in),
				 cases[i].keep_slash);
		is_str(b.data, cases[i].want, "encode '%s'", cases[i].in);
		buf_done(&b);
	}
}

static void test_decode(void)
{
	static const struct {
		const char *in;
		int code;
		const char *want;
	} cases[] = {
		{ "a%2Fb%20c+d%2B", 0, "a/b c d+" },
		{ "%c3%A9", 0, "\xc3\xa9" },
		{ "%", -EINVAL, "" },
		{ "a%2", -EINVAL, "" },
		{ "%zz", -EINVAL, "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = BUF_INIT(100);

		is_int(url_decode(&b, cases[i].in, strlen(cases[i].in)),
		       cases[i].code, "decode '%s'", cases[i].in);
		ok(b.len == strlen(cases[i].want) &&
			   (!b.len || !memcmp(b.data, cases[i].want, b.len)),
		   "to '%s'", cases[i].want);
		buf_done(&b);
	}
}

static void test_query(void)
{
	struct url_query q = { .count = 0 };
	struct buf b = BUF_INIT(1000);

	url_query_add(&q, "prefix", "a b/c");
	url_query_add(&q, "delete", "");
	url_query_add(&q, "list-type", "2");
	url_query_add(&q, "list", "z");
	(void)url_query_write(&b, &q);
	is_str(b.data, "delete=&list=z&list-type=2&prefix=a%20b%2Fc",
	       "query is sorted and encoded");
	buf_done(&b);
}

static void test_site(void)
{
	static const struct {
		const char *endpoint, *region, *bucket;
		bool path_style;
		const char *url, *host; /* of key "k"; NULL: refused */
	} cases[] = {
		{ NULL, "eu-west-1", "bucket", false,
		  "https://bucket.s3.eu-west-1.amazonaws.com/k",
		  "bucket.s3.eu-west-1.amazonaws.com" },
		{ NULL, "eu-west-1", "bucket", true,
		  "https://s3.eu-west-1.amazonaws.com/bucket/k",
		  "s3.eu-west-1.amazonaws.com" },
		{ NULL, "cn-north-1", "bucket", false,
		  "https://bucket.s3.cn-north-1.amazonaws.com.cn/k",
		  "bucket.s3.cn-north-1.amazonaws.com.cn" },
		{ NULL, "us-east-1", "my.bucket", false,
		  "https://s3.us-east-1.amazonaws.com/my.bucket/k",
		  "s3.us-east-1.amazonaws.com" },
		{ NULL, "us-east-1", "Old_Name", false,
		  "https://s3.us-east-1.amazonaws.com/Old_Name/k",
		  "s3.us-east-1.amazonaws.com" },
		{ "http://127.0.0.1:7480", "x", "b-1", false,
		  "http://127.0.0.1:7480/b-1/k", "127.0.0.1:7480" },
		{ "http://127.0.0.1:80/", "x", "b-1", false,
		  "http://127.0.0.1/b-1/k", "127.0.0.1" },
		{ "http://localhost:9000", "x", "b-1", false,
		  "http://localhost:9000/b-1/k", "localhost:9000" },
		{ "http://[::1]:9000", "x", "b-1", false,
		  "http://[::1]:9000/b-1/k", "[::1]:9000" },
		{ "https://s3.studio.lan:443", "x", "show", false,
		  "https://show.s3.studio.lan/k", "show.s3.studio.lan" },
		{ "s3.studio.lan", "x", "show", false,
		  "https://show.s3.studio.lan/k", "show.s3.studio.lan" },
		{ "HTTP://s3.studio.lan/base/dir/", "x", "my.show", false,
		  "http://my.show.s3.studio.lan/base/dir/k",
		  "my.show.s3.studio.lan" },
		{ "http://s3.studio.lan/base", "x", "show", true,
		  "http://s3.studio.lan/base/show/k", "s3.studio.lan" },
		{ "ftp://host", "x", "bucket", false, NULL, NULL },
		{ "http://", "x", "bucket", false, NULL, NULL },
		{ "http://host:", "x", "bucket", false, NULL, NULL },
		{ "http://host:123456", "x", "bucket", false, NULL, NULL },
		{ "http://user@host", "x", "bucket", false, NULL, NULL },
		{ "http://ho st", "x", "bucket", false, NULL, NULL },
		{ "http://host/?q", "x", "bucket", false, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct url_site u = { .origin = NULL };
		struct buf b = BUF_INIT(4096);
		struct err e = { 0 };
		int r = url_site_init(&u, cases[i].endpoint, cases[i].region,
				      cases[i].bucket, cases[i].path_style, &e);

		is_int(r, cases[i].url ? 0 : -EINVAL, "endpoint %s",
		       cases[i].endpoint ? cases[i].endpoint : "(AWS)");
		if (!r) {
			(void)buf_add_str(&b, u.origin);
			(void)url_path(&b, &u, "k");
			is_str(b.data, cases[i].url, "its URL");
			is_str(u.host, cases[i].host, "its host");
		} else {
			ok(e.text[0], "says why: %s", e.text);
		}
		url_site_done(&u);
		buf_done(&b);
	}
}

/* Where a region that the server names is another address. */
static void test_regional(void)
{
	static const struct {
		const char *endpoint;
		bool is_aws, is_regional;
	} cases[] = {
		{ NULL, true, true },
		{ "https://s3.amazonaws.com", true, true },
		{ "https://s3.eu-west-1.amazonaws.com", true, true },
		{ "https://s3-eu-west-1.amazonaws.com", true, true },
		{ "https://s3.cn-north-1.amazonaws.com.cn", true, true },
		{ "https://s3-fips.us-east-1.amazonaws.com", true, false },
		{ "https://s3.dualstack.eu-west-1.amazonaws.com", true, false },
		{ "https://bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com", true,
		  false },
		{ "https://s3.studio.lan", false, false },
		{ "http://127.0.0.1", false, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = cases[i].endpoint ? cases[i].endpoint
						     : "(AWS)";
		struct url_site u = { .origin = NULL };

		(void)url_site_init(&u, cases[i].endpoint, "eu-west-1",
				    "bucket", false, NULL);
		is_int(u.is_aws, cases[i].is_aws, "%s: AWS", name);
		is_int(u.is_regional, cases[i].is_regional, "a region's");
		url_site_done(&u);
	}
}

int main(void)
{
	test_encode();
	test_decode();
	test_query();
	test_site();
	test_regional();
	return tap_done();
}
