/*
 * A store against a server that misbehaves as scripted: each request that
 * arrives gets the next step of the script, on whatever connection it comes.
 */
#include "s3/http_store.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/retry.h"
#include "s3/xfer.h"
#include "tests/unit/tap.h"

#define STEPS_MAX 8
#define DATE "Date: Fri, 24 May 2013 00:00:00 GMT\r\n"
#define MODIFIED_FIELD "Last-Modified: Fri, 24 May 2013 00:00:00 GMT\r\n"
#define FIELDS "ETag: \"e1\"\r\n" MODIFIED_FIELD
#define REPLY(status, len, fields, body)                                       \
	"HTTP/1.1 " status "\r\nContent-Length: " len "\r\n" fields "\r"       \
	"\n" body
#define EMPTY(status) REPLY(status, "0", "", "")
/* Documents are sent until the connection closes: nobody counts bytes. */
#define DOCUMENT(status, xml)                                                  \
	"HTTP/1.1 " status "\r\nConnection: close\r\n" DATE "\r\n" xml
#define ERROR(status, code)                                                    \
	DOCUMENT(status, "<Error><Code>" code                                  \
			 "</Code><Message>said so</Message></Error>")
#define OK_EMPTY REPLY("200 OK", "0", FIELDS, "")

/* What makes no sense is asked for again three times. */
#define FOUR_TIMES(...)                                                        \
	{                                                                      \
		{ .reply = __VA_ARGS__ }, { .reply = __VA_ARGS__ },            \
			{ .reply = __VA_ARGS__ },                              \
		{                                                              \
			.reply = __VA_ARGS__                                   \
		}                                                              \
	}

enum manner { ANSWER, HANG_UP, STALL, HANG_UP_AFTER, LATE };

#define LATE_US 2400000 /* a second one has been sent by then */

struct step {
	const char *reply;
	enum manner manner;
};

struct server {
	int listener;
	int port;
	pthread_t thread;

	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	const struct step *steps;
	size_t next;
	char heads[STEPS_MAX][4096]; /* of the requests that came */
};

static struct server server;

/* ---- the server -------------------------------------------------------- */

/* Reads one request; its head is kept. Returns the step for it, or NULL. */
static const struct step *read_request(int fd)
{
	char head[8192];
	size_t len = 0, body = 0;
	char *end = NULL, *field;

	while (!end) {
		ssize_t n = recv(fd, head + len, sizeof(head) - 1 - len, 0);

		if (n <= 0)
			return NULL;
		len += (size_t)n;
		head[len] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	field = strcasestr(head, "\r\ncontent-length: ");
	if (field)
		body = strtoul(field + 18, NULL, 10);
	len -= (size_t)(end + 4 - head);
	while (len < body) {
		char rest[4096];
		ssize_t n = recv(fd, rest, sizeof(rest), 0);

		if (n <= 0)
			return NULL;
		len += (size_t)n;
	}
	LOCK_SCOPE(&server.lock);
	if (server.next == STEPS_MAX)
		return NULL;
	(void)snprintf(server.heads[server.next],
		       sizeof(server.heads[server.next]), "%.4000s", head);
	return &server.steps[server.next++];
}

/* Sends a reply; where it has the text @MARK@… it becomes the mark that the
 * first request bore, of the same length (two digits fewer and back). */
static ssize_t send_reply(int fd, const char *reply)
{
	static const char field[] = "\r\nx-amz-meta-assetfs-put: ";
	char text[4096];
	char *to, *from;

	(void)snprintf(text, sizeof(text), "%s", reply);
	to = strstr(text, "@MARK@");
	if (to) {
		LOCK_SCOPE(&server.lock);
		from = strcasestr(server.heads[0], field);
		if (from)
			memcpy(to, from + sizeof(field) - 1, 16);
		memmove(to + 16, to + 18, strlen(to + 18) + 1);
	}
	return send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	const struct step *step;

	while ((step = read_request(fd)) && step->reply) {
		if (step->manner == HANG_UP)
			break;
		if (step->manner == STALL)
			continue;
		if (step->manner == LATE)
			(void)usleep(LATE_US);
		if (send_reply(fd, step->reply) < 0)
			break;
		if (step->manner == HANG_UP_AFTER ||
		    strstr(step->reply, "Connection: close"))
			break;
	}
	(void)shutdown(fd, SHUT_RDWR);
	return NULL;
}

static void *accept_all(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (fd < 0)
			return NULL;
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
			abort();
		(void)pthread_detach(thread);
	}
}

