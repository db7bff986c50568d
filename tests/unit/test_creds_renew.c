/*
 * Keys that end: renewed ahead of time, by one request for all who ask, and
 * without a request of the store that has to stand still for it.
 */
#include <errno.h>

#include "s3/creds.h"
#include "s3/http_store.h"
#include "tests/unit/keyserver.h"

static bool has_keys(struct creds *c, const char *access)
{
	struct creds_keys *k = creds_get(c);
	bool same = !strcmp(k->access, access);

	creds_keys_put(k);
	return same;
}

static bool wait_for_keys(struct creds *c, const char *access)
{
	for (int i = 0; i < 600; i++) {
		if (has_keys(c, access))
			return true;
		(void)usleep(50000);
	}
	return false;
}

static bool wait_for_trouble(struct creds *c, const char *text)
{
	struct creds_about about;

	for (int i = 0; i < 600; i++) {
		creds_describe(c, &about);
		if (strstr(about.trouble, text))
			return true;
		(void)usleep(50000);
	}
	return false;
}

static const char *const container_env[ENV_MAX] = { CONTAINER };

static struct creds *open_container(const struct rule *rules)
{
	struct creds_options o = { .bucket = "show" };
	struct creds *c = NULL;
	struct err e = { 0 };

	set_env(container_env);
	set_rules(rules);
	write_file(".aws/config", "", 0644);
	if (creds_open(&c, &o, &e)) {
		printf("Bail out! %s\n", e.text);
		exit(1);
	}
	return c;
}

static void test_ahead(void)
{
	static const struct rule rules[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK1", 6), 1 },
		{ "GET /keys ", NULL, 200, TEMPORARY("AK2", 3600), 0 },
	};
	struct creds *c = open_container(rules);
	struct creds_about about;

	ok(has_keys(c, "AK1"), "the first keys");
	ok(wait_for_keys(c, "AK2"), "renewed without being asked");
	is_int(asked(), 2, "by one request");
	creds_describe(c, &about);
	ok(about.expires_s > clock_wall_s() + 3000, "described: the new time");
	creds_free(c);
}

static void test_trouble(void)
{
	static const struct rule bad[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK1", 8), 1 },
		{ "GET /keys ", NULL, 403, "{\"code\":\"No\"}", 0 },
	};
	static const struct rule good[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK2", 3600), 0 },
	};
	struct creds *c = open_container(bad);

	ok(wait_for_trouble(c, "status 403: No"), "renewal fails, and why");
	ok(has_keys(c, "AK1"), "the old keys are handed out");
	set_rules(good);
	ok(wait_for_keys(c, "AK2"), "and renewed later all the same");
	ok(wait_for_trouble(c, ""), "the trouble is over");
	creds_free(c);
}

#define MANY 64

struct crowd {
	pthread_mutex_t lock;
	pthread_cond_t all_done;
	/* guarded by lock: */
	unsigned int left, others, failed;
	int code;
};

struct waiter {
	struct creds_renewal renewal;
	struct crowd *crowd;
};

static void on_renewed(struct creds_renewal *r, int result, const struct err *e)
{
	struct crowd *w = container_of(r, struct waiter, renewal)->crowd;

	pthread_mutex_lock(&w->lock);
	w->others += result == 1;
	w->failed += result < 0;
	if (result < 0)
		w->code = e->code;
	if (!--w->left)
		pthread_cond_signal(&w->all_done);
	pthread_mutex_unlock(&w->lock);
}

static void ask_all(struct creds *c, const struct creds_keys *refused,
		    struct crowd *w, struct waiter *waiters)
{
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->all_done, NULL);
	w->left = MANY;
	w->others = w->failed = 0;
	memset(waiters, 0, MANY * sizeof(*waiters));
	for (size_t i = 0; i < MANY; i++) {
		waiters[i].crowd = w;
		waiters[i].renewal.refused = refused;
		waiters[i].renewal.done = on_renewed;
		creds_renew(c, &waiters[i].renewal);
	}
}

