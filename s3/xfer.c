/*
 * A submitted exchange waits in `incoming` until the thread wakes, then in
 * `delayed` until its start time, then in `waiting` of its priority until there
 * is a connection for it, then runs as a struct exchange. All lists but
 * `incoming` belong to the transfer thread.
 *
 * A request whose first byte is late has two exchanges. Each ends by itself or
 * is left; only the last one ends the request. As soon as one has got a status
 * line (exchange.c) the other is left.
 *
 * Times of delayed and waiting exchanges are looked through only once the
 * earliest of them has come (due_ms), as there may be thousands; running ones
 * each second, as there are few.
 */
#include "s3/xfer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/pool.h"
#include "s3/exchange.h"
#include "s3/retry.h"

#define TICK_MS 1000
#define IDLE_MS 60000
#define STOPPED_MS 2000

struct xfer {
	struct xfer_options o; /* set at open, then constant */
	char *ca_bundle;
	CURLM *multi; /* the thread's; any thread may wake it */
	pthread_t thread;
	bool has_thread;

	struct lock lock; /* LOCK_RANK_XFER */
	/* guarded by lock: */
	struct list incoming;
	bool cancels; /* some request has `cancelled` set */
	unsigned int expected; /* connections to open ahead */
	bool stop;

	/* the thread's: */
	struct list delayed;
	struct list waiting[STORE_PRIORITY_COUNT];
	struct list running; /* of struct exchange */
	struct list spare; /* of struct exchange */
	struct sockets sockets;
	size_t running_count;
	uint64_t due_ms; /* when delayed and waiting are to be looked at */
	uint64_t gate_ms; /* no start before: throttled */
	uint64_t tick_ms; /* when running ones are to be looked at */
	uint64_t awake_ms; /* when the thread ran last, or was to run again */
	struct hedge hedge;
	size_t races; /* requests with two exchanges */
};

void xfer_req_init(struct xfer_req *req)
{
	memset(req, 0, sizeof(*req));
	buf_init(&req->url, 64 << 10);
	headers_init(&req->headers);
	headers_init(&req->answer);
	buf_init(&req->reply, 0);
	list_init(&req->link);
}

void xfer_req_done(struct xfer_req *req)
{
	buf_done(&req->url);
	headers_done(&req->headers);
	headers_done(&req->answer);
	buf_done(&req->reply);
}

static struct xfer_req *req_of(struct list *l)
{
	return container_of(l, struct xfer_req, link);
}

static struct exchange *exchange_of(struct list *l)
{
	return container_of(l, struct exchange, link);
}

/* Ends a request that is in no list and has no exchange. */
static void refuse(struct xfer_req *req, enum xfer_result result)
{
	struct exchange none = { .req = req };

	headers_reset(&req->answer);
	req->status = 0;
	req->begun = 0;
	exchange_break(&none, result)->done(req);
}

static void retire(struct xfer *x, struct exchange *ex)
{
	(void)curl_multi_remove_handle(x->multi, ex->easy);
	list_remove(&ex->link);
	list_add_tail(&x->spare, &ex->link);
	x->running_count--;
}

/* Ends one exchange; the other goes on with the request. */
static void leave(struct xfer *x, struct exchange *ex)
{
	retire(x, ex);
	exchange_leave(ex);
	x->races--;
}

static void break_off(struct xfer *x, struct exchange *ex,
		      enum xfer_result result)
{
	struct xfer_req *req;

	if (ex->req->running > 1) {
		leave(x, ex);
		return;
	}
	retire(x, ex);
	req = exchange_break(ex, result);
	req->done(req);
}

/* Collects cancelled requests of a list; under the lock, which guards the
 * flag. */
static void pick_cancelled(struct list *from, struct list *to, bool all)
{
	list_for_each_safe (pos, from) {
		if (!all && !req_of(pos)->cancelled)
			continue;
		list_remove(pos);
		list_add_tail(to, pos);
	}
}

