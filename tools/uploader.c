/*
 * An item is a job that runs from reading to the answer of its PUT on one of
 * a few threads, so that its course is written down in one piece:
 *
 *	memory -> turn at a processor -> pack -> wait for release -> PUT
 *
 * Turns are as many as the pool has threads; with more, all packs of a small
 * push would be ready at the same late moment instead of one after the other.
 */
#include "tools/uploader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/index.h"
#include "cache/names.h"
#include "cache/pack.h"
#include "s3/base/clock.h"
#include "tools/blob.h"
#include "tools/hashing.h"

enum item_state {
	ITEM_OPEN,
	ITEM_COMPLETE,
	ITEM_CHANGED, /* a large file that is not what was hashed */
	ITEM_FAILED,
};

struct item {
	struct pool_job job;
	struct uploader *u;
	struct object_id id;
	/* One of: borrowed from the plan */
	const struct plan_pack *pack;
	const struct plan_blob *blob;

	enum item_state state; /* guarded by the sending's lock */
	/* Set by the job: */
	struct block *blocks; /* owned */
	size_t block_count;
	struct err err;
};

struct uploader {
	struct sending s;
	struct pool *threads; /* owned */
	struct item *items; /* owned */
	size_t count;

	/* guarded by s.lock: */
	bool released;
	uint64_t memory; /* bytes taken */
	unsigned int turns; /* left */
	size_t ended; /* items */
	struct err err; /* of the first that failed */
};

int uploader_open(struct uploader **ret_uploader,
		  const struct uploader_options *o, struct err *e)
{
	CLEANUP(uploader_freep) struct uploader *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return err_set(e, -ENOMEM, "upload: out of memory");
	sending_init(&u->s);
	u->s.store = o->store;
	u->s.cache = o->cache;
	u->s.pool = o->pool;
	u->s.scan = o->scan;
	u->s.pool_prefix = o->pool_prefix;
	u->s.progress = o->progress;
	u->turns = pool_threads(o->pool);
	r = pool_open(&u->threads, o->jobs ? o->jobs : UPLOADER_AT_ONCE, e);
	if (r)
		return r;
	*ret_uploader = TAKE_PTR(u);
	return 0;
}

void uploader_free(struct uploader *u)
{
	if (!u)
		return;
	sending_stop(&u->s);
	pool_free(u->threads);
	for (size_t i = 0; i < u->count; i++)
		free(u->items[i].blocks);
	free(u->items);
	sending_done(&u->s);
	free(u);
}

/* ---- what items wait for ------------------------------------------------ */

static bool fits_locked(const struct uploader *u, uint64_t bytes)
{
	return !u->memory || u->memory + bytes <= UPLOADER_MEMORY;
}

static int take_memory(struct uploader *u, uint64_t bytes)
{
	LOCK_SCOPE(&u->s.lock);
	while (!u->s.stopping && !fits_locked(u, bytes))
		cond_wait(&u->s.change, &u->s.lock);
	if (u->s.stopping)
		return -ECANCELED;
	u->memory += bytes;
	return 0;
}

static void give_memory(struct uploader *u, uint64_t bytes)
{
	LOCK_SCOPE(&u->s.lock);
	u->memory -= bytes;
	pthread_cond_broadcast(&u->s.change);
}

static void take_turn(struct uploader *u)
{
	LOCK_SCOPE(&u->s.lock);
	while (!u->turns)
		cond_wait(&u->s.change, &u->s.lock);
	u->turns--;
}

static void give_turn(struct uploader *u)
{
	LOCK_SCOPE(&u->s.lock);
	u->turns++;
	pthread_cond_broadcast(&u->s.change);
}

static int await_release(struct uploader *u)
{
	LOCK_SCOPE(&u->s.lock);
	while (!u->s.stopping && !u->released)
		cond_wait(&u->s.change, &u->s.lock);
	return u->s.stopping ? -ECANCELED : 0;
}

