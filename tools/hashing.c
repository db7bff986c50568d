/*
 * Work is cut into units of at most UNIT_BLOCKS blocks of one file; each worker
 * takes the next one until none is left. A unit checks by fstat, before and
 * after its reading, that the file is the one of the walk; if not, the entry is
 * marked, and the next round does all of it anew from what fstat says now.
 */
#include "tools/hashing.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/block.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "s3/base/lock.h"

#define UNIT_BLOCKS 64
#define ROUNDS 4
#define ROUND_PAUSE_MS 50 /* times the round: a writer may be about to finish */
#define WORKERS_MAX 16

enum fate {
	FATE_GOOD,
	FATE_CHANGED,
	FATE_FAILED,
};

struct unit {
	size_t entry; /* index in the walk */
	uint64_t first; /* block */
	uint64_t count; /* blocks; 0 for an empty file */
};

struct round {
	struct hashing *h;
	bool keep;
	int64_t read_s; /* clock_wall_s before the first byte is read */
	struct unit *units; /* owned */
	size_t unit_count;
	size_t unit_room;
	_Atomic size_t next; /* unit not yet taken */
	_Atomic unsigned char *fates; /* of each entry: enum fate; owned */
	_Atomic bool no_memory;

	struct lock lock; /* LOCK_RANK_TOOL */
	pthread_cond_t idle;
	unsigned int running; /* workers; guarded by lock */
};

struct worker {
	struct pool_job job;
	struct round *round;
	void *block; /* BLOCK_MAX bytes, for what is not kept; owned */
	bool has_zeros;
	struct hash zeros; /* of a block of zeros */
};

static bool same_now(int fd, const struct stat *then)
{
	struct stat now;

	return !fstat(fd, &now) && scan_same_file(&now, then);
}

/* Whether the range lies in a hole, which need not be read. */
static bool is_hole(int fd, const struct stat *st, uint64_t off, uint32_t len)
{
	off_t data;

	if (st->st_blocks >= st->st_size / 512)
		return false;
	data = lseek(fd, (off_t)off, SEEK_DATA);
	return data < 0 ? errno == ENXIO : (uint64_t)data >= off + len;
}

/* Names a block of zeros, and puts them at `to` if that is not NULL. */
static void name_zeros(struct worker *w, char *to, uint32_t len,
		       struct hash *ret_hash)
{
	if (to)
		memset(to, 0, len);
	if (len < BLOCK_MAX || !w->has_zeros) {
		memset(w->block, 0, len);
		hash_of(ret_hash, w->block, len);
		if (len < BLOCK_MAX)
			return;
		w->zeros = *ret_hash;
		w->has_zeros = true;
	}
	*ret_hash = w->zeros;
}

/* Reads and names blocks of one unit. 0, -EAGAIN when the file is not what it
 * was, -ENOMEM, or why it cannot be read. */
static int read_unit(struct round *r, struct worker *w, const struct unit *u)
{
	struct scan_entry *entry = &r->h->scan->entries[u->entry];
	uint64_t size = (uint64_t)entry->st.st_size;
	CLEANUP_FREE char *kept = NULL;
	CLEANUP_FD int fd = scan_open_file(r->h->scan, entry);

	if (fd < 0)
		return fd;
	if (!same_now(fd, &entry->st))
		return -EAGAIN;
	if (r->keep && size && size <= PACKED_FILE_MAX) {
		kept = malloc(size);
		if (!kept)
			return -ENOMEM;
	}
	for (uint64_t i = u->first; i < u->first + u->count; i++) {
		char *to = kept ? kept + i * BLOCK_MAX : w->block;
		uint32_t len = block_len(size, i);
		ssize_t n;

		if (r->h->stop())
			return -ECANCELED;
		if (is_hole(fd, &entry->st, i * BLOCK_MAX, len)) {
			name_zeros(w, kept ? to : NULL, len, &entry->hashes[i]);
			progress_add(r->h->progress, 0, len);
			continue;
		}
		n = io_pread_full(fd, to, len, i * BLOCK_MAX);
		if (n < 0)
			return (int)n;
		if ((size_t)n < len)
			return -EAGAIN;
		hash_of(&entry->hashes[i], to, len);
		progress_add(r->h->progress, 0, len);
	}
	if (!same_now(fd, &entry->st))
		return -EAGAIN;
	if (kept)
		entry->data = TAKE_PTR(kept);
	return 0;
}

