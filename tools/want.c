#include "tools/want.h"

#include <stdlib.h>
#include <sys/stat.h>

static bool is_packed(const struct want *w)
{
	return w->node->kind == VIEW_PACKED;
}

void want_entry(const struct view_node *node, struct catalog_entry *ret_entry)
{
	catalog_entry_at(node->tree->cat, node->entry, ret_entry);
}

/* Numbers run on from file to file within a tree. */
static uint32_t block_of(const struct want *w)
{
	struct catalog_entry entry;

	want_entry(w->node, &entry);
	return entry.first_block + (uint32_t)w->index;
}

void want_block(const struct view_node *node, uint64_t index,
		struct block *ret_block)
{
	const struct want w = { .node = node, .index = index };

	catalog_block_at(node->tree->cat, block_of(&w), ret_block);
}

/* Without it a parser's slip could make us read another file's blocks. */
bool want_is_sound(const struct view_node *node)
{
	struct catalog_entry entry;

	if (node->kind != VIEW_PACKED || !S_ISREG(node->mode))
		return true;
	want_entry(node, &entry);
	return entry.block_count == block_count(node->size);
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

bool want_hashes_are(const struct view_node *node, const struct hash *hashes)
{
	uint64_t count = block_count(node->size);

	if (node->kind != VIEW_PACKED || !S_ISREG(node->mode) ||
	    !want_is_sound(node))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		struct block block;

		want_block(node, i, &block);
		if (!hash_equal(&block.hash, &hashes[i]))
			return false;
	}
	return true;
}

/* The SHA-256 of 2^20 zeros. */
static const struct hash zero_block = { {
	0x30, 0xe1, 0x49, 0x55, 0xeb, 0xf1, 0x35, 0x22, 0x66, 0xdc, 0x2f,
	0xf8, 0x06, 0x7e, 0x68, 0x10, 0x46, 0x07, 0xe7, 0x50, 0xab, 0xb9,
	0xd3, 0xb3, 0x65, 0x82, 0xb8, 0xaf, 0x90, 0x9f, 0xcb, 0x58,
} };

bool want_is_zero(const struct view_node *node, uint64_t index)
{
	const struct want w = { .node = node, .index = index };
	struct block block;

	if (!is_packed(&w) || !S_ISREG(node->mode))
		return false;
	want_block(node, index, &block);
	return block.len == BLOCK_MAX && hash_equal(&block.hash, &zero_block);
}

/* Plain ones first, by file and piece; then by tree and block. */
static int compare(const void *a, const void *b)
{
	const struct want *x = a, *y = b;

	if (is_packed(x) != is_packed(y))
		return is_packed(x) ? 1 : -1;
	if (is_packed(x) && x->node->tree == y->node->tree)
		return compare_numbers(block_of(x), block_of(y));
	if (is_packed(x))
		return compare_numbers((uintptr_t)x->node->tree,
				       (uintptr_t)y->node->tree);
	if (x->node == y->node)
		return compare_numbers(x->index, y->index);
	return compare_numbers((uintptr_t)x->node, (uintptr_t)y->node);
}

void want_sort(struct want *wants, size_t count)
{
	qsort(wants, count, sizeof(*wants), compare);
}

/* Whether `next` comes right behind the `count` wants from `first` on. */
static bool goes_on(const struct want *first, const struct want *next,
		    size_t count)
{
	if (is_packed(first) != is_packed(next))
		return false;
	if (is_packed(first))
		return first->node->tree == next->node->tree &&
		       block_of(next) == block_of(first) + count;
	return first->node == next->node && next->index == first->index + count;
}

static void announce_run(const struct want *first, size_t count,
			 struct fetch *f)
{
	const struct view_node *node = first->node;

	if (is_packed(first))
		fetch_prefetch(f, node->tree->cat, node->tree->pool,
			       block_of(first), (uint32_t)count);
	else if (count > 1)
		fetch_prefetch_pieces(f, node->key, &node->object, first->index,
				      count);
}

void want_announce(const struct want *wants, size_t count, struct fetch *f)
{
	size_t from = 0;

	while (from < count) {
		size_t n = 1;

		while (from + n < count &&
		       goes_on(&wants[from], &wants[from + n], n))
			n++;
		announce_run(&wants[from], n, f);
		from += n;
	}
}

void want_fetch(const struct want *w, struct fetch *f, struct fetch_req *req)
{
	const struct view_node *node = w->node;

	if (is_packed(w))
		fetch_block(f, node->tree->cat, node->tree->pool, block_of(w),
			    req);
	else
		fetch_piece(f, node->key, &node->object, PIECE_LARGE, w->index,
			    req);
}

bool want_is_cached(const struct want *w, struct cache *cache)
{
	struct block block;

	if (!cache || !is_packed(w))
		return false;
	catalog_block_at(w->node->tree->cat, block_of(w), &block);
	return cache_has(cache, &block.hash);
}