static void server_open(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	lock_init(&server.lock, LOCK_RANK_BASE);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.listener, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(server.listener, 16) ||
	    getsockname(server.listener, (struct sockaddr *)&a, &len) ||
	    pthread_create(&server.thread, NULL, accept_all, NULL))
		abort();
	server.port = ntohs(a.sin_port);
}

static void script(const struct step *steps)
{
	LOCK_SCOPE(&server.lock);
	server.steps = steps;
	server.next = 0;
	memset(server.heads, 0, sizeof(server.heads));
}

static size_t arrived(void)
{
	LOCK_SCOPE(&server.lock);
	return server.next;
}

/* Whether the n-th request had this text in its head. */
static bool asked(size_t n, const char *text)
{
	LOCK_SCOPE(&server.lock);
	if (strcasestr(server.heads[n], text))
		return true;
	printf("# head was: %s\n", server.heads[n]);
	return false;
}

/* words: of options, each followed by its value; NULL at the end. */
static struct store *open_with(int port, const char *const words[])
{
	struct source_options o;
	struct store *s = NULL;
	struct err e = { 0 };

	source_options_init(&o);
	for (; *words; words += 2)
		if (source_option(&o, words[0], words[1], &e) != 1) {
			printf("Bail out! %s\n", e.text);
			exit(1);
		}
	if (asprintf(&o.endpoint, "http://127.0.0.1:%d", port) < 0)
		abort();
	if (http_store_open(&s, "bucket", &o, &e)) {
		printf("Bail out! %s\n", e.text);
		exit(1);
	}
	source_options_done(&o);
	return s;
}

static struct store *open_limited(int port, uint32_t max_connections)
{
	const char *words[] = { "max_connections", NULL, NULL };
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", max_connections);
	words[1] = number;
	return open_with(port, words);
}

static struct store *open_store(int port)
{
	return open_limited(port, 64);
}

/* ---- one request each -------------------------------------------------- */

static const struct store_part parts[] = {
	{ 1, "0cc175b9c0f1b6a831c399e269772661" },
	{ 2, "92eb5ffee6ae2fec3ad71c777531578f" }
};
/* md5 of both digests, "-2" */
#define PARTS_ETAG "96e024ba2074fe77e8e965ba43a704be-2"

#define MARK_FIELD "x-amz-meta-assetfs-put: @MARK@@MARK@@MARK@\r\n"
#define LIST_EMPTY                                                             \
	"<ListBucketResult><Name>bucket</Name><IsTruncated>false"              \
	"</IsTruncated></ListBucketResult>"
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
#define GET_OK REPLY("200 OK", "5", FIELDS, "hello")
#define PART_OK(range, len, body)                                              \
	REPLY("206 Partial Content", len,                                      \
	      FIELDS "Content-Range: bytes " range "\r\n", body)
#define COPY_OK                                                                \
	DOCUMENT("200 OK", "<CopyObjectResult><ETag>\"e2\"</ETag>"             \
			   "</CopyObjectResult>")

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
	  .requests = 1 },
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
	store_req_init(req, c->op, c->op == STORE_LIST ? "" : "key");
	req->timeout_ms = 8000;
	req->offset = c->offset;
	req->length = c->length;
	req->if_match = c->if_match;
	req->continuation = c->continuation;
	req->if_absent = c->if_absent;
	req->out = c->op == STORE_GET ? out : NULL;
	req->body = "body";
	req->body_len = 4;
	req->source = "source";
	req->upload_id = "id";
	req->parts = parts;
	req->part_count = 2;
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

/* ---- cures ------------------------------------------------------------- */

static int get(struct store *s, uint32_t timeout_ms, struct err *e)
{
	struct buf out = BUF_INIT(100);
	struct store_req req;
	int r;

	store_req_init(&req, STORE_GET, "key");
	req.timeout_ms = timeout_ms;
	req.out = &out;
	r = store_run(s, &req, e);
	store_req_done(&req);
	buf_done(&out);
	return r;
}

