#include "cache/viewtree.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The public structure comes first: a pointer to it is one to the whole. */
struct tree_impl {
	struct view_tree tree;
	_Atomic unsigned int refs;
};

/* Counting changes nothing that a holder of a const reference can see. */
static _Atomic unsigned int *tree_refs(const struct view_tree *t)
{
	return (_Atomic unsigned int *)((uintptr_t)t +
					offsetof(struct tree_impl, refs));
}

struct view_tree *view_tree_new(struct catalog *cat, const char *dir,
				const char *pool, uint64_t seq)
{
	struct tree_impl *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->tree.dir = strdup(dir);
	t->tree.pool = strdup(pool);
	if (!t->tree.dir || !t->tree.pool) {
		free(t->tree.dir);
		free(t->tree.pool);
		free(t);
		return NULL;
	}
	t->tree.cat = catalog_ref(cat);
	t->tree.seq = seq;
	atomic_init(&t->refs, 1);
	return &t->tree;
}

const struct view_tree *view_tree_ref(const struct view_tree *t)
{
	atomic_fetch_add(tree_refs(t), 1);
	return t;
}

void view_tree_unref(const struct view_tree *t)
{
	if (!t || atomic_fetch_sub(tree_refs(t), 1) != 1)
		return;
	free(t->dir);
	free(t->pool);
	catalog_unref(t->cat);
	free((void *)(uintptr_t)t);
}

bool view_tree_within(const struct view_tree *t, const char *path, size_t len,
		      const char **ret_rel, size_t *ret_len)
{
	size_t dir_len = strlen(t->dir);

	if (dir_len && len == dir_len - 1 && !memcmp(path, t->dir, len)) {
		*ret_rel = path + len;
		*ret_len = 0;
		return true;
	}
	if (len < dir_len || memcmp(path, t->dir, dir_len))
		return false;
	*ret_rel = path + dir_len;
	*ret_len = len - dir_len;
	return true;
}
