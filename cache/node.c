#include "cache/node.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The public structures come first, so that a pointer to one is a pointer to
 * the whole. */
struct node_impl {
	struct view_node node;
	_Atomic unsigned int refs;
};

struct listing_impl {
	struct view_listing listing;
	_Atomic unsigned int refs;
	const struct view_node **nodes;
};

/* Counting changes nothing that a holder of a const reference can see. */
static _Atomic unsigned int *node_refs(const struct view_node *n)
{
	return (_Atomic unsigned int *)((uintptr_t)n +
					offsetof(struct node_impl, refs));
}

static _Atomic unsigned int *listing_refs(const struct view_listing *l)
{
	return (_Atomic unsigned int *)((uintptr_t)l +
					offsetof(struct listing_impl, refs));
}

const struct view_node *view_node_ref(const struct view_node *n)
{
	atomic_fetch_add(node_refs(n), 1);
	return n;
}

void view_node_unref(const struct view_node *n)
{
	if (!n || atomic_fetch_sub(node_refs(n), 1) != 1)
		return;
	free(n->path);
	free(n->key);
	view_tree_unref(n->tree);
	free((void *)(uintptr_t)n);
}

static struct view_node *node_new(const char *path, enum view_kind kind)
{
	struct node_impl *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->node.path = strdup(path);
	if (!n->node.path) {
		free(n);
		return NULL;
	}
	n->node.kind = kind;
	n->node.entry = CATALOG_NONE;
	atomic_init(&n->refs, 1);
	return &n->node;
}

/* What tells one version of a path from another. */
static void version_of(struct view_node *n)
{
	struct hasher *h;
	char text[256];
	int len;

	if (hasher_open(&h)) {
		/* Without memory every look at it is another version. */
		hash_of(&n->version, &n, sizeof(n));
		return;
	}
	len = snprintf(text, sizeof(text), "%d %o %u %u %llu %lld ",
		       (int)n->kind, (unsigned int)n->mode, n->uid, n->gid,
		       (unsigned long long)n->size, (long long)n->mtime_ns);
	if (n->kind == VIEW_PACKED) {
		struct catalog_entry e;
		struct block b;

		hasher_update(h, text, (size_t)len);
		catalog_entry_at(n->tree->cat, n->entry, &e);
		if (e.target)
			hasher_update(h, e.target, e.size);
		for (uint32_t i = 0; i < e.block_count; i++) {
			catalog_block_at(n->tree->cat, e.first_block + i, &b);
			hasher_update(h, b.hash.bytes, HASH_LEN);
		}
	} else if (n->kind == VIEW_PLAIN) {
		hasher_update(h, n->object.etag, strlen(n->object.etag));
		len = snprintf(text, sizeof(text), " %llu %lld",
			       (unsigned long long)n->object.size,
			       (long long)n->object.modified_s);
		hasher_update(h, text, (size_t)len);
	}
	hasher_finish(h, &n->version);
	hasher_free(h);
}

static void defaults(struct view_node *n, const struct view_options *o,
		     mode_t type, int64_t modified_s)
{
	mode_t perm = S_ISDIR(type) ? o->dir_mode : o->file_mode;

	if (!perm)
		perm = S_ISDIR(type) ? 0755 : 0644;
	n->mode = type | perm;
	n->uid = o->uid;
	n->gid = o->gid;
	n->mtime_ns = modified_s * 1000000000;
}

static struct view_node *node_plain(const struct claims *c,
				    const struct view_options *o)
{
	struct view_node *n = node_new(c->path, VIEW_PLAIN);

	if (!n)
		return NULL;
	n->key = strdup(c->key);
	if (!n->key) {
		view_node_unref(n);
		return NULL;
	}
	n->object = *c->object;
	n->size = c->object->size;
	defaults(n, o, S_IFREG, c->object->modified_s);
	version_of(n);
	return n;
}

static struct view_node *node_packed(const struct claims *c)
{
	bool dir = S_ISDIR(c->entry.mode);
	struct view_node *n = node_new(c->path, dir ? VIEW_DIR : VIEW_PACKED);

	if (!n)
		return NULL;
	n->attrs_known = true;
	n->mode = c->entry.mode;
	n->uid = c->entry.uid;
	n->gid = c->entry.gid;
	n->size = c->entry.size;
	n->mtime_ns = c->entry.mtime_ns;
	n->tree = view_tree_ref(c->tree);
	n->entry = c->entry.index;
	version_of(n);
	return n;
}

