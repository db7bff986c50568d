/*
 * What a store sends, as its options say and as the server's answers teach it.
 */
#include "s3/http_store.h"

#include <errno.h>

#include "s3/base/clock.h"
#include "tests/unit/httpserver.h"

/* ---- what answers teach ------------------------------------------------ */

static void test_region(void)
{
	static const struct step steps[STEPS_MAX] = {
		{ .reply = DOCUMENT(
			  "400 Bad Request",
			  "<Error><Code>AuthorizationHeaderMalformed</Code>"
			  "<Region>eu-west-1</Region></Error>") },
		{ .reply = GET_OK },
		{ .reply = GET_OK }
	};
	struct store *s = open_store(server.port);
	struct err e = { 0 };

	script(steps);
	is_int(get(s, 5000, &e), 0, "another region");
	ok(asked(0, "/us-east-1/s3/aws4_request"), "signed for the default");
	ok(asked(1, "/eu-west-1/s3/aws4_request"), "then for the one named");
	is_int(get(s, 5000, &e), 0, "the next one");
	ok(asked(2, "/eu-west-1/s3/aws4_request"), "is signed for it at once");
	store_free(s);
}

/* Each answer names another region: it is followed, but not for ever. */
static void test_regions(void)
{
#define SENT_TO(status, region)                                                \
	{                                                                      \
		.reply = REPLY(status, "0",                                    \
			       "x-amz-bucket-region: " region "\r\n", "")      \
	}
#define MOVED(region) SENT_TO("301 Moved Permanently", region)
	static const struct step three[STEPS_MAX] = { MOVED("eu-west-1"),
						      MOVED("eu-west-2"),
						      MOVED("eu-west-3"),
						      { .reply = GET_OK } };
	static const struct step circle[STEPS_MAX] = {
		MOVED("eu-west-1"), MOVED("eu-west-2"), MOVED("eu-west-1"),
		MOVED("eu-west-2"), MOVED("eu-west-1"),
	};
	static const struct step hostile[STEPS_MAX] = { MOVED("evil.com/x") };
	static const struct step bare[][STEPS_MAX] = {
		{ SENT_TO("301 Moved", "eu-west-1"), { .reply = OK_EMPTY } },
		{ SENT_TO("307 Moved", "eu-west-1"), { .reply = OK_EMPTY } },
		{ SENT_TO("400 Bad", "eu-west-1"), { .reply = OK_EMPTY } },
		{ SENT_TO("403 No", "eu-west-1"), { .reply = OK_EMPTY } },
	};
#undef MOVED
#undef SENT_TO
	struct store *s = open_store(server.port);
	struct err e = { 0 };

	script(three);
	is_int(get(s, 5000, &e), 0, "from region to region");
	ok(asked(3, "/eu-west-3/s3/aws4_request"), "to the last one");
	script(circle);
	is_int(get(s, 5000, &e), -EIO, "round in circles: %s", e.text);
	is_int(arrived(), 4, "is given up");
	script(hostile);
	is_int(get(s, 5000, &e), -EIO, "no region can be called that");
	is_int(arrived(), 1, "and none is asked");
	store_free(s);

	for (size_t i = 0; i < TAP_COUNT(bare); i++) {
		struct store_req req;

		s = open_store(server.port);
		script(bare[i]);
		store_req_init(&req, STORE_HEAD, "key");
		is_int(store_run(s, &req, &e), 0, "HEAD, told by a field");
		ok(asked(1, "/eu-west-1/s3/aws4_request"), "is sent there");
		store_req_done(&req);
		store_free(s);
	}
}

static void test_clock(void)
{
	static const struct step steps[STEPS_MAX] = {
		{ .reply = ERROR("403 Forbidden", "RequestTimeTooSkewed") },
		{ .reply = GET_OK }
	};
	static const struct step bare[STEPS_MAX] = {
		{ .reply = REPLY("403 Forbidden", "0", DATE, "") },
		{ .reply = OK_EMPTY }
	};
	struct store *s = open_store(server.port);
	struct store_req req;
	struct err e = { 0 };

	script(steps);
	is_int(get(s, 5000, &e), 0, "a clock that is off");
	ok(asked(1, "x-amz-date: 20130524T0000"), "signed with the server's");
	store_free(s);

	s = open_store(server.port);
	script(bare);
	store_req_init(&req, STORE_HEAD, "key");
	is_int(store_run(s, &req, &e), 0, "the same for HEAD, without a word");
	ok(asked(1, "x-amz-date: 20130524T0000"), "signed with the server's");
	store_req_done(&req);
	store_free(s);
}

