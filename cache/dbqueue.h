/*
 * Changes of the index that are not committed yet: what look-ups consult first
 * and the writer takes in batches.
 *
 * A key has at most one change that counts. Taken changes count until they are
 * finished or replaced by a later one.
 *
 * Threads: one at a time (the index holds its lock).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/buf.h"
#include "s3/base/list.h"
#include "s3/base/table.h"

enum dbchange_kind {
	DBCHANGE_PUT,
	DBCHANGE_ERASE,
	DBCHANGE_ERASE_IF, /* only a value that begins with this one */
};

struct dbchange {
	struct list link; /* in the queue or in a batch */
	enum dbchange_kind kind;
	unsigned char table;
	size_t key_len, len;
	const unsigned char *key, *value;
	/* private: */
	struct table_item item;
	bool taken, replaced;
	unsigned char bytes[]; /* table, key, value */
};

/* Copies both; NULL without memory. */
struct dbchange *dbchange_new(enum dbchange_kind kind, unsigned char table,
			      const void *key, size_t key_len,
			      const void *value, size_t len);

struct dbqueue {
	size_t count, bytes; /* of what is not taken */
	/* private: */
	struct table pending; /* of struct dbchange, owned */
	struct list queued;
};

void dbqueue_init(struct dbqueue *q);
/* Frees what is queued; nothing may be taken. */
void dbqueue_done(struct dbqueue *q);
/* What is pending for a key: 1 and the value appended to `out` (unless NULL),
 * -ENOENT when it will be erased, 0 when nothing is; or buf_error(out). */
int dbqueue_find(const struct dbqueue *q, unsigned char table, const void *key,
		 size_t key_len, struct buf *out);
/* Takes ownership. */
void dbqueue_add(struct dbqueue *q, struct dbchange *c);
/* Moves all that is queued to `batch`, in order. */
void dbqueue_take(struct dbqueue *q, struct list *batch);
/* The batch was committed or dropped: frees it. */
void dbqueue_finish(struct dbqueue *q, struct list *batch);
