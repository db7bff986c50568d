/*
 * A catalog as it stands in the bucket: column by column, so that it compresses
 * well, without what follows from something else, as zstd frames.
 *
 * Threads: any; pure computation.
 */
#pragma once

#include "cache/catalog.h"

/*
 * Appends the catalog of `bytes` (catalog_writer_finish) as stored, and tells
 * its length before compression. Deterministic, with one version of zstd.
 * Errors: -ENOMEM, -EFBIG (ceiling of out).
 */
int catalog_encode(struct buf *out, const void *bytes, size_t len,
		   uint64_t *ret_plain, struct err *e);
/*
 * plain: the length told with it. range: as catalog_parse. Errors: -EBADMSG,
 * -ENOMEM.
 */
int catalog_decode(struct catalog **ret_cat, uint64_t plain, const void *stored,
		   size_t len, const struct catalog_range *range,
		   struct err *e);

/* Bytes as zstd frames, one behind the other, each of 4 MiB plain but the last.
 * Errors: -ENOMEM, -EFBIG. */
int frames_compress(struct buf *out, const void *data, size_t len);
/* Exactly `plain` bytes appended to `out`, in memory that grows with what has
 * proved to be there. Errors: -EBADMSG, -ENOMEM, -EFBIG. */
int frames_decompress(struct buf *out, uint64_t plain, const void *stored,
		      size_t len, struct err *e);