/* The user's limit is one for every request. */
static void test_timeout(void)
{
	static const struct step steps[STEPS_MAX] = {
		{ .reply = "", .manner = STALL },
		{ .reply = "", .manner = STALL },
	};
	static const char *const words[] = { "retry_timeout", "1", NULL };
	struct store *s = open_with(server.port, words);
	struct err e = { 0 };
	uint64_t before_ms = clock_now_ms();

	script(steps);
	is_int(get(s, 60000, &e), -ETIMEDOUT, "%s", e.text);
	ok(clock_now_ms() - before_ms < 30000, "the shorter time counts");
	store_free(s);
}

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

/* A kept connection that is closed as it is used again. */
static void test_race(void)
{
	static const struct step steps[STEPS_MAX] = { { .reply = GET_OK },
						      { .reply = "",
							.manner = HANG_UP },
						      { .reply = GET_OK } };
	struct store *s = open_store(server.port);
	struct err e = { 0 };
	uint64_t start;

	script(steps);
	is_int(get(s, 5000, &e), 0, "first");
	start = clock_now_ms();
	is_int(get(s, 5000, &e), 0, "the connection is closed meanwhile");
	ok(clock_now_ms() - start < 45, "repeated at once: %d ms",
	   (int)(clock_now_ms() - start));
	is_int(arrived(), 3, "three arrived");
	store_free(s);
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

/* ---- time -------------------------------------------------------------- */

static void test_deadline(struct store *s)
{
	static const struct step silent[STEPS_MAX] = { { .reply = "",
							 .manner = STALL } };
	static const struct step failing[STEPS_MAX] = {
		{ .reply = ERROR("500 Oops", "InternalError") },
		{ .reply = ERROR("500 Oops", "InternalError") },
		{ .reply = ERROR("500 Oops", "InternalError") },
		{ .reply = ERROR("500 Oops", "InternalError") },
		{ .reply = ERROR("500 Oops", "InternalError") },
		{ .reply = ERROR("500 Oops", "InternalError") },
		{ .reply = ERROR("500 Oops", "InternalError") },
		{ .reply = "", .manner = STALL }
	};
	uint64_t start = clock_now_ms();
	struct err e = { 0 };

	script(silent);
	is_int(get(s, 300, &e), -ETIMEDOUT, "no answer");
	ok(clock_now_ms() - start >= 290 && clock_now_ms() - start < 3000,
	   "after %d ms", (int)(clock_now_ms() - start));
	script(failing);
	start = clock_now_ms();
	is_int(get(s, 600, &e), -ETIMEDOUT, "failures only");
	ok(clock_now_ms() - start < 3000, "after %d ms",
	   (int)(clock_now_ms() - start));
	ok(strstr(e.text, "InternalError"), "says: %s", e.text);
}

static void test_away(void)
{
	struct store *s;
	struct err e = { 0 };
	uint64_t start = clock_now_ms();
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	/* Bound, but nobody listens. */
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) ||
	    getsockname(fd, (struct sockaddr *)&a, &len))
		abort();
	s = open_store(ntohs(a.sin_port));
	is_int(get(s, 700, &e), -ETIMEDOUT, "nobody there");
	ok(clock_now_ms() - start < 3000, "says: %s", e.text);
	store_free(s);
	(void)close(fd);
}

struct waiter {
	struct lock lock; /* LOCK_RANK_BASE */
	pthread_cond_t wake;
	int done; /* guarded by lock */
};

static void count_done(struct store_req *req)
{
	struct waiter *w = req->arg;

	LOCK_SCOPE(&w->lock);
	w->done++;
	pthread_cond_signal(&w->wake);
}

static void submit_get(struct store *s, struct store_req *req, struct buf *out,
		       struct waiter *w)
{
	store_req_init(req, STORE_GET, "key");
	req->out = out;
	req->done = count_done;
	req->arg = w;
	store_submit(s, req);
}

