/*
 * The list and all parents of its paths, sorted by bytes, so that parents come
 * first; looked up a batch at a time.
 */
#include "tools/chosen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "tools/lookup.h"

#define BATCH 1024

/* Paths from the root of the bucket's view; owned. */
struct paths {
	char **all;
	size_t count, room;
};

static void paths_done(struct paths *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->all[i]);
	free(p->all);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_to_item(const void *key, const void *member)
{
	return strcmp(key, ((const struct filelist_item *)member)->path);
}

static const struct filelist_item *listed(const struct chosen *c,
					  const char *path)
{
	return bsearch(path, c->list->items, c->list->count,
		       sizeof(*c->list->items), compare_to_item);
}

static bool is_deep(const struct chosen *c, const char *path)
{
	const struct filelist_item *item = listed(c, path);

	return item && item->below;
}

/* The list names a directory above it with all that is below. */
static bool is_below_listed(const struct chosen *c, const char *path)
{
	CLEANUP_FREE char *parent = strdup(path);
	char *slash;

	if (!*path)
		return false;
	while (parent && (slash = strrchr(parent, '/'))) {
		*slash = '\0';
		if (is_deep(c, parent))
			return true;
	}
	return is_deep(c, "");
}

static int add(struct paths *p, const struct chosen *c, const char *path,
	       size_t len)
{
	if (p->count == p->room) {
		size_t room = p->room * 2 ?: 256;
		char **grown = reallocarray(p->all, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->all = grown;
		p->room = room;
	}
	if (asprintf(&p->all[p->count], "%s%s%.*s", c->root,
		     *c->root && len ? "/" : "", (int)len, path) < 0)
		return -ENOMEM;
	p->count++;
	return 0;
}

/* Neighbours share their parents, so that few doubles are made. */
static int add_all(struct paths *p, const struct chosen *c)
{
	const char *before = "";

	for (size_t i = 0; i < c->list->count; i++) {
		const char *path = c->list->items[i].path;

		for (size_t at = 0; path[at]; at++) {
			if (path[at] != '/' || !strncmp(before, path, at + 1))
				continue;
			if (add(p, c, path, at))
				return -ENOMEM;
		}
		if (add(p, c, path, strlen(path)))
			return -ENOMEM;
		before = path;
	}
	return 0;
}

static void sort(struct paths *p)
{
	size_t kept = 0;

	qsort(p->all, p->count, sizeof(*p->all), compare);
	for (size_t i = 0; i < p->count; i++) {
		if (kept && !strcmp(p->all[kept - 1], p->all[i]))
			free(p->all[i]);
		else
			p->all[kept++] = p->all[i];
	}
	p->count = kept;
}

static const char *below_root(const struct chosen *c, const char *path)
{
	path += strlen(c->root);
	return path + (*path == '/');
}

static int yield(const struct chosen *c, const struct lookup *it)
{
	const char *path = below_root(c, it->path);
	const struct filelist_item *item = listed(c, path);
	bool is_dir;
	struct err none = { 0 };

	if (!it->node) {
		/* What fails for a parent fails for the path itself. */
		if (item && it->err && it->err->code == -ENOENT)
			(void)err_set(it->err, -ENOENT, "'%s' does not exist",
				      it->path);
		else if (!it->err)
			(void)err_set(&none, -ENOMEM, "out of memory");
		if (item)
			c->failed(c->arg, it->err ?: &none);
		return 0;
	}
	is_dir = it->node->kind == VIEW_DIR;
	if (is_below_listed(c, path) ||
	    exclude_covers(c->exclude, path, is_dir) || (!item && !is_dir))
		return 0;
	return c->found(c->arg, it->node, item && item->below && is_dir);
}

static int run_batch(const struct chosen *c, char **paths, size_t count)
{
	struct lookup *items = calloc(count, sizeof(*items));
	int r;

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		items[i].path = paths[i];
	r = lookup_all(c->view, items, count);
	for (size_t i = 0; i < count && !r; i++)
		r = yield(c, &items[i]);
	lookup_done(items, count);
	free(items);
	return r;
}

int chosen_each(const struct chosen *c)
{
	CLEANUP(paths_done) struct paths p = { 0 };
	int r = add_all(&p, c);

	if (r)
		return r;
	sort(&p);
	for (size_t i = 0; i < p.count && !r; i += BATCH)
		r = run_batch(c, p.all + i,
			      p.count - i < BATCH ? p.count - i : BATCH);
	return r;
}
