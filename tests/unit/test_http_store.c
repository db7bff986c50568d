/*
 * What answers make of each request: right ones, wrong ones and none.
 */
#include "s3/http_store.h"

#include <errno.h>

#include "s3/base/clock.h"
#include "tests/unit/httpserver.h"

/* What makes no sense is asked for again three times. */
#define FOUR_TIMES(...)                                                        \
	{                                                                      \
		{ .reply = __VA_ARGS__ }, { .reply = __VA_ARGS__ },            \
			{ .reply = __VA_ARGS__ },                              \
		{                                                              \
			.reply = __VA_ARGS__                                   \
		}                                                              \
	}

/* md5 of the digests of both parts of ask_init, "-2" */
#define PARTS_ETAG "96e024ba2074fe77e8e965ba43a704be-2"

#define MARK_FIELD "x-amz-meta-assetfs-put: @MARK@@MARK@@MARK@\r\n"
/* md5 of "hello" */
#define MD5_FIELDS                                                             \
	"ETag: \"5d41402abc4b2a76b9719d911017c592\"\r\n"                       \
	"Last-Modified: Fri, 24 May 2013 00:00:00 GMT\r\n"
#define LIST_TO(token)                                                         \
	"<ListBucketResult><Name>bucket</Name><IsTruncated>true"               \
	"</IsTruncated><NextContinuationToken>" token                          \
	"</NextContinuationToken><Contents><Key>k</Key><LastModified>"         \
	"2023-05-24T10:20:30Z</LastModified><ETag>e</ETag><Size>1</Size>"      \
	"</Contents></ListBucketResult>"
#define PART_OK(range, len, body)                                              \
	REPLY("206 Partial Content", len,                                      \
	      FIELDS "Content-Range: bytes " range "\r\n", body)

struct request_case {
	const char *name;
	enum store_op op;
	struct step steps[STEPS_MAX];
	int code;
	size_t requests; /* that arrive */
	const char *out; /* GET: "<" and the content */
	uint64_t offset, length;
	const char *if_match;
	const char *continuation;
	bool if_absent;
	const char *says; /* part of the error's text */
	uint64_t takes_ms; /* at least */
};