static void test_cancel(void)
{
	static const struct step silent[STEPS_MAX] = {
		{ .reply = "", .manner = STALL },
		{ .reply = "", .manner = STALL }
	};
	struct store *s = open_store(server.port);
	struct waiter w = { .done = 0 };
	struct buf out[2] = { BUF_INIT(100), BUF_INIT(100) };
	struct store_req req[2];
	uint64_t start;

	lock_init(&w.lock, LOCK_RANK_BASE);
	cond_init(&w.wake);
	script(silent);
	submit_get(s, &req[0], &out[0], &w);
	submit_get(s, &req[1], &out[1], &w);
	while (arrived() < 2)
		(void)usleep(1000);
	start = clock_now_ms();
	store_cancel(s, &req[0]);
	lock_take(&w.lock);
	while (w.done < 1)
		cond_wait(&w.wake, &w.lock);
	lock_drop(&w.lock);
	ok(clock_now_ms() - start < 1000, "a running request is cancelled");
	is_int(req[0].err.code, -ECANCELED, "as cancelled");
	store_cancel(s, &req[0]); /* harmless */
	store_free(s);
	is_int(w.done, 2, "store_free ends the other");
	is_int(req[1].err.code, -ECANCELED, "as cancelled");
	for (int i = 0; i < 2; i++) {
		store_req_done(&req[i]);
		buf_done(&out[i]);
	}
	(void)pthread_cond_destroy(&w.wake);
	lock_done(&w.lock);
}

/* One connection, held by a request that gets no answer: what waits for it
 * goes in order of priority. */
static void test_priority(void)
{
	static const struct step steps[STEPS_MAX] = { { .reply = "",
							.manner = STALL },
						      { .reply = GET_OK },
						      { .reply = GET_OK },
						      { .reply = GET_OK } };
	static const char *const keys[] = { "held", "background", "prefetch",
					    "foreground" };
	static const enum store_priority order[] = { STORE_FOREGROUND,
						     STORE_BACKGROUND,
						     STORE_PREFETCH,
						     STORE_FOREGROUND };
	struct store *s = open_limited(server.port, 1);
	struct waiter w = { .done = 0 };
	struct store_req req[4];
	struct buf out[4];

	lock_init(&w.lock, LOCK_RANK_BASE);
	cond_init(&w.wake);
	script(steps);
	for (size_t i = 0; i < 4; i++) {
		buf_init(&out[i], 100);
		store_req_init(&req[i], STORE_GET, keys[i]);
		req[i].priority = order[i];
		req[i].out = &out[i];
		req[i].done = count_done;
		req[i].arg = &w;
		store_submit(s, &req[i]);
		while (!i && !arrived())
			(void)usleep(1000);
	}
	(void)usleep(50000);
	is_int(arrived(), 1, "no more than max_connections at once");
	store_cancel(s, &req[0]);
	lock_take(&w.lock);
	while (w.done < 4)
		cond_wait(&w.wake, &w.lock);
	lock_drop(&w.lock);
	ok(asked(1, "/foreground") && asked(2, "/prefetch") &&
		   asked(3, "/background"),
	   "foreground, prefetch, background");
	store_free(s);
	for (size_t i = 0; i < 4; i++) {
		store_req_done(&req[i]);
		buf_done(&out[i]);
	}
	(void)pthread_cond_destroy(&w.wake);
	lock_done(&w.lock);
}

struct plain_exchange {
	struct xfer_req req;
	struct waiter w;
};

static int prepare_plain(struct xfer_req *req)
{
	req->method = "GET";
	return buf_addf(&req->url, "http://127.0.0.1:%d/", server.port);
}

static void plain_done(struct xfer_req *req)
{
	struct plain_exchange *p =
		container_of(req, struct plain_exchange, req);

	LOCK_SCOPE(&p->w.lock);
	p->w.done++;
	pthread_cond_signal(&p->w.wake);
}

