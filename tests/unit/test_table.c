#include "s3/base/table.h"

#include <stdlib.h>

#include "tests/unit/tap.h"

#define ITEMS 5000

struct item {
	struct table_item item;
	char key[24];
	bool seen;
};

static void walk(const struct table *t, struct item *items, bool *ret_once,
		 size_t *ret_count)
{
	size_t count = 0;
	bool once = true;

	for (int i = 0; i < ITEMS; i++)
		items[i].seen = false;
	for (struct table_item *i = table_next(t, NULL); i;
	     i = table_next(t, i)) {
		struct item *item = (struct item *)i;

		once = once && !item->seen;
		item->seen = true;
		count++;
	}
	*ret_once = once;
	*ret_count = count;
}

int main(void)
{
	struct item *items = calloc(ITEMS, sizeof(*items));
	struct table t;
	bool good = true, once;
	size_t count;

	if (!items)
		abort();
	table_init(&t);
	ok(!table_find(&t, "x", 1), "empty");
	ok(!table_next(&t, NULL), "nothing to walk");
	for (int i = 0; i < ITEMS; i++) {
		struct item *item = &items[i];

		/* All lengths modulo 8, with common beginnings. */
		(void)snprintf(item->key, sizeof(item->key), "%.*s%d", i % 9,
			       "pppppppp", i);
		item->item.key = item->key;
		item->item.key_len = strlen(item->key);
		table_add(&t, &item->item);
	}
	is_int(t.count, ITEMS, "counted");
	for (int i = 0; i < ITEMS; i++)
		good = good &&
		       table_find(&t, items[i].key, strlen(items[i].key)) ==
			       &items[i].item;
	ok(good, "all found");
	ok(!table_find(&t, "absent", 6), "the absent not");
	ok(!table_find(&t, items[0].key, strlen(items[0].key) + 1),
	   "the length counts");
	ok(t.slot_count >= ITEMS / 2 && !(t.slot_count & (t.slot_count - 1)),
	   "it has grown");
	walk(&t, items, &once, &count);
	ok(once && count == ITEMS, "walked, each once");
	for (int i = 0; i < ITEMS; i += 2)
		table_remove(&t, &items[i].item);
	for (int i = 0; i < ITEMS; i++)
		good = good && !table_find(&t, items[i].key,
					   strlen(items[i].key)) == !(i % 2);
	ok(good, "half of them removed");
	walk(&t, items, &once, &count);
	ok(once && count == ITEMS / 2, "walked again");
	for (struct table_item *i = table_next(&t, NULL), *next; i; i = next) {
		next = table_next(&t, i);
		table_remove(&t, i);
	}
	is_int(t.count, 0, "removed while walking");
	table_done(&t);
	free(items);
	return tap_done();
}
