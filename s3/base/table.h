/*
 * Hash table of intrusive items, keyed by bytes that the items hold.
 *
 * The table borrows items; it never frees them. Grows by doubling; a failed
 * growth only makes chains longer, so adding never fails (the first 64 slots
 * are the exception: without memory for them the process ends).
 *
 * Threads: as the structure that embeds it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table_item {
	struct table_item *next;
	uint64_t sum;
	const void *key; /* borrowed from the enclosing item */
	size_t key_len;
};

struct table {
	struct table_item **slots;
	size_t slot_count; /* a power of two, or 0 before the first add */
	size_t count; /* items */
	uint64_t seed; /* against chosen collisions */
};

void table_init(struct table *t);
/* Frees the slots; items are the caller's. */
void table_done(struct table *t);
struct table_item *table_find(const struct table *t, const void *key,
			      size_t key_len);
/* item->key and key_len are set by the caller and stay valid while it is in. */
void table_add(struct table *t, struct table_item *item);
void table_remove(struct table *t, struct table_item *item);
/* Walk in no order: start with NULL, ends with NULL. The item returned may be
 * removed once the next one has been fetched. */
struct table_item *table_next(const struct table *t,
			      const struct table_item *after);

/* 64-bit mix of bytes; stable within a process only. */
uint64_t table_sum(uint64_t seed, const void *data, size_t len);
