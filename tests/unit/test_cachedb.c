/*
 * The index: what is queued is seen, order holds, conditions hold, failures
 * undo themselves.
 */
#include "cache/cachedb.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static char top[] = "/tmp/assetfs-test-cachedb-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static struct cachedb *open_db(const char *name, bool *fresh)
{
	struct cachedb *db = NULL;
	char path[256];
	struct err e;

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	if (cachedb_open(&db, path, true, fresh, &e))
		printf("# %s\n", e.text);
	return db;
}

static int put(struct cachedb *db, const char *key, const char *value)
{
	return cachedb_put(db, CACHEDB_FACTS, key, strlen(key), value,
			   strlen(value));
}

static bool has(struct cachedb *db, const char *key, const char *value)
{
	CLEANUP_BUF struct buf out = BUF_INIT(1000);

	return !cachedb_get(db, CACHEDB_FACTS, key, strlen(key), &out) &&
	       out.len == strlen(value) && !memcmp(out.data, value, out.len);
}

static int get(struct cachedb *db, const char *key)
{
	return cachedb_get(db, CACHEDB_FACTS, key, strlen(key), NULL);
}

static int erase_if(struct cachedb *db, const char *key, const char *value)
{
	return cachedb_erase_if(db, CACHEDB_FACTS, key, strlen(key), value,
				strlen(value));
}

/* Each step with and without a commit between. */
static void test_changes(void)
{
	for (int sync = 0; sync < 2; sync++) {
		char name[24];
		bool fresh = false;
		struct cachedb *db;

		(void)snprintf(name, sizeof(name), "changes%d", sync);
		db = open_db(name, &fresh);
		if (!ok(db && fresh, "opened, fresh"))
			return;
#define STEP()                                                                 \
	do {                                                                   \
		if (sync)                                                      \
			cachedb_sync(db);                                      \
	} while (0)
		is_int(get(db, "a"), -ENOENT, "absent");
		is_int(put(db, "a", "1"), 0, "put");
		STEP();
		ok(has(db, "a", "1"), "seen");
		is_int(cachedb_get(db, CACHEDB_HEADS, "a", 1, NULL), -ENOENT,
		       "not in another table");
		(void)put(db, "a", "2 and more");
		STEP();
		ok(has(db, "a", "2 and more"), "replaced");
		(void)erase_if(db, "a", "1");
		STEP();
		ok(has(db, "a", "2 and more"), "condition does not hold");
		(void)erase_if(db, "a", "2 and");
		STEP();
		is_int(get(db, "a"), -ENOENT, "condition holds");
		cachedb_sync(db);
		is_int(get(db, "a"), -ENOENT, "also when committed");
		(void)put(db, "b", "x");
		STEP();
		(void)cachedb_erase(db, CACHEDB_FACTS, "b", 1);
		STEP();
		is_int(get(db, "b"), -ENOENT, "erased");
		(void)put(db, "b", "y");
		(void)put(db, "c", "z");
		cachedb_free(db);
		db = open_db(name, &fresh);
		if (!ok(db && !fresh, "reopened, not fresh"))
			return;
		ok(has(db, "b", "y") && has(db, "c", "z"),
		   "queued changes were committed at the end");
		is_int(get(db, "a"), -ENOENT, "erased for good");
		cachedb_free(db);
	}
}

static int put_and_fail(struct cachedb_txn *t, void *arg)
{
	int *result = arg;
	int r = cachedb_txn_put(t, CACHEDB_FACTS, "u", 1, "1", 1);

	return r ? r : *result;
}

static int count_one(const void *key, size_t key_len, const void *value,
		     size_t len, void *arg)
{
	int *count = arg;

	(void)key;
	(void)key_len;
	(void)value;
	(void)len;
	return ++*count == 3 ? 42 : 0;
}

static int count_all(struct cachedb_txn *t, void *arg)
{
	return cachedb_txn_walk(t, CACHEDB_FACTS, count_one, arg);
}

