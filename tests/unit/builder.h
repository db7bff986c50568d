/*
 * Builds catalogs for tests: entries in any order, a later one for the same
 * path replaces the earlier one, parents that nobody put are added as a commit
 * adds them.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/catalog.h"
#include "s3/base/buf.h"

struct built {
	char *path, *target;
	struct catalog_attr attr;
	struct block *blocks;
	size_t block_count;
	size_t turn;
	bool implied;
};

struct catalog_builder {
	struct built *all;
	size_t count;
};

static inline int catalog_builder_open(struct catalog_builder **ret_builder)
{
	*ret_builder = calloc(1, sizeof(**ret_builder));
	return *ret_builder ? 0 : -ENOMEM;
}

static inline void catalog_builder_free(struct catalog_builder *b)
{
	for (size_t i = 0; b && i < b->count; i++) {
		free(b->all[i].path);
		free(b->all[i].target);
		free(b->all[i].blocks);
	}
	if (b)
		free(b->all);
	free(b);
}
DEFINE_CLEANUP(struct catalog_builder *, catalog_builder_free)

static inline struct built *built_add(struct catalog_builder *b,
				      const char *path, size_t len)
{
	struct built *it;

	/* Doubles at each power of two. */
	if (!(b->count & (b->count - 1))) {
		it = reallocarray(b->all, b->count ? 2 * b->count : 1,
				  sizeof(*it));
		if (!it)
			abort();
		b->all = it;
	}
	it = &b->all[b->count];
	*it = (struct built){ .path = strndup(path, len), .turn = b->count };
	if (!it->path)
		abort();
	b->count++;
	return it;
}

static inline int
catalog_builder_put(struct catalog_builder *b, const char *path, size_t len,
		    const struct catalog_attr *attr, const char *target,
		    const struct block *blocks, size_t count, struct err *e)
{
	int r = catalog_check(path, len, attr, target, blocks, count, e);
	struct built *it;

	if (r)
		return r;
	it = built_add(b, path, len);
	it->attr = *attr;
	it->block_count = count;
	if (S_ISLNK(attr->mode) && target)
		it->target = strndup(target, attr->size);
	it->blocks = calloc(count + 1, sizeof(*blocks));
	if (count)
		memcpy(it->blocks, blocks, count * sizeof(*blocks));
	return 0;
}

static inline int built_compare(const void *a, const void *b)
{
	const struct built *x = a, *y = b;
	struct catalog_key k = catalog_key_of(x->path, strlen(x->path));
	struct catalog_key l = catalog_key_of(y->path, strlen(y->path));
	int c = catalog_key_compare(&k, &l);

	/* The later one first, and what somebody put before what nobody did. */
	if (!c && x->implied != y->implied)
		return x->implied ? 1 : -1;
	return c ? c : (x->turn < y->turn) - (x->turn > y->turn);
}

static inline void built_sort(struct catalog_builder *b)
{
	size_t count = 0;

	if (b->count)
		qsort(b->all, b->count, sizeof(*b->all), built_compare);
	for (size_t i = 0; i < b->count; i++) {
		if (count && !strcmp(b->all[count - 1].path, b->all[i].path)) {
			free(b->all[i].path);
			free(b->all[i].target);
			free(b->all[i].blocks);
			continue;
		}
		b->all[count++] = b->all[i];
	}
	b->count = count;
}

static inline struct built *built_parent(struct catalog_builder *b,
					 const struct built *it)
{
	struct catalog_key key = catalog_key_of(it->path, strlen(it->path));
	struct catalog_key want = catalog_key_of(key.dir, key.dir_len);
	size_t lo = 0, hi = b->count;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		struct catalog_key at = catalog_key_of(
			b->all[mid].path, strlen(b->all[mid].path));

		if (catalog_key_compare(&at, &want) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	return &b->all[lo];
}

static inline void built_add_parents(struct catalog_builder *b)
{
	size_t count = b->count;

	built_add(b, "", 0)->implied = true;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; b->all[i].path[k]; k++)
			if (b->all[i].path[k] == '/')
				built_add(b, b->all[i].path, k)->implied = true;
	built_sort(b);
	for (size_t i = b->count; i-- > 1;) {
		struct built *it = &b->all[i], *dir = built_parent(b, it);

		if (dir->implied)
			dir->attr = it->attr;
	}
}

static inline int catalog_builder_finish(struct catalog_builder *b,
					 struct buf *out, struct err *e)
{
	CLEANUP(catalog_writer_freep) struct catalog_writer *w = NULL;
	int r = catalog_writer_open(&w);

	built_sort(b);
	built_add_parents(b);
	for (size_t i = 0; i < b->count && !r; i++) {
		struct built *it = &b->all[i];
		struct catalog_key key =
			catalog_key_of(it->path, strlen(it->path));

		if (it->implied) {
			it->attr.mode = S_IFDIR | 0755;
			it->attr.size = 0;
		}
		r = catalog_writer_add(w, &key, &it->attr, it->target,
				       it->blocks, it->block_count, e);
	}
	return r ? r : catalog_writer_finish(w, out, e);
}
