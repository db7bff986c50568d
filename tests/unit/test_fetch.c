/*
 * Fetches against a directory store behind one that counts, delays, damages and
 * fails requests.
 */
#include "cache/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/names.h"
#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/file_store.h"
#include "tests/unit/builder.h"
#include "tests/unit/tap.h"

static char top[] = "/tmp/assetfs-test-fetch-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* ---- the store between --------------------------------------------------- */

struct fault {
	struct store store;
	struct store *inner;
	atomic_int gets, flips, fails, fail_code;
	_Atomic uint64_t bytes;
	atomic_int priorities[STORE_PRIORITY_COUNT];

	struct lock lock; /* LOCK_RANK_STORE */
	/* guarded by lock: */
	bool hold;
	struct list held; /* of struct hook */
};

struct hook {
	struct list link;
	struct fault *fault;
	struct store_req *req;
	void (*done)(struct store_req *req);
	void *arg;
};

static void hook_end(struct hook *h)
{
	struct store_req *req = h->req;

	req->done = h->done;
	req->arg = h->arg;
	free(h);
	req->done(req);
}

static void hook_done(struct store_req *req)
{
	struct hook *h = req->arg;
	struct fault *f = h->fault;

	if (!req->err.code && atomic_load(&f->fails) > 0) {
		atomic_fetch_sub(&f->fails, 1);
		(void)err_set(&req->err, atomic_load(&f->fail_code), "made up");
	}
	if (!req->err.code && atomic_load(&f->flips) > 0) {
		atomic_fetch_sub(&f->flips, 1);
		for (size_t i = 50; i < req->out->len; i += 100)
			req->out->data[i] ^= 0x40;
	}
	if (!req->err.code)
		atomic_fetch_add(&f->bytes, req->out->len);
	hook_end(h);
}

static void fault_submit(struct store *s, struct store_req *req)
{
	struct fault *f = container_of(s, struct fault, store);
	struct hook *h = calloc(1, sizeof(*h));
	bool hold;

	if (!h)
		abort();
	*h = (struct hook){
		.fault = f, .req = req, .done = req->done, .arg = req->arg
	};
	req->done = hook_done;
	req->arg = h;
	atomic_fetch_add(&f->gets, 1);
	atomic_fetch_add(&f->priorities[req->priority], 1);
	lock_take(&f->lock);
	hold = f->hold;
	if (hold)
		list_add_tail(&f->held, &h->link);
	lock_drop(&f->lock);
	if (!hold)
		store_submit(f->inner, req);
}

/* Ends a held request right here, on the thread that cancels. */
static void fault_cancel(struct store *s, struct store_req *req)
{
	struct fault *f = container_of(s, struct fault, store);
	struct hook *found = NULL;

	lock_take(&f->lock);
	list_for_each_safe (link, &f->held) {
		struct hook *h = container_of(link, struct hook, link);

		if (h->req == req) {
			list_remove(link);
			found = h;
		}
	}
	lock_drop(&f->lock);
	if (found) {
		(void)err_set(&req->err, -ECANCELED, "cancelled");
		hook_end(found);
	} else {
		store_cancel(f->inner, req);
	}
}

static void fault_free(struct store *s)
{
	(void)s;
}

static const struct store_ops fault_ops = { .submit = fault_submit,
					    .cancel = fault_cancel,
					    .free = fault_free };

static void set_hold(struct fault *f, bool hold)
{
	struct list held = LIST_INIT(held);

	lock_take(&f->lock);
	f->hold = hold;
	while (!hold && !list_empty(&f->held))
		list_add_tail(&held, list_pop_head(&f->held));
	lock_drop(&f->lock);
	while (!list_empty(&held))
		store_submit(f->inner, container_of(list_pop_head(&held),
						    struct hook, link)
					       ->req);
}

/* ---- one setting --------------------------------------------------------- */