static void enqueue(struct xfer *x, struct xfer_req *req, uint64_t now_ms)
{
	uint64_t at_ms = req->deadline_ms ? req->deadline_ms : UINT64_MAX;

	if (req->start_ms > now_ms) {
		list_add_tail(&x->delayed, &req->link);
		if (req->start_ms < at_ms)
			at_ms = req->start_ms;
	} else {
		list_add_tail(&x->waiting[req->priority], &req->link);
	}
	if (at_ms < x->due_ms)
		x->due_ms = at_ms;
}

/* Opens what connections are lacking for so many requests at once. */
static void open_ahead(struct xfer *x, size_t count)
{
	size_t have = x->sockets.count + x->sockets.ahead_count;

	have = have > x->running_count ? have - x->running_count : 0;
	if (count > have)
		sockets_expect(&x->sockets, count - have);
}

/* Once for a request, though it may have two exchanges. */
static void move_deadline(struct xfer_req *req, uint64_t now_ms, uint64_t by_ms)
{
	uint64_t to_ms = req->deadline_ms + by_ms;

	if (!req->deadline_ms || req->deadline_ms >= req->latest_ms ||
	    req->stopped_ms == now_ms)
		return;
	req->deadline_ms = to_ms < req->latest_ms ? to_ms : req->latest_ms;
	req->stopped_ms = now_ms;
}

static void move_deadlines(struct list *reqs, uint64_t now_ms, uint64_t by_ms)
{
	list_for_each (pos, reqs)
		move_deadline(req_of(pos), now_ms, by_ms);
}

/*
 * The time. The thread never stays away for long by itself: what it missed, all
 * of the process did, and that is no fault of a server's.
 */
static uint64_t notice_time(struct xfer *x)
{
	uint64_t now_ms = clock_now_ms(), missed_ms;

	missed_ms = now_ms > x->awake_ms ? now_ms - x->awake_ms : 0;
	x->awake_ms = now_ms;
	if (missed_ms < STOPPED_MS)
		return now_ms;
	log_debug("this process was stopped for %llu ms",
		  (unsigned long long)missed_ms);
	list_for_each (pos, &x->running)
		move_deadline(exchange_of(pos)->req, now_ms, missed_ms);
	move_deadlines(&x->delayed, now_ms, missed_ms);
	for (int i = 0; i < STORE_PRIORITY_COUNT; i++)
		move_deadlines(&x->waiting[i], now_ms, missed_ms);
	LOCK_SCOPE(&x->lock);
	move_deadlines(&x->incoming, now_ms, missed_ms);
	return now_ms;
}

/* Takes over what other threads asked for. Returns whether to end. */
static bool take_orders(struct xfer *x)
{
	struct list taken = LIST_INIT(taken), gone = LIST_INIT(gone);
	struct list broken = LIST_INIT(broken), *pos;
	uint64_t now_ms = clock_now_ms();
	size_t expected;
	bool stop;

	lock_take(&x->lock);
	stop = x->stop;
	expected = x->expected;
	x->expected = 0;
	while ((pos = list_pop_head(&x->incoming)))
		list_add_tail(req_of(pos)->cancelled || stop ? &gone : &taken,
			      pos);
	if (x->cancels || stop) {
		x->cancels = false;
		pick_cancelled(&x->delayed, &gone, stop);
		for (int i = 0; i < STORE_PRIORITY_COUNT; i++)
			pick_cancelled(&x->waiting[i], &gone, stop);
		list_for_each_safe (run, &x->running) {
			if (!stop && !exchange_of(run)->req->cancelled)
				continue;
			list_remove(run);
			list_add_tail(&broken, run);
		}
	}
	lock_drop(&x->lock);

	if (expected)
		open_ahead(x, expected);
	while ((pos = list_pop_head(&taken)))
		enqueue(x, req_of(pos), now_ms);
	while ((pos = list_pop_head(&gone)))
		refuse(req_of(pos), XFER_CANCELLED);
	while (!list_empty(&broken))
		break_off(x, exchange_of(broken.next), XFER_CANCELLED);
	return stop;
}

