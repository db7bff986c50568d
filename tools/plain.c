/*
 * Workers take one entry after the other; each looks at the object that the
 * listing shows (HEAD, unless the cache knows it), decides, and writes. What
 * changed while it was read is hashed anew and comes in another round.
 * Directories come by themselves, the deepest first: in a directory that serves
 * as a store, what is put into one changes its time.
 */
#include "tools/plain.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/body.h"
#include "tools/keylist.h"
#include "tools/plain_put.h"

#define ROUNDS 4
#define MEMORY_MAX (160u << 20) /* bytes; one larger goes alone */
#define COPY_MAX (5ull << 30) /* bytes; the limit of S3 */

struct run {
	struct plain *p;
	struct sending s;
	struct pool *threads; /* owned */
	size_t *todo; /* entries; owned */
	size_t todo_count;
	_Atomic size_t next;

	/* guarded by s.lock: */
	uint64_t memory; /* bytes taken */
	unsigned int running;
	size_t *changed; /* entries; owned */
	size_t changed_count;
	struct err err; /* the first */
};

struct worker {
	struct pool_job job;
	struct run *run;
};

enum verdict {
	VERDICT_SAME,
	VERDICT_META,
	VERDICT_ALL,
};

int plain_check(const struct plain *p, struct notes *failed, struct err *e)
{
	const struct scan *w = p->in->scan;
	CLEANUP_BUF struct buf key = BUF_INIT(2 * PATH_MAX_LEN + STORE_KEY_MAX);

	for (size_t i = 0; i < w->count; i++) {
		buf_reset(&key);
		if (diff_key(&key, p->in->dir, &w->entries[i]))
			return err_set(e, -ENOMEM, "out of memory");
		if (key.len > STORE_KEY_MAX)
			notes_add(failed,
				  "'%s': a key of %zu bytes is too long; push "
				  "without --plain",
				  w->entries[i].path, key.len);
		else if (p->store->utf8_keys && key.len &&
			 !body_is_utf8(key.data, key.len))
			notes_add(failed,
				  "'%s': not UTF-8, so it can be no key; push "
				  "without --plain",
				  w->entries[i].path);
	}
	return 0;
}

/* ---- metadata ----------------------------------------------------------- */

static void content_hash(const struct scan_entry *entry, char hex[HASH_HEX])
{
	struct hash one, all;

	if (S_ISLNK(entry->st.st_mode)) {
		hash_of(&one, entry->target, (size_t)entry->st.st_size);
		hash_of(&all, one.bytes, HASH_LEN);
	} else {
		hash_of(&all, entry->hashes,
			block_count((uint64_t)entry->st.st_size) * HASH_LEN);
	}
	hex_encode(hex, all.bytes, HASH_LEN);
}

static int make_meta(struct meta *m, const struct scan_entry *entry)
{
	const struct meta_posix p = {
		.has_mode = true,
		.has_uid = true,
		.has_gid = true,
		.has_mtime = true,
		.mode = entry->st.st_mode,
		.uid = entry->st.st_uid,
		.gid = entry->st.st_gid,
		.mtime_ns = clock_ns_of(&entry->st.st_mtim),
	};
	char hex[HASH_HEX];
	int r = meta_from_posix(m, &p);

	if (r || S_ISDIR(entry->st.st_mode))
		return r;
	content_hash(entry, hex);
	return meta_set(m, META_HASH, hex);
}

static bool same_attributes(const struct meta *have,
			    const struct scan_entry *entry)
{
	struct meta_posix p = { 0 };

	meta_to_posix(&p, have);
	return p.has_mode && p.mode == entry->st.st_mode && p.has_uid &&
	       p.uid == entry->st.st_uid && p.has_gid &&
	       p.gid == entry->st.st_gid && p.has_mtime &&
	       p.mtime_ns == clock_ns_of(&entry->st.st_mtim);
}

static bool same_content(const struct meta *have,
			 const struct scan_entry *entry)
{
	const char *hash = meta_get(have, META_HASH);
	char hex[HASH_HEX];

	if (S_ISDIR(entry->st.st_mode))
		return true;
	content_hash(entry, hex);
	return hash && !strcmp(hash, hex);
}

