/*
 * A change stands in the table from dbqueue_add until it is finished, replaced
 * or made void; one that is replaced while the writer works on it only leaves
 * the table, and is freed with its batch.
 */
#include "cache/dbqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cachedb.h"

struct dbchange *dbchange_new(enum dbchange_kind kind, unsigned char table,
			      const void *key, size_t key_len,
			      const void *value, size_t len)
{
	struct dbchange *c = calloc(1, sizeof(*c) + 1 + key_len + len);

	if (!c)
		return NULL;
	c->kind = kind;
	c->table = table;
	c->key_len = key_len;
	c->len = len;
	c->key = c->bytes + 1;
	c->value = c->bytes + 1 + key_len;
	c->bytes[0] = table;
	memcpy(c->bytes + 1, key, key_len);
	if (len)
		memcpy(c->bytes + 1 + key_len, value, len);
	c->item.key = c->bytes;
	c->item.key_len = 1 + key_len;
	list_init(&c->link);
	return c;
}

void dbqueue_init(struct dbqueue *q)
{
	memset(q, 0, sizeof(*q));
	table_init(&q->pending);
	list_init(&q->queued);
}

void dbqueue_done(struct dbqueue *q)
{
	struct list rest;

	dbqueue_take(q, &rest);
	dbqueue_finish(q, &rest);
	table_done(&q->pending);
}

int dbqueue_find(const struct dbqueue *q, unsigned char table, const void *key,
		 size_t key_len, struct buf *out)
{
	unsigned char tagged[1 + CACHEDB_KEY_MAX];
	struct table_item *item;
	const struct dbchange *c;

	if (key_len > CACHEDB_KEY_MAX)
		return 0;
	tagged[0] = table;
	memcpy(tagged + 1, key, key_len);
	item = table_find(&q->pending, tagged, 1 + key_len);
	if (!item)
		return 0;
	c = container_of(item, struct dbchange, item);
	if (c->kind != DBCHANGE_PUT)
		return -ENOENT;
	if (out && buf_add(out, c->value, c->len))
		return buf_error(out);
	return 1;
}

/*
 * Makes room for `c` among the pending changes; false where it has nothing to
 * say: a condition that what is pending does not meet.
 */
static bool replace(struct dbqueue *q, struct dbchange *c)
{
	struct table_item *item =
		table_find(&q->pending, c->item.key, c->item.key_len);
	struct dbchange *old;

	if (!item)
		return true;
	old = container_of(item, struct dbchange, item);
	if (c->kind == DBCHANGE_ERASE_IF &&
	    (old->kind != DBCHANGE_PUT || old->len < c->len ||
	     memcmp(old->value, c->value, c->len) != 0))
		return false;
	table_remove(&q->pending, item);
	if (old->taken) {
		old->replaced = true; /* freed with its batch */
		return true;
	}
	list_remove(&old->link);
	q->count--;
	q->bytes -= old->len;
	/* The one that goes may have been there to replace what is stored. */
	if (c->kind == DBCHANGE_ERASE_IF)
		c->kind = DBCHANGE_ERASE;
	free(old);
	return true;
}

void dbqueue_add(struct dbqueue *q, struct dbchange *c)
{
	if (!replace(q, c)) {
		free(c);
		return;
	}
	table_add(&q->pending, &c->item);
	list_add_tail(&q->queued, &c->link);
	q->bytes += c->len;
	q->count++;
}

void dbqueue_take(struct dbqueue *q, struct list *batch)
{
	list_init(batch);
	while (!list_empty(&q->queued)) {
		struct list *link = list_pop_head(&q->queued);

		container_of(link, struct dbchange, link)->taken = true;
		list_add_tail(batch, link);
	}
	q->count = 0;
	q->bytes = 0;
}

void dbqueue_finish(struct dbqueue *q, struct list *batch)
{
	while (!list_empty(batch)) {
		struct dbchange *c = container_of(list_pop_head(batch),
						  struct dbchange, link);

		if (!c->replaced)
			table_remove(&q->pending, &c->item);
		free(c);
	}
}
