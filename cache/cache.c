/*
 * The facade: binds directory, index, segments, eviction and what else is
 * remembered, and turns every trouble into a miss.
 *
 * One thread of maintenance: brings lost records into the index (at the start,
 * and once a minute for processes that died meanwhile), merges uses, closes
 * unlinked segments, and evicts. Eviction begins a good part below the limit,
 * so that an insertion seldom has to wait for it; one that finds no space waits
 * for one pass of it at most.
 *
 * Locks: the cache's own guards only the word between insertions and that
 * thread. No lock is held during I/O.
 *
 * The segments' share of the limit is what index and whole objects leave.
 */
#include "cache/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/appender.h"
#include "cache/cachedb.h"
#include "cache/cachedir.h"
#include "cache/catfiles.h"
#include "cache/evict.h"
#include "cache/memo.h"
#include "cache/recover.h"
#include "cache/segindex.h"
#include "cache/segtable.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/pool.h"

#define SEGMENTS_IN_CACHE 32 /* segments are smaller in a small cache */
#define OBJECTS_PART 10 /* a tenth for whole objects */
#define HEADROOM_PART 10 /* a tenth is kept free by the thread */
#define HEADROOM_SEGMENTS 4
#define SPARE_SEGMENTS 2 /* of it for what eviction carries forward */
#define PASS_SEGMENTS 4 /* evicted before insertions are told */
#define TICK_MS 1000
#define SWEEP_MS 5000
#define RECOVER_MS 60000
#define ROOM_WAIT_MS 2000
#define FULL_PAUSE_MS 1000 /* no insertion is tried after a vain wait */

struct cache {
	/* Set at open, then constant. */
	struct cachedir *dir;
	struct cachedb *db;
	struct segtable *segments;
	struct appender *appenders[QUEUE_COUNT];
	struct evict *evict;
	struct catfiles *objects;
	uint64_t size; /* as asked for */
	uint32_t segment_size;
	pthread_t thread;
	bool started;

	atomic_bool told; /* a failed insertion was logged */
	atomic_bool told_bad; /* a damaged record was logged */
	_Atomic uint64_t full_until_ms;
	_Atomic uint64_t unseen_bytes; /* put since the thread last looked */
	_Atomic uint64_t hits, misses, inserts, evicted_bytes, bad_records;

	struct lock lock; /* LOCK_RANK_CACHE */
	/* guarded by lock: */
	pthread_cond_t wake; /* the thread */
	pthread_cond_t passed; /* insertions that wait */
	bool wanted, ending;
	uint64_t passes;
};

/* ---- space --------------------------------------------------------------- */

static uint64_t bytes_beside_segments(struct cache *c)
{
	return cachedb_bytes(c->db) + catfiles_bytes(c->objects);
}

/* For segments alone. */
static uint64_t segment_limit(void *arg)
{
	struct cache *c = arg;
	uint64_t beside = bytes_beside_segments(c), used = 0, limit;

	if (segindex_used(c->db, &used))
		return 0;
	limit = cachedir_limit(c->dir, c->size, used + beside);
	return limit > beside ? limit - beside : 0;
}

/* One pass. True when another is due. */
static bool evict_some(struct cache *c)
{
	uint64_t limit = segment_limit(c), used, freed, target, headroom;
	int r;

	if (segindex_used(c->db, &used))
		return false;
	headroom = limit / HEADROOM_PART;
	if (headroom < (uint64_t)HEADROOM_SEGMENTS * c->segment_size)
		headroom = (uint64_t)HEADROOM_SEGMENTS * c->segment_size;
	if (headroom > limit / 2)
		headroom = limit / 2;
	target = limit - headroom;
	if (used <= target)
		return false;
	if (used - target > (uint64_t)PASS_SEGMENTS * c->segment_size)
		target = used - (uint64_t)PASS_SEGMENTS * c->segment_size;
	r = evict_run(c->evict, target, limit, &freed);
	atomic_fetch_add(&c->evicted_bytes, freed);
	segtable_sweep(c->segments);
	return !r;
}

/* Waits for one pass of eviction. */
static void wait_for_room(struct cache *c)
{
	uint64_t until_ms = clock_now_ms() + ROOM_WAIT_MS, pass;

	LOCK_SCOPE(&c->lock);
	pass = c->passes;
	c->wanted = true;
	pthread_cond_signal(&c->wake);
	while (c->passes == pass && !c->ending) {
		uint64_t now_ms = clock_now_ms();

		if (now_ms >= until_ms)
			return;
		(void)cond_wait_ms(&c->passed, &c->lock, until_ms - now_ms);
	}
}