struct world {
	struct fault fault;
	struct cache *cache;
	struct pool *pool;
	struct fetch *fetch;
	struct catalog *cat;
	char dir[256];
	int number;
};

#define FILES 64
#define FILE_LEN 20000u
#define FILES_PER_FRAME 4
#define GAP_FRAME 8 /* before this one the pack has a stretch of 2 MiB */

static void file_content(char *out, uint32_t n)
{
	uint64_t x = (n + 7) * 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < FILE_LEN; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (char)x;
	}
}

static void write_object(const char *dir, const char *key, const void *data,
			 size_t len)
{
	char path[600], parent[600];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, key);
	(void)snprintf(parent, sizeof(parent), "%s", path);
	*strrchr(parent, '/') = '\0';
	if (io_make_dirs(parent, 0755, NULL) ||
	    io_replace_file(path, data, len, 0644, NULL))
		abort();
}

/* One pack of 16 frames of 4 files, with one wide gap; a catalog of it. With
 * `lie`, the last file's block bears a wrong hash. */
static struct catalog *make_pack(const char *dir, bool lie)
{
	struct buf pack = BUF_INIT(8 << 20), bytes = BUF_INIT(1 << 20);
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;
	CLEANUP_BUF struct buf key = BUF_INIT(1024);
	const struct object_id blob = { .bytes = { 1, 2, 3 } };
	struct catalog *cat = NULL;
	struct err e = { 0 };
	uint32_t n = 0;
	size_t len;
	char *data;

	if (catalog_builder_open(&b))
		abort();
	for (uint32_t frame = 0; n < FILES; frame++) {
		char raw[FILES_PER_FRAME * FILE_LEN];
		struct frame_place place = { .blob = blob,
					     .raw = sizeof(raw),
					     .codec = CODEC_ZSTD };

		if (frame == GAP_FRAME)
			(void)buf_add_zero(&pack, 2 << 20);
		for (uint32_t i = 0; i < FILES_PER_FRAME; i++)
			file_content(raw + i * FILE_LEN, n + i);
		place.off = pack.len;
		if (frame_encode(&pack, raw, sizeof(raw), 1))
			abort();
		place.stored = (uint32_t)(pack.len - place.off);
		for (uint32_t i = 0; i < FILES_PER_FRAME; i++, n++) {
			const struct catalog_attr attr = {
				.mode = S_IFREG | 0644, .size = FILE_LEN
			};
			struct block block = { .len = FILE_LEN,
					       .off = i * FILE_LEN,
					       .frame = place };
			char name[16];

			(void)snprintf(name, sizeof(name), "f%03u", n);
			hash_of(&block.hash, raw + i * FILE_LEN, FILE_LEN);
			if (lie && n == FILES - 1)
				block.hash.bytes[0] ^= 1;
			if (catalog_builder_put(b, name, strlen(name), &attr,
						NULL, &block, 1, &e))
				abort();
		}
	}
	if (catalog_builder_finish(b, &bytes, &e))
		abort();
	len = bytes.len;
	data = buf_take(&bytes);
	if (catalog_parse(&cat, data, len, NULL, &e))
		abort();
	(void)name_blob(&key, "", &blob);
	write_object(dir, key.data, pack.data, pack.len);
	buf_done(&pack);
	return cat;
}

static void world_open_fetch(struct world *w)
{
	const struct fetch_options o = { .store = &w->fault.store,
					 .cache = w->cache,
					 .pool = w->pool };
	struct err e;

	if (fetch_open(&w->fetch, &o, &e))
		abort();
}

