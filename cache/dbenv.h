/*
 * The LMDB environment of the index: opened, checked, replaced where damaged.
 *
 * Threads: one at a time.
 */
#pragma once

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>

#include "cache/cachedb.h"
#include "s3/base/err.h"

struct dbenv {
	MDB_env *env; /* NULL: not open */
	MDB_dbi tables[CACHEDB_TABLES];
};

/* As cachedb_open. */
int dbenv_open(struct dbenv *ret_env, const char *dir, bool sole,
	       bool *ret_fresh, struct err *e);
void dbenv_close(struct dbenv *env);
/* Frees the slots of readers that died. */
void dbenv_check_readers(struct dbenv *env);
/* Entries a table may have; 0: bounded elsewhere. */
size_t dbenv_table_max(enum cachedb_table table);
/* For LMDB's calls: borrows, without const, which they do not take. */
MDB_val dbenv_val(const void *data, size_t len);