/* ---- maintenance --------------------------------------------------------- */

/* Sleeps until the next tick or a call; false at the end. */
static bool sleep_tick(struct cache *c, bool more)
{
	LOCK_SCOPE(&c->lock);
	c->passes++;
	pthread_cond_broadcast(&c->passed);
	if (!more && !c->wanted && !c->ending)
		(void)cond_wait_ms(&c->wake, &c->lock, TICK_MS);
	c->wanted = false;
	return !c->ending;
}

static void *maintain(void *arg)
{
	struct cache *c = arg;
	uint64_t swept_ms = clock_now_ms(), recovered_ms = 0;
	bool more;

	do {
		uint64_t now_ms = clock_now_ms();

		more = false;
		if (!recovered_ms || now_ms - recovered_ms > RECOVER_MS) {
			more = recover_step(c->db, cachedir_segments(c->dir)) >
			       0;
			if (!more)
				recovered_ms = now_ms;
		}
		atomic_store(&c->unseen_bytes, 0);
		evict_merge_uses(c->evict);
		more |= evict_some(c);
		if (now_ms - swept_ms > SWEEP_MS) {
			segtable_sweep(c->segments);
			swept_ms = now_ms;
		}
	} while (sleep_tick(c, more));
	return NULL;
}

static int start_thread(struct cache *c)
{
	int r = pool_start_thread(&c->thread, maintain, c);

	c->started = !r;
	return r;
}

/* ---- opening ------------------------------------------------------------- */

static int open_index(struct cache *c, struct err *e)
{
	bool fresh;
	int r = cachedb_open(&c->db, cachedir_index(c->dir),
			     cachedir_is_sole(c->dir), &fresh, e);

	if (!r && fresh)
		r = recover_list(c->db, cachedir_segments(c->dir), e);
	return r;
}

static uint32_t choose_segment_size(struct cache *c)
{
	uint64_t size = segment_limit(c) / SEGMENTS_IN_CACHE;

	if (size > SEGMENT_MAX)
		return SEGMENT_MAX;
	return size < SEGMENT_MIN ? SEGMENT_MIN : (uint32_t)size;
}

static int open_parts(struct cache *c)
{
	int r = catfiles_open(&c->objects, cachedir_catalogs(c->dir));

	if (!r)
		r = segtable_open(&c->segments, cachedir_segments(c->dir));
	if (!r)
		c->segment_size = choose_segment_size(c);
	for (int q = 0; !r && q < QUEUE_COUNT; q++) {
		const struct appender_options o = {
			.db = c->db,
			.dir = cachedir_segments(c->dir),
			.queue = q,
			.segment_size = c->segment_size,
			.limit = segment_limit,
			.arg = c,
		};

		r = appender_open(&c->appenders[q], &o);
	}
	if (!r) {
		const struct evict_options o = {
			.db = c->db,
			.dir = cachedir_path(c->dir),
			.main = c->appenders[QUEUE_MAIN],
		};

		r = evict_open(&c->evict, &o);
	}
	return r ? r : start_thread(c);
}

int cache_open(struct cache **ret_cache, const struct cache_options *o,
	       struct err *e)
{
	CLEANUP(cache_freep) struct cache *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "cache: out of memory");
	lock_init(&c->lock, LOCK_RANK_CACHE);
	cond_init(&c->wake);
	cond_init(&c->passed);
	c->size = o->size;
	r = cachedir_open(&c->dir, o->dir, e);
	if (!r)
		r = open_index(c, e);
	if (r)
		return r;
	r = open_parts(c);
	if (r)
		return err_set(e, r, "cache '%s': %s", cachedir_path(c->dir),
			       strerror(-r));
	cachedir_opened(c->dir);
	*ret_cache = TAKE_PTR(c);
	return 0;
}

void cache_free(struct cache *c)
{
	bool sound;

	if (!c)
		return;
	if (c->started) {
		lock_take(&c->lock);
		c->ending = true;
		pthread_cond_broadcast(&c->wake);
		pthread_cond_broadcast(&c->passed);
		lock_drop(&c->lock);
		(void)pthread_join(c->thread, NULL);
		evict_merge_uses(c->evict);
	}
	for (int q = 0; q < QUEUE_COUNT; q++)
		appender_free(c->appenders[q]);
	evict_free(c->evict);
	segtable_free(c->segments);
	catfiles_free(c->objects);
	sound = c->db && !cachedb_is_broken(c->db);
	cachedb_free(c->db);
	if (c->dir && cachedir_close(c->dir) && sound)
		cachedb_mark_clean(cachedir_index(c->dir));
	cachedir_free(c->dir);
	(void)pthread_cond_destroy(&c->wake);
	(void)pthread_cond_destroy(&c->passed);
	lock_done(&c->lock);
	free(c);
}

