/*
 * Blocks, frames and the names of immutable objects: what all formats share.
 *
 * Block: at most BLOCK_MAX bytes of a file, cut by a rule, named by the SHA-256
 * of its plain bytes; the unit of identity, verification and caching.
 * Frame: what one range GET fetches and one decode yields: part of a blob that
 * holds one large block or many small neighbours.
 * Blob: an immutable object of frames: a pack (a .tar.zst), or the data of one
 * large file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/err.h"
#include "s3/base/hash.h"

#define BLOCK_MAX (1u << 20) /* bytes */
/* Ceiling of a frame's plain bytes: a block, and tar headers around it. */
#define FRAME_RAW_MAX (2u << 20)
#define FRAME_STORED_MAX (FRAME_RAW_MAX + 4096)
#define PACK_STORED_MAX (64u << 20)
#define PACKED_FILE_MAX (16u << 20) /* larger files are blobs of their own */

/* How a file is cut into blocks. */
enum cut_rule {
	CUT_FIXED_1M = 1, /* at multiples of 1 MiB */
};

enum codec {
	CODEC_RAW = 0, /* stored bytes are the plain bytes */
	CODEC_ZSTD = 1, /* one zstd frame */
};

/*
 * Names an immutable object of the pool: 12 random bytes of the push that made
 * it, and a counter (big-endian). Never used twice.
 */
#define OBJECT_ID_LEN 16
#define OBJECT_ID_HEX (2 * OBJECT_ID_LEN + 1)
struct object_id {
	uint8_t bytes[OBJECT_ID_LEN];
};

/* For qsort and bsearch: by bytes, as their keys list. */
static inline int object_id_compare(const void *a, const void *b)
{
	return memcmp(a, b, OBJECT_ID_LEN);
}

/* Where a frame stands. */
struct frame_place {
	struct object_id blob;
	uint64_t off; /* in the blob, bytes */
	uint32_t stored; /* bytes in the blob */
	uint32_t raw; /* plain bytes */
	uint8_t codec; /* enum codec */
};

/* A block and where it stands. */
struct block {
	struct hash hash;
	uint32_t len; /* plain bytes, 1 … BLOCK_MAX */
	uint32_t off; /* in the frame's plain bytes */
	struct frame_place frame;
};

/* A source of ids for one push. After 2^32 ids it draws new random bytes.
 * Threads: one at a time. */
struct object_ids {
	struct object_id next;
};
void object_ids_init(struct object_ids *ids);
struct object_id object_ids_next(struct object_ids *ids);
/* Whether the id came from there, since random bytes were drawn. */
bool object_ids_made(const struct object_ids *ids, const struct object_id *id);

/* Number of blocks of a file under CUT_FIXED_1M, and the length of block i. */
static inline uint64_t block_count(uint64_t size)
{
	return (size + BLOCK_MAX - 1) / BLOCK_MAX;
}

static inline uint32_t block_len(uint64_t size, uint64_t i)
{
	uint64_t left = size - i * BLOCK_MAX;

	return left < BLOCK_MAX ? (uint32_t)left : BLOCK_MAX;
}

/*
 * Compresses `len` bytes (1 … FRAME_RAW_MAX) as one independent zstd frame that
 * bears its content size, appended to `out`. Deterministic. Errors: -ENOMEM,
 * -EFBIG (ceiling of out).
 */
int frame_encode(struct buf *out, const void *data, size_t len, int level);

/*
 * Decodes a frame as stored. Appends exactly place->raw bytes to `out`, whose
 * ceiling must allow it; memory is sized by our limits, not by the frame's
 * claim. `out` is unchanged on failure.
 * Errors: -EBADMSG damaged, or not of the lengths that `place` tells; -ENOMEM;
 * -EFBIG the ceiling of `out` is too low.
 * Threads: any; pure computation.
 */
int frame_decode(struct buf *out, const struct frame_place *place,
		 const void *stored, size_t stored_len, struct err *e);

/*
 * Checks a block inside the plain bytes of its frame: 0, or -EBADMSG when it
 * lies outside or does not hash to its name.
 */
int block_verify(const struct block *b, const void *raw, size_t raw_len,
		 struct err *e);