static void wait_all(struct crowd *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->left)
		pthread_cond_wait(&w->all_done, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

/* What was found moments ago is not asked for again. */
static void pass_hold(void)
{
	(void)usleep(1200000);
}

static void test_many(void)
{
	static const struct rule rules[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK1", 3600), 1 },
		{ "GET /keys ", NULL, 200, TEMPORARY("AK2", 3600), 1 },
		{ "GET /keys ", NULL, 500, "", 0 },
	};
	struct creds *c = open_container(rules);
	struct creds_keys *old = creds_get(c), *fresh;
	static struct waiter waiters[MANY];
	struct crowd w;

	(void)setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1", 1);
	pass_hold();
	ask_all(c, old, &w, waiters);
	wait_all(&w);
	is_int(w.others, MANY, "all get other keys");
	is_int(asked(), 2, "by one request");
	fresh = creds_get(c);
	pass_hold();
	ask_all(c, fresh, &w, waiters);
	wait_all(&w);
	is_int(w.failed, MANY, "all fail");
	is_int(w.code, -EIO, "for the moment");
	is_int(asked(), 3, "by one request");
	ok(has_keys(c, "AK2"), "the old keys are handed out");
	creds_keys_put(old);
	creds_keys_put(fresh);
	creds_free(c);
}

static void test_stop(void)
{
	static const struct rule rules[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK1", 3600), 1 },
		{ "GET /keys ", NULL, 0, NULL, 0 },
	};
	struct creds *c = open_container(rules);
	struct creds_keys *old = creds_get(c);
	static struct waiter waiters[MANY];
	unsigned int taken = 0;
	struct crowd w;

	(void)setenv("AWS_METADATA_SERVICE_TIMEOUT", "60", 1);
	pass_hold();
	ask_all(c, old, &w, waiters);
	while (asked() < 2)
		(void)usleep(10000);
	for (size_t i = 0; i < MANY / 2; i++)
		taken += creds_renew_cancel(c, &waiters[i].renewal);
	is_int(taken, MANY / 2, "renewals that wait can be cancelled");
	ok(!creds_renew_cancel(c, &waiters[0].renewal), "but once");
	pthread_mutex_lock(&w.lock);
	w.left -= taken;
	pthread_mutex_unlock(&w.lock);
	creds_stop(c);
	wait_all(&w);
	is_int(w.failed, MANY / 2, "the others fail when it is stopped");
	is_int(w.code, -ECANCELED, "as cancelled");
	creds_keys_put(old);
	creds_free(c);
}

/* ---- requests ---------------------------------------------------------- */

#define EXPIRED                                                                \
	"<Error><Code>ExpiredToken</Code><Message>over</Message></Error>"

static struct crowd requests;

static void on_got(struct store_req *req)
{
	pthread_mutex_lock(&requests.lock);
	requests.failed += req->err.code != 0;
	requests.code = req->err.code;
	if (req->err.code)
		printf("# %s\n", req->err.text);
	requests.left--;
	pthread_cond_broadcast(&requests.all_done);
	pthread_mutex_unlock(&requests.lock);
}

static struct store *open_store(const struct rule *rules)
{
	struct source_options o;
	struct store *s = NULL;
	struct err e = { 0 };

	set_env(container_env);
	set_rules(rules);
	source_options_init(&o);
	if (asprintf(&o.endpoint, "http://127.0.0.1:%d", server.port) < 0)
		abort();
	if (http_store_open(&s, "bucket", &o, &e)) {
		printf("Bail out! %s\n", e.text);
		exit(1);
	}
	source_options_done(&o);
	return s;
}

static void get_all(struct store *s, struct store_req *reqs, struct buf *outs,
		    unsigned int count)
{
	requests.left = count;
	requests.failed = 0;
	for (unsigned int i = 0; i < count; i++) {
		buf_init(&outs[i], 100);
		store_req_init(&reqs[i], STORE_GET, "key");
		reqs[i].out = &outs[i];
		reqs[i].done = on_got;
		store_submit(s, &reqs[i]);
	}
}

static void end_all(struct store_req *reqs, struct buf *outs,
		    unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		store_req_done(&reqs[i]);
		buf_done(&outs[i]);
	}
}

#define GETS 16

static void test_signed_again(void)
{
	static const struct rule rules[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK1", 3600), 1 },
		{ "GET /keys ", NULL, 200, TEMPORARY("AK2", 3600), 0 },
		{ "GET /bucket/key ", "Credential=AK1/", -400, EXPIRED, 0 },
		{ "GET /bucket/key ", "x-amz-security-token: TK-AK2", 200,
		  "hello", 0 },
	};
	static struct store_req reqs[GETS];
	static struct buf outs[GETS];
	struct store *s = open_store(rules);

	pass_hold();
	get_all(s, reqs, outs, GETS);
	while (asked() < 1 + GETS) /* the keys, and all with the first ones */
		(void)usleep(10000);
	release();
	wait_all(&requests);
	is_int(requests.failed, 0, "expired keys: all requests succeed");
	is_int(asked(), 2 + 2 * GETS, "refused once each, renewed once");
	end_all(reqs, outs, GETS);
	store_free(s);
}

