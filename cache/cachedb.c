/*
 * The writer takes what is queued (dbqueue.c), applies it without the lock and
 * commits; until then look-ups find it in the queue.
 *
 * Readers take transactions from a small stock (MDB_NOTLS, reset between uses)
 * and hold them for one look-up. A map that another process made larger needs
 * all of them idle: the one who meets MDB_MAP_RESIZED waits for that.
 *
 * Tables that nothing else bounds have a ceiling of entries; past it each new
 * entry evicts its neighbour in key order. Their keys are hashes, so that this
 * is random replacement.
 */
#include "cache/cachedb.h"

#include <assert.h>
#include <errno.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/dbcheck.h"
#include "cache/dbenv.h"
#include "cache/dbqueue.h"
#include "s3/base/clock.h"
#include "s3/base/list.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/base/pool.h"

#define STOCK 8 /* idle read transactions kept */
#define BATCH_MAX 10000
#define BATCH_MS 100
#define QUEUE_MAX (10 * BATCH_MAX)
#define QUEUE_MAX_BYTES (64u << 20)
#define READER_CHECK_MS 60000

/* A cachedb_update that waits for the writer. On its caller's stack. */
struct update {
	struct list link;
	int (*fn)(struct cachedb_txn *t, void *arg); /* NULL: only a sync */
	void *arg;
	int result;
	bool finished;
};

struct cachedb_txn {
	struct cachedb *db;
	MDB_txn *txn;
};

struct cachedb {
	struct dbenv env; /* set at open */
	pthread_t writer;
	bool started;
	atomic_bool broken;
	atomic_bool told; /* a failed batch was logged */

	struct lock lock; /* LOCK_RANK_CACHE_DB */
	/* guarded by lock: */
	struct dbqueue queue;
	struct list updates; /* of struct update */
	pthread_cond_t wake; /* the writer */
	pthread_cond_t finished; /* waiting updates, resizing readers */
	bool ending;
	MDB_txn *stock[STOCK];
	size_t stock_count, readers;
	bool resizing;
};

/* LMDB's own codes are below those of errno. */
static int code_of(struct cachedb *db, int r)
{
	switch (r) {
	case 0:
		return 0;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return -ENOSPC;
	case MDB_READERS_FULL:
	case MDB_MAP_RESIZED:
	case MDB_BAD_RSLOT:
		return -EBUSY;
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_PANIC:
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
	case MDB_BAD_DBI:
		if (!atomic_exchange(&db->broken, true))
			log_warn("cache index: %s; it is not used any more and "
				 "will be checked at the next start",
				 mdb_strerror(r));
		return -EIO;
	default:
		return r > 0 ? -r : -EIO;
	}
}

/* ---- reading ------------------------------------------------------------- */

/* With `resizing` set and no readers left. */
static void resize_locked(struct cachedb *db)
{
	lock_assert_held(&db->lock);
	while (db->resizing)
		cond_wait(&db->finished, &db->lock);
	db->resizing = true;
	while (db->readers)
		cond_wait(&db->finished, &db->lock);
	while (db->stock_count)
		mdb_txn_abort(db->stock[--db->stock_count]);
	(void)mdb_env_set_mapsize(db->env.env, 0); /* the next begin tells */
	db->resizing = false;
	pthread_cond_broadcast(&db->finished);
}

static int begin_locked(struct cachedb *db, MDB_txn **ret_txn)
{
	int r;

	lock_assert_held(&db->lock);
	if (db->stock_count) {
		MDB_txn *txn = db->stock[--db->stock_count];

		r = mdb_txn_renew(txn);
		if (!r) {
			*ret_txn = txn;
			return 0;
		}
		mdb_txn_abort(txn);
		if (r == MDB_MAP_RESIZED)
			return r;
	}
	return mdb_txn_begin(db->env.env, NULL, MDB_RDONLY, ret_txn);
}

static int reader_begin(struct cachedb *db, MDB_txn **ret_txn)
{
	int r;

	LOCK_SCOPE(&db->lock);
	while (db->resizing)
		cond_wait(&db->finished, &db->lock);
	r = begin_locked(db, ret_txn);
	if (r == MDB_MAP_RESIZED) {
		resize_locked(db);
		r = begin_locked(db, ret_txn);
	}
	if (!r)
		db->readers++;
	return code_of(db, r);
}

static void reader_end(struct cachedb *db, MDB_txn *txn)
{
	mdb_txn_reset(txn);
	LOCK_SCOPE(&db->lock);
	db->readers--;
	if (db->stock_count < STOCK && !db->resizing)
		db->stock[db->stock_count++] = txn;
	else
		mdb_txn_abort(txn);
	if (db->resizing)
		pthread_cond_broadcast(&db->finished);
}