/* Moves on what waited for a time of its own. */
static void look_through(struct xfer *x, uint64_t now_ms)
{
	struct list all = LIST_INIT(all), late = LIST_INIT(late), *pos;

	if (now_ms < x->due_ms)
		return;
	x->due_ms = UINT64_MAX;
	for (int i = 0; i < STORE_PRIORITY_COUNT; i++)
		while ((pos = list_pop_head(&x->waiting[i])))
			list_add_tail(&all, pos);
	while ((pos = list_pop_head(&x->delayed)))
		list_add_tail(&all, pos);
	while ((pos = list_pop_head(&all))) {
		struct xfer_req *req = req_of(pos);

		if (req->deadline_ms && req->deadline_ms <= now_ms)
			list_add_tail(&late, pos);
		else
			enqueue(x, req, now_ms);
	}
	while ((pos = list_pop_head(&late)))
		refuse(req_of(pos), XFER_DEADLINE);
}

static void check_running(struct xfer *x, uint64_t now_ms)
{
	bool tick = now_ms >= x->tick_ms;

	if (tick)
		x->tick_ms = now_ms + TICK_MS;
	list_for_each_safe (pos, &x->running) {
		struct exchange *ex = exchange_of(pos);
		uint64_t deadline_ms = ex->req->deadline_ms;

		if (deadline_ms && deadline_ms <= now_ms)
			break_off(x, ex, XFER_DEADLINE);
		else if (tick && exchange_stalled(ex, now_ms))
			break_off(x, ex, XFER_STALLED);
	}
}

static struct exchange *spare_exchange(struct xfer *x)
{
	struct list *pos = list_pop_head(&x->spare);

	return pos ? exchange_of(pos) : exchange_new(&x->sockets);
}

static void start(struct xfer *x, struct xfer_req *req, uint64_t now_ms)
{
	struct exchange *ex = spare_exchange(x);

	if (!ex) {
		refuse(req, XFER_NO_MEMORY);
		return;
	}
	if (exchange_begin(ex, req, &x->o, now_ms) ||
	    curl_multi_add_handle(x->multi, ex->easy)) {
		list_add_tail(&x->spare, &ex->link);
		req = exchange_break(ex, XFER_NO_MEMORY);
		req->done(req);
		return;
	}
	if (req->hedge)
		hedge_begun(&x->hedge);
	list_add_tail(&x->running, &ex->link);
	x->running_count++;
}

/* Connections that a priority may fill: an eighth is kept from prefetch and a
 * quarter from background. */
static size_t limit_of(const struct xfer *x, int priority)
{
	size_t max = x->o.max_connections;
	size_t kept = max * (size_t)priority / 8;

	return kept < max ? max - kept : 1;
}

static void start_waiting(struct xfer *x, uint64_t now_ms)
{
	if (now_ms < x->gate_ms)
		return;
	x->gate_ms = 0;
	for (int i = 0; i < STORE_PRIORITY_COUNT; i++) {
		while (!list_empty(&x->waiting[i]) &&
		       x->running_count < limit_of(x, i)) {
			uint32_t wait_ms = throttle_take(x->o.throttle, now_ms);

			if (wait_ms) {
				x->gate_ms = now_ms + wait_ms;
				return;
			}
			start(x, req_of(list_pop_head(&x->waiting[i])), now_ms);
		}
	}
}

/* One of the two was answered: the other is for nothing. */
static void end_races(struct xfer *x)
{
	if (!x->races)
		return;
	list_for_each_safe (pos, &x->running) {
		struct exchange *ex = exchange_of(pos);

		if (ex->req->first && ex->req->first != ex)
			leave(x, ex);
	}
}