/* ---- deciding ----------------------------------------------------------- */

static bool is_local(const struct run *run)
{
	return !run->p->store->utf8_keys;
}

/* The object's metadata as of now; *ret_now: what it belongs to. */
static int head(struct run *run, const char *key, bool is_dir,
		const struct store_object *listed, struct meta *ret_meta,
		struct store_object *ret_now, struct err *e)
{
	const struct plain *p = run->p;
	struct sent t = { 0 };
	int r;

	*ret_now = *listed;
	/* A directory that serves as a store may have other times by now. */
	if (p->cache && !(is_dir && is_local(run)) &&
	    !cache_head(p->cache, p->store->bucket_id, key, listed, ret_meta))
		return 0;
	store_req_init(&t.req, STORE_HEAD, key);
	r = sending_run(&run->s, &t, e);
	if (!r && p->cache)
		cache_head_put(p->cache, p->store->bucket_id, key,
			       &t.req.object, &t.req.meta_out, t.req.date_s);
	if (!r) {
		*ret_now = t.req.object;
		*ret_meta = t.req.meta_out;
		meta_init(&t.req.meta_out);
	}
	store_req_done(&t.req);
	return r;
}

/* A link in a directory that serves as a store bears no metadata: its target
 * tells. */
static int same_link(struct run *run, const struct scan_entry *entry,
		     const char *key, bool *ret_same, struct err *e)
{
	CLEANUP_BUF struct buf target = BUF_INIT(PATH_MAX_LEN);
	size_t size = (size_t)entry->st.st_size;
	struct sent t = { 0 };
	int r;

	store_req_init(&t.req, STORE_GET, key);
	t.req.out = &target;
	r = sending_run(&run->s, &t, e);
	store_req_done(&t.req);
	*ret_same = !r && target.len == size &&
		    !memcmp(target.data, entry->target, size);
	return r;
}

static int decide(struct run *run, size_t at, const char *key,
		  struct store_object *ret_now, enum verdict *ret_verdict,
		  struct err *e)
{
	const struct plain *p = run->p;
	const struct scan_entry *entry = &p->in->scan->entries[at];
	const struct diff_item *item = &p->diff->items[at];
	const struct store_list_entry *listed =
		keylist_find(p->in->listed, key, strlen(key));
	uint64_t size =
		S_ISDIR(entry->st.st_mode) ? 0 : (uint64_t)entry->st.st_size;
	bool same = false;
	struct meta meta;
	int r;

	*ret_verdict = VERDICT_ALL;
	if (listed)
		*ret_now = listed->object;
	if (!listed || listed->object.size != size)
		return 0;
	meta_init(&meta);
	r = head(run, key, S_ISDIR(entry->st.st_mode), &listed->object, &meta,
		 ret_now, e);
	if (r == -ENOENT) { /* gone since */
		err_clear(e);
		return 0;
	}
	if (!r && S_ISLNK(entry->st.st_mode) && !meta_get(&meta, META_HASH))
		r = same_link(run, entry, key, &same, e);
	else if (!r)
		same = same_content(&meta, entry);
	if (!r && same && ret_now->size == size) {
		bool hidden = item->seen &&
			      item->seen_commit_s > ret_now->modified_s;

		*ret_verdict = same_attributes(&meta, entry) && !hidden
				       ? VERDICT_SAME
				       : VERDICT_META;
	}
	meta_done(&meta);
	if (*ret_verdict == VERDICT_META &&
	    (!S_ISREG(entry->st.st_mode) || size > COPY_MAX))
		*ret_verdict = VERDICT_ALL;
	return r;
}

/* ---- writing ------------------------------------------------------------ */

static int take_memory(struct run *run, uint64_t bytes)
{
	LOCK_SCOPE(&run->s.lock);
	while (!run->s.stopping && run->memory &&
	       run->memory + bytes > MEMORY_MAX)
		cond_wait(&run->s.change, &run->s.lock);
	if (run->s.stopping)
		return -ECANCELED;
	run->memory += bytes;
	return 0;
}