static const struct request_case cases[] = {
	{ .name = "GET",
	  .op = STORE_GET,
	  .steps = { { .reply = GET_OK } },
	  .code = 0,
	  .requests = 1,
	  .out = "<hello" },
	{ .name = "absent",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("404 Not Found", "NoSuchKey") } },
	  .code = -ENOENT,
	  .requests = 1,
	  .out = "<",
	  .says = "GET 'key': 404 NoSuchKey: said so" },
	{ .name = "a proxy's 404 page",
	  .op = STORE_GET,
	  .steps = { { .reply = DOCUMENT("404 Not Found",
					 "<html>nginx</html>") } },
	  .code = -EIO,
	  .requests = 1,
	  .out = "<" },
	{ .name = "no such bucket",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("404 Not Found", "NoSuchBucket") } },
	  .code = -ENXIO,
	  .requests = 1,
	  .out = "<",
	  .says = "bucket 'bucket' does not exist at http://127.0.0.1:" },
	{ .name = "HEAD 404",
	  .op = STORE_HEAD,
	  .steps = { { .reply = EMPTY("404 Not Found") } },
	  .code = -ENOENT,
	  .requests = 1 },
	{ .name = "HEAD 403",
	  .op = STORE_HEAD,
	  .steps = { { .reply = EMPTY("403 Forbidden") } },
	  .code = -EACCES,
	  .requests = 1,
	  .says = "HEAD 'key': 403; no right to read it; or it is not there" },
	{ .name = "HEAD 400",
	  .op = STORE_HEAD,
	  .steps = { { .reply = EMPTY("400 Bad Request") } },
	  .code = -EIO,
	  .requests = 1,
	  .says = "HEAD 'key': 400; the server does not say why; the keys may "
		  "have expired, or the object be encrypted" },
	{ .name = "GET of an archived object",
	  .op = STORE_GET,
	  .steps = { { .reply =
			       ERROR("403 Forbidden", "InvalidObjectState") } },
	  .code = -EACCES,
	  .requests = 1,
	  .out = "<",
	  .says = "403 InvalidObjectState: said so; the object is archived: "
		  "restore it first" },
	{ .name = "HEAD 500",
	  .op = STORE_HEAD,
	  .steps = { { .reply = EMPTY("500 Oops") }, { .reply = OK_EMPTY } },
	  .code = 0,
	  .requests = 2 },
	{ .name = "HEAD without ETag",
	  .op = STORE_HEAD,
	  .steps = FOUR_TIMES(EMPTY("200 OK")),
	  .code = -EIO,
	  .requests = 4 },
	{ .name = "HEAD without length",
	  .op = STORE_HEAD,
	  .steps = FOUR_TIMES("HTTP/1.1 200 OK\r\nConnection: close\r\n" FIELDS
			      "\r\n"),
	  .code = -EIO,
	  .requests = 4 },
	{ .name = "GET without ETag, without Last-Modified",
	  .op = STORE_GET,
	  .steps = { { .reply = REPLY("200 OK", "5", MODIFIED_FIELD, "hello") },
		     { .reply = REPLY("200 OK", "5", "ETag: \"e1\"\r\n",
				      "hello") },
		     { .reply = GET_OK } },
	  .code = 0,
	  .requests = 3,
	  .out = "<hello" },
	{ .name = "GET: not modified, though not asked",
	  .op = STORE_GET,
	  .steps = { { .reply = "HTTP/1.1 304 Not Modified\r\n" FIELDS
				"\r\n" } },
	  .code = -EIO,
	  .requests = 1,
	  .out = "<" },
	{ .name = "GET: told to go on, and hints, before the answer",
	  .op = STORE_GET,
	  .steps = { { .reply = "HTTP/1.1 100 Continue\r\n\r\n"
				"HTTP/1.1 103 Early Hints\r\nETag: \"e0\"\r\n"
				"Content-Length: 7\r\n\r\n" GET_OK } },
	  .code = 0,
	  .requests = 1,
	  .out = "<hello" },
	{ .name = "PUT without ETag",
	  .op = STORE_PUT,
	  .steps = { { .reply = EMPTY("200 OK") }, { .reply = OK_EMPTY } },
	  .code = 0,
	  .requests = 2 },
	{ .name = "slow down",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("503 Slow Down", "SlowDown") },
		     { .reply = GET_OK } },
	  .code = 0,
	  .requests = 2,
	  .out = "<hello" },
	{ .name = "cut in the body",
	  .op = STORE_GET,
	  .steps = { { .reply = REPLY("200 OK", "5", FIELDS, "he"),
		       .manner = HANG_UP_AFTER },
		     { .reply = GET_OK } },
	  .code = 0,
	  .requests = 2,
	  .out = "<hello" },
	{ .name = "cut in the header",
	  .op = STORE_GET,
	  .steps = { { .reply = "HTTP/1.1 200 OK\r\nContent-",
		       .manner = HANG_UP_AFTER },
		     { .reply = GET_OK } },
	  .code = 0,
	  .requests = 2,
	  .out = "<hello" },
	{ .name = "hangs up",
	  .op = STORE_GET,
	  .steps = { { .reply = "", .manner = HANG_UP }, { .reply = GET_OK } },
	  .code = 0,
	  .requests = 2,
	  .out = "<hello" },
	{ .name = "no length",
	  .op = STORE_GET,
	  .steps = { { .reply =
			       "HTTP/1.1 200 OK\r\nConnection: close\r\n" FIELDS
			       "\r\nhel" },
		     { .reply = GET_OK } },
	  .code = 0,
	  .requests = 2,
	  .out = "<hello" },
	{ .name = "a redirect",
	  .op = STORE_GET,
	  .steps = { { .reply = REPLY("302 Found", "0",
				      "Location: http://127.0.0.1:1/\r\n",
				      "") } },
	  .code = -EIO,
	  .requests = 1,
	  .out = "<" },
	{ .name = "range",
	  .op = STORE_GET,
	  .steps = { { .reply = PART_OK("2-4/5", "3", "llo") } },
	  .code = 0,
	  .requests = 1,
	  .out = "<llo",
	  .offset = 2,
	  .length = 100 },
	{ .name = "the rest",
	  .op = STORE_GET,
	  .steps = { { .reply = PART_OK("2-3/5", "2", "ll") },
		     { .reply = PART_OK("2-4/5", "3", "llo") } },
	  .code = 0,
	  .requests = 2,
	  .out = "<llo",
	  .offset = 2 },
	{ .name = "the rest answered by the whole",
	  .op = STORE_GET,
	  .steps = FOUR_TIMES(GET_OK),
	  .code = -EIO,
	  .requests = 4,
	  .out = "<",
	  .offset = 2 },
	{ .name = "range answered by the whole",
	  .op = STORE_GET,
	  .steps = FOUR_TIMES(GET_OK),
	  .code = -EIO,
	  .requests = 4,
	  .out = "<",
	  .offset = 1,
	  .length = 2 },
	{ .name = "short range",
	  .op = STORE_GET,
	  .steps = { { .reply = PART_OK("1-1/5", "1", "e") },
		     { .reply = PART_OK("1-2/5", "2", "el") } },
	  .code = 0,
	  .requests = 2,
	  .out = "<el",
	  .offset = 1,
	  .length = 2 },
	{ .name = "range that says one thing and sends another",
	  .op = STORE_GET,
	  .steps = { { .reply = PART_OK("1-2/5", "1", "e") },
		     { .reply = PART_OK("1-2/5", "2", "el") } },
	  .code = 0,
	  .requests = 2,
	  .out = "<el",
	  .offset = 1,
	  .length = 2 },
	{ .name = "another range",
	  .op = STORE_GET,
	  .steps = { { .reply = PART_OK("0-1/5", "2", "he") },
		     { .reply = PART_OK("1-2/5", "2", "el") } },
	  .code = 0,
	  .requests = 2,
	  .out = "<el",
	  .offset = 1,
	  .length = 2 },
	{ .name = "a range that begins too early",
	  .op = STORE_GET,
	  .steps = { { .reply = PART_OK("0-2/5", "3", "hel") },
		     { .reply = PART_OK("1-2/5", "2", "el") } },
	  .code = 0,
	  .requests = 2,
	  .out = "<el",
	  .offset = 1,
	  .length = 2 },
	{ .name = "ranges of an object of another size",
	  .op = STORE_GET,
	  .steps = { { .reply = PART_OK("1-2/2", "2", "el") },
		     { .reply = PART_OK("1-2/*", "2", "el") },
		     { .reply = REPLY("206 Partial Content", "2", FIELDS,
				      "el") },
		     { .reply = PART_OK("1-2/5", "2", "el") } },
	  .code = 0,
	  .requests = 4,
	  .out = "<el",
	  .offset = 1,
	  .length = 2 },
	{ .name = "range of a whole",
	  .op = STORE_GET,
	  .steps = FOUR_TIMES(PART_OK("0-1/5", "2", "he")),
	  .code = -EIO,
	  .requests = 4,
	  .out = "<" },
	{ .name = "beyond the end",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("416 Range", "InvalidRange") } },
	  .code = -ERANGE,
	  .requests = 1,
	  .out = "<",
	  .offset = 9,
	  .length = 1 },
	{ .name = "another version than asked for",
	  .op = STORE_GET,
	  .steps = { { .reply = GET_OK } },
	  .code = -ESTALE,
	  .requests = 1,
	  .out = "<",
	  .if_match = "e0" },
	{ .name = "more than there is room for",
	  .op = STORE_GET,
	  .steps = { { .reply = REPLY("200 OK", "200", FIELDS, "") } },
	  .code = -EFBIG,
	  .requests = 1,
	  .out = "<" },
	{ .name = "more than announced room, in pieces",
	  .op = STORE_GET,
	  .steps = { { .reply =
			       "HTTP/1.1 200 OK\r\nConnection: close\r\n" FIELDS
			       "\r\n"
			       "01234567890123456789012345678901234567890123456"
			       "78901234567890123"
			       "45678901234567890123456789012345678901234567890"
			       "123456789" } },
	  .code = -EFBIG,
	  .requests = 1,
	  .out = "<" },
	{ .name = "COPY: an error of status 200",
	  .op = STORE_COPY,
	  .steps = { { .reply = ERROR("200 OK", "AccessDenied") } },
	  .code = -EACCES,
	  .requests = 1 },
	{ .name = "COPY: one that passes",
	  .op = STORE_COPY,
	  .steps = { { .reply = ERROR("200 OK", "InternalError") },
		     { .reply = COPY_OK } },
	  .code = 0,
	  .requests = 2 },
	{ .name = "COPY: nothing said",
	  .op = STORE_COPY,
	  .steps = FOUR_TIMES(EMPTY("200 OK")),
	  .code = -EIO,
	  .requests = 4 },
	{ .name = "PUT if absent: there is one",
	  .op = STORE_PUT,
	  .steps = { { .reply = ERROR("412 No", "PreconditionFailed") } },
	  .code = -EEXIST,
	  .requests = 1,
	  .if_absent = true },
	{ .name = "PUT if absent: a race, lost",
	  .op = STORE_PUT,
	  .steps = { { .reply = ERROR("409 No", "ConditionalRequestConflict") },
		     { .reply = ERROR("412 No", "PreconditionFailed") } },
	  .code = -EEXIST,
	  .requests = 2,
	  .if_absent = true },
	{ .name = "PUT if absent: a race, won",
	  .op = STORE_PUT,
	  .steps = { { .reply = ERROR("409 No", "ConcurrentModification") },
		     { .reply = OK_EMPTY } },
	  .code = 0,
	  .requests = 2,
	  .if_absent = true },
	{ .name = "PUT if absent: a conflict about something else",
	  .op = STORE_PUT,
	  .steps = { { .reply = ERROR("409 No", "InvalidBucketState") } },
	  .code = -EIO,
	  .requests = 1,
	  .if_absent = true },
	{ .name = "PUT if absent: the answer is lost, the object is ours",
	  .op = STORE_PUT,
	  .steps = { { .reply = "HTTP/1.1 200 OK\r\nContent-Le",
		       .manner = HANG_UP_AFTER },
		     { .reply = ERROR("412 No", "PreconditionFailed") },
		     { .reply = REPLY("200 OK", "4", FIELDS MARK_FIELD, "") } },
	  .code = 0,
	  .requests = 3,
	  .if_absent = true },
	{ .name = "PUT if absent: the answer is lost, the object is another",
	  .op = STORE_PUT,
	  .steps = { { .reply = "HTTP/1.1 200 OK\r\nContent-Le",
		       .manner = HANG_UP_AFTER },
		     { .reply = ERROR("412 No", "PreconditionFailed") },
		     { .reply = OK_EMPTY } },
	  .code = -EEXIST,
	  .requests = 3,
	  .if_absent = true,
	  .says = "PUT 'key': somebody else's object" },
	{ .name = "PUT if absent: the answer is lost, the object is of another "
		  "of us",
	  .op = STORE_PUT,
	  .steps = { { .reply = "", .manner = HANG_UP },
		     { .reply = ERROR("412 No", "PreconditionFailed") },
		     { .reply = REPLY("200 OK", "4",
				      FIELDS "x-amz-meta-assetfs-put: "
					     "0123456789abcdef\r\n",
				      "") } },
	  .code = -EEXIST,
	  .requests = 3,
	  .if_absent = true,
	  .says = "PUT 'key': somebody else's object" },
	{ .name = "PUT if absent: no answer was lost",
	  .op = STORE_PUT,
	  .steps = { { .reply = ERROR("400 No", "RequestTimeout") },
		     { .reply = ERROR("412 No", "PreconditionFailed") } },
	  .code = -EEXIST,
	  .requests = 2,
	  .if_absent = true },
	{ .name = "PUT if absent: nobody may look",
	  .op = STORE_PUT,
	  .steps = { { .reply = "", .manner = HANG_UP },
		     { .reply = ERROR("412 No", "PreconditionFailed") },
		     { .reply = EMPTY("403 No") } },
	  .code = -EEXIST,
	  .requests = 3,
	  .if_absent = true,
	  .says = "cannot be told" },
	{ .name = "finish if absent: the answer is lost, the object is ours",
	  .op = STORE_UPLOAD_FINISH,
	  .steps = { { .reply = "", .manner = HANG_UP },
		     { .reply = ERROR("412 No", "PreconditionFailed") },
		     { .reply = REPLY("200 OK", "2",
				      "ETag: \"" PARTS_ETAG
				      "\"\r\nLast-Modified: Fri, 24 May 2013 "
				      "00:00:00 GMT\r\n",
				      "") } },
	  .code = 0,
	  .requests = 3,
	  .if_absent = true },
	{ .name = "finish if absent: a conflict",
	  .op = STORE_UPLOAD_FINISH,
	  .steps = { { .reply = ERROR("409 No",
				      "ConditionalRequestConflict") } },
	  .code = -EEXIST,
	  .requests = 1,
	  .if_absent = true },
	{ .name = "a failure after an answer that was lost",
	  .op = STORE_PUT,
	  .steps = { { .reply = "", .manner = HANG_UP },
		     { .reply = ERROR("403 No", "AccessDenied") } },
	  .code = -EACCES,
	  .requests = 2,
	  .says = "it may have been written all the same" },
	{ .name = "PUT: a conflict passes",
	  .op = STORE_PUT,
	  .steps = { { .reply = ERROR("409 No", "OperationAborted") },
		     { .reply = OK_EMPTY } },
	  .code = 0,
	  .requests = 2 },
	{ .name = "PUT: quota",
	  .op = STORE_PUT,
	  .steps = { { .reply = ERROR("403 No", "QuotaExceeded") } },
	  .code = -ENOSPC,
	  .requests = 1 },
	{ .name = "DELETE of nothing",
	  .op = STORE_DELETE,
	  .steps = { { .reply = ERROR("404 No", "NoSuchKey") } },
	  .code = 0,
	  .requests = 1 },
	{ .name = "keys refused, and there are no others",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("403 No", "InvalidAccessKeyId") } },
	  .code = -EACCES,
	  .requests = 1,
	  .out = "<",
	  .says = "the access key 'AKIA…' is not known" },
	{ .name = "finish: an error of status 200",
	  .op = STORE_UPLOAD_FINISH,
	  .steps = { { .reply = ERROR("200 OK", "InternalError") },
		     { .reply = DOCUMENT(
			       "200 OK",
			       "  <CompleteMultipartUploadResult><ETag>x-2"
			       "</ETag></CompleteMultipartUploadResult>") } },
	  .code = 0,
	  .requests = 2 },
	{ .name = "finish: no such upload",
	  .op = STORE_UPLOAD_FINISH,
	  .steps = { { .reply = ERROR("404 No", "NoSuchUpload") },
		     { .reply = EMPTY("404 No") } },
	  .code = -ENOENT,
	  .requests = 2 },
	{ .name = "finish: no ETag is told",
	  .op = STORE_UPLOAD_FINISH,
	  .steps = { { .reply = DOCUMENT(
			       "200 OK",
			       "<CompleteMultipartUploadResult><ETag></ETag>"
			       "</CompleteMultipartUploadResult>") } },
	  .code = 0,
	  .requests = 1 },
	{ .name = "GET: damaged, by its ETag",
	  .op = STORE_GET,
	  .steps = { { .reply = REPLY("200 OK", "5", MD5_FIELDS, "hallo") },
		     { .reply = REPLY("200 OK", "3", MD5_FIELDS, "hel") },
		     { .reply = REPLY("200 OK", "5", MD5_FIELDS, "hello") } },
	  .code = 0,
	  .requests = 3,
	  .out = "<hello" },
	{ .name = "GET: damaged every time",
	  .op = STORE_GET,
	  .steps = FOUR_TIMES(REPLY("200 OK", "5", MD5_FIELDS, "hallo")),
	  .code = -EIO,
	  .requests = 4,
	  .out = "<",
	  .says = "does not match its MD5" },
	{ .name = "GET: a range that is the whole, damaged",
	  .op = STORE_GET,
	  .steps = { { .reply = REPLY("206 Partial Content", "5",
				      MD5_FIELDS "Content-Range: bytes 0-4/5"
						 "\r\n",
				      "hallo") },
		     { .reply = REPLY("206 Partial Content", "5",
				      MD5_FIELDS "Content-Range: bytes 0-4/5"
						 "\r\n",
				      "hello") } },
	  .code = 0,
	  .requests = 2,
	  .out = "<hello",
	  .length = 100 },
	{ .name = "finish: the answer is lost, the object is ours",
	  .op = STORE_UPLOAD_FINISH,
	  .steps = { { .reply = "HTTP/1.1 200 OK\r\nContent-Le",
		       .manner = HANG_UP_AFTER },
		     { .reply = ERROR("404 No", "NoSuchUpload") },
		     { .reply = REPLY("200 OK", "2",
				      "ETag: \"" PARTS_ETAG
				      "\"\r\nLast-Modified: Fri, 24 May 2013 "
				      "00:00:00 GMT\r\n",
				      "") } },
	  .code = 0,
	  .requests = 3 },
	{ .name = "finish: the answer is lost, the object is another",
	  .op = STORE_UPLOAD_FINISH,
	  .steps = { { .reply = "HTTP/1.1 200 OK\r\nContent-Le",
		       .manner = HANG_UP_AFTER },
		     { .reply = ERROR("404 No", "NoSuchUpload") },
		     { .reply = REPLY("200 OK", "2", FIELDS, "") } },
	  .code = -EIO,
	  .requests = 3,
	  .says = "cannot be told" },
	{ .name = "finish: the answer is lost, there is no object",
	  .op = STORE_UPLOAD_FINISH,
	  .steps = { { .reply = "HTTP/1.1 200 OK\r\nContent-Le",
		       .manner = HANG_UP_AFTER },
		     { .reply = ERROR("404 No", "NoSuchUpload") },
		     { .reply = EMPTY("404 No") } },
	  .code = -ENOENT,
	  .requests = 3 },
	{ .name = "abort: the answer is lost",
	  .op = STORE_UPLOAD_ABORT,
	  .steps = { { .reply = "", .manner = HANG_UP },
		     { .reply = ERROR("404 No", "NoSuchUpload") } },
	  .code = 0,
	  .requests = 2 },
	{ .name = "LIST: a page of HTML",
	  .op = STORE_LIST,
	  .steps = FOUR_TIMES(DOCUMENT("200 OK", "<html></html>")),
	  .code = -EIO,
	  .requests = 4 },
	{ .name = "LIST: an error of status 200",
	  .op = STORE_LIST,
	  .steps = { { .reply = ERROR("200 OK", "AccessDenied") } },
	  .code = -EACCES,
	  .requests = 1 },
	{ .name = "LIST: one that passes, a damaged page, a page",
	  .op = STORE_LIST,
	  .steps = { { .reply = ERROR("200 OK", "InternalError") },
		     { .reply = DOCUMENT("200 OK", "<ListBucketResult><Name") },
		     { .reply = DOCUMENT("200 OK", LIST_EMPTY) } },
	  .code = 0,
	  .requests = 3 },
	{ .name = "LIST: the next page is this one, then another",
	  .op = STORE_LIST,
	  .steps = { { .reply = DOCUMENT("200 OK", LIST_TO("here")) },
		     { .reply = DOCUMENT("200 OK", LIST_TO("there")) } },
	  .code = 0,
	  .requests = 2,
	  .continuation = "here" },
	{ .name = "LIST: the next page is always this one",
	  .op = STORE_LIST,
	  .steps = FOUR_TIMES(DOCUMENT("200 OK", LIST_TO("here"))),
	  .code = -EIO,
	  .requests = 4,
	  .continuation = "here",
	  .says = "would never end" },
	{ .name = "GET: an error of status 200",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("200 OK", "InternalError") },
		     { .reply = GET_OK } },
	  .code = 0,
	  .requests = 2,
	  .out = "<hello" },
	{ .name = "range: an error of status 200",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("200 OK", "SlowDown") },
		     { .reply = ERROR("206 OK", "AccessDenied") } },
	  .code = -EACCES,
	  .requests = 2,
	  .out = "<",
	  .offset = 2,
	  .length = 100 },
	{ .name = "PUT: an error of status 200",
	  .op = STORE_PUT,
	  .steps = { { .reply = DOCUMENT("200 OK",
					 "<Error><Code>InternalError</Code>"
					 "</Error>") },
		     { .reply = REPLY("200 OK", "37", FIELDS,
				      "<Error><Code>SlowDown</Code></Error>"
				      " ") },
		     { .reply = OK_EMPTY } },
	  .code = 0,
	  .requests = 3 },
	{ .name = "DELETE: an error of status 200",
	  .op = STORE_DELETE,
	  .steps = { { .reply = ERROR("200 OK", "InternalError") },
		     { .reply = EMPTY("204 No Content") } },
	  .code = 0,
	  .requests = 2 },
	{ .name = "abort: an error of status 200",
	  .op = STORE_UPLOAD_ABORT,
	  .steps = { { .reply = ERROR("200 OK", "AccessDenied") } },
	  .code = -EACCES,
	  .requests = 1 },
	{ .name = "asked to wait",
	  .op = STORE_HEAD,
	  .steps = { { .reply =
			       REPLY("503 No", "0", "Retry-After: 1\r\n", "") },
		     { .reply = OK_EMPTY } },
	  .code = 0,
	  .requests = 2,
	  .takes_ms = 1000 },
	{ .name = "asked to wait for ever",
	  .op = STORE_HEAD,
	  .steps = { { .reply = REPLY("503 No", "0", "Retry-After: 86400\r\n",
				      "") } },
	  .code = -ETIMEDOUT,
	  .requests = 1 },
	{ .name = "no redirect without a region",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("301 Moved", "PermanentRedirect") } },
	  .code = -EIO,
	  .requests = 1,
	  .out = "<" },
};

