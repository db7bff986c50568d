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

struct version_impl {
	struct view_version version;
	_Atomic unsigned int refs;
};

static _Atomic unsigned int *version_refs(struct view_version *v)
{
	return &((struct version_impl *)(void *)v)->refs;
}

struct view_version *view_version_new(struct tree_version *of)
{
	struct version_impl *impl = calloc(1, sizeof(*impl));
	struct view_version *v = &impl->version;

	if (!impl)
		return NULL;
	atomic_init(&impl->refs, 1);
	v->count = tree_part_count(of);
	v->parts = calloc(v->count ? v->count : 1, sizeof(*v->parts));
	for (uint32_t i = 0; v->parts && i < v->count; i++)
		list_init(&v->parts[i].waiters);
	if (v->parts) {
		v->parts[0].tree = view_tree_new(of->cat, of->dir,
						 of->head.pool, of->head.seq);
		v->loaded = 1;
	}
	if (!v->parts || !v->parts[0].tree) {
		view_version_unref(v);
		return NULL;
	}
	v->of = *of;
	*of = (struct tree_version){ 0 };
	return v;
}

struct view_version *view_version_ref(struct view_version *v)
{
	atomic_fetch_add(version_refs(v), 1);
	return v;
}

void view_version_unref(struct view_version *v)
{
	if (!v || atomic_fetch_sub(version_refs(v), 1) != 1)
		return;
	for (uint32_t i = 0; v->parts && i < v->count; i++)
		view_tree_unref(v->parts[i].tree);
	free(v->parts);
	tree_version_done(&v->of);
	free(v);
}

bool view_version_within(const struct view_version *v, const char *path,
			 size_t len, const char **ret_rel, size_t *ret_len)
{
	size_t dir_len = strlen(v->of.dir);

	if (dir_len && len == dir_len - 1 && !memcmp(path, v->of.dir, len)) {
		*ret_rel = path + len;
		*ret_len = 0;
		return true;
	}
	if (len < dir_len || memcmp(path, v->of.dir, dir_len))
		return false;
	*ret_rel = path + dir_len;
	*ret_len = len - dir_len;
	return true;
}