const char *cache_dir(const struct cache *c)
{
	return cachedir_path(c->dir);
}

/* ---- blocks -------------------------------------------------------------- */

static void note_bad(struct cache *c, const struct hash *id,
		     const struct block_place *place)
{
	char hex[HASH_HEX];

	atomic_fetch_add(&c->bad_records, 1);
	hex_encode(hex, id->bytes, HASH_LEN);
	if (!atomic_exchange(&c->told_bad, true))
		log_warn("cache '%s': record %s in segment %016llx is damaged: "
			 "dropped, it will be fetched again (told once)",
			 cache_dir(c), hex, (unsigned long long)place->segment);
}

static int read_block(struct cache *c, const struct hash *id,
		      const struct cache_ref **ret_ref)
{
	CLEANUP(segfile_putp) struct segfile *seg = NULL;
	struct block_place place;
	int r = segindex_block(c->db, id, &place);

	if (r)
		return r;
	r = segtable_get(c->segments, place.segment, &seg);
	if (!r)
		r = segfile_ref(seg, id, place.off, place.len, ret_ref);
	if (r == -EBADMSG)
		note_bad(c, id, &place);
	if (r == -EBADMSG || r == -ENOENT)
		segindex_block_drop(c->db, id, &place);
	return r;
}

int cache_get(struct cache *c, const struct hash *id,
	      const struct cache_ref **ret_ref)
{
	if (read_block(c, id, ret_ref)) {
		atomic_fetch_add(&c->misses, 1);
		return -ENOENT;
	}
	atomic_fetch_add(&c->hits, 1);
	evict_note_use(c->evict, id);
	return 0;
}

bool cache_has(struct cache *c, const struct hash *id)
{
	return !cachedb_get(c->db, CACHEDB_BLOCKS, id->bytes, HASH_LEN, NULL);
}

static void complain(struct cache *c, int error)
{
	if (!atomic_exchange(&c->told, true))
		log_warn("cache '%s': %s; going on without keeping what does "
			 "not fit (told once)",
			 cache_dir(c), strerror(-error));
}

static int write_block(struct cache *c, const struct hash *id, const void *data,
		       uint32_t len)
{
	struct appender *a =
		c->appenders[segindex_ghost(c->db, id) ? QUEUE_MAIN
						       : QUEUE_PROBATION];
	const uint64_t spare = (uint64_t)SPARE_SEGMENTS * c->segment_size;
	struct block_place place;
	int r;

	if (clock_now_ms() < atomic_load(&c->full_until_ms))
		return -ENOSPC;
	r = appender_add(a, id, data, len, spare, &place);
	if (r == -ENOSPC) {
		wait_for_room(c);
		r = appender_add(a, id, data, len, spare, &place);
	}
	if (r == -ENOSPC)
		atomic_store(&c->full_until_ms, clock_now_ms() + FULL_PAUSE_MS);
	return r ? r : segindex_block_put(c->db, id, &place);
}

int cache_put(struct cache *c, const struct hash *id, const void *data,
	      uint32_t len)
{
	int r;

	if (!len || len > RECORD_MAX)
		return -EFBIG;
	if (cache_has(c, id))
		return 0;
	r = write_block(c, id, data, len);
	if (r) {
		complain(c, r);
		return r;
	}
	atomic_fetch_add(&c->inserts, 1);
	if (atomic_fetch_add(&c->unseen_bytes, len) > c->segment_size / 2) {
		LOCK_SCOPE(&c->lock);
		c->wanted = true;
		pthread_cond_signal(&c->wake);
	}
	return 0;
}

void cache_drop(struct cache *c, const struct hash *id)
{
	atomic_fetch_add(&c->bad_records, 1);
	/* Should it fail, the record is met again. */
	(void)cachedb_erase(c->db, CACHEDB_BLOCKS, id->bytes, HASH_LEN);
}

/* ---- what else is remembered --------------------------------------------- */

int cache_file_hashes(struct cache *c, const struct stat *st,
		      struct hash **ret_hashes)
{
	return memo_file_hashes(c->db, st, ret_hashes) ? -ENOENT : 0;
}

