/*
 * Keys: segments by big-endian number, so that the order is that of age; blocks
 * by id; ghosts by the first 8 bytes of the id. Values are little-endian
 * records of fixed length; one of another length is treated as absent.
 *
 *	segment: state u8, queue u8, indexed u8, zero u8, size u32, room u32,
 *		 boot u64, born u64
 *	block:	 segment u64, off u32, len u32, uses u8
 */
#include "cache/segindex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "s3/base/span.h"

#define SEGMENT_VALUE 28
#define BLOCK_VALUE 17
#define BLOCK_PLACE 16 /* the part of it that tells the place */
#define GHOST_KEY 8
#define NEXT_KEY "next-segment"

uint64_t segindex_boot(void)
{
	CLEANUP_BUF struct buf text = BUF_INIT(4096);
	struct hash h;
	uint64_t boot;

	if (io_read_file("/proc/sys/kernel/random/boot_id", &text, NULL))
		return 0;
	hash_of(&h, text.data, text.len);
	memcpy(&boot, h.bytes, sizeof(boot));
	return boot;
}

uint64_t segindex_counted(const struct segment_entry *s)
{
	return s->state == SEGMENT_OPEN && s->room > s->size ? s->room
							     : s->size;
}

static void put_be64(uint8_t out[8], uint64_t v)
{
	for (size_t i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static void put_le(uint8_t *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

/* ---- segments ------------------------------------------------------------ */

static int decode_segment(const void *key, size_t key_len, const void *value,
			  size_t len, struct segment_entry *out)
{
	struct span s = span_of(value, len);
	const uint8_t *k = key;

	if (key_len != 8 || len != SEGMENT_VALUE)
		return -EBADMSG;
	out->number = 0;
	for (size_t i = 0; i < 8; i++)
		out->number = out->number << 8 | k[i];
	out->state = span_u8(&s);
	out->queue = span_u8(&s) == QUEUE_MAIN ? QUEUE_MAIN : QUEUE_PROBATION;
	out->indexed = span_u8(&s);
	(void)span_u8(&s);
	out->size = span_u32(&s);
	out->room = span_u32(&s);
	out->boot = span_u64(&s);
	out->born_s = (int64_t)span_u64(&s);
	return 0;
}

static int get_segment(struct cachedb_txn *t, uint64_t number,
		       struct segment_entry *out)
{
	uint8_t key[8];
	const void *value;
	size_t len;
	int r;

	put_be64(key, number);
	r = cachedb_txn_get(t, CACHEDB_SEGMENTS, key, sizeof(key), &value,
			    &len);
	return r ? r : decode_segment(key, sizeof(key), value, len, out);
}

static int put_segment(struct cachedb_txn *t, const struct segment_entry *s)
{
	uint8_t key[8], value[SEGMENT_VALUE] = { 0 };

	put_be64(key, s->number);
	value[0] = (uint8_t)s->state;
	value[1] = (uint8_t)s->queue;
	value[2] = s->indexed;
	put_le(value + 4, s->size, 4);
	put_le(value + 8, s->room, 4);
	put_le(value + 12, s->boot, 8);
	put_le(value + 20, (uint64_t)s->born_s, 8);
	return cachedb_txn_put(t, CACHEDB_SEGMENTS, key, sizeof(key), value,
			       sizeof(value));
}

static int add_counted(const void *key, size_t key_len, const void *value,
		       size_t len, void *arg)
{
	struct segment_entry s;
	uint64_t *sum = arg;

	if (!decode_segment(key, key_len, value, len, &s))
		*sum += segindex_counted(&s);
	return 0;
}

static int sum_used(struct cachedb_txn *t, void *arg)
{
	return cachedb_txn_walk(t, CACHEDB_SEGMENTS, add_counted, arg);
}

int segindex_used(struct cachedb *db, uint64_t *ret_used)
{
	uint64_t used = 0;
	int r = cachedb_view(db, sum_used, &used);

	if (!r)
		*ret_used = used;
	return r;
}

struct listing {
	struct segment_entry *entries;
	size_t count, room;
};

static int add_entry(const void *key, size_t key_len, const void *value,
		     size_t len, void *arg)
{
	struct listing *l = arg;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 256;
		struct segment_entry *entries =
			reallocarray(l->entries, room, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		l->entries = entries;
		l->room = room;
	}
	if (!decode_segment(key, key_len, value, len, &l->entries[l->count]))
		l->count++;
	return 0;
}

static int list_all(struct cachedb_txn *t, void *arg)
{
	return cachedb_txn_walk(t, CACHEDB_SEGMENTS, add_entry, arg);
}

int segindex_list(struct cachedb *db, struct segment_entry **ret_entries,
		  size_t *ret_count)
{
	struct listing l = { 0 };
	int r = cachedb_view(db, list_all, &l);

	if (r) {
		free(l.entries);
		return r;
	}
	*ret_entries = l.entries;
	*ret_count = l.count;
	return 0;
}

/* A change of one segment, and the answer. */
struct segment_change {
	struct segment_entry entry;
	uint64_t limit;
};

static int has_room(struct cachedb_txn *t, uint64_t more, uint64_t limit)
{
	uint64_t used = 0;
	int r = sum_used(t, &used);

	if (r)
		return r;
	return used + more > limit ? -ENOSPC : 0;
}

static int take_number(struct cachedb_txn *t, uint64_t least,
		       uint64_t *ret_number)
{
	const size_t key_len = strlen(NEXT_KEY);
	uint64_t number = 1;
	const void *value;
	uint8_t next[8];
	size_t len;
	int r = cachedb_txn_get(t, CACHEDB_META, NEXT_KEY, key_len, &value,
				&len);

	if (r && r != -ENOENT)
		return r;
	if (!r) {
		struct span s = span_of(value, len);

		number = span_u64(&s);
	}
	if (number < least)
		number = least;
	put_le(next, number + 1, sizeof(next));
	*ret_number = number;
	return cachedb_txn_put(t, CACHEDB_META, NEXT_KEY, key_len, next,
			       sizeof(next));
}

static int do_create(struct cachedb_txn *t, void *arg)
{
	struct segment_change *c = arg;
	int r = has_room(t, c->entry.room, c->limit);

	if (!r)
		r = take_number(t, 0, &c->entry.number);
	return r ? r : put_segment(t, &c->entry);
}

int segindex_create(struct cachedb *db, enum segment_queue queue, uint32_t room,
		    uint64_t limit, struct segment_entry *ret_entry)
{
	struct segment_change c = {
		.entry = { .state = SEGMENT_OPEN,
			   .queue = queue,
			   .room = room,
			   .boot = segindex_boot(),
			   .born_s = clock_wall_s() },
		.limit = limit,
	};
	int r = cachedb_update(db, do_create, &c);

	if (!r)
		*ret_entry = c.entry;
	return r;
}

static int do_adopt(struct cachedb_txn *t, void *arg)
{
	struct segment_change *c = arg;
	uint32_t end = c->entry.size;
	struct segment_entry now;
	int r = get_segment(t, c->entry.number, &now);

	if (r)
		return r == -ENOENT ? -ESTALE : r;
	if (now.state != SEGMENT_OPEN || !now.indexed || end < now.size)
		return -ESTALE;
	r = has_room(t, 0, c->limit);
	if (r)
		return r;
	now.indexed = false;
	now.size = end;
	now.boot = c->entry.boot;
	c->entry = now;
	return put_segment(t, &now);
}

int segindex_adopt(struct cachedb *db, uint64_t number, uint32_t end,
		   uint64_t limit, struct segment_entry *ret_entry)
{
	struct segment_change c = {
		.entry = { .number = number,
			   .size = end,
			   .boot = segindex_boot() },
		.limit = limit,
	};
	int r = cachedb_update(db, do_adopt, &c);

	if (!r)
		*ret_entry = c.entry;
	return r;
}

static int do_update(struct cachedb_txn *t, void *arg)
{
	const struct segment_change *c = arg;
	struct segment_entry now;
	int r = get_segment(t, c->entry.number, &now);

	if (r)
		return r == -ENOENT ? -ESTALE : r;
	if (now.state == SEGMENT_DYING && c->entry.state != SEGMENT_DYING)
		return -ESTALE;
	return put_segment(t, &c->entry);
}

int segindex_update(struct cachedb *db, const struct segment_entry *s)
{
	struct segment_change c = { .entry = *s };

	return cachedb_update(db, do_update, &c);
}

static int do_found(struct cachedb_txn *t, void *arg)
{
	const struct segment_change *c = arg;
	struct segment_entry now;
	uint64_t next;
	int r = get_segment(t, c->entry.number, &now);

	if (r != -ENOENT)
		return r;
	r = take_number(t, c->entry.number, &next);
	return r ? r : put_segment(t, &c->entry);
}

int segindex_found(struct cachedb *db, const struct segment_entry *s)
{
	struct segment_change c = { .entry = *s };

	return cachedb_update(db, do_found, &c);
}

static int do_remove(struct cachedb_txn *t, void *arg)
{
	return cachedb_txn_erase(t, CACHEDB_SEGMENTS, arg, 8);
}

int segindex_remove(struct cachedb *db, uint64_t number)
{
	uint8_t key[8];

	put_be64(key, number);
	return cachedb_update(db, do_remove, key);
}

/* ---- blocks -------------------------------------------------------------- */

static int decode_block(const void *value, size_t len, struct block_place *out)
{
	struct span s = span_of(value, len);

	if (len != BLOCK_VALUE)
		return -ENOENT;
	out->segment = span_u64(&s);
	out->off = span_u32(&s);
	out->len = span_u32(&s);
	out->uses = span_u8(&s);
	return out->len && out->len <= RECORD_MAX ? 0 : -ENOENT;
}

static void encode_block(uint8_t out[BLOCK_VALUE], const struct block_place *p)
{
	put_le(out, p->segment, 8);
	put_le(out + 8, p->off, 4);
	put_le(out + 12, p->len, 4);
	out[16] = p->uses;
}

static bool same_place(const struct block_place *a, const struct block_place *b)
{
	return a->segment == b->segment && a->off == b->off && a->len == b->len;
}

int segindex_block(struct cachedb *db, const struct hash *id,
		   struct block_place *ret_place)
{
	CLEANUP_BUF struct buf value = BUF_INIT(BLOCK_VALUE);
	int r = cachedb_get(db, CACHEDB_BLOCKS, id->bytes, HASH_LEN, &value);

	return r ? r : decode_block(value.data, value.len, ret_place);
}

int segindex_block_put(struct cachedb *db, const struct hash *id,
		       const struct block_place *place)
{
	uint8_t value[BLOCK_VALUE];

	encode_block(value, place);
	return cachedb_put(db, CACHEDB_BLOCKS, id->bytes, HASH_LEN, value,
			   sizeof(value));
}

void segindex_block_drop(struct cachedb *db, const struct hash *id,
			 const struct block_place *place)
{
	uint8_t value[BLOCK_VALUE];

	encode_block(value, place);
	/* Should it fail, the next look-up meets the same and tries again. */
	(void)cachedb_erase_if(db, CACHEDB_BLOCKS, id->bytes, HASH_LEN, value,
			       BLOCK_PLACE);
}

bool segindex_ghost(struct cachedb *db, const struct hash *id)
{
	return !cachedb_get(db, CACHEDB_GHOSTS, id->bytes, GHOST_KEY, NULL);
}

static int get_block(struct cachedb_txn *t, const struct hash *id,
		     struct block_place *out)
{
	const void *value;
	size_t len;
	int r = cachedb_txn_get(t, CACHEDB_BLOCKS, id->bytes, HASH_LEN, &value,
				&len);

	return r ? r : decode_block(value, len, out);
}

static int put_block(struct cachedb_txn *t, const struct hash *id,
		     const struct block_place *place)
{
	uint8_t value[BLOCK_VALUE];

	encode_block(value, place);
	return cachedb_txn_put(t, CACHEDB_BLOCKS, id->bytes, HASH_LEN, value,
			       sizeof(value));
}

struct found {
	uint64_t segment;
	const struct record *recs;
	size_t count;
};

static int do_blocks_found(struct cachedb_txn *t, void *arg)
{
	const struct found *f = arg;

	for (size_t i = 0; i < f->count; i++) {
		const struct block_place place = {
			.segment = f->segment,
			.off = f->recs[i].off,
			.len = f->recs[i].len,
		};
		struct block_place now;
		int r = get_block(t, &f->recs[i].id, &now);

		if (r == -ENOENT)
			r = put_block(t, &f->recs[i].id, &place);
		if (r)
			return r;
	}
	return 0;
}

int segindex_blocks_found(struct cachedb *db, uint64_t segment,
			  const struct record *recs, size_t count)
{
	struct found f = { .segment = segment, .recs = recs, .count = count };

	return count ? cachedb_update(db, do_blocks_found, &f) : 0;
}

struct used {
	const struct hash *ids;
	size_t count;
};

static int do_blocks_used(struct cachedb_txn *t, void *arg)
{
	const struct used *u = arg;

	for (size_t i = 0; i < u->count; i++) {
		struct block_place place;
		int r = get_block(t, &u->ids[i], &place);

		if (!r && place.uses < USES_MAX) {
			place.uses++;
			r = put_block(t, &u->ids[i], &place);
		}
		if (r && r != -ENOENT)
			return r;
	}
	return 0;
}

int segindex_blocks_used(struct cachedb *db, const struct hash *ids,
			 size_t count)
{
	struct used u = { .ids = ids, .count = count };

	return count ? cachedb_update(db, do_blocks_used, &u) : 0;
}

struct moves {
	struct block_move *out;
	const struct block_move *in;
	size_t count;
};

static int do_blocks_live(struct cachedb_txn *t, void *arg)
{
	struct moves *m = arg;

	for (size_t i = 0; i < m->count; i++) {
		struct block_move *move = &m->out[i];
		struct block_place now;
		int r = get_block(t, &move->id, &now);

		if (r && r != -ENOENT)
			return r;
		move->live = !r && same_place(&now, &move->from);
		if (move->live)
			move->from.uses = now.uses;
	}
	return 0;
}

int segindex_blocks_live(struct cachedb *db, struct block_move *moves,
			 size_t count)
{
	struct moves m = { .out = moves, .count = count };

	return count ? cachedb_view(db, do_blocks_live, &m) : 0;
}

static int do_blocks_move(struct cachedb_txn *t, void *arg)
{
	const struct moves *m = arg;

	for (size_t i = 0; i < m->count; i++) {
		const struct block_move *move = &m->in[i];
		struct block_place now;
		int r = get_block(t, &move->id, &now);

		if (r == -ENOENT || (!r && !same_place(&now, &move->from)))
			continue;
		if (!r && move->keep)
			r = put_block(t, &move->id, &move->to);
		else if (!r)
			r = cachedb_txn_erase(t, CACHEDB_BLOCKS, move->id.bytes,
					      HASH_LEN);
		if (!r && move->ghost)
			r = cachedb_txn_put(t, CACHEDB_GHOSTS, move->id.bytes,
					    GHOST_KEY, "", 0);
		if (r)
			return r;
	}
	return 0;
}

int segindex_blocks_move(struct cachedb *db, const struct block_move *moves,
			 size_t count)
{
	struct moves m = { .in = moves, .count = count };

	return count ? cachedb_update(db, do_blocks_move, &m) : 0;
}
