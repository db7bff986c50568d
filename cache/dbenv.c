/*
 * LMDB syncs data before meta pages, and meta pages with the next commit
 * (MDB_NOMETASYNC): an OS crash may lose the last batch, never damage others.
 * The map is of one size for all processes, far larger than the file: address
 * space costs nothing, growing it under other users does.
 */
#include "cache/dbenv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/dbcheck.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"

#define SCHEMA "1"
#define SCHEMA_KEY "schema"
#define MAP_SIZE ((size_t)16 << 30)
#define READERS 1022

static const struct {
	const char *name;
	size_t max; /* entries; 0: bounded elsewhere */
} table_info[CACHEDB_TABLES] = {
	[CACHEDB_META] = { "meta", 0 },
	[CACHEDB_SEGMENTS] = { "segments", 0 },
	[CACHEDB_BLOCKS] = { "blocks", 0 },
	[CACHEDB_GHOSTS] = { "ghosts", 1u << 20 },
	[CACHEDB_HEADS] = { "heads", 1u << 21 },
	[CACHEDB_FILES] = { "files", 1u << 21 },
	[CACHEDB_FACTS] = { "facts", 1u << 14 },
};

size_t dbenv_table_max(enum cachedb_table table)
{
	return table_info[table].max;
}

MDB_val dbenv_val(const void *data, size_t len)
{
	/* LMDB's type serves both ways and has no const; it does not write. */
	union {
		const void *in;
		void *out;
	} u = { .in = data };

	return (MDB_val){ .mv_size = len, .mv_data = u.out };
}

void dbenv_check_readers(struct dbenv *env)
{
	int dead = 0;

	if (!mdb_reader_check(env->env, &dead) && dead)
		log_debug("cache index: %d readers died", dead);
}

static int open_tables(struct dbenv *env, bool *ret_fresh)
{
	MDB_val key = dbenv_val(SCHEMA_KEY, strlen(SCHEMA_KEY)), value;
	MDB_txn *txn;
	int r = mdb_txn_begin(env->env, NULL, 0, &txn);

	if (r)
		return r;
	for (size_t i = 0; !r && i < CACHEDB_TABLES; i++)
		r = mdb_dbi_open(txn, table_info[i].name, MDB_CREATE,
				 &env->tables[i]);
	if (!r)
		r = mdb_get(txn, env->tables[CACHEDB_META], &key, &value);
	*ret_fresh = r == MDB_NOTFOUND;
	if (*ret_fresh) {
		value = dbenv_val(SCHEMA, strlen(SCHEMA));
		r = mdb_put(txn, env->tables[CACHEDB_META], &key, &value, 0);
	} else if (!r && (value.mv_size != strlen(SCHEMA) ||
			  memcmp(value.mv_data, SCHEMA, value.mv_size))) {
		r = MDB_VERSION_MISMATCH;
	}
	if (!r)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return r;
}

static int env_open(struct dbenv *env, const char *dir, bool *ret_fresh)
{
	int r = mdb_env_create(&env->env);

	if (r)
		return r;
	r = mdb_env_set_mapsize(env->env, MAP_SIZE);
	if (!r)
		r = mdb_env_set_maxreaders(env->env, READERS);
	if (!r)
		r = mdb_env_set_maxdbs(env->env, CACHEDB_TABLES);
	if (!r)
		r = mdb_env_open(env->env, dir,
				 MDB_NOTLS | MDB_NOMETASYNC | MDB_NORDAHEAD,
				 0600);
	if (!r) {
		dbenv_check_readers(env);
		r = open_tables(env, ret_fresh);
	}
	if (r) {
		mdb_env_close(env->env);
		env->env = NULL;
	}
	return r;
}

static int set_aside(const char *dir)
{
	char bad[PATH_MAX];
	int n = snprintf(bad, sizeof(bad), "%s.bad-%lld", dir,
			 (long long)clock_wall_s());

	if (n < 0 || n >= (int)sizeof(bad))
		return -ENAMETOOLONG;
	if (rename(dir, bad))
		return -errno;
	log_warn("cache index '%s' is damaged: set aside as '%s', rebuilt from "
		 "what is cached",
		 dir, bad);
	return mkdir(dir, 0700) ? -errno : 0;
}

int dbenv_open(struct dbenv *ret_env, const char *dir, bool sole,
	       bool *ret_fresh, struct err *e)
{
	struct dbenv env = { .env = NULL };
	bool fresh = false;
	int r = 0;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_set(e, -errno, "cache index '%s': %m", dir);
	if (sole && !dbcheck_trusted(dir))
		r = set_aside(dir);
	if (r)
		return err_set(e, r, "cache index '%s': %s", dir, strerror(-r));
	r = env_open(&env, dir, &fresh);
	/* LMDB's codes are negative: the content, not the system, is wrong. */
	if (r < 0 && sole && !set_aside(dir))
		r = env_open(&env, dir, &fresh);
	if (r)
		return err_set(e, r > 0 ? -r : -EIO, "cache index '%s': %s",
			       dir, mdb_strerror(r));
	*ret_env = env;
	*ret_fresh = fresh;
	return 0;
}

void dbenv_close(struct dbenv *env)
{
	if (env->env)
		mdb_env_close(env->env);
	env->env = NULL;
}