static void world_init(struct world *w, bool lie)
{
	static int worlds;
	struct cache_options o = { .size = 256 << 20 };
	char path[300];
	struct err e;

	memset(w, 0, sizeof(*w));
	(void)snprintf(w->dir, sizeof(w->dir), "%s/%d", top, worlds++);
	(void)snprintf(path, sizeof(path), "%s/cache", w->dir);
	o.dir = path;
	if (io_make_dirs(w->dir, 0700, &e) || cache_open(&w->cache, &o, &e) ||
	    pool_open(&w->pool, 2, &e)) {
		printf("# %s\n", e.text);
		abort();
	}
	(void)snprintf(path, sizeof(path), "%s/bucket", w->dir);
	w->cat = make_pack(path, lie);
	if (file_store_open(&w->fault.inner, path, &e)) {
		printf("# %s\n", e.text);
		abort();
	}
	w->fault.store.ops = &fault_ops;
	w->fault.store.bucket_id[0] = 77;
	lock_init(&w->fault.lock, LOCK_RANK_STORE);
	list_init(&w->fault.held);
	world_open_fetch(w);
}

static void world_done(struct world *w)
{
	fetch_free(w->fetch);
	pool_free(w->pool);
	cache_free(w->cache);
	store_free(w->fault.inner);
	catalog_unref(w->cat);
	lock_done(&w->fault.lock);
}

/* ---- waiting for answers ------------------------------------------------- */

struct answers {
	struct lock lock; /* LOCK_RANK_BASE */
	pthread_cond_t wake;
	int left; /* guarded by lock */
};

static void answers_init(struct answers *a, int count)
{
	lock_init(&a->lock, LOCK_RANK_BASE);
	cond_init(&a->wake);
	a->left = count;
}

static void answered(struct fetch_req *req)
{
	struct answers *a = req->arg;

	LOCK_SCOPE(&a->lock);
	a->left--;
	pthread_cond_signal(&a->wake);
}

/* True within 20 s. */
static bool answers_wait(struct answers *a)
{
	uint64_t until_ms = clock_now_ms() + 20000;
	bool all;

	lock_take(&a->lock);
	while (a->left && clock_now_ms() < until_ms)
		(void)cond_wait_ms(&a->wake, &a->lock, 200);
	all = !a->left;
	lock_drop(&a->lock);
	return all;
}

static bool is_file(const struct cache_ref *ref, uint32_t n)
{
	char want[FILE_LEN], got[FILE_LEN];

	file_content(want, n);
	return ref && ref->len == FILE_LEN &&
	       cache_ref_read(ref, 0, got, sizeof(got)) == sizeof(got) &&
	       !memcmp(want, got, sizeof(got));
}

/* Block index n is file n: names sort like numbers. */
static void want_file(struct world *w, struct fetch_req *req, uint32_t n,
		      enum store_priority priority, struct answers *a)
{
	*req = (struct fetch_req){ .done = answered,
				   .arg = a,
				   .priority = priority };
	fetch_block(w->fetch, w->cat, "", n, req);
}

/* The code, -EBADMSG for wrong bytes, -ETIME when it hangs. */
static int get_file(struct world *w, uint32_t n)
{
	struct fetch_req req;
	struct answers a;
	int r;

	answers_init(&a, 1);
	want_file(w, &req, n, STORE_FOREGROUND, &a);
	if (!answers_wait(&a))
		abort();
	r = req.err.code;
	if (!r && !is_file(req.ref, n))
		r = -EBADMSG;
	if (r && r != -EBADMSG)
		printf("# %s\n", req.err.text);
	cache_ref_put(req.ref);
	return r;
}

/* Until the GETs have stood still for a while. */
static int settled_gets(struct world *w)
{
	int last = -1, now = atomic_load(&w->fault.gets);

	while (last != now) {
		last = now;
		(void)usleep(150000);
		now = atomic_load(&w->fault.gets);
	}
	return now;
}

/* ---- tests --------------------------------------------------------------- */

