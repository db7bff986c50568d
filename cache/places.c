/*
 * Sets are open-addressed tables of indexes over one array of records, which
 * are kept as they will be stored. Hashing is seeded at random, against chosen
 * collisions; the order of the records does not depend on it.
 */
#include "cache/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/le.h"
#include "s3/base/clock.h"
#include "s3/base/table.h"

#define OFF_MAX ((1ull << 48) - 1)

void places_put(unsigned char *to, uint32_t frame, uint32_t off, uint32_t len)
{
	put_le24(to, frame);
	put_le24(to + 3, off);
	put_le24(to + 6, len);
}

uint32_t places_frame(const struct places *p, uint32_t i)
{
	return get_le24(p->blocks + (size_t)i * PLACES_BLOCK_LEN);
}

uint32_t places_len(const struct places *p, uint32_t i)
{
	return get_le24(p->blocks + (size_t)i * PLACES_BLOCK_LEN + 6);
}

static void frame_get(const unsigned char *frame, const unsigned char *blobs,
		      struct frame_place *ret_place)
{
	memcpy(ret_place->blob.bytes,
	       blobs + (size_t)get_le32(frame) * OBJECT_ID_LEN, OBJECT_ID_LEN);
	ret_place->codec = frame[4];
	ret_place->off = get_le48(frame + 5);
	ret_place->stored = get_le24(frame + 11);
	ret_place->raw = get_le24(frame + 14);
}

void places_at(const struct places *p, uint32_t i, struct block *ret_block)
{
	const unsigned char *b = p->blocks + (size_t)i * PLACES_BLOCK_LEN;

	memcpy(ret_block->hash.bytes, p->hashes + (size_t)i * HASH_LEN,
	       HASH_LEN);
	ret_block->off = get_le24(b + 3);
	ret_block->len = get_le24(b + 6);
	frame_get(p->frames + (size_t)get_le24(b) * PLACES_FRAME_LEN, p->blobs,
		  &ret_block->frame);
}

uint64_t places_size(const struct places *p)
{
	return (uint64_t)p->block_count * (HASH_LEN + PLACES_BLOCK_LEN) +
	       (uint64_t)p->frame_count * PLACES_FRAME_LEN +
	       (uint64_t)p->blob_count * OBJECT_ID_LEN;
}

static bool frame_is_valid(const struct frame_place *f)
{
	if (!f->raw || f->raw > FRAME_RAW_MAX || !f->stored ||
	    f->stored > FRAME_STORED_MAX || f->off > OFF_MAX - f->stored)
		return false;
	if (f->codec == CODEC_RAW)
		return f->stored == f->raw;
	return f->codec == CODEC_ZSTD;
}

bool block_is_valid(const struct block *b)
{
	return frame_is_valid(&b->frame) && b->len && b->len <= BLOCK_MAX &&
	       b->off <= b->frame.raw && b->len <= b->frame.raw - b->off;
}

static int frames_check(const struct places *p, struct err *e)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < p->frame_count; i++) {
		const unsigned char *rec =
			p->frames + (size_t)i * PLACES_FRAME_LEN;
		uint32_t blob = get_le32(rec);
		struct frame_place f;

		if (blob > next || blob >= p->blob_count)
			return err_set(e, -EBADMSG,
				       "frame %u names blob %u out of turn", i,
				       blob);
		next += blob == next;
		frame_get(rec, p->blobs, &f);
		if (!frame_is_valid(&f))
			return err_set(e, -EBADMSG,
				       "frame %u has impossible lengths", i);
	}
	if (next != p->blob_count)
		return err_set(e, -EBADMSG, "%u blobs, %u of them used",
			       p->blob_count, next);
	return 0;
}

static int blocks_check(const struct places *p, struct err *e)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < p->block_count; i++) {
		uint32_t frame = places_frame(p, i);
		struct block b;

		if (frame > next || frame >= p->frame_count)
			return err_set(e, -EBADMSG,
				       "block %u names frame %u out of turn", i,
				       frame);
		next += frame == next;
		places_at(p, i, &b);
		if (!block_is_valid(&b))
			return err_set(e, -EBADMSG,
				       "block %u lies outside its frame", i);
	}
	if (next != p->frame_count)
		return err_set(e, -EBADMSG, "%u frames, %u of them used",
			       p->frame_count, next);
	return 0;
}