int cachedb_txn_get(struct cachedb_txn *t, enum cachedb_table table,
		    const void *key, size_t key_len, const void **ret_value,
		    size_t *ret_len)
{
	MDB_val k = dbenv_val(key, key_len), v;
	int r = mdb_get(t->txn, t->db->env.tables[table], &k, &v);

	if (r)
		return code_of(t->db, r);
	*ret_value = v.mv_data;
	*ret_len = v.mv_size;
	return 0;
}

int cachedb_txn_walk(struct cachedb_txn *t, enum cachedb_table table,
		     int (*fn)(const void *key, size_t key_len,
			       const void *value, size_t len, void *arg),
		     void *arg)
{
	MDB_cursor *cursor;
	MDB_val k, v;
	int r = mdb_cursor_open(t->txn, t->db->env.tables[table], &cursor);
	int result = 0;

	if (r)
		return code_of(t->db, r);
	while (!result && !(r = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)))
		result = fn(k.mv_data, k.mv_size, v.mv_data, v.mv_size, arg);
	mdb_cursor_close(cursor);
	if (result || r == MDB_NOTFOUND)
		return result;
	return code_of(t->db, r);
}

int cachedb_view(struct cachedb *db, int (*fn)(struct cachedb_txn *t, void *),
		 void *arg)
{
	struct cachedb_txn t = { .db = db };
	int r;

	if (atomic_load(&db->broken))
		return -EIO;
	r = reader_begin(db, &t.txn);
	if (r)
		return r;
	r = fn(&t, arg);
	reader_end(db, t.txn);
	return r;
}

int cachedb_get(struct cachedb *db, enum cachedb_table table, const void *key,
		size_t key_len, struct buf *out)
{
	struct cachedb_txn t = { .db = db };
	const void *value;
	size_t len;
	int r;

	if (key_len > CACHEDB_KEY_MAX)
		return -EINVAL;
	if (atomic_load(&db->broken))
		return -EIO;
	lock_take(&db->lock);
	r = dbqueue_find(&db->queue, (unsigned char)table, key, key_len, out);
	lock_drop(&db->lock);
	if (r)
		return r < 0 ? r : 0;
	r = reader_begin(db, &t.txn);
	if (r)
		return r;
	r = cachedb_txn_get(&t, table, key, key_len, &value, &len);
	if (!r && out)
		r = buf_add(out, value, len);
	reader_end(db, t.txn);
	return r;
}

/* ---- queueing ------------------------------------------------------------ */

static int queue_change(struct cachedb *db, enum dbchange_kind kind,
			enum cachedb_table table, const void *key,
			size_t key_len, const void *value, size_t len)
{
	struct dbchange *c;

	if (key_len > CACHEDB_KEY_MAX)
		return -EINVAL;
	if (len > CACHEDB_VALUE_MAX)
		return -EFBIG;
	if (atomic_load(&db->broken))
		return -EIO;
	c = dbchange_new(kind, (unsigned char)table, key, key_len, value, len);
	if (!c)
		return -ENOMEM;
	LOCK_SCOPE(&db->lock);
	if (db->ending || db->queue.bytes + len > QUEUE_MAX_BYTES ||
	    db->queue.count >= QUEUE_MAX) {
		free(c);
		return -EBUSY;
	}
	dbqueue_add(&db->queue, c);
	if (db->queue.count == 1 || db->queue.count == BATCH_MAX)
		pthread_cond_signal(&db->wake);
	return 0;
}

int cachedb_put(struct cachedb *db, enum cachedb_table table, const void *key,
		size_t key_len, const void *value, size_t len)
{
	return queue_change(db, DBCHANGE_PUT, table, key, key_len, value, len);
}

int cachedb_erase(struct cachedb *db, enum cachedb_table table, const void *key,
		  size_t key_len)
{
	return queue_change(db, DBCHANGE_ERASE, table, key, key_len, NULL, 0);
}

int cachedb_erase_if(struct cachedb *db, enum cachedb_table table,
		     const void *key, size_t key_len, const void *value,
		     size_t len)
{
	return queue_change(db, DBCHANGE_ERASE_IF, table, key, key_len, value,
			    len);
}

static int run_update(struct cachedb *db,
		      int (*fn)(struct cachedb_txn *t, void *), void *arg)
{
	struct update u = { .fn = fn, .arg = arg };

	LOCK_SCOPE(&db->lock);
	if (db->ending)
		return -EBUSY;
	list_add_tail(&db->updates, &u.link);
	pthread_cond_signal(&db->wake);
	while (!u.finished)
		cond_wait(&db->finished, &db->lock);
	return u.result;
}