static void test_single_flight(void)
{
	struct fetch_req reqs[100];
	struct answers a;
	struct world w;
	int good = 0;

	world_init(&w, false);
	answers_init(&a, 100);
	for (uint32_t i = 0; i < 100; i++)
		want_file(&w, &reqs[i], i % 4, STORE_FOREGROUND, &a);
	ok(answers_wait(&a), "100 requests of one frame are answered");
	for (uint32_t i = 0; i < 100; i++) {
		good += is_file(reqs[i].ref, i % 4);
		cache_ref_put(reqs[i].ref);
	}
	is_int(good, 100, "with the right bytes");
	is_int(atomic_load(&w.fault.gets), 1, "by one GET");
	is_int(get_file(&w, 3), 0, "neighbour in the frame");
	is_int(atomic_load(&w.fault.gets), 1, "came along");
	fetch_free(w.fetch);
	world_open_fetch(&w);
	is_int(get_file(&w, 1), 0, "second run");
	is_int(atomic_load(&w.fault.gets), 1, "asks for nothing");
	world_done(&w);
}

/* Keeps the workers busy, so that wishes gather. */
struct plug {
	struct pool_job job;
	struct lock lock; /* LOCK_RANK_BASE */
	pthread_cond_t wake;
	bool open; /* guarded by lock */
	atomic_bool ended;
};

static void plug_run(struct pool_job *job)
{
	struct plug *p = container_of(job, struct plug, job);

	lock_take(&p->lock);
	while (!p->open)
		cond_wait(&p->wake, &p->lock);
	lock_drop(&p->lock);
	atomic_store(&p->ended, true);
}

static void plug_in(struct world *w, struct plug *p)
{
	p->job.run = plug_run;
	lock_init(&p->lock, LOCK_RANK_BASE);
	cond_init(&p->wake);
	p->open = false;
	atomic_init(&p->ended, false);
	pool_submit(w->pool, &p->job);
}

static void plug_out(struct plug *p)
{
	lock_take(&p->lock);
	p->open = true;
	pthread_cond_signal(&p->wake);
	lock_drop(&p->lock);
}

static void plug_wait(struct plug *p)
{
	while (!atomic_load(&p->ended))
		(void)usleep(1000);
	lock_take(&p->lock);
	lock_drop(&p->lock);
}

