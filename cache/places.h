/*
 * Blocks and their places as stored: the part that catalogs, indexes and the
 * tables of packs have in common. Four sections, one behind the other:
 *
 *   hashes  32 bytes a block
 *   blocks   9 bytes a block: frame u24, off u24, len u24
 *   frames  17 bytes a frame: blob u32, codec u8, off u48, stored u24, raw u24
 *   blobs   16 bytes a blob: its id
 *
 * Frames stand in the order in which blocks first use them, blobs in the order
 * in which frames do, and none is unused: the same blocks give the same bytes.
 *
 * Threads: a view is immutable; a set belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/block.h"
#include "s3/base/err.h"
#include "s3/base/span.h"

#define PLACES_BLOCK_LEN 9
#define PLACES_FRAME_LEN 17
#define PLACES_FRAMES_MAX (1u << 24)

/* A view of stored sections, borrowed. The counts are set by the caller. */
struct places {
	uint32_t block_count;
	uint32_t frame_count;
	uint32_t blob_count;
	const unsigned char *hashes;
	const unsigned char *blocks;
	const unsigned char *frames;
	const unsigned char *blobs;
};

/* Bytes of the sections for the counts of `p`. Cannot overflow. */
uint64_t places_size(const struct places *p);
/* Takes the sections from `s` and checks everything in them. -EBADMSG. */
int places_parse(struct places *p, struct span *s, struct err *e);
/* i < block_count. */
void places_at(const struct places *p, uint32_t i, struct block *ret_block);
uint32_t places_frame(const struct places *p, uint32_t i);
uint32_t places_len(const struct places *p, uint32_t i);

/*
 * A set of records of one length, numbered in the order of their first
 * addition.
 */
struct intern {
	unsigned char *records; /* count * len bytes */
	uint32_t count;
	/* private: */
	size_t len;
	uint32_t room;
	uint32_t *slots; /* index + 1, 0 is free */
	size_t slot_count; /* a power of two */
	uint64_t seed;
};
void intern_init(struct intern *t, size_t len);
void intern_done(struct intern *t);
/* -ENOMEM, -EFBIG when there would be more than `max`. */
int intern_add(struct intern *t, const void *record, uint32_t max,
	       uint32_t *ret_index);
bool intern_has(const struct intern *t, const void *record);

/* Frames and blobs for writing. */
struct place_set {
	struct intern frames;
	struct intern blobs;
};
void place_set_init(struct place_set *s);
void place_set_done(struct place_set *s);
/* Can this be stored? Lengths and offset within the limits of the format. */
bool block_is_valid(const struct block *b);
/* The frame's number. Errors: -ENOMEM, -EFBIG. */
int place_set_add(struct place_set *s, const struct frame_place *place,
		  uint32_t *ret_frame);
void place_set_at(const struct place_set *s, uint32_t frame,
		  struct frame_place *ret_place);
/* Writes one record of the section of blocks. */
void places_put(unsigned char *to, uint32_t frame, uint32_t off, uint32_t len);
