#include "s3/base/pool.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "tests/unit/tap.h"

#define JOBS 2000

struct job {
	struct pool_job job;
	struct pool *pool;
	atomic_int *ran;
	bool again; /* submits another from within */
};

static void run(struct pool_job *pool_job)
{
	struct job *job = container_of(pool_job, struct job, job);

	atomic_fetch_add(job->ran, 1);
	if (job->again) {
		job->again = false;
		pool_submit(job->pool, &job->job);
		return;
	}
	free(job);
}

static void submit(struct pool *p, atomic_int *ran, bool again)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		abort();
	*job = (struct job){
		.job.run = run, .pool = p, .ran = ran, .again = again
	};
	pool_submit(p, &job->job);
}

int main(void)
{
	atomic_int ran = 0;
	struct pool *p = NULL;
	struct err e;

	is_int(pool_open(&p, 3, &e), 0, "open");
	is_int(pool_threads(p), 3, "threads");
	for (int i = 0; i < JOBS; i++)
		submit(p, &ran, i % 2);
	pool_free(p);
	is_int(atomic_load(&ran), JOBS + JOBS / 2,
	       "all ran, also those that jobs submitted at the end");
	is_int(pool_open(&p, 0, &e), 0, "one a CPU");
	ok(pool_threads(p) >= 1 && pool_threads(p) <= 16, "up to 16");
	pool_free(p);
	is_int(pool_open(&p, 1000, &e), 0, "far too many");
	is_int(pool_threads(p), 16, "are not started");
	pool_free(p);
	pool_free(NULL);
	return tap_done();
}