static void test_merge(void)
{
	static const struct {
		const char *name;
		uint32_t files[4];
		int gets;
	} cases[] = {
		{ "four in one frame", { 0, 1, 2, 3 }, 1 },
		{ "neighbouring frames", { 12, 4, 8, 0 }, 1 },
		{ "frames with a small gap", { 0, 16, 28, 8 }, 1 },
		{ "frames over the wide gap", { 0, 4, 60, 63 }, 2 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fetch_req reqs[4];
		struct plug plugs[2];
		struct answers a;
		struct world w;
		int good = 0;

		world_init(&w, false);
		answers_init(&a, 4);
		plug_in(&w, &plugs[0]);
		plug_in(&w, &plugs[1]);
		for (int k = 0; k < 4; k++)
			want_file(&w, &reqs[k], cases[i].files[k],
				  STORE_BACKGROUND, &a);
		plug_out(&plugs[0]);
		plug_out(&plugs[1]);
		plug_wait(&plugs[0]);
		plug_wait(&plugs[1]);
		(void)answers_wait(&a);
		for (int k = 0; k < 4; k++) {
			good += is_file(reqs[k].ref, cases[i].files[k]);
			cache_ref_put(reqs[k].ref);
		}
		is_int(good, 4, "%s: right bytes", cases[i].name);
		is_int(atomic_load(&w.fault.gets), cases[i].gets, "%s: GETs",
		       cases[i].name);
		world_done(&w);
	}
}

static void test_prefetch(void)
{
	struct fetch_req req;
	struct answers a;
	struct world w;
	int good = 0;

	world_init(&w, false);
	fetch_prefetch(w.fetch, w.cat, "", 0, FILES);
	is_int(settled_gets(&w), 2, "the pack in two GETs, around the gap");
	is_int(atomic_load(&w.fault.priorities[STORE_PREFETCH]), 2,
	       "at prefetch priority");
	for (uint32_t n = 0; n < FILES; n++)
		good += !get_file(&w, n);
	is_int(good, FILES, "all files");
	is_int(atomic_load(&w.fault.gets), 2, "without another GET");
	fetch_prefetch(w.fetch, w.cat, "", 0, FILES);
	is_int(settled_gets(&w), 2, "what is cached is not fetched");
	world_done(&w);

	world_init(&w, false);
	fetch_prefetch(w.fetch, w.cat, "", 0, 1);
	fetch_prefetch(w.fetch, w.cat, "", 4000000, 1);
	fetch_prefetch(w.fetch, w.cat, "", 63, UINT32_MAX);
	is_int(settled_gets(&w), 2, "odd ranges");
	world_done(&w);

	world_init(&w, false);
	set_hold(&w.fault, true);
	fetch_prefetch(w.fetch, w.cat, "", 0, 8);
	(void)settled_gets(&w);
	answers_init(&a, 1);
	want_file(&w, &req, 5, STORE_FOREGROUND, &a);
	set_hold(&w.fault, false);
	ok(answers_wait(&a) && is_file(req.ref, 5),
	   "a reader joins a prefetch under way");
	cache_ref_put(req.ref);
	is_int(settled_gets(&w), 1, "one GET for both");
	atomic_store(&w.fault.fail_code, -EIO);
	atomic_store(&w.fault.fails, 1);
	fetch_prefetch(w.fetch, w.cat, "", 60, 1);
	is_int(settled_gets(&w), 2, "a prefetch fails");
	is_int(get_file(&w, 60), 0, "and the reader does not notice");
	world_done(&w);
}

static void test_third_miss(void)
{
	struct world w;
	int good = 0;

	world_init(&w, false);
	is_int(get_file(&w, 0), 0, "first miss");
	is_int(get_file(&w, 20), 0, "second");
	is_int(settled_gets(&w), 2, "two GETs so far");
	is_int(get_file(&w, 40), 0, "third");
	is_int(settled_gets(&w), 5, "the rest came by two more, after its own");
	for (uint32_t n = 0; n < FILES; n++)
		good += !get_file(&w, n);
	is_int(good, FILES, "all files");
	is_int(atomic_load(&w.fault.gets), 5, "nothing is asked any more");
	world_done(&w);
}

static void test_damage(void)
{
	struct world w;

	world_init(&w, false);
	atomic_store(&w.fault.flips, 1);
	is_int(get_file(&w, 0), 0, "a damaged frame is fetched again");
	is_int(atomic_load(&w.fault.gets), 2, "once");
	atomic_store(&w.fault.flips, 2);
	is_int(get_file(&w, 8), -EIO, "damaged twice");
	is_int(atomic_load(&w.fault.gets), 4, "two GETs");
	atomic_store(&w.fault.flips, 0);
	is_int(get_file(&w, 8), 0, "nothing of it was kept");
	world_done(&w);

	world_init(&w, false);
	atomic_store(&w.fault.fail_code, -EACCES);
	atomic_store(&w.fault.fails, 1);
	is_int(get_file(&w, 16), -EACCES, "an error of the store passes");
	world_done(&w);

	world_init(&w, true);
	is_int(get_file(&w, FILES - 1), -EIO, "a block that cannot verify");
	is_int(atomic_load(&w.fault.gets), 2, "was fetched twice");
	is_int(get_file(&w, FILES - 2), 0, "its neighbour is fine");
	is_int(atomic_load(&w.fault.gets), 2, "and kept");
	world_done(&w);
}

static void test_free(void)
{
	struct fetch_req reqs[FILES];
	struct answers a;
	struct world w;
	int cancelled = 0;

	world_init(&w, false);
	set_hold(&w.fault, true);
	answers_init(&a, FILES);
	fetch_prefetch(w.fetch, w.cat, "", 0, 30);
	for (uint32_t n = 0; n < FILES; n++)
		want_file(&w, &reqs[n], n, STORE_FOREGROUND, &a);
	(void)usleep(50000);
	fetch_free(w.fetch);
	w.fetch = NULL;
	is_int(a.left, 0, "all are answered when fetch_free returns");
	for (uint32_t n = 0; n < FILES; n++) {
		cancelled += reqs[n].err.code == -ECANCELED;
		cache_ref_put(reqs[n].ref);
	}
	is_int(cancelled, FILES, "as cancelled");
	world_done(&w);
}

/* ---- plain objects ------------------------------------------------------- */

#define OBJECT_LEN (3 * PIECE_LARGE + 100000u)

static int get_piece(struct world *w, const char *content,
		     const struct store_object *o, uint32_t size,
		     uint64_t index)
{
	struct fetch_req req = { .done = answered };
	uint32_t len = PIECE_LARGE;
	char *got = malloc(len);
	struct answers a;
	int r;

	answers_init(&a, 1);
	req.arg = &a;
	fetch_piece(w->fetch, "plain", o, size, index, &req);
	if (!got || !answers_wait(&a))
		abort();
	r = req.err.code;
	if (!r) {
		uint64_t left = o->size - index * size;

		len = left < size ? (uint32_t)left : size;
		if (req.ref->len != len ||
		    cache_ref_read(req.ref, 0, got, len) != (ssize_t)len ||
		    memcmp(got, content + index * size, len) != 0)
			r = -EBADMSG;
	}
	cache_ref_put(req.ref);
	free(got);
	return r;
}

static void test_pieces(void)
{
	char *content = malloc(OBJECT_LEN);
	CLEANUP_REQ struct store_req head = { 0 };
	struct store_object o, other;
	char bucket[300];
	struct world w;
	int gets;

	if (!content)
		abort();
	for (uint32_t i = 0; i < OBJECT_LEN; i++)
		content[i] = (char)(i * 2654435761u >> 24);
	world_init(&w, false);
	(void)snprintf(bucket, sizeof(bucket), "%s/bucket", w.dir);
	write_object(bucket, "plain", content, OBJECT_LEN);
	store_req_init(&head, STORE_HEAD, "plain");
	if (store_run(w.fault.inner, &head, NULL))
		abort();
	o = head.object;

	is_int(get_piece(&w, content, &o, PIECE_SMALL, 0), 0, "small piece");
	is_int(get_piece(&w, content, &o, PIECE_SMALL, 49), 0, "the last");
	is_int(get_piece(&w, content, &o, PIECE_SMALL, 50), -ERANGE,
	       "none behind it");
	is_int(get_piece(&w, content, &o, PIECE_LARGE, 1), 0, "large piece");
	is_int(get_piece(&w, content, &o, PIECE_LARGE, 3), 0, "the last");
	gets = atomic_load(&w.fault.gets);
	is_int(gets, 4, "a GET each");
	is_int(atomic_load(&w.fault.bytes),
	       PIECE_LARGE + 65536 + 2 * 100000u - 65536,
	       "of exactly what was wanted");
	is_int(get_piece(&w, content, &o, PIECE_SMALL, 17), 0,
	       "a small one out of a large one");
	is_int(get_piece(&w, content, &o, PIECE_LARGE, 1), 0, "again");
	is_int(get_piece(&w, content, &o, PIECE_SMALL, 0), 0, "again");
	is_int(atomic_load(&w.fault.gets), gets, "without a GET");
	fetch_prefetch_pieces(w.fetch, "plain", &o, 0, 100);
	is_int(settled_gets(&w), gets + 2,
	       "two missing ones, apart by what is cached");
	is_int(get_piece(&w, content, &o, PIECE_LARGE, 0), 0, "first of them");
	is_int(get_piece(&w, content, &o, PIECE_LARGE, 2), 0, "second");
	is_int(atomic_load(&w.fault.gets), gets + 2, "without a GET");

	other = o;
	(void)snprintf(other.etag, sizeof(other.etag), "another");
	is_int(get_piece(&w, content, &other, PIECE_LARGE, 0), -ESTALE,
	       "another version than the bucket has");
	other.etag[0] = '\0';
	gets = atomic_load(&w.fault.gets);
	is_int(get_piece(&w, content, &other, PIECE_SMALL, 2), 0,
	       "a version that has no name");
	is_int(get_piece(&w, content, &other, PIECE_SMALL, 2), 0, "again");
	is_int(atomic_load(&w.fault.gets), gets + 2, "is not cached");
	other = o;
	other.size = OBJECT_LEN + 5 * PIECE_LARGE;
	is_int(get_piece(&w, content, &other, PIECE_LARGE, 3), -EIO,
	       "an object that is shorter than said");
	world_done(&w);
	free(content);
}

/* Of many plans only some are given to the store; a reader's goes first. */
static void test_upgrade(void)
{
	struct fetch_req req = { .done = answered };
	CLEANUP_REQ struct store_req head = { 0 };
	char bucket[300], path[400];
	struct answers a;
	struct world w;

	world_init(&w, false);
	(void)snprintf(bucket, sizeof(bucket), "%s/bucket", w.dir);
	write_object(bucket, "plain", "", 0);
	(void)snprintf(path, sizeof(path), "%s/plain", bucket);
	if (truncate(path, 100 * (off_t)PIECE_LARGE))
		abort();
	store_req_init(&head, STORE_HEAD, "plain");
	if (store_run(w.fault.inner, &head, NULL))
		abort();
	set_hold(&w.fault, true);
	for (uint64_t i = 0; i < 80; i++)
		fetch_prefetch_pieces(w.fetch, "plain", &head.object, i, 1);
	is_int(settled_gets(&w), 16, "some prefetches are sent");
	answers_init(&a, 1);
	req.arg = &a;
	fetch_piece(w.fetch, "plain", &head.object, PIECE_SMALL, 30 * 16 + 5,
		    &req);
	is_int(settled_gets(&w), 17, "the one that is wanted as well");
	is_int(atomic_load(&w.fault.priorities[STORE_FOREGROUND]), 1,
	       "before the others");
	set_hold(&w.fault, false);
	ok(answers_wait(&a) && req.ref && req.ref->len == PIECE_SMALL,
	   "and answered");
	cache_ref_put(req.ref);
	is_int(settled_gets(&w), 64, "what is beyond the budget is forgotten");
	world_done(&w);
}

/* ---- threads ------------------------------------------------------------- */

struct reader {
	struct world *w;
	uint32_t seed;
	int bad;
};

static void *read_some(void *arg)
{
	struct reader *r = arg;

	for (uint32_t i = 0; i < 60; i++) {
		uint32_t n = (r->seed * 11 + i * 17) % FILES;

		if (i % 16 == 5)
			fetch_prefetch(r->w->fetch, r->w->cat, "", n, 8);
		r->bad += get_file(r->w, n) != 0;
		if (i % 8 == 3) {
			struct block b;

			catalog_block_at(r->w->cat, n, &b);
			cache_drop(r->w->cache, &b.hash);
		}
	}
	return NULL;
}

static void test_threads(void)
{
	struct reader readers[8];
	pthread_t threads[8];
	struct world w;
	int bad = 0;

	world_init(&w, false);
	for (uint32_t i = 0; i < 8; i++) {
		readers[i] = (struct reader){ .w = &w, .seed = i };
		if (pthread_create(&threads[i], NULL, read_some, &readers[i]))
			abort();
	}
	for (uint32_t i = 0; i < 8; i++) {
		(void)pthread_join(threads[i], NULL);
		bad += readers[i].bad;
	}
	is_int(bad, 0, "8 readers, drops and prefetches");
	world_done(&w);
}

int main(void)
{
	log_level_set(LOG_LEVEL_ERROR);
	if (!mkdtemp(top))
		return 1;
	test_single_flight();
	test_merge();
	test_prefetch();
	test_third_miss();
	test_damage();
	test_free();
	test_pieces();
	test_upgrade();
	test_threads();
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