/* The request is taken, and nothing comes. */
static void test_stall(void)
{
	static const struct step steps[STEPS_MAX] = { { .reply = "",
							.manner = STALL } };
	struct plain_exchange p = { .w.done = 0 };
	struct throttle throttle;
	struct xfer_options o = { .max_connections = 2,
				  .connect_timeout_s = 5,
				  .throttle = &throttle };
	struct xfer *x = NULL;
	struct err e = { .code = 0 };
	uint64_t start = clock_now_ms();

	throttle_init(&throttle);
	lock_init(&p.w.lock, LOCK_RANK_BASE);
	cond_init(&p.w.wake);
	script(steps);
	xfer_req_init(&p.req);
	p.req.prepare = prepare_plain;
	p.req.done = plain_done;
	p.req.stall_ms = 1500;
	if (is_int(xfer_open(&x, &o, &e), 0, "transfer thread")) {
		xfer_submit(x, &p.req);
		lock_take(&p.w.lock);
		while (!p.w.done)
			cond_wait(&p.w.wake, &p.w.lock);
		lock_drop(&p.w.lock);
		is_int(p.req.result, XFER_STALLED, "silence is a stall");
		ok(clock_now_ms() - start >= 1500 &&
			   clock_now_ms() - start < 4500,
		   "after %d ms", (int)(clock_now_ms() - start));
	}
	xfer_free(x);
	xfer_req_done(&p.req);
	throttle_done(&throttle);
	(void)pthread_cond_destroy(&p.w.wake);
	lock_done(&p.w.lock);
}

/* Holds up the transfer thread, as when the process is stopped. */
static void hold_up(struct store_req *req)
{
	(void)usleep(3500000);
	count_done(req);
}

/*
 * Time in which this process did not run is no time in which the server did not
 * answer; but nobody is asked after what the caller had set as the last moment.
 */
static void test_stopped(void)
{
	static const struct step steps[STEPS_MAX] = {
		{ .reply = "", .manner = STALL },
		{ .reply = OK_EMPTY },
		{ .reply = OK_EMPTY },
	};
	static const char *const words[] = { "retry_timeout", "2", NULL };
	static const uint32_t limits_ms[] = { 0, 60000, 2000 };

	for (size_t i = 0; i < TAP_COUNT(limits_ms); i++) {
		struct store *s = open_with(server.port, words);
		struct waiter w = { .done = 0 };
		struct store_req req[2];

		lock_init(&w.lock, LOCK_RANK_BASE);
		cond_init(&w.wake);
		script(steps);
		for (size_t n = 0; n < 2; n++) {
			store_req_init(&req[n], STORE_HEAD, "key");
			req[n].timeout_ms = limits_ms[i];
			req[n].done = n ? hold_up : count_done;
			req[n].arg = &w;
			store_submit(s, &req[n]);
			while (!arrived())
				(void)usleep(100);
		}
		lock_take(&w.lock);
		while (w.done < 2)
			cond_wait(&w.wake, &w.lock);
		lock_drop(&w.lock);
		is_int(req[0].err.code, limits_ms[i] == 2000 ? -ETIMEDOUT : 0,
		       "stopped past the deadline, asked with %u ms: %s",
		       limits_ms[i], req[0].err.text);
		for (size_t n = 0; n < 2; n++)
			store_req_done(&req[n]);
		store_free(s);
		(void)pthread_cond_destroy(&w.wake);
		lock_done(&w.lock);
	}
}

struct hedge_case {
	const char *name;
	enum store_op op;
	struct step steps[STEPS_MAX];
	int code;
	size_t requests;
};

