/*
 * Building: a tree of nodes in memory.
 *
 * Nodes are found by (parent, name) in one hash table and hang in a list below
 * their parent, so that a directory can be removed with all below it. They and
 * what they hold stand in an arena that is freed as a whole: a replaced entry
 * costs its memory until then, which suits builders, that live for one commit.
 * Frames are kept once and named by number.
 *
 * Entries mostly come directory by directory, so the last parent is remembered.
 * Writing is in catalog_write.c.
 */
#include "cache/catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/catalog_node.h"
#include "cache/names.h"
#include "s3/base/buf.h"

#define ARENA_CHUNK (256u << 10)

/* ---- memory -------------------------------------------------------------- */

void *builder_alloc(struct catalog_builder *b, size_t len)
{
	struct arena *a = &b->arena;
	const size_t align = _Alignof(max_align_t);
	char *p;

	len = (len + align - 1) / align * align;
	if (len > a->left) {
		size_t room = len > ARENA_CHUNK ? len : ARENA_CHUNK;
		struct chunk *c = malloc(sizeof(*c) + room);

		if (!c)
			return NULL;
		c->next = a->chunks;
		a->chunks = c;
		a->free = (char *)c->data;
		a->left = room;
	}
	p = a->free;
	a->free += len;
	a->left -= len;
	return p;
}

