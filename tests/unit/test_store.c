#include "s3/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/tap.h"

/* Completes each request on a thread of its own. */
struct toy {
	struct store store;
	int code;
	bool freed;
};

struct job {
	struct toy *toy;
	struct store_req *req;
};

static void *complete(void *arg)
{
	struct job *job = arg;
	struct store_req *req = job->req;
	int code = job->toy->code;

	free(job);
	if (code)
		err_set(&req->err, code, "toy says %d", code);
	req->done(req);
	return NULL;
}

static void toy_submit(struct store *s, struct store_req *req)
{
	struct job *job = malloc(sizeof(*job));
	pthread_t thread;

	if (!job)
		abort();
	job->toy = container_of(s, struct toy, store);
	job->req = req;
	atomic_fetch_add(&s->requests[req->op], 1);
	if (pthread_create(&thread, NULL, complete, job))
		abort();
	(void)pthread_detach(thread);
}

static void toy_cancel(struct store *s, struct store_req *req)
{
	(void)s;
	(void)req;
}

static void toy_free(struct store *s)
{
	container_of(s, struct toy, store)->freed = true;
}

static const struct store_ops toy_ops = {
	.submit = toy_submit,
	.cancel = toy_cancel,
	.free = toy_free,
};

static void test_run(struct toy *toy)
{
	struct store_counts counts;
	struct store_req req;
	struct err e = { .code = 7 };

	for (int i = 0; i < 100; i++) {
		store_req_init(&req, STORE_HEAD, "k");
		if (store_run(&toy->store, &req, &e))
			break;
		store_req_done(&req);
	}
	is_int(e.code, 0, "100 runs succeed and clear the error");
	toy->code = -ESTALE;
	store_req_init(&req, STORE_GET, "k");
	is_int(store_run(&toy->store, &req, &e), -ESTALE, "a failing run");
	is_str(e.text, "toy says -116", "its error is copied");
	is_int(store_run(&toy->store, &req, NULL), -ESTALE, "no error wanted");
	store_counts(&toy->store, &counts);
	is_int(counts.requests[STORE_HEAD], 100, "HEADs counted");
	is_int(counts.requests[STORE_GET], 2, "GETs counted");
	counts.bytes_in = 3;
	store_counts_add(&counts, &counts);
	is_int(counts.requests[STORE_HEAD], 200, "added up");
	is_int(counts.bytes_in, 6, "bytes, too");
	store_req_done(&req);
}

static void test_list(void)
{
	struct store_object object = { .size = 5, .etag = "abc" };
	struct store_list l;
	bool good = true;
	char key[24];

	store_list_init(&l);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof(key), "key%04d/x", i);
		good = good && !store_list_add(&l, key, 7, i % 2,
					       i % 2 ? NULL : &object);
	}
	ok(good, "1000 entries added");
	is_int(l.count, 1000, "counted");
	for (int i = 0; i < 1000; i++) {
		const struct store_list_entry *entry = &l.entries[i];

		(void)snprintf(key, sizeof(key), "key%04d", i);
		good = good && !strcmp(entry->key, key) &&
		       entry->key_len == 7 && entry->is_prefix == (i % 2) &&
		       entry->object.size == (i % 2 ? 0 : 5);
	}
	ok(good, "all of them are what was added");
	store_list_done(&l);
	is_int(l.count, 0, "empty after done");
}

static void test_clock(struct toy *toy)
{
	struct timespec pause = { .tv_nsec = 30000000 };
	int64_t now = -7;

	is_int(store_now(&toy->store, 10000, &now), -EAGAIN, "no reply yet");
	is_int(now, -7, "the output is untouched");
	store_note_date(&toy->store, 0);
	is_int(store_now(&toy->store, 10000, &now), -EAGAIN, "0 is no date");
	store_note_date(&toy->store, 1000000);
	is_int(store_now(&toy->store, 10000, &now), 0, "a fresh reply");
	ok(now == 1000000 || now == 1000001, "gives its date");
	(void)nanosleep(&pause, NULL);
	is_int(store_now(&toy->store, 10, &now), -EAGAIN, "an old one not");
	store_note_date(&toy->store, 999000);
	is_int(store_now(&toy->store, 10000, &now), 0, "a clock set back");
	ok(now == 999000 || now == 999001, "is followed");
}

static void test_names(void)
{
	bool good = true;

	for (int i = 0; i < STORE_OP_COUNT; i++)
		good = good && store_op_name((enum store_op)i) &&
		       strcmp(store_op_name((enum store_op)i), "?");
	ok(good, "every operation has a name");
	is_str(store_op_name(STORE_LIST), "LIST", "LIST");
	is_str(store_op_name(STORE_OP_COUNT), "?", "out of range");
}

int main(void)
{
	struct toy toy = { .store.ops = &toy_ops };

	test_names();
	test_list();
	test_clock(&toy);
	test_run(&toy);
	store_free(&toy.store);
	ok(toy.freed, "freed");
	store_free(NULL);
	return tap_done();
}