/* ---- options ------------------------------------------------------------ */

static void run_op(struct store *s, enum store_op op, const char *what)
{
	struct buf out = BUF_INIT(100);
	struct store_req req;
	struct err e = { 0 };

	store_req_init(&req, op, "key");
	req.body = "hello";
	req.body_len = 5;
	req.source = "from";
	req.upload_id = "u";
	req.part_number = 1;
	req.out = &out;
	is_int(store_run(s, &req, &e), 0, "%s: %s", what, e.text);
	store_req_done(&req);
	buf_done(&out);
}

#define SUM_HELLO                                                              \
	"x-amz-checksum-sha256: LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
#define UPLOAD_OK                                                              \
	DOCUMENT("200 OK", "<InitiateMultipartUploadResult><UploadId>u"        \
			   "</UploadId></InitiateMultipartUploadResult>")

static void test_terms(void)
{
	static const char *const words[] = { "sse_kms_key_id",
					     "arn:k/1",
					     "sse",
					     "aws:kms",
					     "storage_class",
					     "standard_ia",
					     "requester_pays",
					     NULL,
					     "expected_bucket_owner",
					     "123456789012",
					     NULL };
	static const struct step steps[STEPS_MAX] = {
		{ .reply = OK_EMPTY }, { .reply = UPLOAD_OK },
		{ .reply = COPY_OK },  { .reply = OK_EMPTY },
		{ .reply = GET_OK },
	};
	static const char *const stored[] = {
		"\r\nx-amz-server-side-encryption: aws:kms\r\n",
		"\r\nx-amz-server-side-encryption-aws-kms-key-id: arn:k/1\r\n",
		"\r\nx-amz-storage-class: STANDARD_IA\r\n",
	};
	struct store *s = open_with(server.port, words);

	script(steps);
	run_op(s, STORE_PUT, "PUT");
	run_op(s, STORE_UPLOAD_START, "UPLOAD_START");
	run_op(s, STORE_COPY, "COPY");
	run_op(s, STORE_UPLOAD_PART, "UPLOAD_PART");
	run_op(s, STORE_GET, "GET");
	for (size_t i = 0; i < 3; i++) {
		for (size_t n = 0; n < 3; n++)
			ok(asked(n, stored[i]), "%zu: %.40s", n, stored[i] + 2);
		for (size_t n = 3; n < 5; n++)
			ok(!strcasestr(server.heads[n], stored[i]),
			   "%zu: nothing is stored there", n);
	}
	for (size_t n = 0; n < 5; n++) {
		ok(asked(n, "\r\nx-amz-request-payer: requester\r\n"),
		   "%zu: who pays", n);
		ok(asked(n,
			 "\r\nx-amz-expected-bucket-owner: 123456789012\r\n"),
		   "%zu: whose it is", n);
		ok(asked(n, ";x-amz-request-payer"), "%zu: signed", n);
	}
	ok(asked(2, "\r\nx-amz-source-expected-bucket-owner: "),
	   "of the source, too");
	store_free(s);
}