static void finish(struct xfer *x, struct exchange *ex, CURLcode code)
{
	struct xfer_req *req = ex->req;

	/* What fails before either was answered leaves it to the other. */
	if (req->running > 1) {
		leave(x, ex);
		return;
	}
	if (req->hedge && code == CURLE_OK)
		hedge_note(&x->hedge, req->hedge,
			   req->answer_ms - req->begin_ms);
	(void)exchange_end(ex, code);
	retire(x, ex);
	req->done(req);
}

static void collect(struct xfer *x)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(x->multi, &left))) {
		CURLcode code = msg->data.result;
		struct exchange *ex = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
					(char **)&ex);
		assert(ex && ex->req);
		finish(x, ex, code);
	}
}

/* Whether a second one may be sent, as far as all requests are concerned. */
static bool may_race(const struct xfer *x)
{
	return x->o.hedge && hedge_may(&x->hedge) &&
	       x->running_count < x->o.max_connections &&
	       !throttle_limits(x->o.throttle);
}

/* When this one is late; UINT64_MAX: it is not to be raced. */
static uint64_t late_ms(const struct xfer *x, const struct exchange *ex)
{
	const struct xfer_req *req = ex->req;

	if (!req->hedge || req->priority == STORE_BACKGROUND ||
	    req->begun > 1 || req->first)
		return UINT64_MAX;
	return req->begin_ms + hedge_after_ms(&x->hedge, req->hedge);
}

static void race(struct xfer *x, struct exchange *slow, uint64_t now_ms)
{
	struct exchange *ex = spare_exchange(x);

	hedge_take(&x->hedge); /* also if it fails: not to be tried for ever */
	if (!ex)
		return;
	if (exchange_join(ex, slow->req, &x->o, now_ms) ||
	    curl_multi_add_handle(x->multi, ex->easy)) {
		exchange_leave(ex);
		list_add_tail(&x->spare, &ex->link);
		return;
	}
	(void)throttle_take(x->o.throttle, now_ms); /* it is counted there */
	log_debug("%s: no byte of an answer for %llu ms, asked again",
		  slow->req->method,
		  (unsigned long long)(now_ms - slow->req->begin_ms));
	list_add_tail(&x->running, &ex->link);
	x->running_count++;
	x->races++;
}

static void start_races(struct xfer *x, uint64_t now_ms)
{
	list_for_each_safe (pos, &x->running) {
		if (late_ms(x, exchange_of(pos)) > now_ms)
			continue;
		if (!may_race(x))
			return;
		race(x, exchange_of(pos), now_ms);
	}
}

static int wait_ms(const struct xfer *x, uint64_t now_ms)
{
	uint64_t at_ms = now_ms + IDLE_MS;
	bool races;

	if (x->due_ms < at_ms)
		at_ms = x->due_ms;
	if (x->gate_ms && x->gate_ms < at_ms)
		at_ms = x->gate_ms;
	if (x->running_count && x->tick_ms < at_ms)
		at_ms = x->tick_ms;
	/* The machine may be suspended, which poll's clock does not count. */
	if (x->due_ms != UINT64_MAX && at_ms > now_ms + TICK_MS)
		at_ms = now_ms + TICK_MS;
	races = may_race(x);
	list_for_each (pos, &x->running) {
		uint64_t deadline_ms = exchange_of(pos)->req->deadline_ms;
		uint64_t race_ms = late_ms(x, exchange_of(pos));

		if (deadline_ms && deadline_ms < at_ms)
			at_ms = deadline_ms;
		if (races && race_ms < at_ms)
			at_ms = race_ms;
	}
	return at_ms > now_ms ? (int)(at_ms - now_ms) : 0;
}

