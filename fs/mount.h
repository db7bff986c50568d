/*
 * What all handlers of one mount share: the layers below, the node table, and
 * what was remembered about readers. Reached by fuse_req_userdata.
 *
 * Everything here is set before the session starts and constant until it has
 * ended; the parts guard themselves.
 */
#pragma once

#include <stdatomic.h>

#include "cache/cache.h"
#include "cache/fetch.h"
#include "cache/view.h"
#include "fs/handles.h"
#include "fs/inode.h"
#include "fs/reply.h"
#include "fs/sweep.h"

struct mount {
	struct view *view;
	struct fetch *fetch;
	struct cache *cache; /* NULL: nothing is kept */
	struct inode_table *inodes;
	struct sweep *sweep;
	struct waits *waits;
	struct handles handles;
	uint32_t max_background;
	atomic_bool told_hides; /* that a directory hides a file */
};
