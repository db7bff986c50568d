#include "s3/base/lock.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"

#define ROUNDS 2000

struct shared {
	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	pthread_cond_t wake;
	int turn;
	int count;
};

static void *take_turns(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < ROUNDS; i++) {
		LOCK_SCOPE(&s->lock);
		while (s->turn != 1)
			cond_wait(&s->wake, &s->lock);
		s->turn = 0;
		s->count++;
		pthread_cond_signal(&s->wake);
	}
	return NULL;
}

static void test_wait(struct shared *s)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, take_turns, s))
		abort();
	for (int i = 0; i < ROUNDS; i++) {
		LOCK_SCOPE(&s->lock);
		while (s->turn != 0)
			cond_wait(&s->wake, &s->lock);
		s->turn = 1;
		pthread_cond_signal(&s->wake);
	}
	(void)pthread_join(thread, NULL);
	is_int(s->count, ROUNDS, "turns taken");
	lock_take(&s->lock);
	ok(!cond_wait_ms(&s->wake, &s->lock, 20), "a wait that times out");
	ok(lock_held(&s->lock), "holds the lock again");
	lock_drop(&s->lock);
}

#ifdef LOCK_CHECKS
/* Whether doing so ends the process. */
static bool aborts(void (*fn)(struct lock *, struct lock *), struct lock *a,
		   struct lock *b)
{
	pid_t child = fork();
	int status = 0;

	if (!child) {
		const struct rlimit none = { 0, 0 };

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		fn(a, b);
		_exit(0);
	}
	(void)waitpid(child, &status, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static void take_both(struct lock *a, struct lock *b)
{
	lock_take(a);
	lock_take(b);
	lock_drop(b);
	lock_drop(a);
}

static void drop_other(struct lock *a, struct lock *b)
{
	lock_take(a);
	lock_drop(b);
}

static void test_ranks(void)
{
	struct lock low, high;

	lock_init(&low, LOCK_RANK_STORE);
	lock_init(&high, LOCK_RANK_CACHE);
	ok(!aborts(take_both, &high, &low), "down is fine");
	ok(aborts(take_both, &low, &high), "up is not");
	ok(aborts(take_both, &low, &low), "nor the same rank");
	ok(aborts(drop_other, &low, &high), "nor dropping what is not held");
	ok(!lock_held(&low), "not held");
	lock_done(&low);
	lock_done(&high);
}
#endif

int main(void)
{
	struct shared s = { .turn = 0 };

	lock_init(&s.lock, LOCK_RANK_BASE);
	cond_init(&s.wake);
#ifdef LOCK_CHECKS
	test_ranks();
#endif
	test_wait(&s);
	(void)pthread_cond_destroy(&s.wake);
	lock_done(&s.lock);
	return tap_done();
}
