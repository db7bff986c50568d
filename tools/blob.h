/*
 * Uploads new blocks of one large file as a blob of data alone, with a table of
 * them behind it.
 *
 * Each block is a frame: zstd where that saves more than 3 %, else raw. Blocks
 * are read and compressed in parallel, a few ahead; up to BLOB_PUT_MAX bytes go
 * by one PUT, more by a multipart upload that is aborted on failure.
 *
 * Threads: any; different blobs at once. Blocks on the network.
 */
#pragma once

#include <stdint.h>

#include "cache/block.h"
#include "tools/plan.h"
#include "tools/sending.h"

#define BLOB_PUT_MAX (64u << 20) /* bytes */
#define BLOB_PART (16u << 20) /* bytes of a part, more for huge files */

/*
 * ret_blocks: malloc'ed, plan->count of them, with their places.
 * Errors: -ESTALE when the file is not what was hashed; -ECANCELED when the push
 * stops; as store.h; of reading; -ENOMEM.
 */
int blob_upload(struct sending *s, const struct plan_blob *plan,
		const struct object_id *id, struct block **ret_blocks,
		struct err *e);

/* Upper bound of the memory that blob_upload takes, in bytes. */
uint64_t blob_memory(const struct plan_blob *plan);