static void give_memory(struct run *run, uint64_t bytes)
{
	LOCK_SCOPE(&run->s.lock);
	run->memory -= bytes;
	pthread_cond_broadcast(&run->s.change);
}

/* New metadata for content that stays. -ESTALE: it is not there any more. */
static int copy(struct run *run, const char *key,
		const struct store_object *now, const struct meta *meta,
		struct err *e)
{
	struct sent t = { 0 };
	int r;

	store_req_init(&t.req, STORE_COPY, key);
	t.req.source = key;
	t.req.if_match = now->etag;
	t.req.meta = meta;
	r = sending_run(&run->s, &t, e);
	store_req_done(&t.req);
	return r;
}

static int write_one(struct run *run, const struct scan_entry *entry,
		     const char *key, enum verdict verdict,
		     const struct store_object *now, struct err *e)
{
	struct meta meta;
	uint64_t memory;
	int r;

	meta_init(&meta);
	r = make_meta(&meta, entry);
	if (r)
		err_set(e, r, "'%s': %s", entry->path, strerror(-r));
	if (!r && verdict == VERDICT_META) {
		r = copy(run, key, now, &meta, e);
		if (r == -ESTALE || r == -ENOENT) {
			err_clear(e);
			verdict = VERDICT_ALL;
			r = 0;
		}
	}
	if (!r && verdict == VERDICT_ALL) {
		memory = plain_put_memory(entry);
		r = take_memory(run, memory);
		if (!r) {
			r = plain_put(&run->s, entry, key, &meta, e);
			give_memory(run, memory);
		}
	}
	meta_done(&meta);
	return r;
}

static void count(struct run *run, const struct scan_entry *entry,
		  enum verdict verdict)
{
	uint64_t bytes = (uint64_t)entry->st.st_size;

	progress_add(run->s.progress, S_ISREG(entry->st.st_mode),
		     verdict == VERDICT_ALL || !S_ISREG(entry->st.st_mode)
			     ? 0
			     : bytes);
	if (!S_ISREG(entry->st.st_mode))
		return;
	LOCK_SCOPE(&run->s.lock);
	if (verdict == VERDICT_ALL) {
		run->p->upload_files++;
		run->p->upload_bytes += bytes;
	} else {
		run->p->unchanged += verdict == VERDICT_SAME;
		run->p->unchanged_bytes += bytes;
	}
}

static int do_entry(struct run *run, size_t at, struct err *e)
{
	const struct plain *p = run->p;
	const struct scan_entry *entry = &p->in->scan->entries[at];
	CLEANUP_BUF struct buf key = BUF_INIT(2 * PATH_MAX_LEN + STORE_KEY_MAX);
	struct store_object now = { 0 };
	enum verdict verdict;
	int r;

	if (diff_key(&key, p->in->dir, entry))
		return err_set(e, -ENOMEM, "out of memory");
	if (!key.len) /* the bucket's root has no object */
		return 0;
	r = decide(run, at, key.data, &now, &verdict, e);
	if (!r && verdict != VERDICT_SAME && p->told)
		p->told(verdict == VERDICT_META ? "attributes"
			: now.etag[0]		? "changed"
						: "new",
			entry);
	if (!r && verdict != VERDICT_SAME && !p->dry_run)
		r = write_one(run, entry, key.data, verdict, &now, e);
	if (!r)
		count(run, entry, verdict);
	return r;
}

/* ---- workers ------------------------------------------------------------ */

static void note_outcome(struct run *run, size_t at, int code,
			 const struct err *e)
{
	LOCK_SCOPE(&run->s.lock);
	if (code == -ESTALE) {
		run->changed[run->changed_count++] = at;
	} else if (code && !run->s.stopping) {
		run->s.stopping = true;
		run->err = *e;
		if (!run->err.code)
			(void)err_set(&run->err, code, "%s", strerror(-code));
		pthread_cond_broadcast(&run->s.change);
	}
}

