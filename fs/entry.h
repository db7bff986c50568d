/*
 * What the kernel is told of a node, and for how long.
 *
 * Threads: any.
 */
#pragma once

#include "fs/mount.h"

/* Seconds, as the kernel's timeouts are. */
double entry_seconds(uint32_t ms);
/* How long the kernel may keep the attributes of a node. */
double entry_attr_seconds(const struct view_node *node, uint32_t ttl_ms);
/*
 * Fills ret_entry; the node is counted as looked up once: inode_forget if the
 * kernel does not get the answer. node: attrs_known. -ENOMEM.
 */
int entry_make(struct mount *m, const struct view_node *node, uint32_t ttl_ms,
	       struct fuse_entry_param *ret_entry);
