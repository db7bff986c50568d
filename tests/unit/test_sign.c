/*
 * Signatures that Amazon publishes: the SigV4 test suite (service "service",
 * paths not normalised), and the examples of the S3 documentation.
 */
#include "s3/sign.h"

#include <string.h>

#include "s3/url.h"
#include "tests/unit/tap.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

#define FORM "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"

struct pair {
	const char *name;
	const char *value;
};

struct vector {
	const char *name;
	const char *method;
	const char *path; /* not encoded */
	struct pair query[4];
	struct pair headers[8];
	const char *payload;
	const char *signature;
};

static const struct vector suite[] = {
	{ "get-header-key-duplicate",
	  "GET",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "My-Header1", "value2" },
	    { "My-Header1", "value2" },
	    { "My-Header1", "value1" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "get-header-value-multiline",
	  "GET",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "My-Header1", "value1\n  value2\n     value3" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd" },
	{ "get-header-value-order",
	  "GET",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "My-Header1", "value4" },
	    { "My-Header1", "value1" },
	    { "My-Header1", "value3" },
	    { "My-Header1", "value2" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01" },
	{ "get-header-value-trim",
	  "GET",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "My-Header1", " value1" },
	    { "My-Header2", " \"a   b   c\"" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "get-relative-relative-unnormalized",
	  "GET",
	  "/example1/example2/../..",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b" },
	{ "get-relative-unnormalized",
	  "GET",
	  "/example/..",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282" },
	{ "get-slash-dot-slash-unnormalized",
	  "GET",
	  "/./",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145" },
	{ "get-slash-pointless-dot-unnormalized",
	  "GET",
	  "/./example",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff" },
	{ "get-slash-unnormalized",
	  "GET",
	  "//",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e" },
	{ "get-slashes-unnormalized",
	  "GET",
	  "//example//",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5" },
	{ "get-space-unnormalized",
	  "GET",
	  "/example space/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
	{ "get-unreserved",
	  "GET",
	  "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "get-utf8",
	  "GET",
	  "/\341\210\264",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "get-vanilla-empty-query-key",
	  "GET",
	  "/",
	  { { "Param1", "value1" } },
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
	{ "get-vanilla-query-order-encoded",
	  "GET",
	  "/",
	  { { "Param-3", "Value3" },
	    { "Param", "Value2" },
	    { "\341\210\264", "Value1" } },
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac" },
	{ "get-vanilla-query-order-key-case",
	  "GET",
	  "/",
	  { { "Param2", "value2" }, { "Param1", "value1" } },
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-vanilla-query-unreserved",
	  "GET",
	  "/",
	  { { "-._~"
	      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
	      "-._~"
	      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxy"
	      "z" } },
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
	{ "get-vanilla-query",
	  "GET",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-vanilla-utf8-query",
	  "GET",
	  "/",
	  { { "\341\210\264", "bar" } },
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
	{ "get-vanilla-with-session-token",
	  "GET",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" },
	    { "X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf31"
				      "5fa00fa31553b73ebf194267" } },
	  EMPTY,
	  "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8" },
	{ "get-vanilla",
	  "GET",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "post-header-key-case",
	  "POST",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-header-key-sort",
	  "POST",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "My-Header1", "value1" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c" },
	{ "post-header-value-case",
	  "POST",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "My-Header1", "VALUE1" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d" },
	{ "post-sts-header-after",
	  "POST",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-sts-header-before",
	  "POST",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" },
	    { "X-Amz-Security-Token",
	      "AQoDYXdzEPT//////////"
	      "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicR"
	      "Xmx"
	      "fpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/"
	      "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VS"
	      "XDv"
	      "p75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+"
	      "xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"
	      "scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/"
	      "oLxBA==" } },
	  EMPTY,
	  "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead" },
	{ "post-vanilla-empty-query-value",
	  "POST",
	  "/",
	  { { "Param1", "value1" } },
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
	{ "post-vanilla-query",
	  "POST",
	  "/",
	  { { "Param1", "value1" } },
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
	{ "post-vanilla",
	  "POST",
	  "/",
	  {},
	  { { "Host", "example.amazonaws.com" },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  EMPTY,
	  "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-x-www-form-urlencoded-parameters",
	  "POST",
	  "/",
	  {},
	  { { "Content-Type",
	      "application/x-www-form-urlencoded; charset=utf-8" },
	    { "Host", "example.amazonaws.com" },
	    { "Content-Length", "13" },
	    { "X-Amz-Content-Sha256", FORM },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  FORM,
	  "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422" },
	{ "post-x-www-form-urlencoded",
	  "POST",
	  "/",
	  {},
	  { { "Content-Type", "application/x-www-form-urlencoded" },
	    { "Host", "example.amazonaws.com" },
	    { "Content-Length", "13" },
	    { "X-Amz-Content-Sha256", FORM },
	    { "X-Amz-Date", "20150830T123600Z" } },
	  FORM,
	  "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b" },
};

#define S3_HOST                                                                \
	{                                                                      \
		"Host", "examplebucket.s3.amazonaws.com"                       \
	}
#define S3_DATE                                                                \
	{                                                                      \
		"x-amz-date", "20130524T000000Z"                               \
	}
#define S3_EMPTY                                                               \
	{                                                                      \
		"x-amz-content-sha256", EMPTY                                  \
	}
#define S3_BODY                                                                \
	"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"

static const struct vector s3_examples[] = {
	{ "GET object",
	  "GET",
	  "/test.txt",
	  {},
	  { S3_HOST, { "Range", "bytes=0-9" }, S3_EMPTY, S3_DATE },
	  EMPTY,
	  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ "PUT object",
	  "PUT",
	  "/test$file.text",
	  {},
	  { S3_HOST,
	    { "Date", "Fri, 24 May 2013 00:00:00 GMT" },
	    { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
	    { "x-amz-content-sha256", S3_BODY },
	    S3_DATE },
	  S3_BODY,
	  "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ "GET bucket lifecycle",
	  "GET",
	  "/",
	  { { "lifecycle", "" } },
	  { S3_HOST, S3_EMPTY, S3_DATE },
	  EMPTY,
	  "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ "list objects",
	  "GET",
	  "/",
	  { { "prefix", "J" }, { "max-keys", "2" } },
	  { S3_HOST, S3_EMPTY, S3_DATE },
	  EMPTY,
	  "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static void check(const struct vector *v, const char *access,
		  const char *secret, const char *stamp, const char *service)
{
	struct buf path = BUF_INIT(4096), query = BUF_INIT(4096);
	struct buf value = BUF_INIT(8192);
	struct sign_request r = { .method = v->method, .payload = v->payload };
	struct sign_scope s = { .access = access,
				.stamp = stamp,
				.region = "us-east-1",
				.service = service };
	struct url_query q = { .count = 0 };
	const char *signature;
	struct headers h;
	struct hash key;
	char date[9];

	headers_init(&h);
	for (size_t i = 0; i < 8 && v->headers[i].name; i++)
		(void)headers_add(&h, v->headers[i].name, v->headers[i].value);
	for (size_t i = 0; i < 4 && v->query[i].name; i++)
		url_query_add(&q, v->query[i].name, v->query[i].value);
	(void)url_encode(&path, v->path, strlen(v->path), true);
	(void)url_query_write(&query, &q);
	(void)snprintf(date, sizeof(date), "%.8s", stamp);
	sign_key(&key, secret, date, s.region, service);
	r.path = path.data;
	r.query = query.data ? query.data : "";
	r.headers = &h;
	s.key = &key;
	is_int(sign_authorization(&value, &r, &s), 0, "%s: signed", v->name);
	signature = value.data ? strstr(value.data, "Signature=") : NULL;
	is_str(signature ? signature + 10 : NULL, v->signature, "%s: signature",
	       v->name);
	headers_done(&h);
	buf_done(&path);
	buf_done(&query);
	buf_done(&value);
}

static void test_stamp(void)
{
	char stamp[SIGN_STAMP_LEN];

	sign_stamp(stamp, 1369353600);
	is_str(stamp, "20130524T000000Z", "stamp");
	sign_stamp(stamp, 0);
	is_str(stamp, "19700101T000000Z", "stamp of the epoch");
}

/* What the Authorization field says besides the signature. */
static void test_field(void)
{
	struct sign_request r = { "GET", "/", "", NULL, EMPTY };
	struct sign_scope s = { "AK", NULL, "20130524T000000Z", "eu-west-1",
				"s3" };
	struct buf value = BUF_INIT(8192);
	struct headers h;
	struct hash key;

	headers_init(&h);
	(void)headers_add(&h, "X-Amz-Date", "20130524T000000Z");
	(void)headers_add(&h, "Host", "h");
	sign_key(&key, "SK", "20130524", "eu-west-1", "s3");
	r.headers = &h;
	s.key = &key;
	is_int(sign_authorization(&value, &r, &s), 0, "field");
	ok(!strncmp(value.data,
		    "AWS4-HMAC-SHA256 Credential=AK/20130524/eu-west-1/s3/"
		    "aws4_request, SignedHeaders=host;x-amz-date, Signature=",
		    107),
	   "scope and names of signed fields");
	headers_done(&h);
	buf_done(&value);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(suite) / sizeof(suite[0]); i++)
		check(&suite[i], "AKIDEXAMPLE",
		      "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		      "20150830T123600Z", "service");
	for (size_t i = 0; i < sizeof(s3_examples) / sizeof(s3_examples[0]);
	     i++)
		check(&s3_examples[i], "AKIAIOSFODNN7EXAMPLE",
		      "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		      "20130524T000000Z", "s3");
	test_stamp();
	test_field();
	return tap_done();
}