static void test_update(void)
{
	bool fresh;
	struct cachedb *db = open_db("update", &fresh);
	int result = -EPERM, count = 0;

	if (!ok(db != NULL, "opened"))
		return;
	(void)put(db, "v", "1");
	is_int(cachedb_update(db, put_and_fail, &result), -EPERM,
	       "a failing update tells");
	is_int(get(db, "u"), -ENOENT, "leaves nothing");
	ok(has(db, "v", "1"), "and nobody else's change is lost");
	result = 0;
	is_int(cachedb_update(db, put_and_fail, &result), 0, "update");
	ok(has(db, "u", "1"), "done when it returns");
	is_int(cachedb_view(db, count_all, &count), 0, "walk");
	is_int(count, 2, "over two");
	(void)put(db, "w", "1");
	(void)put(db, "x", "1");
	cachedb_sync(db);
	count = 0;
	is_int(cachedb_view(db, count_all, &count), 42, "a walk that ends");
	is_int(cachedb_put(db, CACHEDB_FACTS, top, CACHEDB_KEY_MAX + 1, "", 0),
	       -EINVAL, "a key too long");
	ok(cachedb_bytes(db) > 0, "takes some disk");
	ok(!cachedb_is_broken(db), "sound");
	cachedb_free(db);
}

static void test_ceiling(void)
{
	bool fresh;
	struct cachedb *db = open_db("ceiling", &fresh);
	const uint32_t most = 1u << 14;
	uint32_t there = 0, newest = 0;

	if (!ok(db != NULL, "opened"))
		return;
	for (uint32_t i = 0; i < most + 3000; i++) {
		uint32_t key = i * 2654435761u;

		if (cachedb_put(db, CACHEDB_FACTS, &key, sizeof(key), "", 0))
			ok(false, "put %u", i);
		if (i % 8000 == 0)
			cachedb_sync(db);
	}
	cachedb_sync(db);
	for (uint32_t i = 0; i < most + 3000; i++) {
		uint32_t key = i * 2654435761u;
		bool is = !cachedb_get(db, CACHEDB_FACTS, &key, sizeof(key),
				       NULL);

		there += is;
		newest += is && i >= most;
	}
	is_int(there, most, "a bounded table keeps its ceiling");
	ok(newest > 2000, "mostly the new ones stay (%u of 3000)", newest);
	cachedb_free(db);
}

struct writer {
	struct cachedb *db;
	uint32_t first;
	int bad;
};

static void *write_some(void *arg)
{
	struct writer *w = arg;

	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t key = w->first + i % 500;
		CLEANUP_BUF struct buf out = BUF_INIT(100);

		if (cachedb_put(w->db, CACHEDB_BLOCKS, &key, sizeof(key), &i,
				sizeof(i)) ||
		    cachedb_get(w->db, CACHEDB_BLOCKS, &key, sizeof(key),
				&out) ||
		    out.len != 4 || memcmp(out.data, &i, 4) != 0)
			w->bad++;
		if (i % 500 == 499)
			cachedb_sync(w->db);
	}
	return NULL;
}

static void test_threads(void)
{
	bool fresh;
	struct cachedb *db = open_db("threads", &fresh);
	struct writer writers[8];
	pthread_t threads[8];
	int bad = 0;

	if (!ok(db != NULL, "opened"))
		return;
	for (uint32_t i = 0; i < 8; i++) {
		writers[i] = (struct writer){ .db = db, .first = i * 1000 };
		if (pthread_create(&threads[i], NULL, write_some, &writers[i]))
			abort();
	}
	for (uint32_t i = 0; i < 8; i++) {
		(void)pthread_join(threads[i], NULL);
		bad += writers[i].bad;
	}
	is_int(bad, 0, "each of 8 writers sees its own changes at once");
	cachedb_free(db);
}

int main(void)
{
	if (!mkdtemp(top))
		return 1;
	test_changes();
	test_update();
	test_ceiling();
	test_threads();
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