void cache_file_hashes_put(struct cache *c, const struct stat *st,
			   int64_t read_s, const struct hash *hashes,
			   size_t count)
{
	memo_file_hashes_put(c->db, st, read_s, hashes, count);
}

int cache_head(struct cache *c, const uint32_t bucket_id[4], const char *key,
	       const struct store_object *object, struct meta *ret_meta)
{
	return memo_head(c->db, bucket_id, key, object, ret_meta) ? -ENOENT : 0;
}

void cache_head_put(struct cache *c, const uint32_t bucket_id[4],
		    const char *key, const struct store_object *object,
		    const struct meta *meta, int64_t date_s)
{
	memo_head_put(c->db, bucket_id, key, object, meta, date_s);
}

int cache_fact(struct cache *c, const uint32_t bucket_id[4], const char *name,
	       struct buf *ret_value)
{
	return memo_fact(c->db, bucket_id, name, ret_value) ? -ENOENT : 0;
}

void cache_fact_put(struct cache *c, const uint32_t bucket_id[4],
		    const char *name, const char *value)
{
	memo_fact_put(c->db, bucket_id, name, value);
}

int cache_object(struct cache *c, const uint32_t bucket_id[4], const char *key,
		 const char *etag, struct buf *out)
{
	struct hash name;

	if (!etag[0] || memo_object_name(bucket_id, key, etag, 0, &name) ||
	    catfiles_get(c->objects, &name, out))
		return -ENOENT;
	return 0;
}

static void put_file(struct cache *c, const struct hash *name, const void *data,
		     size_t len)
{
	uint64_t used = 0, max;
	int r;

	if (segindex_used(c->db, &used))
		return;
	max = cachedir_limit(c->dir, c->size, used + bytes_beside_segments(c)) /
	      OBJECTS_PART;
	r = catfiles_put(c->objects, name, data, len, max);
	if (r && r != -EFBIG)
		complain(c, r);
}

void cache_object_put(struct cache *c, const uint32_t bucket_id[4],
		      const char *key, const char *etag, const void *data,
		      size_t len)
{
	struct hash name;

	if (etag[0] && !memo_object_name(bucket_id, key, etag, 0, &name))
		put_file(c, &name, data, len);
}

/* Another version of the format in memory has other names. */
static int catalog_name(const uint32_t bucket_id[4], const char *key,
			const struct hash *sum, struct hash *ret_name)
{
	char hex[HASH_HEX], text[HASH_HEX + 16];

	hex_encode(hex, sum->bytes, HASH_LEN);
	(void)snprintf(text, sizeof(text), "catalog1-%s", hex);
	return memo_object_name(bucket_id, key, text, 0, ret_name);
}

int cache_catalog(struct cache *c, const uint32_t bucket_id[4], const char *key,
		  const struct hash *sum, const struct catalog_range *range,
		  struct catalog **ret_cat)
{
	struct catfile file;
	struct hash name;

	if (catalog_name(bucket_id, key, sum, &name) ||
	    catfiles_map(c->objects, &name, &file))
		return -ENOENT;
	if (!catalog_parse_mapped(ret_cat, file.data, file.len, file.map,
				  file.map_len, range, NULL))
		return 0;
	(void)munmap(file.map, file.map_len); /* cannot fail */
	catfiles_drop(c->objects, &name);
	return -ENOENT;
}

void cache_catalog_put(struct cache *c, const uint32_t bucket_id[4],
		       const char *key, const struct hash *sum,
		       const void *bytes, size_t len)
{
	struct hash name;

	if (!catalog_name(bucket_id, key, sum, &name))
		put_file(c, &name, bytes, len);
}

void cache_sync(struct cache *c)
{
	cachedb_sync(c->db);
}

void cache_stats(struct cache *c, struct cache_stats *ret_stats)
{
	uint64_t used = 0;

	/* An index that cannot be read holds nothing. */
	(void)segindex_used(c->db, &used);
	used += bytes_beside_segments(c);
	*ret_stats = (struct cache_stats){
		.hits = atomic_load(&c->hits),
		.misses = atomic_load(&c->misses),
		.inserts = atomic_load(&c->inserts),
		.evicted_bytes = atomic_load(&c->evicted_bytes),
		.bad_records = atomic_load(&c->bad_records),
		.used = used,
		.limit = cachedir_limit(c->dir, c->size, used),
	};
}
