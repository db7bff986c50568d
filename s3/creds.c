/*
 * The thread alone asks the sources, so there is one search at a time. Renewals
 * wait in a list until the search under way, or the next, is over; those that
 * come within moments of a search get its outcome, or every request of a store
 * with bad keys would start one.
 */
#include "s3/creds.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/pool.h"
#include "s3/creds_chain.h"

#define TICK_MS 5000 /* between looks at clock and files */
#define AHEAD_S 300 /* and up to as much again */
#define AGAIN_MS 1000 /* how long the outcome of a search holds */
#define RETRY_S 5 /* after the first failure; doubles up to: */
#define RETRY_MAX_S 60

struct creds {
	/* set at open, then constant: */
	struct creds_options o; /* strings owned: */
	char *owned[6];
	size_t owned_count;
	pthread_t thread;
	bool started;

	atomic_bool stop;

	/* the thread's: */
	struct watch watch; /* what the last search read */
	uint64_t searched_ms; /* when it ended; clock_now_ms */
	int64_t next_s; /* when the next is due by the wall clock; 0: never */
	unsigned int failures; /* since the last success */
	bool warned; /* of these failures */
	bool told; /* that the keys have expired */

	struct lock lock; /* LOCK_RANK_XFER; held for moments */
	/* guarded by lock: */
	pthread_cond_t wake;
	struct creds_keys *keys; /* holds a reference */
	struct err trouble; /* of the last search; code 0: none */
	struct list waiting; /* of struct creds_renewal */
};

/* ---- searching --------------------------------------------------------- */

static int search(struct creds *c, struct creds_keys **ret_keys, struct err *e)
{
	struct creds_context context = { .o = &c->o, .stop = &c->stop };
	struct watch watch = { .count = 0 };
	int r;

	context.watch = &watch;
	r = creds_chain_find(&context, ret_keys, e);
	/* After a failure too: a file that was changed for the worse is not
	 * read over and over. */
	watch_done(&c->watch);
	c->watch = watch;
	c->searched_ms = clock_now_ms();
	return r;
}

static void plan_next(struct creds *c, int64_t expires_s)
{
	int64_t now_s = clock_wall_s(), left_s = expires_s - now_s, ahead_s;

	c->next_s = 0;
	if (!expires_s)
		return;
	ahead_s = AHEAD_S + (int64_t)random_below(AHEAD_S);
	if (ahead_s > left_s / 2)
		ahead_s = left_s / 2;
	c->next_s = expires_s - ahead_s;
	if (left_s <= 0) /* one of the two clocks is wrong */
		c->next_s = now_s + RETRY_MAX_S;
	else if (c->next_s <= now_s)
		c->next_s = now_s + 1;
}

static void plan_retry(struct creds *c)
{
	int64_t wait_s = RETRY_MAX_S;

	if (c->failures < 4)
		wait_s = (int64_t)RETRY_S << c->failures;
	wait_s -= (int64_t)random_below((uint64_t)wait_s / 4 + 1);
	if (c->next_s)
		c->next_s = clock_wall_s() + wait_s;
	c->failures++;
}

static void say_time(char *out, size_t size, int64_t when_s)
{
	time_t t = (time_t)when_s;
	struct tm tm;

	(void)snprintf(out, size, "?");
	if (gmtime_r(&t, &tm))
		(void)strftime(out, size, "%Y-%m-%d %H:%M:%S UTC", &tm);
}

static void say_found(const struct creds_keys *k, bool again)
{
	char until[64] = "they are not known to expire";
	char when[40];

	if (k->expires_s) {
		say_time(when, sizeof(when), k->expires_s);
		(void)snprintf(until, sizeof(until), "valid until %s", when);
	}
	if (again)
		log_info("access keys found again: %.4s… of %s; %s", k->access,
			 k->source, until);
	else
		log_debug("access keys %.4s… of %s; %s", k->access, k->source,
			  until);
}