static void do_unit(struct round *r, struct worker *w, const struct unit *u)
{
	const struct scan_entry *entry = &r->h->scan->entries[u->entry];
	_Atomic unsigned char *fate = &r->fates[u->entry];
	int code;

	if (*fate != FATE_GOOD)
		return;
	code = read_unit(r, w, u);
	if (code == -EAGAIN) {
		unsigned char good = FATE_GOOD;

		(void)atomic_compare_exchange_strong(fate, &good, FATE_CHANGED);
	} else if (code == -ENOMEM) {
		r->no_memory = true;
	} else if (code && code != -ECANCELED) {
		/* The first of its units to fail tells. */
		if (atomic_exchange(fate, FATE_FAILED) != FATE_FAILED)
			notes_add(r->h->failed, "'%s': %s", entry->path,
				  code == -ELOOP ? "has become a symbolic link"
						 : strerror(-code));
	}
}

static void worker_run(struct pool_job *job)
{
	struct worker *w = container_of(job, struct worker, job);
	struct round *r = w->round;
	size_t i;

	while ((i = atomic_fetch_add(&r->next, 1)) < r->unit_count) {
		if (r->no_memory || r->h->stop())
			break;
		do_unit(r, w, &r->units[i]);
	}
	LOCK_SCOPE(&r->lock);
	r->running--;
	pthread_cond_signal(&r->idle);
}

static int run_workers(struct round *r)
{
	struct worker workers[WORKERS_MAX] = { 0 };
	unsigned int count = pool_threads(r->h->pool);
	unsigned int ready = 0;

	if (count > WORKERS_MAX)
		count = WORKERS_MAX;
	if (count > r->unit_count)
		count = (unsigned int)r->unit_count;
	for (; ready < count; ready++) {
		struct worker *w = &workers[ready];

		w->round = r;
		w->job.run = worker_run;
		w->block = malloc(BLOCK_MAX);
		if (!w->block)
			break;
	}
	r->next = 0;
	r->read_s = clock_wall_s();
	r->running = ready;
	if (ready < count)
		r->no_memory = true;
	for (unsigned int i = 0; i < ready; i++)
		pool_submit(r->h->pool, &workers[i].job);
	lock_take(&r->lock);
	while (r->running)
		cond_wait(&r->idle, &r->lock);
	lock_drop(&r->lock);
	for (unsigned int i = 0; i < ready; i++)
		free(workers[i].block);
	return r->no_memory ? -ENOMEM : 0;
}

static int add_unit(struct round *r, struct unit unit)
{
	if (r->unit_count == r->unit_room) {
		size_t room = r->unit_room ? 2 * r->unit_room : 256;
		struct unit *more = reallocarray(r->units, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->units = more;
		r->unit_room = room;
	}
	r->units[r->unit_count++] = unit;
	return 0;
}

static int add_file(struct round *r, size_t at)
{
	struct scan_entry *entry = &r->h->scan->entries[at];
	uint64_t size = (uint64_t)entry->st.st_size;
	uint64_t blocks = block_count(size);
	uint64_t unit = size <= PACKED_FILE_MAX ? blocks : UNIT_BLOCKS;
	struct hash *hashes;

	hashes = reallocarray(entry->hashes, blocks ? blocks : 1,
			      sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	entry->hashes = hashes;
	for (uint64_t i = 0; i < blocks || !i; i += unit ? unit : 1) {
		uint64_t left = blocks - i;
		int code =
			add_unit(r, (struct unit){
					    .entry = at,
					    .first = i,
					    .count = left < unit ? left : unit,
				    });

		if (code)
			return code;
	}
	return 0;
}

uint64_t hashing_unknown(const struct hashing *h)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < h->scan->count; i++) {
		const struct scan_entry *entry = &h->scan->entries[i];
		CLEANUP_FREE struct hash *hashes = NULL;

		if (S_ISREG(entry->st.st_mode) &&
		    entry->st.st_size <= PACKED_FILE_MAX &&
		    (!h->cache ||
		     cache_file_hashes(h->cache, &entry->st, &hashes)))
			bytes += (uint64_t)entry->st.st_size;
	}
	return bytes;
}