int cachedb_update(struct cachedb *db, int (*fn)(struct cachedb_txn *t, void *),
		   void *arg)
{
	return atomic_load(&db->broken) ? -EIO : run_update(db, fn, arg);
}

void cachedb_sync(struct cachedb *db)
{
	(void)run_update(db, NULL, NULL);
}

/* ---- writing ------------------------------------------------------------- */

/* Keeps a table under its ceiling: the neighbour of a new key goes. */
static int evict_neighbour(struct cachedb_txn *t, enum cachedb_table table,
			   MDB_val *key)
{
	MDB_cursor *cursor;
	MDB_stat stat;
	MDB_val k = *key, v;
	int r = mdb_stat(t->txn, t->db->env.tables[table], &stat);

	if (r || !dbenv_table_max(table) ||
	    stat.ms_entries <= dbenv_table_max(table))
		return r;
	r = mdb_cursor_open(t->txn, t->db->env.tables[table], &cursor);
	if (r)
		return r;
	r = mdb_cursor_get(cursor, &k, &v, MDB_SET);
	if (!r)
		r = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	if (r == MDB_NOTFOUND)
		r = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
	if (!r)
		r = mdb_cursor_del(cursor, 0);
	mdb_cursor_close(cursor);
	return r;
}

int cachedb_txn_put(struct cachedb_txn *t, enum cachedb_table table,
		    const void *key, size_t key_len, const void *value,
		    size_t len)
{
	MDB_val k = dbenv_val(key, key_len), v = dbenv_val(value, len);
	int r = mdb_put(t->txn, t->db->env.tables[table], &k, &v, 0);

	if (!r)
		r = evict_neighbour(t, table, &k);
	return code_of(t->db, r);
}

int cachedb_txn_erase(struct cachedb_txn *t, enum cachedb_table table,
		      const void *key, size_t key_len)
{
	MDB_val k = dbenv_val(key, key_len);
	int r = mdb_del(t->txn, t->db->env.tables[table], &k, NULL);

	return r == MDB_NOTFOUND ? 0 : code_of(t->db, r);
}

static int apply_change(struct cachedb_txn *t, const struct dbchange *c)
{
	const enum cachedb_table table = c->table;
	const void *now;
	size_t len;
	int r;

	if (c->kind == DBCHANGE_PUT)
		return cachedb_txn_put(t, table, c->key, c->key_len, c->value,
				       c->len);
	if (c->kind == DBCHANGE_ERASE_IF) {
		r = cachedb_txn_get(t, table, c->key, c->key_len, &now, &len);
		if (r || len < c->len || memcmp(now, c->value, c->len))
			return r == -ENOENT ? 0 : r;
	}
	return cachedb_txn_erase(t, table, c->key, c->key_len);
}

/* Only the writer resizes for itself: it holds no read transaction. */
static int write_begin(struct cachedb *db, MDB_txn *parent, MDB_txn **ret_txn)
{
	int r = mdb_txn_begin(db->env.env, parent, 0, ret_txn);

	if (r != MDB_MAP_RESIZED)
		return code_of(db, r);
	lock_take(&db->lock);
	resize_locked(db);
	lock_drop(&db->lock);
	return code_of(db, mdb_txn_begin(db->env.env, parent, 0, ret_txn));
}

/* In a transaction of its own, nested so that a failure undoes only itself. */
static void apply_update(struct cachedb_txn *t, struct update *u)
{
	struct cachedb_txn child = { .db = t->db };
	int r;

	u->result = 0;
	if (!u->fn)
		return;
	u->result = write_begin(t->db, t->txn, &child.txn);
	if (u->result)
		return;
	u->result = u->fn(&child, u->arg);
	if (u->result < 0) {
		mdb_txn_abort(child.txn);
		return;
	}
	r = code_of(t->db, mdb_txn_commit(child.txn));
	if (r)
		u->result = r;
}

static int write_all(struct cachedb *db, const struct list *changes,
		     const struct list *updates)
{
	struct cachedb_txn t = { .db = db };
	int r = atomic_load(&db->broken) ? -EIO : write_begin(db, NULL, &t.txn);

	if (r)
		return r;
	list_for_each (link, changes) {
		r = apply_change(&t, container_of(link, struct dbchange, link));
		if (r) {
			mdb_txn_abort(t.txn);
			return r;
		}
	}
	list_for_each (link, updates)
		apply_update(&t, container_of(link, struct update, link));
	return code_of(db, mdb_txn_commit(t.txn));
}