/* Once for each spell of trouble, and once more when it begins to hurt. */
static void say_failed(struct creds *c, const struct creds_keys *k,
		       const struct err *e)
{
	char when[40];

	if (creds_keys_expired(k)) {
		if (!c->told)
			log_error("the access keys of %s have expired and "
				  "cannot be renewed: %s",
				  k->source, e->text);
		c->told = true;
	} else if (!c->warned) {
		say_time(when, sizeof(when), k->expires_s);
		log_warn("the access keys of %s cannot be renewed: %s; going "
			 "on with the old ones%s%s",
			 k->source, e->text,
			 k->expires_s ? ", valid until " : "",
			 k->expires_s ? when : "");
	}
	c->warned = true;
}

/* Puts keys and trouble in place. */
static void renew(struct creds *c)
{
	CLEANUP(creds_keys_putp) struct creds_keys *found = NULL;
	CLEANUP(creds_keys_putp) struct creds_keys *now = creds_get(c);
	struct err e = { 0 };
	int r = search(c, &found, &e);

	if (r == -ECANCELED)
		return;
	if (r) {
		/* Keys were there before: what gave them is away. */
		e.code = r == -ENOKEY ? -EIO : r == -EINVAL ? -EACCES : r;
		say_failed(c, now, &e);
		plan_retry(c);
		LOCK_SCOPE(&c->lock);
		c->trouble = e;
		return;
	}
	say_found(found, c->failures > 0);
	plan_next(c, found->expires_s);
	c->failures = 0;
	c->warned = c->told = false;
	LOCK_SCOPE(&c->lock);
	err_clear(&c->trouble);
	creds_keys_put(c->keys);
	c->keys = TAKE_PTR(found);
}

/* ---- the thread -------------------------------------------------------- */

static int outcome_locked(const struct creds *c, const struct creds_renewal *r)
{
	lock_assert_held(&c->lock);
	if (!creds_keys_same(c->keys, r->refused))
		return 1;
	return c->trouble.code;
}

/* others: only those for whom there are other keys by now. */
static void answer(struct creds *c, bool others)
{
	struct list ready = LIST_INIT(ready);
	struct list *pos;

	lock_take(&c->lock);
	list_for_each_safe (at, &c->waiting) {
		if (others &&
		    outcome_locked(c, container_of(at, struct creds_renewal,
						   link)) != 1)
			continue;
		list_remove(at);
		container_of(at, struct creds_renewal, link)->queued = false;
		list_add_tail(&ready, at);
	}
	lock_drop(&c->lock);
	while ((pos = list_pop_head(&ready))) {
		struct creds_renewal *r =
			container_of(pos, struct creds_renewal, link);
		struct err e = { 0 };
		int result;

		lock_take(&c->lock);
		result = outcome_locked(c, r);
		(void)err_copy(&e, &c->trouble);
		lock_drop(&c->lock);
		if (atomic_load(&c->stop))
			result = err_set(&e, -ECANCELED, "cancelled");
		r->done(r, result, &e);
	}
}

static bool somebody_waits(struct creds *c)
{
	LOCK_SCOPE(&c->lock);
	return !list_empty(&c->waiting);
}

static bool is_due(const struct creds *c)
{
	return c->next_s && clock_wall_s() >= c->next_s;
}

/* Waits until there may be something to do. */
static void rest(struct creds *c)
{
	uint64_t wait_ms = TICK_MS;
	int64_t left_s = c->next_s - clock_wall_s();

	if (c->next_s && left_s < TICK_MS / 1000)
		wait_ms = left_s > 0 ? (uint64_t)left_s * 1000 : 1;
	LOCK_SCOPE(&c->lock);
	if (list_empty(&c->waiting) && !atomic_load(&c->stop))
		(void)cond_wait_ms(&c->wake, &c->lock, wait_ms);
}