static void *transfer_thread(void *arg)
{
	struct xfer *x = arg;
	bool stop = false;

	while (!stop) {
		uint64_t now_ms;
		int running, wait;

		(void)curl_multi_perform(x->multi, &running);
		(void)notice_time(x);
		end_races(x);
		collect(x);
		stop = take_orders(x);
		now_ms = notice_time(x);
		look_through(x, now_ms);
		check_running(x, now_ms);
		start_waiting(x, now_ms);
		start_races(x, now_ms);
		wait = wait_ms(x, now_ms);
		x->awake_ms += (uint64_t)wait;
		if (!stop)
			(void)curl_multi_poll(x->multi, NULL, 0, wait, NULL);
	}
	return NULL;
}

void xfer_submit(struct xfer *x, struct xfer_req *req)
{
	lock_take(&x->lock);
	list_add_tail(&x->incoming, &req->link);
	lock_drop(&x->lock);
	(void)curl_multi_wakeup(x->multi); /* fails for a bad handle only */
}

void xfer_expect(struct xfer *x, unsigned int count)
{
	lock_take(&x->lock);
	x->expected = count;
	lock_drop(&x->lock);
	(void)curl_multi_wakeup(x->multi);
}

void xfer_cancel(struct xfer *x, struct xfer_req *req)
{
	lock_take(&x->lock);
	req->cancelled = true;
	x->cancels = true;
	lock_drop(&x->lock);
	(void)curl_multi_wakeup(x->multi);
}

static int start_thread(struct xfer *x)
{
	int r = pool_start_thread(&x->thread, transfer_thread, x);

	x->has_thread = !r;
	return r;
}

DEFINE_CLEANUP(struct xfer *, xfer_free)

int xfer_open(struct xfer **ret_xfer, const struct xfer_options *o,
	      struct err *e)
{
	CLEANUP(xfer_freep) struct xfer *x = calloc(1, sizeof(*x));
	int r;

	if (!x)
		return err_set(e, -ENOMEM, "out of memory");
	lock_init(&x->lock, LOCK_RANK_XFER);
	list_init(&x->incoming);
	list_init(&x->delayed);
	list_init(&x->running);
	list_init(&x->spare);
	for (int i = 0; i < STORE_PRIORITY_COUNT; i++)
		list_init(&x->waiting[i]);
	sockets_init(&x->sockets);
	hedge_init(&x->hedge);
	x->due_ms = UINT64_MAX;
	x->awake_ms = clock_now_ms();
	x->o = *o;
	x->o.ca_bundle = NULL;
	if (o->ca_bundle) {
		x->ca_bundle = strdup(o->ca_bundle);
		if (!x->ca_bundle)
			return err_set(e, -ENOMEM, "out of memory");
		x->o.ca_bundle = x->ca_bundle;
	}
	/* Counted, and safe with other threads since curl 7.84. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return err_set(e, -ENOMEM, "curl does not start");
	x->multi = curl_multi_init();
	if (!x->multi ||
	    curl_multi_setopt(x->multi, CURLMOPT_MAXCONNECTS,
			      (long)o->max_connections) ||
	    curl_multi_setopt(x->multi, CURLMOPT_PIPELINING,
			      (long)CURLPIPE_NOTHING))
		return err_set(e, -ENOMEM, "out of memory");
	r = start_thread(x);
	if (r)
		return err_set(e, r, "no thread for transfers: %s",
			       strerror(-r));
	*ret_xfer = TAKE_PTR(x);
	return 0;
}

void xfer_free(struct xfer *x)
{
	struct list *pos;

	if (!x)
		return;
	if (x->has_thread) {
		lock_take(&x->lock);
		x->stop = true;
		lock_drop(&x->lock);
		(void)curl_multi_wakeup(x->multi);
		(void)pthread_join(x->thread, NULL);
	}
	while ((pos = list_pop_head(&x->spare)))
		exchange_free(exchange_of(pos));
	if (x->multi)
		(void)curl_multi_cleanup(x->multi);
	sockets_done(&x->sockets);
	lock_done(&x->lock);
	free(x->ca_bundle);
	free(x);
}
