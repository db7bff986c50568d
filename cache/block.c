/*
 * A frame is decoded in one call into memory that we size: zstd then needs no
 * window of its own, and a frame that claims more than its place says is
 * refused before a byte is written. The lengths in the place are themselves
 * checked against the ceilings, as they come from catalogs.
 *
 * Frames of blocks carry no checksum of their own: what they yield is always
 * checked against the hash of the block.
 */
#include "cache/block.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "s3/base/clock.h"

#define ID_RANDOM 12

void object_ids_init(struct object_ids *ids)
{
	memset(ids, 0, sizeof(*ids));
	random_bytes(ids->next.bytes, ID_RANDOM);
}

struct object_id object_ids_next(struct object_ids *ids)
{
	struct object_id id = ids->next;

	for (size_t i = OBJECT_ID_LEN; i-- > ID_RANDOM;)
		if (++ids->next.bytes[i])
			return id;
	object_ids_init(ids);
	return id;
}

bool object_ids_made(const struct object_ids *ids, const struct object_id *id)
{
	return !memcmp(id->bytes, ids->next.bytes, ID_RANDOM);
}

int frame_encode(struct buf *out, const void *data, size_t len, int level)
{
	size_t room = ZSTD_compressBound(len), n;
	char *to;

	assert(len && len <= FRAME_RAW_MAX);
	to = buf_reserve(out, room);
	if (!to)
		return buf_error(out);
	n = ZSTD_compress(to, room, data, len, level);
	if (ZSTD_isError(n))
		return -ENOMEM; /* with room for the bound, nothing else can */
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

static int place_check(const struct frame_place *place, size_t stored_len,
		       struct err *e)
{
	if (!place->raw || place->raw > FRAME_RAW_MAX ||
	    place->stored > FRAME_STORED_MAX)
		return err_set(
			e, -EBADMSG,
			"frame of %u bytes, %u stored: beyond the limits",
			place->raw, place->stored);
	if (stored_len != place->stored)
		return err_set(e, -EBADMSG,
			       "frame of %u stored bytes came as %zu",
			       place->stored, stored_len);
	if (place->codec == CODEC_RAW && place->stored != place->raw)
		return err_set(e, -EBADMSG,
			       "plain frame of %u bytes is stored in %u",
			       place->raw, place->stored);
	return 0;
}

static int decode_zstd(char *to, const struct frame_place *place,
		       const void *stored, size_t len, struct err *e)
{
	size_t n;

	if (ZSTD_getFrameContentSize(stored, len) != place->raw ||
	    ZSTD_findFrameCompressedSize(stored, len) != len)
		return err_set(e, -EBADMSG,
			       "frame is damaged: not one zstd frame of %u "
			       "bytes",
			       place->raw);
	n = ZSTD_decompress(to, place->raw, stored, len);
	if (n == place->raw)
		return 0;
	if (ZSTD_isError(n) &&
	    ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation)
		return err_set(e, -ENOMEM, "no memory to decode a frame");
	return err_set(e, -EBADMSG, "frame is damaged: %s",
		       ZSTD_isError(n) ? ZSTD_getErrorName(n) : "too short");
}

int frame_decode(struct buf *out, const struct frame_place *place,
		 const void *stored, size_t stored_len, struct err *e)
{
	char *to;
	int r;

	r = place_check(place, stored_len, e);
	if (r)
		return r;
	to = buf_reserve(out, place->raw);
	if (!to)
		return err_set(e, buf_error(out),
			       "no room for a frame of %u bytes", place->raw);
	switch (place->codec) {
	case CODEC_RAW:
		memcpy(to, stored, stored_len);
		break;
	case CODEC_ZSTD:
		r = decode_zstd(to, place, stored, stored_len, e);
		break;
	default:
		r = err_set(e, -EBADMSG, "frame of an unknown codec %u",
			    place->codec);
	}
	if (r) {
		out->data[out->len] = '\0';
		return r;
	}
	out->len += place->raw;
	out->data[out->len] = '\0';
	return 0;
}

int block_verify(const struct block *b, const void *raw, size_t raw_len,
		 struct err *e)
{
	char hex[HASH_HEX];
	struct hash got;

	hex_encode(hex, b->hash.bytes, HASH_LEN);
	if (b->len > BLOCK_MAX || b->off > raw_len || b->len > raw_len - b->off)
		return err_set(e, -EBADMSG,
			       "block %s lies outside its frame of %zu bytes",
			       hex, raw_len);
	hash_of(&got, (const char *)raw + b->off, b->len);
	if (!hash_equal(&got, &b->hash))
		return err_set(e, -EBADMSG,
			       "content does not hash to its name %s", hex);
	return 0;
}