static void test_checksums(void)
{
	static const char *const off[] = { "upload_checksums", "off", NULL };
	static const char *const anonymous[] = { "public_bucket", NULL, NULL };
	static const struct step steps[STEPS_MAX] = {
		{ .reply = REPLY("200 OK", "0", FIELDS SUM_HELLO "\r\n", "") },
		{ .reply = REPLY("200 OK", "5", FIELDS SUM_HELLO "\r\n",
				 "hello") },
	};
	static const struct step bad[STEPS_MAX] = {
		{ .reply = REPLY("200 OK", "5", FIELDS SUM_HELLO "\r\n",
				 "jello") },
		{ .reply = GET_OK },
		{ .reply = REPLY("200 OK", "5",
				 FIELDS "x-amz-checksum-sha256: AAAA-2\r\n",
				 "hello") },
		{ .reply = REPLY("200 OK", "0",
				 FIELDS "x-amz-checksum-sha256: AAAA\r\n",
				 "") },
		{ .reply = OK_EMPTY },
	};
	static const struct step plain[STEPS_MAX] = { { .reply = OK_EMPTY },
						      { .reply = GET_OK },
						      { .reply = OK_EMPTY } };
	struct store *s = open_store(server.port);

	script(steps);
	run_op(s, STORE_PUT, "PUT");
	ok(asked(0, "\r\n" SUM_HELLO "\r\n"), "with a checksum");
	run_op(s, STORE_GET, "GET");
	ok(asked(1, "\r\nx-amz-checksum-mode: ENABLED\r\n"), "asks for it");
	script(bad);
	run_op(s, STORE_GET, "GET of what is not what it should be");
	is_int(arrived(), 2, "is repeated");
	run_op(s, STORE_GET, "a sum of sums");
	is_int(arrived(), 3, "tells nothing");
	run_op(s, STORE_PUT, "PUT that arrived as something else");
	is_int(arrived(), 5, "is repeated");
	store_free(s);

	s = open_with(server.port, off);
	script(plain);
	run_op(s, STORE_PUT, "PUT");
	run_op(s, STORE_GET, "GET");
	ok(!strcasestr(server.heads[0], "checksum"),
	   "no checksums where they are off");
	store_free(s);

	s = open_with(server.port, anonymous);
	script(plain);
	run_op(s, STORE_PUT, "PUT without a signature");
	ok(asked(0, "\r\ncontent-md5: XUFAKrxLKna5cZ2REBfFkg==\r\n"),
	   "has an MD5");
	ok(!strcasestr(server.heads[0], "\r\nauthorization:"), "and no key");
	store_free(s);
}

/* ---- what is sent ------------------------------------------------------- */

/* A kept connection that is closed as it is used again. */
static void test_race(void)
{
	static const struct step steps[STEPS_MAX] = { { .reply = GET_OK },
						      { .reply = "",
							.manner = HANG_UP },
						      { .reply = GET_OK } };
	struct err e = { 0 };
	bool at_once = false;

	/* Who pauses before he repeats takes 50 ms at least, each time; who does
	 * not may do so on a busy machine. */
	for (int i = 0; i < 20 && !at_once; i++) {
		struct store *s = open_store(server.port);
		uint64_t start;

		script(steps);
		is_int(get(s, 5000, &e), 0, "first");
		start = clock_now_ms();
		is_int(get(s, 5000, &e), 0,
		       "the connection is closed meanwhile");
		at_once = clock_now_ms() - start < 45;
		is_int(arrived(), 3, "three arrived");
		store_free(s);
	}
	ok(at_once, "repeated at once");
}

/* An answer that comes again is not the answer to the next request. */
static void test_sent_twice(void)
{
	static const struct step steps[STEPS_MAX] = {
		{ .reply = REPLY("200 OK", "5",
				 FIELDS "x-amz-request-id: 1\r\n", "first") },
		{ .reply = REPLY("200 OK", "5",
				 FIELDS "x-amz-request-id: 1\r\n", "first") },
		{ .reply = REPLY("200 OK", "5",
				 FIELDS "x-amz-request-id: 2\r\n", "other") }
	};
	struct store *s = open_store(server.port);
	struct buf out = BUF_INIT(100);
	struct store_req req;
	struct err e = { 0 };

	script(steps);
	is_int(get(s, 5000, &e), 0, "an answer");
	store_req_init(&req, STORE_GET, "key");
	req.out = &out;
	is_int(store_run(s, &req, &e), 0, "the same comes again");
	is_str(out.data, "other", "but another is taken");
	is_int(arrived(), 3, "three arrived");
	store_req_done(&req);
	buf_done(&out);
	store_free(s);
}