static void *run(void *arg)
{
	struct creds *c = arg;

	while (!atomic_load(&c->stop)) {
		bool wanted, held;

		answer(c, true);
		wanted = somebody_waits(c);
		held = clock_now_ms() - c->searched_ms < AGAIN_MS;
		if ((wanted && !held) || is_due(c) || watch_changed(&c->watch))
			renew(c);
		if (wanted)
			answer(c, false);
		else
			rest(c);
	}
	answer(c, false);
	return NULL;
}

void creds_renew(struct creds *c, struct creds_renewal *r)
{
	struct err e = { 0 };

	lock_take(&c->lock);
	if (!atomic_load(&c->stop)) {
		r->queued = true;
		list_add_tail(&c->waiting, &r->link);
		pthread_cond_signal(&c->wake);
		lock_drop(&c->lock);
		return;
	}
	lock_drop(&c->lock);
	(void)err_set(&e, -ECANCELED, "cancelled");
	r->done(r, -ECANCELED, &e);
}

bool creds_renew_cancel(struct creds *c, struct creds_renewal *r)
{
	bool queued;

	LOCK_SCOPE(&c->lock);
	queued = r->queued;
	if (queued)
		list_remove(&r->link);
	r->queued = false;
	return queued;
}

/* ---- opening and closing ----------------------------------------------- */

/* Makes the text at `field` one that we own. */
static int own(struct creds *c, const char **field)
{
	char *copy = *field ? strdup(*field) : NULL;

	if (*field && !copy)
		return -ENOMEM;
	c->owned[c->owned_count++] = copy;
	*field = copy;
	return 0;
}

static int copy_options(struct creds *c, const struct creds_options *o)
{
	c->o = *o;
	return own(c, &c->o.passwd_file) || own(c, &c->o.profile) ||
			       own(c, &c->o.iam_role) || own(c, &c->o.bucket) ||
			       own(c, &c->o.region) || own(c, &c->o.ca_bundle)
		       ? -ENOMEM
		       : 0;
}

int creds_open(struct creds **ret_creds, const struct creds_options *o,
	       struct err *e)
{
	CLEANUP(creds_freep) struct creds *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	lock_init(&c->lock, LOCK_RANK_XFER);
	cond_init(&c->wake);
	list_init(&c->waiting);
	if (copy_options(c, o) || curl_global_init(CURL_GLOBAL_DEFAULT))
		return err_set(e, -ENOMEM, "out of memory");
	r = search(c, &c->keys, e);
	if (r)
		return r == -ENOKEY ? -EACCES : r;
	say_found(c->keys, false);
	plan_next(c, c->keys->expires_s);
	r = pool_start_thread(&c->thread, run, c);
	if (r)
		return err_set(e, r, "thread for credentials: %s",
			       strerror(-r));
	c->started = true;
	*ret_creds = TAKE_PTR(c);
	return 0;
}

void creds_stop(struct creds *c)
{
	LOCK_SCOPE(&c->lock);
	atomic_store(&c->stop, true);
	pthread_cond_broadcast(&c->wake);
}

void creds_free(struct creds *c)
{
	if (!c)
		return;
	creds_stop(c);
	if (c->started)
		(void)pthread_join(c->thread, NULL);
	creds_keys_put(c->keys);
	watch_done(&c->watch);
	for (size_t i = 0; i < c->owned_count; i++)
		free(c->owned[i]);
	(void)pthread_cond_destroy(&c->wake);
	lock_done(&c->lock);
	free(c);
}

struct creds_keys *creds_get(struct creds *c)
{
	LOCK_SCOPE(&c->lock);
	return creds_keys_ref(c->keys);
}

void creds_describe(struct creds *c, struct creds_about *ret_about)
{
	struct creds_about *a = ret_about;

	LOCK_SCOPE(&c->lock);
	*a = (struct creds_about){ .expires_s = c->keys->expires_s };
	(void)snprintf(a->source, sizeof(a->source), "%s", c->keys->source);
	(void)snprintf(a->access, sizeof(a->access), "%.4s…", c->keys->access);
	(void)snprintf(a->trouble, sizeof(a->trouble), "%s", c->trouble.text);
}