int places_parse(struct places *p, struct span *s, struct err *e)
{
	int r;

	if (places_size(p) > s->left)
		return err_set(e, -EBADMSG, "cut short: %u blocks, %u frames",
			       p->block_count, p->frame_count);
	p->hashes = span_take(s, (size_t)p->block_count * HASH_LEN);
	p->blocks = span_take(s, (size_t)p->block_count * PLACES_BLOCK_LEN);
	p->frames = span_take(s, (size_t)p->frame_count * PLACES_FRAME_LEN);
	p->blobs = span_take(s, (size_t)p->blob_count * OBJECT_ID_LEN);
	r = frames_check(p, e);
	return r ? r : blocks_check(p, e);
}

void intern_init(struct intern *t, size_t len)
{
	memset(t, 0, sizeof(*t));
	t->len = len;
	random_bytes(&t->seed, sizeof(t->seed));
}

void intern_done(struct intern *t)
{
	free(t->records);
	free(t->slots);
	t->records = NULL;
	t->slots = NULL;
	t->slot_count = 0;
	t->count = 0;
	t->room = 0;
}

/* The slot of an equal record, or the free one where it would stand. */
static uint32_t *slot_of(const struct intern *t, const void *record)
{
	size_t at = table_sum(t->seed, record, t->len);

	for (;; at++) {
		uint32_t *slot = &t->slots[at & (t->slot_count - 1)];

		if (!*slot ||
		    !memcmp(t->records + (*slot - 1) * t->len, record, t->len))
			return slot;
	}
}

static int grow_slots(struct intern *t)
{
	size_t count = t->slot_count ? 2 * t->slot_count : 64;
	uint32_t *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	free(t->slots);
	t->slots = slots;
	t->slot_count = count;
	for (uint32_t i = 0; i < t->count; i++)
		*slot_of(t, t->records + (size_t)i * t->len) = i + 1;
	return 0;
}

static int grow_records(struct intern *t)
{
	uint32_t room = t->room ? 2 * t->room : 32;
	unsigned char *records = realloc(t->records, (size_t)room * t->len);

	if (!records)
		return -ENOMEM;
	t->records = records;
	t->room = room;
	return 0;
}

int intern_add(struct intern *t, const void *record, uint32_t max,
	       uint32_t *ret_index)
{
	uint32_t *slot;

	if (2 * (size_t)t->count >= t->slot_count && grow_slots(t))
		return -ENOMEM;
	slot = slot_of(t, record);
	if (!*slot) {
		if (t->count >= max)
			return -EFBIG;
		if (t->count == t->room && grow_records(t))
			return -ENOMEM;
		memcpy(t->records + (size_t)t->count * t->len, record, t->len);
		*slot = ++t->count;
	}
	*ret_index = *slot - 1;
	return 0;
}

bool intern_has(const struct intern *t, const void *record)
{
	return t->slot_count && *slot_of(t, record);
}

void place_set_init(struct place_set *s)
{
	intern_init(&s->frames, PLACES_FRAME_LEN);
	intern_init(&s->blobs, OBJECT_ID_LEN);
}

void place_set_done(struct place_set *s)
{
	intern_done(&s->frames);
	intern_done(&s->blobs);
}

int place_set_add(struct place_set *s, const struct frame_place *place,
		  uint32_t *ret_frame)
{
	unsigned char rec[PLACES_FRAME_LEN];
	uint32_t blob;
	int r;

	r = intern_add(&s->blobs, place->blob.bytes, PLACES_FRAMES_MAX, &blob);
	if (r)
		return r;
	put_le32(rec, blob);
	rec[4] = place->codec;
	put_le48(rec + 5, place->off);
	put_le24(rec + 11, place->stored);
	put_le24(rec + 14, place->raw);
	return intern_add(&s->frames, rec, PLACES_FRAMES_MAX, ret_frame);
}

void place_set_at(const struct place_set *s, uint32_t frame,
		  struct frame_place *ret_place)
{
	frame_get(s->frames.records + (size_t)frame * PLACES_FRAME_LEN,
		  s->blobs.records, ret_place);
}