static const struct hedge_case hedge_cases[] = {
	{ .name = "no answer: another is asked for",
	  .op = STORE_GET,
	  .steps = { { .reply = "", .manner = STALL }, { .reply = GET_OK } },
	  .requests = 2 },
	{ .name = "the first is answered first, and the second before its end",
	  .op = STORE_GET,
	  .steps = { { .reply = GET_OK, .manner = LATE },
		     { .reply = REPLY("200 OK", "5", FIELDS, "wrong"),
		       .manner = LATE } },
	  .requests = 2 },
	{ .name = "the second fails, the first does not",
	  .op = STORE_GET,
	  .steps = { { .reply = GET_OK, .manner = LATE },
		     { .reply = "", .manner = HANG_UP } },
	  .requests = 2 },
	{ .name = "the second is told of trouble",
	  .op = STORE_GET,
	  .steps = { { .reply = "", .manner = STALL },
		     { .reply = ERROR("500 Oops", "InternalError") },
		     { .reply = GET_OK } },
	  .requests = 3 },
	{ .name = "neither gets an answer",
	  .op = STORE_GET,
	  .steps = { { .reply = "", .manner = STALL },
		     { .reply = "", .manner = STALL } },
	  .code = -ETIMEDOUT,
	  .requests = 2 },
	{ .name = "HEAD",
	  .op = STORE_HEAD,
	  .steps = { { .reply = "", .manner = STALL }, { .reply = OK_EMPTY } },
	  .requests = 2 },
	{ .name = "LIST",
	  .op = STORE_LIST,
	  .steps = { { .reply = "", .manner = STALL },
		     { .reply = DOCUMENT("200 OK", LIST_EMPTY) } },
	  .requests = 2 },
	{ .name = "never a PUT",
	  .op = STORE_PUT,
	  .steps = { { .reply = "", .manner = STALL }, { .reply = OK_EMPTY } },
	  .code = -ETIMEDOUT,
	  .requests = 1 },
	{ .name = "never when throttled",
	  .op = STORE_GET,
	  .steps = { { .reply = ERROR("503 Slow Down", "SlowDown") },
		     { .reply = "", .manner = STALL },
		     { .reply = GET_OK } },
	  .code = -ETIMEDOUT,
	  .requests = 2 },
};

/* A first byte that is late is raced. */
static void test_hedge(void)
{
	for (size_t i = 0; i < TAP_COUNT(hedge_cases); i++) {
		const struct hedge_case *h = &hedge_cases[i];
		const struct request_case c = { .op = h->op };
		struct store *s = open_store(server.port);
		struct store_counts counts;
		struct buf out = BUF_INIT(100);
		struct store_req req;
		struct err e = { 0 };
		uint64_t asked_in_all = 0;

		script(h->steps);
		fill(&req, &c, &out);
		req.timeout_ms = 3500;
		is_int(store_run(s, &req, &e), h->code, "%s", h->name);
		is_int(arrived(), h->requests, "requests that arrived");
		if (h->op == STORE_GET)
			is_str(out.data ? out.data : "", h->code ? "" : "hello",
			       "what came");
		store_counts(s, &counts);
		for (int op = 0; op < STORE_OP_COUNT; op++)
			asked_in_all += counts.requests[op];
		is_int(asked_in_all, h->requests, "all are counted");
		store_req_done(&req);
		buf_done(&out);
		store_free(s);
	}
}

/* Both exchanges of a race are under way. */
static void test_hedge_cancel(void)
{
	static const struct step silent[STEPS_MAX] = {
		{ .reply = "", .manner = STALL },
		{ .reply = "", .manner = STALL }
	};
	struct store *s = open_store(server.port);
	struct waiter w = { .done = 0 };
	struct buf out = BUF_INIT(100);
	struct store_req req;

	lock_init(&w.lock, LOCK_RANK_BASE);
	cond_init(&w.wake);
	script(silent);
	submit_get(s, &req, &out, &w);
	while (arrived() < 2)
		(void)usleep(1000);
	store_cancel(s, &req);
	lock_take(&w.lock);
	while (w.done < 1)
		cond_wait(&w.wake, &w.lock);
	lock_drop(&w.lock);
	is_int(req.err.code, -ECANCELED, "a race is cancelled");
	store_free(s);
	is_int(w.done, 1, "once");
	store_req_done(&req);
	buf_done(&out);
	(void)pthread_cond_destroy(&w.wake);
	lock_done(&w.lock);
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

	(void)signal(SIGPIPE, SIG_DFL); /* none may come */
	(void)setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "secretsecret", 1);
	server_open();
	s = open_store(server.port);
	test_cases(s);
	test_put(s);
	test_delete_many(s);
	test_refused(s);
	test_deadline(s);
	store_free(s);
	test_timeout();
	test_region();
	test_regions();
	test_terms();
	test_checksums();
	test_clock();
	test_race();
	test_sent_twice();
	test_away();
	test_cancel();
	test_priority();
	test_stall();
	test_stopped();
	test_hedge();
	test_hedge_cancel();
	return tap_done();
}
