/*
 * Requests and time: limits of it, silence, cancelling, who goes first, and
 * races against a late answer.
 */
#include "s3/http_store.h"

#include <errno.h>

#include "s3/base/clock.h"
#include "s3/retry.h"
#include "s3/xfer.h"
#include "tests/unit/httpserver.h"

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

/* All kept connections die as they are used, as behind a router that forgot
 * them. */
static void test_races(void)
{
#define KEPT                                                                   \
	{                                                                      \
		.reply = OK_EMPTY, .manner = GATHER                            \
	}
#define DEAD                                                                   \
	{                                                                      \
		.reply = "", .manner = HANG_UP                                 \
	}
	static const struct step steps[STEPS_MAX] = {
		KEPT, KEPT, KEPT, KEPT, KEPT, KEPT, KEPT,
		DEAD, DEAD, DEAD, DEAD, DEAD, DEAD, { .reply = OK_EMPTY },
	};
#undef KEPT
#undef DEAD
	struct store *s = open_store(server.port);
	struct waiter w = { .done = 0 };
	struct store_req req[TOGETHER];
	struct err e = { 0 };

	lock_init(&w.lock, LOCK_RANK_BASE);
	cond_init(&w.wake);
	script(steps);
	for (size_t i = 0; i < TOGETHER; i++) {
		store_req_init(&req[i], STORE_HEAD, "key");
		req[i].done = count_done;
		req[i].arg = &w;
		store_submit(s, &req[i]);
	}
	lock_take(&w.lock);
	while (w.done < TOGETHER)
		cond_wait(&w.wake, &w.lock);
	lock_drop(&w.lock);
	for (size_t i = 0; i < TOGETHER; i++)
		store_req_done(&req[i]);
	store_req_init(&req[0], STORE_PUT, "key");
	is_int(store_run(s, &req[0], &e), 0,
	       "one dead connection after the other: %s", e.text);
	is_int(arrived(), TOGETHER + 7, "all that curl tried, and a fresh one");
	store_req_done(&req[0]);
	store_free(s);
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

/* ---- races --------------------------------------------------------------- */

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
		{ .reply = EMPTY("500 Oops") },
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
		struct store *s = open_store(server.port);
		struct store_counts counts;
		struct buf out = BUF_INIT(100);
		struct store_req req;
		struct err e = { 0 };
		uint64_t asked_in_all = 0;

		script(h->steps);
		ask_init(&req, h->op, &out);
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

int main(void)
{
	struct store *s;

	server_open();
	s = open_store(server.port);
	test_deadline(s);
	store_free(s);
	test_timeout();
	test_away();
	test_cancel();
	test_races();
	test_priority();
	test_stall();
	test_stopped();
	test_hedge();
	test_hedge_cancel();
	return tap_done();
}