/* A directory of plain objects: by its marker, or implied. */
static struct view_node *node_implied(const struct claims *c,
				      const struct view_options *o)
{
	struct view_node *n = node_new(c->path, VIEW_DIR);

	if (!n)
		return NULL;
	defaults(n, o, S_IFDIR, c->marker ? c->marker->modified_s : 0);
	n->attrs_known = c->sure && !c->marker;
	if (c->marker && asprintf(&n->key, "%s/", c->key) < 0) {
		n->key = NULL;
		view_node_unref(n);
		return NULL;
	}
	if (c->marker)
		n->object = *c->marker;
	version_of(n);
	return n;
}

/* Bytes of the file that would be there without the directory. An empty object
 * is no loss: some programs mark directories by one. */
static uint64_t hidden_bytes(const struct claims *c)
{
	if (!c->sure)
		return 0;
	if (c->object &&
	    (!c->tree || c->object->modified_s >= c->entry.commit_s))
		return c->object->size;
	return c->tree && !S_ISDIR(c->entry.mode) ? c->entry.size : 0;
}

const struct view_node *node_of_claims(const struct claims *c,
				       const struct view_options *o,
				       int *ret_error)
{
	bool entry_dir = c->tree && S_ISDIR(c->entry.mode);
	struct view_node *n = NULL;

	if (c->marker || c->below || entry_dir) {
		/* The later claim gives a directory's attributes. */
		if (entry_dir && c->sure &&
		    (!c->marker || c->marker->modified_s < c->entry.commit_s))
			n = node_packed(c);
		else
			n = node_implied(c, o);
		if (n)
			n->hides = hidden_bytes(c);
	} else if (c->object &&
		   (!c->tree || c->object->modified_s >= c->entry.commit_s)) {
		n = node_plain(c, o);
	} else if (c->tree) {
		n = node_packed(c);
	} else {
		*ret_error = 0;
		return NULL;
	}
	*ret_error = n ? 0 : -ENOMEM;
	return n;
}

bool node_needs_meta(const struct view_node *n)
{
	return !n->attrs_known && n->key;
}

const struct view_node *node_with_meta(const struct view_node *from,
				       const struct store_object *object,
				       const struct meta *meta,
				       const struct view_options *o)
{
	struct view_node *n = node_new(from->path, from->kind);
	struct meta_posix p = { 0 };

	if (!n)
		return NULL;
	n->key = strdup(from->key);
	if (!n->key) {
		view_node_unref(n);
		return NULL;
	}
	n->object = *object;
	n->hides = from->hides;
	defaults(n, o, n->kind == VIEW_DIR ? S_IFDIR : S_IFREG,
		 object->modified_s);
	n->size = n->kind == VIEW_DIR ? 0 : object->size;
	meta_to_posix(&p, meta);
	if (p.has_mode) {
		mode_t type = n->mode & S_IFMT;

		if (n->kind == VIEW_PLAIN && S_ISLNK(p.mode))
			type = S_IFLNK;
		n->mode = type | (p.mode & 07777);
	}
	if (p.has_uid)
		n->uid = p.uid;
	if (p.has_gid)
		n->gid = p.gid;
	if (p.has_mtime)
		n->mtime_ns = p.mtime_ns;
	n->attrs_known = true;
	version_of(n);
	/* One version of a file, whether or not its metadata are known. */
	if (n->kind == VIEW_PLAIN && !strcmp(object->etag, from->object.etag) &&
	    object->modified_s == from->object.modified_s)
		n->version = from->version;
	return n;
}

struct view_listing *view_listing_new(const struct view_node *self, size_t room)
{
	struct listing_impl *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->nodes = calloc(room ? room : 1, sizeof(*l->nodes));
	if (!l->nodes) {
		free(l);
		return NULL;
	}
	l->listing.nodes = l->nodes;
	l->listing.self = view_node_ref(self);
	atomic_init(&l->refs, 1);
	return &l->listing;
}

void view_listing_add(struct view_listing *l, const struct view_node *n)
{
	((struct listing_impl *)(void *)l)->nodes[l->count++] = n;
}

const struct view_listing *view_listing_ref(const struct view_listing *l)
{
	atomic_fetch_add(listing_refs(l), 1);
	return l;
}

void view_listing_unref(const struct view_listing *l)
{
	struct listing_impl *impl;

	if (!l || atomic_fetch_sub(listing_refs(l), 1) != 1)
		return;
	impl = (struct listing_impl *)(uintptr_t)l;
	for (size_t i = 0; i < l->count; i++)
		view_node_unref(l->nodes[i]);
	view_node_unref(l->self);
	free(impl->nodes);
	free(impl);
}
