/*
 * A server of HTTP on loopback that answers as scripted: each request that
 * arrives gets the next step of the script, on whatever connection it comes.
 * With it stores that ask it.
 *
 *	server_open();
 *	s = open_store(server.port);
 *	script(steps);
 *	is_int(get(s, 5000, &e), 0, "%s", e.text);
 *	is_int(arrived(), 1, "requests");
 *	ok(asked(0, "\r\nrange: "), "of the first");
 *
 * A script has a place for STEPS_MAX steps. Behind its last the server hangs
 * up.
 *
 * Threads: any; the script is behind one lock. Include it in one file only.
 */
#ifndef TESTS_UNIT_HTTPSERVER_H
#define TESTS_UNIT_HTTPSERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "s3/base/lock.h"
#include "s3/http_store.h"
#include "tests/unit/tap.h"

#define STEPS_MAX 16
#define TOGETHER 7 /* more than curl tries by itself */
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
#define GET_OK REPLY("200 OK", "5", FIELDS, "hello")
#define COPY_OK                                                                \
	DOCUMENT("200 OK", "<CopyObjectResult><ETag>\"e2\"</ETag>"             \
			   "</CopyObjectResult>")
#define LIST_EMPTY                                                             \
	"<ListBucketResult><Name>bucket</Name><IsTruncated>false"              \
	"</IsTruncated></ListBucketResult>"

enum manner {
	ANSWER,
	HANG_UP, /* without an answer */
	STALL, /* no answer, ever */
	HANG_UP_AFTER, /* the answer */
	LATE, /* LATE_US later */
	GATHER, /* once TOGETHER requests have come */
};

#define LATE_US 2400000 /* a second one has been sent by then */

struct step {
	const char *reply; /* @MARK@: see send_reply */
	enum manner manner;
};

static struct {
	int listener;
	int port;
	pthread_t thread;

	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	const struct step *steps;
	size_t next;
	char heads[STEPS_MAX][4096]; /* of the requests that came */
} server;

/* ---- the server -------------------------------------------------------- */

/* Reads one request; its head is kept. Returns the step for it, or NULL. */
static inline const struct step *read_request(int fd)
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

static inline size_t arrived(void)
{
	LOCK_SCOPE(&server.lock);
	return server.next;
}

/* Sends a reply; where it has the text @MARK@… it becomes the mark that the
 * first request bore, of the same length (two digits fewer and back). */
static inline ssize_t send_reply(int fd, const char *reply)
{
	static const char field[] = "\r\nx-amz-meta-assetfs-put: ";
	CLEANUP_FREE char *text = strdup(reply);
	char *to = text ? strstr(text, "@MARK@") : NULL, *from;

	if (to) {
		LOCK_SCOPE(&server.lock);
		from = strcasestr(server.heads[0], field);
		if (from)
			memcpy(to, from + sizeof(field) - 1, 16);
		memmove(to + 16, to + 18, strlen(to + 18) + 1);
	}
	return text ? send(fd, text, strlen(text), MSG_NOSIGNAL) : -1;
}

static inline void *serve(void *arg)
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
		while (step->manner == GATHER && arrived() < TOGETHER)
			(void)usleep(1000);
		if (send_reply(fd, step->reply) < 0)
			break;
		if (step->manner == HANG_UP_AFTER ||
		    strstr(step->reply, "Connection: close"))
			break;
	}
	(void)shutdown(fd, SHUT_RDWR);
	return NULL;
}

static inline void *accept_all(void *arg)
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

/* First thing in main: the server, and keys to sign with. */
static inline void server_open(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	(void)signal(SIGPIPE, SIG_DFL); /* none may come */
	(void)setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE", 1);
	(void)setenv("AWS_SECRET_ACCESS_KEY", "secretsecret", 1);
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

static inline void script(const struct step *steps)
{
	LOCK_SCOPE(&server.lock);
	server.steps = steps;
	server.next = 0;
	memset(server.heads, 0, sizeof(server.heads));
}

/* Whether the n-th request had this text in its head. */
static inline bool asked(size_t n, const char *text)
{
	LOCK_SCOPE(&server.lock);
	if (strcasestr(server.heads[n], text))
		return true;
	printf("# head was: %s\n", server.heads[n]);
	return false;
}

/* ---- stores ------------------------------------------------------------ */

/* words: of options, each followed by its value; NULL at the end. */
static inline struct store *open_with(int port, const char *const words[])
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

static inline struct store *open_limited(int port, uint32_t max_connections)
{
	const char *words[] = { "max_connections", NULL, NULL };
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", max_connections);
	words[1] = number;
	return open_with(port, words);
}

static inline struct store *open_store(int port)
{
	return open_limited(port, 64);
}

/* Any operation, with what it may need; out: of a GET. */
static inline void ask_init(struct store_req *req, enum store_op op,
			    struct buf *out)
{
	static const struct store_part parts[] = {
		{ 1, "0cc175b9c0f1b6a831c399e269772661" },
		{ 2, "92eb5ffee6ae2fec3ad71c777531578f" }
	};

	store_req_init(req, op, op == STORE_LIST ? "" : "key");
	req->timeout_ms = 8000;
	req->out = op == STORE_GET ? out : NULL;
	req->body = "body";
	req->body_len = 4;
	req->source = "source";
	req->upload_id = "id";
	req->parts = parts;
	req->part_count = 2;
}

static inline int get(struct store *s, uint32_t timeout_ms, struct err *e)
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

#endif
