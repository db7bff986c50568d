/*
 * Nodes the kernel knows, each a path and one version of what stands there.
 *
 * The kernel keeps pages and size by node, so another content under the same
 * path gets another node; a directory keeps its node whatever becomes of it.
 * Ids are never used twice in one mount.
 *
 * A node lives while the kernel counts look-ups of it or somebody here holds a
 * reference. Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cache/view.h"
#include "s3/base/cleanup.h"

#define INODE_ROOT 1

struct inode;
struct inode_table;

/* Its first node is the root, for good. root: a directory. -ENOMEM. */
int inode_table_open(struct inode_table **ret_table,
		     const struct view_node *root);
/* All references have been put; look-up counts of the kernel do not matter any
 * more. NULL is accepted. */
void inode_table_free(struct inode_table *t);
DEFINE_CLEANUP(struct inode_table *, inode_table_free)

/* The node of an id, with a reference; NULL if there is none. */
struct inode *inode_get(struct inode_table *t, uint64_t id);
struct inode *inode_ref(struct inode_table *t, struct inode *ino);
void inode_put(struct inode_table *t, struct inode *ino); /* NULL is accepted */

/*
 * The kernel is about to be told of `node`: finds or makes its node and counts
 * one look-up, to be taken back by inode_forget if the reply does not arrive.
 * ttl_ms: how long the kernel may trust the name. -ENOMEM.
 */
int inode_enter(struct inode_table *t, const struct view_node *node,
		uint32_t ttl_ms, uint64_t *ret_id);
void inode_forget(struct inode_table *t, uint64_t id, uint64_t count);

/* Relative to SOURCE; constant, borrowed from the node. */
const char *inode_path(const struct inode *ino);
/* What it stands for, with a reference of the caller's. */
const struct view_node *inode_view(struct inode_table *t, struct inode *ino);
/* A directory's attributes as of now. */
void inode_update(struct inode_table *t, struct inode *ino,
		  const struct view_node *node);
/*
 * True where the kernel was last told not to trust the name at all: whatever
 * reaches the node by name has just been looked up.
 */
bool inode_just_looked_up(struct inode_table *t, const struct inode *ino);
/* Nodes at the moment, with the root; for tests. */
size_t inode_count(struct inode_table *t);

/* The same number for a path in every mount of one SOURCE; 1 for the root. */
uint64_t inode_number(const char *path, size_t len);
void inode_stat(const struct view_node *node, struct stat *ret_stat);
