#include "s3/base/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/lock.h"

#define THREADS_MAX 16

struct pool {
	pthread_t threads[THREADS_MAX];
	unsigned int count; /* running threads; set at open */

	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	pthread_cond_t wake;
	struct list queue; /* of struct pool_job */
	bool ending;
};

DEFINE_CLEANUP(struct pool *, pool_free)

static struct pool_job *next_job(struct pool *p)
{
	struct list *link;

	LOCK_SCOPE(&p->lock);
	while (list_empty(&p->queue) && !p->ending)
		cond_wait(&p->wake, &p->lock);
	link = list_pop_head(&p->queue);
	return link ? container_of(link, struct pool_job, link) : NULL;
}

static void *worker(void *arg)
{
	struct pool *p = arg;
	struct pool_job *job;

	while ((job = next_job(p)))
		job->run(job);
	return NULL;
}

int pool_start_thread(pthread_t *ret_thread, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(ret_thread, NULL, fn, arg);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int pool_open(struct pool **ret_pool, unsigned int threads, struct err *e)
{
	CLEANUP(pool_freep) struct pool *p = calloc(1, sizeof(*p));
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (!p)
		return err_set(e, -ENOMEM, "worker threads: out of memory");
	if (!threads)
		threads = cpus > 0 ? (unsigned int)cpus : 1;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	lock_init(&p->lock, LOCK_RANK_BASE);
	cond_init(&p->wake);
	list_init(&p->queue);
	while (p->count < threads) {
		int r = pool_start_thread(&p->threads[p->count], worker, p);

		if (r)
			return err_set(e, r, "worker threads: %s",
				       strerror(-r));
		p->count++;
	}
	*ret_pool = TAKE_PTR(p);
	return 0;
}

void pool_submit(struct pool *p, struct pool_job *job)
{
	LOCK_SCOPE(&p->lock);
	list_add_tail(&p->queue, &job->link);
	pthread_cond_signal(&p->wake);
}

unsigned int pool_threads(const struct pool *p)
{
	return p->count;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	lock_take(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->wake);
	lock_drop(&p->lock);
	for (unsigned int i = 0; i < p->count; i++)
		(void)pthread_join(p->threads[i], NULL);
	(void)pthread_cond_destroy(&p->wake);
	lock_done(&p->lock);
	free(p);
}