/* Updates free space, so they are tried without changes that do not fit. */
static void write_batch(struct cachedb *db, const struct list *changes,
			const struct list *updates)
{
	struct list none = LIST_INIT(none);
	int r = write_all(db, changes, updates);

	if (r && !atomic_exchange(&db->told, true))
		log_warn("cache index: %s; what was fetched lately is not kept",
			 strerror(-r));
	if (!r)
		atomic_store(&db->told, false);
	if (r && !list_empty(updates) && !list_empty(changes))
		r = write_all(db, &none, updates);
	if (!r)
		return;
	list_for_each (link, updates) {
		struct update *u = container_of(link, struct update, link);

		u->result = u->fn ? r : 0;
	}
}

static void batch_run_locked(struct cachedb *db)
{
	struct list changes, updates = LIST_INIT(updates);

	lock_assert_held(&db->lock);
	dbqueue_take(&db->queue, &changes);
	while (!list_empty(&db->updates))
		list_add_tail(&updates, list_pop_head(&db->updates));
	lock_drop(&db->lock);
	write_batch(db, &changes, &updates);
	lock_take(&db->lock);
	dbqueue_finish(&db->queue, &changes);
	while (!list_empty(&updates))
		container_of(list_pop_head(&updates), struct update, link)
			->finished = true;
	pthread_cond_broadcast(&db->finished);
}

static void *writer_main(void *arg)
{
	struct cachedb *db = arg;
	uint64_t checked_ms = clock_now_ms();

	LOCK_SCOPE(&db->lock);
	for (;;) {
		uint64_t now_ms = clock_now_ms();

		if (now_ms - checked_ms > READER_CHECK_MS) {
			checked_ms = now_ms;
			lock_drop(&db->lock);
			dbenv_check_readers(&db->env);
			lock_take(&db->lock);
		}
		if (!db->queue.count && list_empty(&db->updates)) {
			if (db->ending)
				return NULL;
			(void)cond_wait_ms(&db->wake, &db->lock,
					   READER_CHECK_MS);
			continue;
		}
		/* A batch gathers for a while unless somebody waits for it. */
		now_ms = clock_now_ms();
		while (list_empty(&db->updates) && !db->ending &&
		       db->queue.count < BATCH_MAX &&
		       clock_now_ms() - now_ms < BATCH_MS)
			(void)cond_wait_ms(&db->wake, &db->lock, BATCH_MS);
		batch_run_locked(db);
	}
}

/* ---- opening ------------------------------------------------------------- */

int cachedb_open(struct cachedb **ret_db, const char *dir, bool sole,
		 bool *ret_fresh, struct err *e)
{
	CLEANUP(cachedb_freep) struct cachedb *db = calloc(1, sizeof(*db));
	bool fresh = false;
	int r;

	if (!db)
		return err_set(e, -ENOMEM, "cache index: out of memory");
	lock_init(&db->lock, LOCK_RANK_CACHE_DB);
	cond_init(&db->wake);
	cond_init(&db->finished);
	dbqueue_init(&db->queue);
	list_init(&db->updates);
	r = dbenv_open(&db->env, dir, sole, &fresh, e);
	if (r)
		return r;
	r = pool_start_thread(&db->writer, writer_main, db);
	if (r)
		return err_set(e, r, "cache index: %s", strerror(-r));
	db->started = true;
	*ret_fresh = fresh;
	*ret_db = TAKE_PTR(db);
	return 0;
}

void cachedb_free(struct cachedb *db)
{
	if (!db)
		return;
	if (db->started) {
		lock_take(&db->lock);
		db->ending = true;
		pthread_cond_broadcast(&db->wake);
		lock_drop(&db->lock);
		(void)pthread_join(db->writer, NULL);
	}
	while (db->stock_count)
		mdb_txn_abort(db->stock[--db->stock_count]);
	dbenv_close(&db->env);
	dbqueue_done(&db->queue);
	(void)pthread_cond_destroy(&db->wake);
	(void)pthread_cond_destroy(&db->finished);
	lock_done(&db->lock);
	free(db);
}

void cachedb_mark_clean(const char *dir)
{
	dbcheck_mark(dir);
}

bool cachedb_is_broken(const struct cachedb *db)
{
	return atomic_load(&db->broken);
}

uint64_t cachedb_bytes(const struct cachedb *db)
{
	struct stat st;
	int fd;

	if (mdb_env_get_fd(db->env.env, &fd) || fstat(fd, &st))
		return 0;
	return (uint64_t)st.st_blocks * 512;
}