/* ---- packs -------------------------------------------------------------- */

static int pack_file(struct item *it, struct pack_writer *w,
		     struct scan_entry *file, struct err *e)
{
	CLEANUP_FREE void *fresh = NULL;
	const char *data = file->data;
	struct pack_member m;
	uint64_t size;
	int r;

	if (!data) {
		r = hashing_reread(it->u->s.scan, file, &fresh, e);
		if (r)
			return r;
		data = fresh;
	}
	size = (uint64_t)file->st.st_size;
	if (!size)
		return 0; /* emptied since */
	m = (struct pack_member){
		.path = file->path,
		.path_len = file->path_len,
		.mode = file->st.st_mode,
		.uid = file->st.st_uid,
		.gid = file->st.st_gid,
		.mtime_ns = clock_ns_of(&file->st.st_mtim),
		.size = size,
		.data = data,
		.hashes = file->hashes,
	};
	r = pack_writer_add(w, &m, e);
	if (r)
		return err_wrap(e, r, "'%s'", file->path);
	for (uint64_t i = 0; i < block_count(size); i++)
		sending_cache(&it->u->s, &file->hashes[i], data + i * BLOCK_MAX,
			      block_len(size, i));
	return 0;
}

static int make_pack(struct item *it, struct buf *out, struct err *e)
{
	CLEANUP(pack_writer_freep) struct pack_writer *w = NULL;
	int r = pack_writer_open(&w, &it->id);

	if (r)
		return err_set(e, r, "packing: out of memory");
	for (size_t i = 0; i < it->pack->count; i++) {
		if (sending_stopping(&it->u->s))
			return err_set(e, -ECANCELED, "interrupted");
		r = pack_file(it, w, it->pack->files[i], e);
		if (r)
			return r;
	}
	return pack_writer_finish(w, out, &it->blocks, &it->block_count, e);
}

static int put_pack(struct item *it, const struct buf *pack, struct err *e)
{
	struct sending *s = &it->u->s;
	struct buf key = BUF_INIT(STORE_KEY_MAX);
	struct sent t = { 0 };
	int r;

	if (name_blob(&key, s->pool_prefix, &it->id)) {
		buf_done(&key);
		return err_set(e, -ENOMEM, "upload: out of memory");
	}
	store_req_init(&t.req, STORE_PUT, key.data);
	t.req.body = pack->data;
	t.req.body_len = pack->len;
	t.worth = it->pack->raw;
	r = sending_run(s, &t, e);
	store_req_done(&t.req);
	buf_done(&key);
	if (!r)
		progress_add(s->progress, it->pack->count, 0);
	return r;
}

static int run_pack(struct item *it, struct err *e)
{
	/* The writer keeps to its own, smaller ceiling. */
	struct buf pack = BUF_INIT(2ull * PACK_STORED_MAX);
	int r;

	take_turn(it->u);
	r = make_pack(it, &pack, e);
	give_turn(it->u);
	if (!r && it->block_count) /* else all its files were emptied */
		r = await_release(it->u);
	if (!r && it->block_count)
		r = put_pack(it, &pack, e);
	buf_done(&pack);
	return r;
}

/* ---- items -------------------------------------------------------------- */

static int run_blob(struct item *it, struct err *e)
{
	int r = await_release(it->u);

	if (!r)
		r = blob_upload(&it->u->s, it->blob, &it->id, &it->blocks, e);
	if (!r) {
		it->block_count = it->blob->count;
		progress_add(it->u->s.progress, it->blob->ends, 0);
	}
	return r;
}