static void fill(struct store_req *req, const struct request_case *c,
		 struct buf *out)
{
	ask_init(req, c->op, out);
	req->offset = c->offset;
	req->length = c->length;
	req->if_match = c->if_match;
	req->continuation = c->continuation;
	req->if_absent = c->if_absent;
}

static void test_cases(struct store *s)
{
	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		const struct request_case *c = &cases[i];
		struct buf out = BUF_INIT(100);
		struct store_req req;
		struct err e = { 0 };
		uint64_t start = clock_now_ms();

		(void)buf_add_str(&out, "<");
		script(c->steps);
		fill(&req, c, &out);
		is_int(store_run(s, &req, &e), c->code, "%s", c->name);
		is_int(arrived(), c->requests, "requests that arrived");
		if (c->out)
			is_str(out.data, c->out, "what the buffer holds");
		ok(!buf_error(&out), "and it is usable");
		ok(clock_now_ms() - start >= c->takes_ms, "not too soon");
		if (c->code)
			ok(strstr(e.text, c->says ? c->says : ""), "says: %s",
			   e.text);
		store_req_done(&req);
		buf_done(&out);
	}
}

/* curl calls it out of memory; it is an answer like other broken ones. */
static void test_endless_header(struct store *s)
{
	const struct request_case c = { .name = "endless", .op = STORE_GET };
	struct step steps[STEPS_MAX] = { [1] = { .reply = GET_OK } };
	static struct buf reply = BUF_INIT(1 << 20); /* the server's, too */
	CLEANUP_BUF struct buf out = BUF_INIT(100);
	struct store_req req;
	struct err e = { 0 };

	(void)buf_add_str(&reply, "HTTP/1.1 200 OK\r\nX-Long: ");
	for (int i = 0; i < 200000; i++)
		(void)buf_add(&reply, "a", 1);
	(void)buf_add_str(&reply, "\r\nContent-Length: 0\r\n\r\n");
	steps[0].reply = reply.data;
	script(steps);
	fill(&req, &c, &out);
	is_int(store_run(s, &req, &e), 0, "a header without end, then well");
	is_int(arrived(), 2, "asked again");
	store_req_done(&req);
}

int main(void)
{
	struct store *s;

	server_open();
	s = open_store(server.port);
	test_cases(s);
	test_endless_header(s);
	store_free(s);
	return tap_done();
}
