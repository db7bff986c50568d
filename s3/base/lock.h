/*
 * Mutex with scope, rank and held checks; condition waits.
 *
 * Locks are taken down the layers, never up: within one thread ranks strictly
 * fall. Builds with LOCK_CHECKS (all sanitizer builds) assert it and know which
 * locks the thread holds; other builds pay for a plain mutex.
 */
#pragma once

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank {
	LOCK_RANK_BASE = 100,
	LOCK_RANK_XFER = 180,
	LOCK_RANK_STORE = 200,
	LOCK_RANK_CACHE_DB = 300,
	LOCK_RANK_CACHE = 350,
	LOCK_RANK_VIEW = 400,
	LOCK_RANK_TOOL = 500,
	LOCK_RANK_FS_INODE = 500,
	LOCK_RANK_FS = 550,
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_rank rank;
};

void lock_init(struct lock *l, enum lock_rank rank);
void lock_done(struct lock *l);
void lock_take(struct lock *l);
void lock_drop(struct lock *l);
/* True in builds that do not track holders. For assert only. */
bool lock_held(const struct lock *l);
#define lock_assert_held(l) assert(lock_held(l))

/* Condition variables on CLOCK_MONOTONIC. */
void cond_init(pthread_cond_t *c);
void cond_wait(pthread_cond_t *c, struct lock *l);
/* False when timeout_ms passed first. */
bool cond_wait_ms(pthread_cond_t *c, struct lock *l, uint64_t timeout_ms);

static inline void lock_dropp(struct lock **l)
{
	lock_drop(*l);
}

#define LOCK_CAT2_(a, b) a##b
#define LOCK_CAT_(a, b) LOCK_CAT2_(a, b)
/* Holds the lock to the end of the enclosing scope. */
#define LOCK_SCOPE(l)                                                          \
	__attribute__((cleanup(lock_dropp), unused)) struct lock *LOCK_CAT_(   \
		lock_scope_, __COUNTER__) = (lock_take(l), (l))
