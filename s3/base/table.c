#include "s3/base/table.h"

#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"

#define SLOTS_FIRST 64

uint64_t table_sum(uint64_t seed, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = seed ^ (len * 0x9e3779b97f4a7c15u);

	while (len) {
		uint64_t word = 0;
		size_t n = len < 8 ? len : 8;

		memcpy(&word, p, n);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
		p += n;
		len -= n;
	}
	h *= 0xc4ceb9fe1a85ec53u;
	return h ^ (h >> 29);
}

void table_init(struct table *t)
{
	memset(t, 0, sizeof(*t));
	random_bytes(&t->seed, sizeof(t->seed));
}

void table_done(struct table *t)
{
	free(t->slots);
	t->slots = NULL;
	t->slot_count = 0;
	t->count = 0;
}

static struct table_item **slot_of(const struct table *t, uint64_t sum)
{
	return &t->slots[sum & (t->slot_count - 1)];
}

struct table_item *table_find(const struct table *t, const void *key,
			      size_t key_len)
{
	uint64_t sum;

	if (!t->slot_count)
		return NULL;
	sum = table_sum(t->seed, key, key_len);
	for (struct table_item *i = *slot_of(t, sum); i; i = i->next)
		if (i->sum == sum && i->key_len == key_len &&
		    !memcmp(i->key, key, key_len))
			return i;
	return NULL;
}

static void grow(struct table *t)
{
	size_t count = t->slot_count ? 2 * t->slot_count : SLOTS_FIRST;
	struct table_item **slots = calloc(count, sizeof(struct table_item *));
	struct table_item **old = t->slots;
	size_t old_count = t->slot_count;

	if (!slots)
		return;
	t->slots = slots;
	t->slot_count = count;
	for (size_t s = 0; s < old_count; s++)
		while (old[s]) {
			struct table_item *item = old[s];
			struct table_item **slot = slot_of(t, item->sum);

			old[s] = item->next;
			item->next = *slot;
			*slot = item;
		}
	free(old);
}

void table_add(struct table *t, struct table_item *item)
{
	struct table_item **slot;

	if (t->count >= t->slot_count)
		grow(t);
	if (!t->slot_count)
		abort(); /* not even the first 512 bytes could be had */
	item->sum = table_sum(t->seed, item->key, item->key_len);
	slot = slot_of(t, item->sum);
	item->next = *slot;
	*slot = item;
	t->count++;
}

void table_remove(struct table *t, struct table_item *item)
{
	struct table_item **at = slot_of(t, item->sum);

	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	t->count--;
}

struct table_item *table_next(const struct table *t,
			      const struct table_item *after)
{
	size_t s = 0;

	if (after && after->next)
		return after->next;
	if (after)
		s = (size_t)(slot_of(t, after->sum) - t->slots) + 1;
	for (; s < t->slot_count; s++)
		if (t->slots[s])
			return t->slots[s];
	return NULL;
}
