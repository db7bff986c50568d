/*
 * Prefetch: units are grouped to GETs by place, GETs go in order of first need
 * as far as the budget allows.
 */
#include "cache/fetch_core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"

/* Enters what is not under way; how many. */
static size_t plan_enter_locked(struct fetch *f, struct fetch_range *r,
				struct fetch_unit **units, size_t count)
{
	size_t entered = 0;

	lock_assert_held(&f->lock);
	r->planned = true;
	f->prefetch_bytes += r->len;
	for (size_t i = 0; i < count; i++) {
		struct fetch_unit *u = units[i];

		if (table_find(&f->units, u->key, u->key_len)) {
			u->ops->free(u);
			continue;
		}
		fetch_unit_insert_locked(f, u);
		u->priority = STORE_PREFETCH;
		fetch_range_take_locked(r, u);
		entered++;
	}
	return entered;
}

/* Drops those that are under way; how many are left. */
static size_t plan_filter(struct fetch *f, struct fetch_unit **units,
			  size_t count)
{
	size_t left = 0;

	LOCK_SCOPE(&f->lock);
	for (size_t i = 0; i < count; i++) {
		struct fetch_unit *u = units[i];

		if (table_find(&f->units, u->key, u->key_len))
			u->ops->free(u);
		else
			units[left++] = u;
	}
	return left;
}

/* One GET; false beyond the budget. */
static bool plan_group(struct fetch *f, struct fetch_unit **units, size_t count,
		       struct list *ready)
{
	struct fetch_range *r;
	bool fits;

	count = plan_filter(f, units, count);
	if (!count)
		return true;
	r = fetch_range_new(f, units, count, STORE_PREFETCH);
	lock_take(&f->lock);
	fits = r && !f->closing &&
	       f->prefetch_bytes + r->len <= f->o.prefetch_max;
	if (fits && plan_enter_locked(f, r, units, count)) {
		list_add_tail(&f->waiting, &r->link);
		fetch_range_next_locked(f, ready);
		r = NULL; /* under way */
	}
	lock_drop(&f->lock);
	fetch_range_put(r);
	for (size_t i = 0; !fits && i < count; i++)
		units[i]->ops->free(units[i]);
	return fits;
}

struct group {
	size_t first, count;
	size_t order; /* the least of its units */
};

static int by_order(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->order > y->order) - (x->order < y->order);
}

void fetch_plan(struct fetch *f, struct fetch_unit **units, size_t count)
{
	CLEANUP_FREE struct group *groups =
		calloc(count ? count : 1, sizeof(*groups));
	struct list ready = LIST_INIT(ready);
	size_t group_count = 0, g;

	for (size_t i = 0; i < count; i++)
		units[i]->order = i;
	if (count)
		qsort(units, count, sizeof(struct fetch_unit *),
		      fetch_unit_by_place);
	for (size_t i = 0; groups && i < count; i += groups[g].count) {
		g = group_count++;
		groups[g].first = i;
		groups[g].count = fetch_range_count(units + i, count - i);
		groups[g].order = units[i]->order;
		for (size_t k = 1; k < groups[g].count; k++)
			if (units[i + k]->order < groups[g].order)
				groups[g].order = units[i + k]->order;
	}
	if (group_count)
		qsort(groups, group_count, sizeof(*groups), by_order);
	for (g = 0; g < group_count; g++)
		if (!plan_group(f, units + groups[g].first, groups[g].count,
				&ready))
			break;
	fetch_range_send_all(&ready);
	for (g++; g < group_count; g++)
		for (size_t k = 0; k < groups[g].count; k++)
			units[groups[g].first + k]->ops->free(
				units[groups[g].first + k]);
	for (size_t i = 0; !groups && i < count; i++)
		units[i]->ops->free(units[i]);
}