/* While keys are on their way, who does not need them is served, and who waits
 * for them can be called off. */
static void test_not_blocked(void)
{
	static const struct rule rules[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK1", 3600), 1 },
		{ "GET /keys ", NULL, -200, TEMPORARY("AK2", 3600), 0 },
		{ "GET /bucket/key ", "Credential=AK1/", 400, EXPIRED, 2 },
		{ "GET /bucket/key ", NULL, 200, "hello", 0 },
	};
	static struct store_req stuck[2], free_req;
	static struct buf stuck_outs[2], free_out;
	struct store *s = open_store(rules);

	(void)setenv("AWS_METADATA_SERVICE_TIMEOUT", "60", 1);
	pass_hold();
	get_all(s, stuck, stuck_outs, 2);
	while (asked() < 4) /* two refusals, and the question for keys */
		(void)usleep(10000);
	buf_init(&free_out, 100);
	store_req_init(&free_req, STORE_GET, "key");
	free_req.out = &free_out;
	free_req.done = on_got;
	pthread_mutex_lock(&requests.lock);
	requests.left++;
	pthread_mutex_unlock(&requests.lock);
	store_submit(s, &free_req);
	pthread_mutex_lock(&requests.lock);
	while (requests.left > 2)
		pthread_cond_wait(&requests.all_done, &requests.lock);
	pthread_mutex_unlock(&requests.lock);
	is_int(free_req.err.code, 0, "others go on meanwhile");
	store_cancel(s, &stuck[0]);
	pthread_mutex_lock(&requests.lock);
	while (requests.left > 1)
		pthread_cond_wait(&requests.all_done, &requests.lock);
	pthread_mutex_unlock(&requests.lock);
	is_int(stuck[0].err.code, -ECANCELED, "one that waits is called off");
	release();
	wait_all(&requests);
	is_int(stuck[1].err.code, 0, "one that waited gets the keys");
	end_all(stuck, stuck_outs, 2);
	end_all(&free_req, &free_out, 1);
	store_free(s);
}

/* An answer that names no reason, to keys whose time is over; and the service
 * that gives keys is away for a moment. */
static void test_over(void)
{
	static const struct rule rules[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK1", 0), 1 },
		{ "GET /keys ", NULL, 500, "", 1 },
		{ "GET /keys ", NULL, 200, TEMPORARY("AK2", 3600), 0 },
		{ "GET /bucket/key ", "Credential=AK1/", 403,
		  "<Error><Code>AccessDenied</Code></Error>", 0 },
		{ "GET /bucket/key ", NULL, 200, "hello", 0 },
	};
	static struct store_req req;
	static struct buf out;
	struct store *s = open_store(rules);

	(void)setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1", 1);
	pass_hold();
	get_all(s, &req, &out, 1);
	wait_all(&requests);
	is_int(requests.failed, 0, "expired and away: waits for the keys");
	end_all(&req, &out, 1);
	store_free(s);
}

/* Closing does not wait for a service. */
static void test_close(void)
{
	static const struct rule rules[RULES_MAX] = {
		{ "GET /keys ", NULL, 200, TEMPORARY("AK1", 3600), 1 },
		{ "GET /keys ", NULL, 0, NULL, 0 },
		{ "GET /bucket/key ", NULL, 400, EXPIRED, 0 },
	};
	static struct store_req reqs[4];
	static struct buf outs[4];
	struct store *s = open_store(rules);

	(void)setenv("AWS_METADATA_SERVICE_TIMEOUT", "60", 1);
	pass_hold();
	get_all(s, reqs, outs, 4);
	while (asked() < 6)
		(void)usleep(10000);
	store_free(s);
	is_int(requests.failed, 4, "closed: all requests end");
	is_int(requests.code, -ECANCELED, "as cancelled");
	end_all(reqs, outs, 4);
}

int main(void)
{
	pthread_mutex_init(&requests.lock, NULL);
	pthread_cond_init(&requests.all_done, NULL);
	surroundings_open();
	test_ahead();
	test_trouble();
	test_many();
	test_stop();
	test_signed_again();
	test_not_blocked();
	test_over();
	test_close();
	surroundings_close();
	return tap_done();
}
