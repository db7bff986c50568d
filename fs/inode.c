/*
 * Two indexes: by id, for what the kernel asks, and by path, for the node that a
 * path stands for now. A node that another version replaced leaves the second
 * index and lives on in the first until the kernel forgets it; should the old
 * version come back, it gets a new node.
 *
 * Every look-up brings the latest view_node: a directory's attributes change,
 * and the same content may stand in a newer tree, which is to be read from then
 * on (what the older one names may be collected as garbage some day).
 */
#include "fs/inode.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "s3/base/lock.h"
#include "s3/base/table.h"

#define NS_PER_S 1000000000

struct inode {
	uint64_t id; /* constant */
	bool is_dir; /* constant */
	char *path; /* constant, owned */
	/* guarded by the table's lock: */
	const struct view_node *node; /* counted; the latest */
	uint64_t lookups; /* as the kernel counts them */
	uint64_t refs;
	bool no_trust; /* the last look-up was good for that moment only */
	bool current; /* in by_path */
	struct table_item by_id;
	struct table_item by_path;
};

struct inode_table {
	struct lock lock; /* LOCK_RANK_FS_INODE */
	/* guarded by lock: */
	struct table by_id;
	struct table by_path;
	uint64_t next_id;
};

static struct inode *of_id(struct table_item *item)
{
	return item ? container_of(item, struct inode, by_id) : NULL;
}

static struct inode *of_path(struct table_item *item)
{
	return item ? container_of(item, struct inode, by_path) : NULL;
}

static void inode_free(struct inode *ino)
{
	view_node_unref(ino->node);
	free(ino->path);
	free(ino);
}

const char *inode_path(const struct inode *ino)
{
	return ino->path;
}

/* Makes the node that its path stands for from now on. */
static struct inode *inode_add_locked(struct inode_table *t,
				      const struct view_node *node)
{
	struct inode *ino = calloc(1, sizeof(*ino));

	if (!ino)
		return NULL;
	ino->is_dir = node->kind == VIEW_DIR;
	ino->path = strdup(node->path);
	if (!ino->path) {
		free(ino);
		return NULL;
	}
	ino->node = view_node_ref(node);
	ino->id = t->next_id++;
	ino->by_id.key = &ino->id;
	ino->by_id.key_len = sizeof(ino->id);
	table_add(&t->by_id, &ino->by_id);
	ino->by_path.key = ino->path;
	ino->by_path.key_len = strlen(ino->path);
	table_add(&t->by_path, &ino->by_path);
	ino->current = true;
	return ino;
}

static void inode_outdate_locked(struct inode_table *t, struct inode *ino)
{
	if (ino->current)
		table_remove(&t->by_path, &ino->by_path);
	ino->current = false;
}

/* True if it is unused: out of the table, to be freed without the lock. */
static bool inode_drop_locked(struct inode_table *t, struct inode *ino)
{
	if (ino->lookups || ino->refs || ino->id == INODE_ROOT)
		return false;
	inode_outdate_locked(t, ino);
	table_remove(&t->by_id, &ino->by_id);
	return true;
}

int inode_table_open(struct inode_table **ret_table,
		     const struct view_node *root)
{
	struct inode_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	lock_init(&t->lock, LOCK_RANK_FS_INODE);
	table_init(&t->by_id);
	table_init(&t->by_path);
	t->next_id = INODE_ROOT;
	if (!inode_add_locked(t, root)) {
		inode_table_free(t);
		return -ENOMEM;
	}
	*ret_table = t;
	return 0;
}

void inode_table_free(struct inode_table *t)
{
	struct table_item *item, *next;

	if (!t)
		return;
	for (item = table_next(&t->by_id, NULL); item; item = next) {
		next = table_next(&t->by_id, item);
		inode_free(of_id(item));
	}
	table_done(&t->by_id);
	table_done(&t->by_path);
	lock_done(&t->lock);
	free(t);
}

struct inode *inode_get(struct inode_table *t, uint64_t id)
{
	struct inode *ino;

	LOCK_SCOPE(&t->lock);
	ino = of_id(table_find(&t->by_id, &id, sizeof(id)));
	if (ino)
		ino->refs++;
	return ino;
}

struct inode *inode_ref(struct inode_table *t, struct inode *ino)
{
	LOCK_SCOPE(&t->lock);
	ino->refs++;
	return ino;
}

