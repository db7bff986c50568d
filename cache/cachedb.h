/*
 * The index of the local cache: an LMDB environment with one writer thread.
 *
 * Tables of bytes to bytes. Changes are queued and committed in batches (every
 * 100 ms or 10,000 of them); look-ups of this process see them at once. What
 * must be in the index before something else happens goes through
 * cachedb_update. A batch that cannot be committed (disk or map full) is
 * dropped: what it held is not in the cache, and that is all.
 *
 * Any number of processes may have it open. A damaged index costs what was in
 * it, never a crash of the process: after an unclean stop the first to open it
 * has a child process walk all of it, and sets it aside if that fails.
 *
 * Threads: any. Opened after all forks: LMDB does not survive them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/err.h"

#define CACHEDB_KEY_MAX 64 /* bytes */
#define CACHEDB_VALUE_MAX (16u << 20)

enum cachedb_table {
	CACHEDB_META, /* schema, next segment number */
	CACHEDB_SEGMENTS,
	CACHEDB_BLOCKS,
	CACHEDB_GHOSTS, /* blocks evicted on probation */
	CACHEDB_HEADS,
	CACHEDB_FILES,
	CACHEDB_FACTS,
	CACHEDB_TABLES
};

struct cachedb;
struct cachedb_txn;

/*
 * dir: existing directory `index` is made in. sole: no other process has it
 * open nor will open it during the call (the caller's lock sees to that): only
 * then it is checked, and replaced where it is damaged.
 * ret_fresh: it was empty; what lies in the segments is not in it.
 * Errors: -EIO with what LMDB said, -ENOMEM, -EROFS, -ENOSPC.
 */
int cachedb_open(struct cachedb **ret_db, const char *dir, bool sole,
		 bool *ret_fresh, struct err *e);
/* Commits what is queued and closes. NULL is accepted. */
void cachedb_free(struct cachedb *db);
DEFINE_CLEANUP(struct cachedb *, cachedb_free)
/*
 * Notes that the index was closed in order, so that the next to open it need
 * not walk it. After cachedb_free, by the last user.
 */
void cachedb_mark_clean(const char *dir);
/* LMDB reported damage: every call fails from now on. */
bool cachedb_is_broken(const struct cachedb *db);
/* Bytes of disk the index takes. */
uint64_t cachedb_bytes(const struct cachedb *db);

/* Appends the value to `out` (NULL: only whether it is there). -ENOENT, -EIO,
 * -ENOMEM. */
int cachedb_get(struct cachedb *db, enum cachedb_table table, const void *key,
		size_t key_len, struct buf *out);
/* Queues. -ENOMEM, -EFBIG, -EBUSY (more is queued than can be written), -EIO. */
int cachedb_put(struct cachedb *db, enum cachedb_table table, const void *key,
		size_t key_len, const void *value, size_t len);
int cachedb_erase(struct cachedb *db, enum cachedb_table table, const void *key,
		  size_t key_len);
/* Erases only a value that begins with these bytes when its turn comes. */
int cachedb_erase_if(struct cachedb *db, enum cachedb_table table,
		     const void *key, size_t key_len, const void *value,
		     size_t len);
/* Waits until what was queued before is committed or dropped. */
void cachedb_sync(struct cachedb *db);

/*
 * Runs `fn` in a write transaction (on the writer thread, after the changes that
 * were queued before) and commits before it returns. A negative result of `fn`
 * discards what it did and is returned. fn may run again after a failed commit.
 * `fn` takes no locks and does no other I/O.
 */
int cachedb_update(struct cachedb *db, int (*fn)(struct cachedb_txn *t, void *),
		   void *arg);
/* The same for reading, on this thread; what is only queued is not seen. */
int cachedb_view(struct cachedb *db, int (*fn)(struct cachedb_txn *t, void *),
		 void *arg);
/* Values are borrowed until the next change in the transaction, and unaligned.
 * -ENOENT, -EIO. */
int cachedb_txn_get(struct cachedb_txn *t, enum cachedb_table table,
		    const void *key, size_t key_len, const void **ret_value,
		    size_t *ret_len);
int cachedb_txn_put(struct cachedb_txn *t, enum cachedb_table table,
		    const void *key, size_t key_len, const void *value,
		    size_t len);
/* Erasing what is not there is a success. */
int cachedb_txn_erase(struct cachedb_txn *t, enum cachedb_table table,
		      const void *key, size_t key_len);
/* In order of keys; ends at a result other than 0 and returns it. `fn` must not
 * change the table. */
int cachedb_txn_walk(struct cachedb_txn *t, enum cachedb_table table,
		     int (*fn)(const void *key, size_t key_len,
			       const void *value, size_t len, void *arg),
		     void *arg);