/* The first round: everything that the hash cache does not know. */
static int add_unknown(struct round *r)
{
	struct scan *w = r->h->scan;
	uint64_t packable = 0;

	for (size_t i = 0; i < w->count; i++) {
		struct scan_entry *entry = &w->entries[i];
		int code = -ENOENT;

		if (!S_ISREG(entry->st.st_mode))
			continue;
		if (r->h->cache)
			code = cache_file_hashes(r->h->cache, &entry->st,
						 &entry->hashes);
		if (!code) {
			progress_add(r->h->progress, 1,
				     (uint64_t)entry->st.st_size);
			continue;
		}
		if (entry->st.st_size <= PACKED_FILE_MAX)
			packable += (uint64_t)entry->st.st_size;
		code = add_file(r, i);
		if (code)
			return code;
	}
	r->keep = packable <= HASHING_KEEP_MAX;
	return 0;
}

/* The entry as it is now; a round follows. */
static int refresh(struct round *r, size_t at)
{
	struct scan *w = r->h->scan;
	struct scan_entry *entry = &w->entries[at];
	CLEANUP_FD int fd = scan_open_file(w, entry);
	struct stat st;

	free(TAKE_PTR(entry->data));
	r->fates[at] = FATE_GOOD;
	if (fd < 0 || fstat(fd, &st) < 0)
		st = entry->st; /* the reading will tell */
	else if (!S_ISREG(st.st_mode))
		return -EINVAL;
	w->bytes += (uint64_t)st.st_size - (uint64_t)entry->st.st_size;
	entry->st = st;
	return add_file(r, at);
}

/* Ends a round: what is good goes to the hash cache, what changed is set up for
 * another round, or given up after the last. */
static int sift(struct round *r, bool last)
{
	struct scan *w = r->h->scan;
	CLEANUP_FREE struct unit *was = TAKE_PTR(r->units);
	size_t units = r->unit_count;

	r->unit_count = 0;
	r->unit_room = 0;
	for (size_t i = 0, done = SIZE_MAX; i < units; i++) {
		size_t at = was[i].entry;
		struct scan_entry *entry = &w->entries[at];
		int code = 0;

		if (at == done)
			continue;
		done = at;
		if (r->fates[at] == FATE_GOOD) {
			if (r->h->cache)
				cache_file_hashes_put(
					r->h->cache, &entry->st, r->read_s,
					entry->hashes,
					block_count(
						(uint64_t)entry->st.st_size));
			progress_add(r->h->progress, 1, 0);
			continue;
		}
		if (r->fates[at] == FATE_CHANGED && !last)
			code = refresh(r, at);
		else if (r->fates[at] == FATE_CHANGED)
			notes_add(r->h->failed,
				  "'%s' keeps changing while it is read",
				  entry->path);
		if (code == -EINVAL)
			notes_add(r->h->failed, "'%s' is no longer a file",
				  entry->path);
		else if (code)
			return code;
	}
	return 0;
}

static void pause_ms(unsigned int ms)
{
	struct timespec ts = { .tv_nsec = (long)ms * 1000000 };

	(void)nanosleep(&ts, NULL); /* a shorter pause does no harm */
}

static int run_rounds(struct round *r)
{
	int code = 0;

	for (unsigned int n = 1; !code && r->unit_count; n++) {
		code = run_workers(r);
		if (!code && r->h->stop())
			code = -ECANCELED;
		if (!code)
			code = sift(r, n == ROUNDS);
		if (!code && r->unit_count)
			pause_ms(n * ROUND_PAUSE_MS);
	}
	return code;
}

