/*
 * A fixed set of worker threads for CPU work and local disk: hashing,
 * compression, verification.
 *
 * Jobs are intrusive and run exactly once, in order of submission, on any
 * worker, with no lock held. A job may submit others and may free itself.
 */
#pragma once

#include <pthread.h>

#include "s3/base/err.h"
#include "s3/base/list.h"

struct pool_job {
	void (*run)(struct pool_job *job); /* set by the submitter */
	struct list link; /* private */
};

struct pool;

/* threads: 0 for one per online CPU, at most 16. Errors: -ENOMEM, -EAGAIN. */
int pool_open(struct pool **ret_pool, unsigned int threads, struct err *e);
/* Threads: any. Never blocks. */
void pool_submit(struct pool *p, struct pool_job *job);
unsigned int pool_threads(const struct pool *p);
/* Runs what is queued, then ends the threads. NULL is accepted. */
void pool_free(struct pool *p);

/* Starts a thread that gets no signals: they belong to the main thread. 0 or a
 * negative errno. */
int pool_start_thread(pthread_t *ret_thread, void *(*fn)(void *), void *arg);
