/*
 * The tree object: one version of the tree rooted at a directory.
 *
 * A head (sequence, commit id, commit time, pool), and the catalog, compressed;
 * of a large tree the catalog of its first entries, and the table of its shards.
 * The whole is covered by a SHA-256. An object of zero bytes is a removed tree.
 * The same input gives the same bytes (with one version of zstd).
 *
 * Threads: any; pure computation.
 */
#pragma once

#include "cache/catalog.h"
#include "cache/shard.h"

#define TREE_POOL_MAX 512
#define TREE_OBJECT_MAX (512u << 20) /* bytes; more is refused */

struct tree_head {
	uint64_t seq; /* 1 for the first version */
	struct object_id commit; /* of the commit that made it */
	int64_t commit_s; /* store's clock */
	char pool[TREE_POOL_MAX]; /* "" or "a/b/" */
};

/* What a tree object holds besides. */
struct tree_content {
	struct catalog *cat; /* counted */
	struct shard_table *table; /* counted; NULL: the catalog is all */
};
void tree_content_done(struct tree_content *c);

/*
 * Appends the object. catalog: as from catalog_writer_finish. shards: those
 * with what follows, complete; count 0: none. Errors: -EINVAL for a head that is
 * none, -ENOMEM, -EFBIG.
 */
int tree_encode(struct buf *out, const struct tree_head *head,
		const void *catalog, size_t len, const struct shard *shards,
		uint32_t count, struct err *e);
/*
 * ret_content: NULL where the head is enough; the whole is checked all the same.
 * Errors: -EBADMSG damaged or of a later version of the format (the text
 * says which), -ENODATA for a removed tree (zero bytes), -ENOMEM.
 */
int tree_decode(struct tree_head *ret_head, struct tree_content *ret_content,
		const void *data, size_t len, struct err *e);