static void arena_done(struct arena *a)
{
	while (a->chunks) {
		struct chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	a->left = 0;
}

static struct node *node_new(struct catalog_builder *b, struct node *parent,
			     const char *name, size_t len)
{
	struct node *n = builder_alloc(b, sizeof(*n) + len);

	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->parent = parent;
	n->name_len = (uint8_t)len;
	n->key.parent = parent;
	if (len)
		memcpy(n->key.name, name, len);
	return n;
}

static void node_link(struct catalog_builder *b, struct node *n)
{
	struct node *parent = n->parent;

	n->item.key = &n->key;
	n->item.key_len = sizeof(n->key) + n->name_len;
	table_add(&b->by_name, &n->item);
	n->next = parent->children;
	n->link = &parent->children;
	if (n->next)
		n->next->link = &n->next;
	parent->children = n;
	b->count++;
}

static void node_unlink(struct catalog_builder *b, struct node *n)
{
	table_remove(&b->by_name, &n->item);
	*n->link = n->next;
	if (n->next)
		n->next->link = n->link;
	b->count--;
	b->dirs -= S_ISDIR(n->mode);
}

int catalog_builder_open(struct catalog_builder **ret_builder)
{
	struct catalog_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	table_init(&b->by_name);
	place_set_init(&b->places);
	b->root = node_new(b, NULL, "", 0);
	if (!b->root) {
		catalog_builder_free(b);
		return -ENOMEM;
	}
	b->root->mode = S_IFDIR | 0755;
	b->root->implied = true;
	b->count = 1;
	b->dirs = 1;
	*ret_builder = b;
	return 0;
}

void catalog_builder_free(struct catalog_builder *b)
{
	if (!b)
		return;
	table_done(&b->by_name);
	place_set_done(&b->places);
	arena_done(&b->arena);
	free(b);
}

/* ---- finding ------------------------------------------------------------- */

static struct node *child(const struct catalog_builder *b,
			  const struct node *dir, const char *name, size_t len)
{
	struct {
		const struct node *parent;
		char name[NAME_MAX_LEN];
	} key = { .parent = dir };
	struct table_item *item;

	_Static_assert(offsetof(__typeof__(key), name) ==
			       sizeof(((struct node *)NULL)->key),
		       "both keys are the same bytes");
	memcpy(key.name, name, len);
	item = table_find(&b->by_name, &key,
			  offsetof(__typeof__(key), name) + len);
	return item ? (struct node *)((char *)item -
				      offsetof(struct node, item))
		    : NULL;
}

/*
 * Walks down the components of a safe path as far as nodes exist. Yields the
 * last one found and how much of the path it covers.
 */
static struct node *walk(const struct catalog_builder *b, const char *path,
			 size_t len, size_t *ret_done)
{
	struct node *at = b->root;
	size_t pos = 0;

	*ret_done = 0;
	while (pos < len) {
		const char *slash = memchr(path + pos, '/', len - pos);
		size_t end = slash ? (size_t)(slash - path) : len;
		struct node *next = child(b, at, path + pos, end - pos);

		if (!next)
			break;
		at = next;
		*ret_done = end;
		pos = end + 1;
	}
	return at;
}

/* The directory `path` ("" is the root), made with its parents if need be. */
static int reach_dir(struct catalog_builder *b, const char *path, size_t len,
		     struct node **ret_dir, struct err *e)
{
	struct node *at;
	size_t pos;

	if (b->last_dir && len == b->last_len &&
	    !memcmp(path, b->last_path, len)) {
		*ret_dir = b->last_dir;
		return 0;
	}
	at = walk(b, path, len, &pos);
	if (!S_ISDIR(at->mode))
		return err_set(e, -ENOTDIR, "'%.*s' is not a directory",
			       (int)pos, path);
	while (pos < len) {
		size_t start = pos + !!pos;
		const char *slash = memchr(path + start, '/', len - start);
		size_t end = slash ? (size_t)(slash - path) : len;
		struct node *n = node_new(b, at, path + start, end - start);

		if (!n)
			return err_set(e, -ENOMEM, "no memory for a catalog");
		n->mode = S_IFDIR | 0755;
		n->implied = true;
		node_link(b, n);
		b->dirs++;
		at = n;
		pos = end;
	}
	memcpy(b->last_path, path, len);
	b->last_len = len;
	b->last_dir = at;
	*ret_dir = at;
	return 0;
}

/* ---- putting ------------------------------------------------------------- */

static int check_put(const char *path, size_t len, const struct catalog_attr *a,
		     const char *target, const struct block *blocks,
		     size_t count, struct err *e)
{
	const int shown = len > 200 ? 200 : (int)len;
	uint64_t expected = S_ISREG(a->mode) ? block_count(a->size) : 0;

	if (len ? !path_is_safe(path, len) : !S_ISDIR(a->mode))
		return err_set(e, -EINVAL, "'%.*s' is not a safe path", shown,
			       path);
	if (!S_ISREG(a->mode) && !S_ISDIR(a->mode) && !S_ISLNK(a->mode))
		return err_set(e, -EINVAL,
			       "'%.*s': neither a regular file, a "
			       "directory nor a symlink",
			       shown, path);
	if (a->mode & ~(mode_t)(S_IFMT | 07777) || a->size > CATALOG_SIZE_MAX ||
	    a->commit_s < 0 || a->commit_s > UINT32_MAX)
		return err_set(e, -EINVAL,
			       "'%.*s': attributes cannot be stored", shown,
			       path);
	if (S_ISLNK(a->mode) &&
	    (!target || !a->size || a->size > CATALOG_TARGET_MAX ||
	     memchr(target, '\0', a->size)))
		return err_set(e, -EINVAL, "'%.*s': target cannot be stored",
			       shown, path);
	if (count != expected)
		return err_set(e, -EINVAL, "'%.*s': %zu blocks instead of %llu",
			       shown, path, count,
			       (unsigned long long)expected);
	for (size_t i = 0; i < count; i++)
		if (blocks[i].len != block_len(a->size, i) ||
		    !block_is_valid(&blocks[i]))
			return err_set(e, -EINVAL,
				       "'%.*s': block %zu cannot be stored",
				       shown, path, i);
	return 0;
}

static int keep_blocks(struct catalog_builder *b, const struct block *blocks,
		       size_t count, const struct block_rec **ret_recs,
		       struct err *e)
{
	struct block_rec *recs =
		builder_alloc(b, count * sizeof(struct block_rec));

	if (!recs)
		return err_set(e, -ENOMEM, "no memory for a catalog");
	for (size_t i = 0; i < count; i++) {
		int r = place_set_add(&b->places, &blocks[i].frame,
				      &recs[i].frame);

		if (r)
			return err_set(e, r, "no room for a block's place");
		recs[i].hash = blocks[i].hash;
		recs[i].off = blocks[i].off;
		recs[i].len = blocks[i].len;
	}
	*ret_recs = recs;
	return 0;
}

/* Copies what a node holds; nothing of the tree changes. */
static int keep(struct catalog_builder *b, const struct catalog_attr *attr,
		const char *target, const struct block *blocks, size_t count,
		struct node *ret_node, struct err *e)
{
	char *copy;
	int r;

	if (count) {
		r = keep_blocks(b, blocks, count, &ret_node->blocks, e);
		if (r)
			return r;
	}
	if (S_ISLNK(attr->mode)) {
		copy = builder_alloc(b, attr->size);
		if (!copy)
			return err_set(e, -ENOMEM, "no memory for a catalog");
		memcpy(copy, target, attr->size);
		ret_node->target = copy;
	}
	ret_node->block_count = (uint32_t)count;
	ret_node->size = S_ISDIR(attr->mode) ? 0 : attr->size;
	ret_node->mtime_ns = attr->mtime_ns;
	ret_node->commit_s = (uint32_t)attr->commit_s;
	ret_node->uid = attr->uid;
	ret_node->gid = attr->gid;
	ret_node->mode = (uint16_t)attr->mode;
	return 0;
}

static void assign(struct catalog_builder *b, struct node *n,
		   const struct node *from)
{
	bool was_dir = S_ISDIR(n->mode), is_dir = S_ISDIR(from->mode);

	n->target = from->target;
	n->blocks = from->blocks;
	n->block_count = from->block_count;
	n->size = from->size;
	n->mtime_ns = from->mtime_ns;
	n->commit_s = from->commit_s;
	n->uid = from->uid;
	n->gid = from->gid;
	n->mode = from->mode;
	n->implied = false;
	b->dirs += is_dir;
	b->dirs -= was_dir;
	if (n == b->last_dir && !is_dir)
		b->last_dir = NULL;
}

static int put_below(struct catalog_builder *b, const char *path, size_t len,
		     const struct node *content, struct err *e)
{
	const char *slash = memrchr(path, '/', len);
	size_t dir_len = slash ? (size_t)(slash - path) : 0;
	size_t at = slash ? dir_len + 1 : 0;
	struct node *dir, *n;
	int r;

	r = reach_dir(b, path, dir_len, &dir, e);
	if (r)
		return r;
	n = child(b, dir, path + at, len - at);
	if (n && n->children && !S_ISDIR(content->mode))
		return err_set(e, -ENOTDIR,
			       "'%.*s' is a directory that is not empty",
			       (int)len, path);
	if (!n) {
		n = node_new(b, dir, path + at, len - at);
		if (!n)
			return err_set(e, -ENOMEM, "no memory for a catalog");
		node_link(b, n);
	}
	assign(b, n, content);
	return 0;
}

int catalog_builder_put(struct catalog_builder *b, const char *path, size_t len,
			const struct catalog_attr *attr, const char *target,
			const struct block *blocks, size_t block_count,
			struct err *e)
{
	struct node content = { 0 };
	int r;

	r = check_put(path, len, attr, target, blocks, block_count, e);
	if (!r)
		r = keep(b, attr, target, blocks, block_count, &content, e);
	if (r)
		return r;
	if (len)
		return put_below(b, path, len, &content, e);
	assign(b, b->root, &content);
	return 0;
}

int catalog_builder_copy(struct catalog_builder *b, const struct catalog *cat,
			 uint32_t index, struct err *e)
{
	CLEANUP_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
	CLEANUP_FREE struct block *many = NULL;
	struct block few[4], *blocks = few;
	struct catalog_entry en;
	struct catalog_attr attr;

	catalog_entry_at(cat, index, &en);
	attr = (struct catalog_attr){
		.mode = en.mode,
		.uid = en.uid,
		.gid = en.gid,
		.size = en.size,
		.mtime_ns = en.mtime_ns,
		.commit_s = en.commit_s,
	};
	if (en.block_count > sizeof(few) / sizeof(few[0])) {
		many = calloc(en.block_count, sizeof(*many));
		if (!many)
			return err_set(e, -ENOMEM, "no memory for a catalog");
		blocks = many;
	}
	for (uint32_t i = 0; i < en.block_count; i++)
		catalog_block_at(cat, en.first_block + i, &blocks[i]);
	if (catalog_path(cat, index, &path))
		return err_set(e, buf_error(&path), "no memory for a catalog");
	return catalog_builder_put(b, path.len ? path.data : "", path.len,
				   &attr, en.target, blocks, en.block_count, e);
}

/* ---- removing ------------------------------------------------------------ */

/* Takes out what is below `dir`, without recursion: paths may be deep. */
static void empty(struct catalog_builder *b, struct node *dir)
{
	struct node *at = dir;

	while (dir->children) {
		while (at->children)
			at = at->children;
		node_unlink(b, at);
		at = at->parent;
	}
}

int catalog_builder_remove(struct catalog_builder *b, const char *path,
			   size_t len)
{
	struct node *n, *parent;
	size_t done;

	if (len && !path_is_safe(path, len))
		return -ENOENT;
	n = walk(b, path, len, &done);
	if (done != len)
		return -ENOENT;
	b->last_dir = NULL;
	empty(b, n);
	if (n == b->root) {
		struct node content = { .mode = S_IFDIR | 0755 };

		assign(b, n, &content);
		n->implied = true;
		return 0;
	}
	do {
		parent = n->parent;
		node_unlink(b, n);
		n = parent;
	} while (n->implied && !n->children && n != b->root);
	return 0;
}