static void test_put(struct store *s)
{
	static const struct step steps[STEPS_MAX] = { { .reply = OK_EMPTY } };
	struct store_req req;
	struct meta m;
	struct err e = { 0 };

	meta_init(&m);
	(void)meta_set(&m, "mode", "33188");
	(void)meta_set(&m, "name", "\xc3\xa9");
	store_req_init(&req, STORE_PUT, "a b/../c+?");
	req.body = "hello";
	req.body_len = 5;
	req.meta = &m;
	req.if_absent = true;
	req.content_type = "image/x-exr";
	script(steps);
	is_int(store_run(s, &req, &e), 0, "PUT");
	is_str(req.object.etag, "e1", "its ETag");
	ok(asked(0, "PUT /bucket/a%20b/../c%2B%3F HTTP/1.1\r\n"),
	   "the path is as it is");
	ok(asked(0, "\r\nx-amz-content-sha256: 2cf24dba5fb0a30e26e83b2ac5b9e29e"
		    "1b161e5c1fa7425e73043362938b9824\r\n"),
	   "the hash of the body");
	ok(asked(0, "\r\nif-none-match: *\r\n"), "condition");
	ok(asked(0, "\r\ncontent-type: image/x-exr\r\n"), "type");
	ok(asked(0, "\r\nx-amz-meta-mode: 33188\r\n"), "metadata");
	ok(asked(0, "\r\nx-amz-meta-name: =?UTF-8?B?w6k=?=\r\n"),
	   "metadata that is not ASCII");
	ok(!strcasestr(server.heads[0], "\r\nexpect:"), "no Expect");
	store_req_done(&req);
	meta_done(&m);
}

static void test_delete_many(struct store *s)
{
	static const struct step steps[STEPS_MAX] = {
		{ .reply = DOCUMENT("200 OK", "<DeleteResult/>") },
		{ .reply = EMPTY("204 No Content") },
		{ .reply = EMPTY("204 No Content") }
	};
	static const struct step refused[STEPS_MAX] = {
		{ .reply = DOCUMENT(
			  "200 OK",
			  "<DeleteResult><Error><Key>b</Key><Code>"
			  "AccessDenied</Code></Error></DeleteResult>") }
	};
	static const char *const keys[] = { "a", "x\001", "b", "\002" };
	struct store_req req;
	struct err e = { 0 };

	store_req_init(&req, STORE_DELETE_MANY, NULL);
	req.keys = keys;
	req.key_count = 4;
	script(steps);
	is_int(store_run(s, &req, &e), 0, "DELETE_MANY");
	is_int(arrived(), 3, "in three requests");
	ok(asked(0, "POST /bucket/?delete= HTTP/1.1\r\n") &&
		   asked(0, "\r\ncontent-md5: "),
	   "those that XML can hold");
	ok(asked(1, "DELETE /bucket/x%01 "), "one that it cannot");
	ok(asked(2, "DELETE /bucket/%02 "), "another");
	script(refused);
	is_int(store_run(s, &req, &e), -EACCES, "one key is refused");
	ok(strstr(e.text, "'b'"), "named: %s", e.text);
	req.key_count = 0;
	is_int(store_run(s, &req, &e), 0, "no keys at all");
	store_req_done(&req);
}

static void test_refused(struct store *s)
{
	char key[1100];
	struct store_req req;
	struct err e = { 0 };

	memset(key, 'k', sizeof(key));
	key[1025] = '\0';
	store_req_init(&req, STORE_HEAD, key);
	is_int(store_run(s, &req, &e), -ENAMETOOLONG, "a key of 1025 bytes");
	store_req_init(&req, STORE_PUT, "\377");
	is_int(store_run(s, &req, &e), -EILSEQ, "a key that is not UTF-8");
	store_req_init(&req, STORE_HEAD, "");
	is_int(store_run(s, &req, &e), -EINVAL, "no key");
	store_req_done(&req);
}

int main(void)
{
	struct store *s;

	server_open();
	s = open_store(server.port);
	test_put(s);
	test_delete_many(s);
	test_refused(s);
	store_free(s);
	test_region();
	test_regions();
	test_terms();
	test_checksums();
	test_clock();
	test_race();
	test_sent_twice();
	return tap_done();
}