static void work(struct pool_job *job)
{
	struct run *run = container_of(job, struct worker, job)->run;
	size_t i;

	while (!sending_stopping(&run->s) &&
	       (i = atomic_fetch_add(&run->next, 1)) < run->todo_count) {
		struct err e = { 0 };
		int r = do_entry(run, run->todo[i], &e);

		note_outcome(run, run->todo[i], r, &e);
	}
	LOCK_SCOPE(&run->s.lock);
	run->running--;
	pthread_cond_broadcast(&run->s.change);
}

/* Does all of run->todo, `count` at a time. */
static int do_all(struct run *run, unsigned int count, struct err *e)
{
	CLEANUP_FREE struct worker *workers = calloc(count, sizeof(*workers));

	if (!workers)
		return err_set(e, -ENOMEM, "out of memory");
	run->next = 0;
	run->running = count;
	for (unsigned int i = 0; i < count; i++) {
		workers[i] = (struct worker){ .job.run = work, .run = run };
		pool_submit(run->threads, &workers[i].job);
	}
	LOCK_SCOPE(&run->s.lock);
	while (run->running) {
		if (!run->s.stopping && run->p->stop()) {
			run->s.stopping = true;
			(void)err_set(&run->err, -ECANCELED, "interrupted");
			pthread_cond_broadcast(&run->s.change);
		}
		(void)cond_wait_ms(&run->s.change, &run->s.lock, 100);
	}
	return run->err.code ? err_copy(e, &run->err) : 0;
}

/* Hashes anew what changed, and sets it up for another round. */
static int again(struct run *run, bool last, struct err *e)
{
	struct scan *w = run->p->hashing->scan;
	size_t *todo = run->todo;

	for (size_t i = 0; i < run->changed_count; i++) {
		struct scan_entry *entry = &w->entries[run->changed[i]];
		int r = last ? -EAGAIN : hashing_again(run->p->hashing, entry);

		if (r)
			return err_set(e, r,
				       r == -EAGAIN
					       ? "'%s' keeps changing while it "
						 "is pushed"
					       : "'%s': cannot be read again",
				       entry->path);
	}
	run->todo = run->changed;
	run->todo_count = run->changed_count;
	run->changed = todo;
	run->changed_count = 0;
	return 0;
}

static int do_kind(struct run *run, bool dirs, struct err *e)
{
	const struct scan *w = run->p->in->scan;
	/* Strictly one after the other where that is their order. */
	unsigned int jobs = dirs && is_local(run) ? 1
						  : pool_threads(run->threads);
	int r = 0;

	run->todo_count = 0;
	run->changed_count = 0;
	for (size_t i = 0; i < w->count; i++) {
		size_t at = dirs ? w->count - 1 - i : i;

		if (S_ISDIR(w->entries[at].st.st_mode) == dirs)
			run->todo[run->todo_count++] = at;
	}
	for (unsigned int n = 1; run->todo_count && !r; n++) {
		r = do_all(run, jobs, e);
		if (!r)
			r = again(run, n == ROUNDS, e);
	}
	return r;
}

int plain_run(struct plain *p, bool dirs, struct err *e)
{
	const struct scan *w = p->in->scan;
	struct run run = { .p = p };
	int r;

	sending_init(&run.s);
	run.s.store = p->store;
	run.s.cache = p->cache;
	run.s.pool = p->pool;
	run.s.scan = w;
	run.todo = calloc(w->count + 1, sizeof(*run.todo));
	run.changed = calloc(w->count + 1, sizeof(*run.changed));
	r = run.todo && run.changed ? 0 : err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = pool_open(&run.threads, p->jobs ? p->jobs : PLAIN_JOBS, e);
	if (!r) {
		run.s.progress = progress_start("push", p->quiet || p->dry_run);
		if (dirs)
			progress_phase(run.s.progress, "directories");
		else
			progress_total(run.s.progress, w->files, w->bytes);
		r = do_kind(&run, dirs, e);
		progress_stop(run.s.progress);
	}
	pool_free(run.threads);
	free(run.todo);
	free(run.changed);
	sending_done(&run.s);
	return r;
}