static int round_init(struct round *r, struct hashing *h)
{
	size_t count = h->scan->count;

	*r = (struct round){ .h = h };
	r->fates = calloc(count ? count : 1, sizeof(*r->fates));
	if (!r->fates)
		return -ENOMEM;
	lock_init(&r->lock, LOCK_RANK_TOOL);
	cond_init(&r->idle);
	return 0;
}

static void round_done(struct round *r)
{
	(void)pthread_cond_destroy(&r->idle);
	lock_done(&r->lock);
	free(r->units);
	free(r->fates);
}

int hashing_run(struct hashing *h, struct err *e)
{
	struct round r;
	int code = round_init(&r, h);

	if (code)
		return err_set(e, code, "reading: out of memory");
	code = add_unknown(&r);
	if (!code)
		code = run_rounds(&r);
	round_done(&r);
	if (code == -ECANCELED)
		return err_set(e, code, "interrupted");
	return code ? err_set(e, code, "reading: %s", strerror(-code)) : 0;
}

int hashing_again(struct hashing *h, struct scan_entry *entry)
{
	size_t failed = notes_count(h->failed);
	struct round r;
	int code = round_init(&r, h);

	if (code)
		return code;
	code = refresh(&r, (size_t)(entry - h->scan->entries));
	if (code == -EINVAL)
		notes_add(h->failed, "'%s' is no longer a file", entry->path);
	if (!code)
		code = run_rounds(&r);
	round_done(&r);
	return notes_count(h->failed) > failed ? -EAGAIN : code;
}

/* One attempt: content, and the stat that held before and after. */
static int read_whole(const struct scan *w, const struct scan_entry *entry,
		      struct stat *ret_st, char **ret_data)
{
	CLEANUP_FREE char *data = NULL;
	CLEANUP_FD int fd = scan_open_file(w, entry);
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -EINVAL;
	if (ret_st->st_size > PACKED_FILE_MAX)
		return -EFBIG;
	data = malloc((size_t)ret_st->st_size + 1);
	if (!data)
		return -ENOMEM;
	n = io_pread_full(fd, data, (size_t)ret_st->st_size, 0);
	if (n < 0)
		return (int)n;
	if (n < ret_st->st_size || !same_now(fd, ret_st))
		return -EAGAIN;
	*ret_data = TAKE_PTR(data);
	return 0;
}

static int adopt(struct scan_entry *entry, const struct stat *st,
		 const char *data)
{
	uint64_t size = (uint64_t)st->st_size;
	uint64_t blocks = block_count(size);
	struct hash *hashes;

	hashes = calloc(blocks ? blocks : 1, sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	for (uint64_t i = 0; i < blocks; i++)
		hash_of(&hashes[i], data + i * BLOCK_MAX, block_len(size, i));
	free(entry->hashes);
	entry->hashes = hashes;
	entry->st = *st;
	return 0;
}

int hashing_reread(const struct scan *w, struct scan_entry *entry,
		   void **ret_data, struct err *e)
{
	CLEANUP_FREE char *data = NULL;
	int code = -EAGAIN;
	struct stat st;

	for (unsigned int n = 1; code == -EAGAIN && n <= ROUNDS; n++) {
		code = read_whole(w, entry, &st, &data);
		if (code == -EAGAIN)
			pause_ms(n * ROUND_PAUSE_MS);
	}
	if (!code)
		code = adopt(entry, &st, data);
	if (code == -EAGAIN)
		return err_set(e, code, "'%s' keeps changing while it is read",
			       entry->path);
	if (code == -EFBIG)
		return err_set(
			e, code,
			"'%s' has grown while it was pushed; run it again",
			entry->path);
	if (code)
		return err_set(e, code, "'%s': %s", entry->path,
			       strerror(-code));
	*ret_data = TAKE_PTR(data);
	return 0;
}
