/*
 * store_crowd SOURCE: whether a store does what s3/store.h promises where many
 * requests are under way at once: races, cancelling, stopping.
 */
#include <pthread.h>

#include "s3/base/lock.h"
#include "tests/conform/requests.h"

struct crowd {
	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	pthread_cond_t wake;
	int waiting;
	int codes[MANY];
	int completions[MANY];
	struct store_req reqs[MANY];
};

static void crowd_done(struct store_req *req)
{
	struct crowd *w = req->arg;
	size_t i = (size_t)(req - w->reqs);

	LOCK_SCOPE(&w->lock);
	w->codes[i] = req->err.code;
	w->completions[i]++;
	w->waiting--;
	pthread_cond_signal(&w->wake);
}

static struct crowd *crowd_open(int count)
{
	struct crowd *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	lock_init(&w->lock, LOCK_RANK_BASE);
	cond_init(&w->wake);
	w->waiting = count;
	return w;
}

static void crowd_wait(struct crowd *w)
{
	LOCK_SCOPE(&w->lock);
	while (w->waiting > 0)
		cond_wait(&w->wake, &w->lock);
}

static void crowd_free(struct crowd *w, int count)
{
	for (int i = 0; i < count; i++)
		store_req_done(&w->reqs[i]);
	(void)pthread_cond_destroy(&w->wake);
	lock_done(&w->lock);
	free(w);
}

static void test_race(const struct conform *c)
{
	char key[256], bodies[16][24];

	for (int round = 0; round < 5; round++) {
		struct crowd *w = crowd_open(16);
		int winners = 0, losers = 0, winner = 0;

		(void)snprintf(key, sizeof(key), "%srace%d", c->prefix, round);
		for (int i = 0; i < 16; i++) {
			struct store_req *req = &w->reqs[i];

			(void)snprintf(bodies[i], sizeof(bodies[i]), "body %d",
				       i);
			store_req_init(req, STORE_PUT, key);
			req->body = bodies[i];
			req->body_len = strlen(bodies[i]);
			req->if_absent = true;
			req->done = crowd_done;
			req->arg = w;
			store_submit(c->store, req);
		}
		crowd_wait(w);
		for (int i = 0; i < 16; i++) {
			winners += !w->codes[i];
			losers += w->codes[i] == -EEXIST;
			winner = w->codes[i] ? winner : i;
		}
		ok(winners == 1 && losers == 15 &&
			   holds(c, key + strlen(c->prefix), bodies[winner]),
		   "round %d: one of 16 wins (%d, %d lost)", round, winners,
		   losers);
		crowd_free(w, 16);
	}
}

static void test_cancel(const struct conform *c)
{
	struct crowd *w = crowd_open(MANY);
	static char body[1 << 16];
	char keys[MANY][256];
	bool good = true;
	int cancelled = 0;

	for (int i = 0; i < MANY; i++) {
		struct store_req *req = &w->reqs[i];

		(void)snprintf(keys[i], sizeof(keys[i]), "%scancel%d",
			       c->prefix, i);
		store_req_init(req, STORE_PUT, keys[i]);
		req->priority = (enum store_priority)(i % 3);
		req->body = body;
		req->body_len = sizeof(body);
		req->done = crowd_done;
		req->arg = w;
		store_submit(c->store, req);
	}
	for (int i = MANY - 1; i >= 0; i -= 2)
		store_cancel(c->store, &w->reqs[i]);
	crowd_wait(w);
	for (int i = 0; i < MANY; i++) {
		good = good && w->completions[i] == 1 &&
		       (!w->codes[i] || (i % 2 && w->codes[i] == -ECANCELED));
		cancelled += w->codes[i] == -ECANCELED;
	}
	ok(good, "each completes once, as asked (%d cancelled)", cancelled);
	crowd_free(w, MANY);
}

/* The last test of a store. */
static void test_stop(const struct conform *c)
{
	struct crowd *w = crowd_open(MANY);
	struct store_req req;
	char keys[MANY][256];
	bool good = true;

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "%sstop%d", c->prefix,
			       i);
		store_req_init(&w->reqs[i], STORE_DELETE, keys[i]);
		w->reqs[i].tidies = i % 2;
		w->reqs[i].done = crowd_done;
		w->reqs[i].arg = w;
		store_submit(c->store, &w->reqs[i]);
	}
	store_stop(c->store);
	crowd_wait(w);
	for (int i = 0; i < MANY; i++)
		good = good && w->completions[i] == 1 &&
		       (!w->codes[i] ||
			(w->codes[i] == -ECANCELED && i % 2 == 0));
	ok(good, "each completes once; what tidies, well");
	crowd_free(w, MANY);
	is_int(head_only(c, "stop"), -ECANCELED, "nothing is asked any more");
	store_req_init(&req, STORE_DELETE, at(c, "stop"));
	req.tidies = true;
	is_int(run(c, &req), 0, "but to tidy up");
	store_req_done(&req);
}

int main(int argc, char **argv)
{
	struct conform c = { .store = NULL };

	conform_open(&c, argc, argv);
	test_race(&c);
	test_cancel(&c);
	conform_clean(&c);
	test_stop(&c);
	store_free(c.store);
	return tap_done();
}
