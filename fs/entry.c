/*
 * A file's node is one version of it: what it is does not change, and the
 * kernel may keep that. Whether the name still stands for it is what expires.
 */
#include "fs/entry.h"

#include <assert.h>
#include <inttypes.h>

#include "s3/base/log.h"

#define FILE_ATTR_S 3600.0

double entry_seconds(uint32_t ms)
{
	return ms / 1000.0;
}

double entry_attr_seconds(const struct view_node *node, uint32_t ttl_ms)
{
	return node->kind == VIEW_DIR ? entry_seconds(ttl_ms) : FILE_ATTR_S;
}

static void tell_hides(struct mount *m, const struct view_node *node)
{
	if (!node->hides || atomic_exchange(&m->told_hides, true))
		return;
	log_warn("'%s' is a directory and a file of %" PRIu64
		 " bytes; the directory is shown; said once",
		 node->path, node->hides);
}

int entry_make(struct mount *m, const struct view_node *node, uint32_t ttl_ms,
	       struct fuse_entry_param *ret_entry)
{
	struct fuse_entry_param entry = {
		.entry_timeout = entry_seconds(ttl_ms),
		.attr_timeout = entry_attr_seconds(node, ttl_ms),
	};
	uint64_t id = 0;
	int rc;

	assert(node->attrs_known || node->kind != VIEW_PLAIN);
	rc = inode_enter(m->inodes, node, ttl_ms, &id);
	if (rc)
		return rc;
	tell_hides(m, node);
	entry.ino = id;
	inode_stat(node, &entry.attr);
	*ret_entry = entry;
	return 0;
}