static void item_end(struct item *it, int code)
{
	struct uploader *u = it->u;

	LOCK_SCOPE(&u->s.lock);
	if (!code)
		it->state = ITEM_COMPLETE;
	else if (code == -ESTALE && it->blob)
		it->state = ITEM_CHANGED;
	else
		it->state = ITEM_FAILED;
	if (it->state == ITEM_FAILED && !u->s.stopping) {
		u->s.stopping = true;
		if (!it->err.code)
			(void)err_set(&it->err, code, "upload: %s",
				      strerror(-code));
		u->err = it->err;
	}
	u->ended++;
	pthread_cond_broadcast(&u->s.change);
}

static uint64_t item_memory(const struct item *it)
{
	/* The pack, and a file of it. */
	return it->pack ? it->pack->raw + PACKED_FILE_MAX / 8
			: blob_memory(it->blob);
}

static void item_run(struct pool_job *job)
{
	struct item *it = container_of(job, struct item, job);
	int r = take_memory(it->u, item_memory(it));

	if (!r) {
		r = it->pack ? run_pack(it, &it->err) : run_blob(it, &it->err);
		give_memory(it->u, item_memory(it));
	}
	item_end(it, r);
}

int uploader_add(struct uploader *u, const struct plan *plan,
		 struct object_ids *ids, struct err *e)
{
	size_t count = plan->pack_count + plan->blob_count;

	u->items = calloc(count ? count : 1, sizeof(*u->items));
	if (!u->items)
		return err_set(e, -ENOMEM, "upload: out of memory");
	for (size_t i = 0; i < count; i++) {
		struct item *it = &u->items[i];

		it->u = u;
		it->job.run = item_run;
		it->id = object_ids_next(ids);
		if (i < plan->pack_count)
			it->pack = &plan->packs[i];
		else
			it->blob = &plan->blobs[i - plan->pack_count];
	}
	u->count = count;
	for (size_t i = 0; i < count; i++)
		pool_submit(u->threads, &u->items[i].job);
	return 0;
}

void uploader_release(struct uploader *u)
{
	LOCK_SCOPE(&u->s.lock);
	u->released = true;
	pthread_cond_broadcast(&u->s.change);
}

int uploader_wait(struct uploader *u, bool (*stop)(void), struct err *e)
{
	LOCK_SCOPE(&u->s.lock);
	while (u->ended < u->count) {
		if (!u->s.stopping && stop()) {
			u->s.stopping = true;
			(void)err_set(&u->err, -ECANCELED, "interrupted");
			pthread_cond_broadcast(&u->s.change);
		}
		(void)cond_wait_ms(&u->s.change, &u->s.lock, 100);
	}
	return u->err.code ? err_copy(e, &u->err) : 0;
}

size_t uploader_objects(const struct uploader *u)
{
	size_t objects = 0;

	for (size_t i = 0; i < u->count; i++) {
		if (u->items[i].state == ITEM_COMPLETE)
			objects++;
	}
	return objects;
}

/* Of a large file's blob a few; its table has the rest. */
static bool is_indexed(const struct item *it, size_t k)
{
	return it->pack || !k || k + 1 == it->block_count ||
	       index_samples(&it->blocks[k].hash);
}

int uploader_each_block(const struct uploader *u,
			int (*fn)(void *arg, const struct block *block,
				  bool indexed),
			void *arg)
{
	int r = 0;

	for (size_t i = 0; i < u->count && !r; i++) {
		const struct item *it = &u->items[i];

		if (it->state != ITEM_COMPLETE)
			continue;
		for (size_t k = 0; k < it->block_count && !r; k++)
			r = fn(arg, &it->blocks[k], is_indexed(it, k));
	}
	return r;
}

int uploader_each_changed(const struct uploader *u,
			  int (*fn)(void *arg, struct scan_entry *file),
			  void *arg)
{
	const struct scan_entry *last = NULL;
	int r = 0;

	for (size_t i = 0; i < u->count && !r; i++) {
		const struct item *it = &u->items[i];

		if (it->state != ITEM_CHANGED || it->blob->file == last)
			continue;
		last = it->blob->file;
		r = fn(arg, it->blob->file);
	}
	return r;
}
