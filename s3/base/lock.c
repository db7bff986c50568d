/*
 * Held locks are kept in a small array of the thread: chaining them through
 * the lock itself breaks at a condition wait, where another thread takes it.
 */
#include "s3/base/lock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef LOCK_CHECKS
#define HELD_MAX 16
static __thread const struct lock *held[HELD_MAX];
static __thread size_t held_count;

static void note_taking(const struct lock *l)
{
	for (size_t i = 0; i < held_count; i++)
		if (held[i]->rank <= l->rank) {
			fprintf(stderr, "lock of rank %d taken under rank %d\n",
				(int)l->rank, (int)held[i]->rank);
			abort();
		}
}

static void note_taken(const struct lock *l)
{
	assert(held_count < HELD_MAX);
	held[held_count++] = l;
}

static void note_dropped(const struct lock *l)
{
	for (size_t i = held_count; i-- > 0;)
		if (held[i] == l) {
			held[i] = held[--held_count];
			return;
		}
	abort(); /* dropped without being held */
}

bool lock_held(const struct lock *l)
{
	for (size_t i = 0; i < held_count; i++)
		if (held[i] == l)
			return true;
	return false;
}
#else
static void note_taking(const struct lock *l)
{
	(void)l;
}

static void note_taken(const struct lock *l)
{
	(void)l;
}

static void note_dropped(const struct lock *l)
{
	(void)l;
}

bool lock_held(const struct lock *l)
{
	(void)l;
	return true;
}
#endif

void lock_init(struct lock *l, enum lock_rank rank)
{
	l->rank = rank;
	if (pthread_mutex_init(&l->mutex, NULL))
		abort(); /* default attributes: cannot fail on Linux */
}

void lock_done(struct lock *l)
{
	(void)pthread_mutex_destroy(&l->mutex);
}

void lock_take(struct lock *l)
{
	note_taking(l);
	if (pthread_mutex_lock(&l->mutex))
		abort();
	note_taken(l);
}

void lock_drop(struct lock *l)
{
	note_dropped(l);
	if (pthread_mutex_unlock(&l->mutex))
		abort();
}

void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	if (pthread_condattr_init(&attr) ||
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) ||
	    pthread_cond_init(c, &attr))
		abort();
	(void)pthread_condattr_destroy(&attr);
}

void cond_wait(pthread_cond_t *c, struct lock *l)
{
	note_dropped(l);
	if (pthread_cond_wait(c, &l->mutex))
		abort();
	note_taken(l);
}

bool cond_wait_ms(pthread_cond_t *c, struct lock *l, uint64_t timeout_ms)
{
	struct timespec ts;
	int r;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += (time_t)(timeout_ms / 1000);
	ts.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	note_dropped(l);
	r = pthread_cond_timedwait(c, &l->mutex, &ts);
	note_taken(l);
	if (r && r != ETIMEDOUT)
		abort();
	return !r;
}