void inode_put(struct inode_table *t, struct inode *ino)
{
	bool unused;

	if (!ino)
		return;
	lock_take(&t->lock);
	assert(ino->refs);
	ino->refs--;
	unused = inode_drop_locked(t, ino);
	lock_drop(&t->lock);
	if (unused)
		inode_free(ino);
}

static bool stands_for(const struct inode *ino, const struct view_node *node)
{
	if (ino->is_dir || node->kind == VIEW_DIR)
		return ino->is_dir && node->kind == VIEW_DIR;
	return hash_equal(&ino->node->version, &node->version);
}

int inode_enter(struct inode_table *t, const struct view_node *node,
		uint32_t ttl_ms, uint64_t *ret_id)
{
	const struct view_node *old = NULL;
	struct inode *ino;

	lock_take(&t->lock);
	ino = of_path(table_find(&t->by_path, node->path, strlen(node->path)));
	if (ino && !stands_for(ino, node)) {
		inode_outdate_locked(t, ino);
		ino = NULL;
	}
	if (!ino) {
		ino = inode_add_locked(t, node);
	} else {
		old = ino->node;
		ino->node = view_node_ref(node);
	}
	if (ino) {
		ino->lookups++;
		ino->no_trust = !ttl_ms;
		*ret_id = ino->id;
	}
	lock_drop(&t->lock);
	view_node_unref(old);
	return ino ? 0 : -ENOMEM;
}

void inode_forget(struct inode_table *t, uint64_t id, uint64_t count)
{
	struct inode *ino;
	bool unused = false;

	lock_take(&t->lock);
	ino = of_id(table_find(&t->by_id, &id, sizeof(id)));
	if (ino) {
		/* The kernel's word, but never below zero. */
		ino->lookups -= count < ino->lookups ? count : ino->lookups;
		unused = inode_drop_locked(t, ino);
	}
	lock_drop(&t->lock);
	if (unused)
		inode_free(ino);
}

const struct view_node *inode_view(struct inode_table *t, struct inode *ino)
{
	LOCK_SCOPE(&t->lock);
	return view_node_ref(ino->node);
}

void inode_update(struct inode_table *t, struct inode *ino,
		  const struct view_node *node)
{
	const struct view_node *old;

	assert(ino->is_dir && node->kind == VIEW_DIR);
	lock_take(&t->lock);
	old = ino->node;
	ino->node = view_node_ref(node);
	lock_drop(&t->lock);
	view_node_unref(old);
}

bool inode_just_looked_up(struct inode_table *t, const struct inode *ino)
{
	LOCK_SCOPE(&t->lock);
	return ino->no_trust;
}

size_t inode_count(struct inode_table *t)
{
	LOCK_SCOPE(&t->lock);
	return t->by_id.count;
}

/* FNV-1a and a final mix (of MurmurHash3), so that all 64 bits count. */
uint64_t inode_number(const char *path, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	if (!len)
		return INODE_ROOT;
	for (size_t i = 0; i < len; i++) {
		h ^= (unsigned char)path[i];
		h *= UINT64_C(0x100000001b3);
	}
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h > INODE_ROOT ? h : h + 2;
}

/* Rounds down, so that the nanoseconds are never negative. */
static struct timespec timespec_of(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NS_PER_S,
			       .tv_nsec = ns % NS_PER_S };

	if (ts.tv_nsec < 0) {
		ts.tv_sec--;
		ts.tv_nsec += NS_PER_S;
	}
	return ts;
}

void inode_stat(const struct view_node *node, struct stat *ret_stat)
{
	*ret_stat = (struct stat){
		.st_ino = inode_number(node->path, strlen(node->path)),
		.st_mode = node->mode,
		/* 1 for directories too: their subdirectories are not
		 * counted, and find(1) takes 1 to say so. */
		.st_nlink = 1,
		.st_uid = node->uid,
		.st_gid = node->gid,
		.st_size = (off_t)node->size,
		.st_blksize = 128 << 10,
		.st_blocks =
			(blkcnt_t)(node->size / 512 + !!(node->size % 512)),
		.st_mtim = timespec_of(node->mtime_ns),
	};
	ret_stat->st_atim = ret_stat->st_mtim;
	ret_stat->st_ctim = ret_stat->st_mtim;
}
