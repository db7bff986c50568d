/*
 * Blocks are sorted by place. A run of frames of one blob becomes a range; the
 * last one of a blob takes the blob's end along where that is near, since a
 * pack's table of contents is there. Else the end is a range of its own.
 *
 * A blob of one large file may have no table. A pack has one: it is told by a
 * block that does not begin its frame, as a tar header is before it.
 */
#include "tools/blobcheck.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "cache/pack_toc.h"
#include "cache/tree.h"
#include "tools/keylist.h"
#include "tools/ranges.h"

#define GAP_MAX (1u << 20) /* bytes read over */
#define TAIL (1u << 20) /* of a blob, when it is read alone; or more */
#define KEY_ROOM (TREE_POOL_MAX + 64)

/* Blocks [first, first + count) of one blob, and what is read of it. */
struct part {
	struct range range;
	struct blobcheck *check;
	char key[KEY_ROOM];
	struct blobcheck_block *blocks; /* in this range; borrowed */
	size_t count;
	uint64_t size; /* of the blob */
	bool tail; /* reaches the blob's end */
	bool damaged; /* something in it was */
	bool second; /* it is read again because of that */
	/* Of the whole blob, for its table: */
	struct blobcheck_block *all;
	size_t all_count;
};

static int compare(const void *a, const void *b)
{
	const struct block *x = &((const struct blobcheck_block *)a)->block;
	const struct block *y = &((const struct blobcheck_block *)b)->block;
	int r = memcmp(&x->frame.blob, &y->frame.blob, sizeof(x->frame.blob));

	if (!r && x->frame.off != y->frame.off)
		r = x->frame.off < y->frame.off ? -1 : 1;
	if (!r && x->off != y->off)
		r = x->off < y->off ? -1 : 1;
	return r;
}

static void tell(struct part *p, const struct blobcheck_block *b,
		 const char *text)
{
	p->check->bad(p->check->arg, b->owner, p->key, &b->block.hash, text);
}

static void through(struct part *p)
{
	for (size_t i = 0; i < p->count; i++)
		p->check->checked(p->check->arg, &p->blocks[i]);
}

/* All of them have the same trouble. */
static void tell_all(struct part *p, struct blobcheck_block *blocks,
		     size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (!i || blocks[i].owner != blocks[i - 1].owner)
			p->check->bad(p->check->arg, blocks[i].owner, p->key,
				      NULL, text);
}

/* It may have been damaged on the way: told when it has come twice. */
static void wrong_each(struct part *p, struct blobcheck_block *blocks,
		       size_t count, const char *text)
{
	if (!p->second) {
		p->damaged = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		tell(p, &blocks[i], text);
}

/* ---- content ------------------------------------------------------------- */

static bool same_frame(const struct frame_place *a, const struct frame_place *b)
{
	return a->off == b->off && a->stored == b->stored && a->raw == b->raw &&
	       a->codec == b->codec;
}

/* count: of the blocks that have the place of the first. */
static void check_frame(struct part *p, struct blobcheck_block *blocks,
			size_t count)
{
	CLEANUP_BUF struct buf raw = BUF_INIT(FRAME_RAW_MAX);
	const struct frame_place *place = &blocks->block.frame;
	uint64_t off = place->off - p->range.off;
	struct err e = { 0 };

	if (off + place->stored > p->range.out.len) {
		wrong_each(p, blocks, count, "the blob ends before it");
		return;
	}
	if (frame_decode(&raw, place, p->range.out.data + off, place->stored,
			 &e)) {
		wrong_each(p, blocks, count, e.text);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (block_verify(&blocks[i].block, raw.data, raw.len, &e))
			wrong_each(p, &blocks[i], 1, e.text);
}

static void check_frames(struct part *p)
{
	size_t n;

	for (size_t i = 0; i < p->count; i += n) {
		struct blobcheck_block *b = &p->blocks[i];

		for (n = 1; i + n < p->count &&
			    same_frame(&b->block.frame, &b[n].block.frame);
		     n++)
			;
		check_frame(p, b, n);
	}
}

/* ---- the table of contents ----------------------------------------------- */

static int compare_blocks(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	if (x->frame.off != y->frame.off)
		return x->frame.off < y->frame.off ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}

static bool agrees(const struct block *ours, const struct block *toc,
		   size_t count)
{
	const struct block *theirs =
		bsearch(ours, toc, count, sizeof(*toc), compare_blocks);

	return theirs && hash_equal(&ours->hash, &theirs->hash) &&
	       ours->len == theirs->len &&
	       same_frame(&ours->frame, &theirs->frame);
}

static void check_toc(struct part *p, const struct pack_toc *toc)
{
	size_t count = pack_toc_block_count(toc);
	CLEANUP_FREE struct block *blocks = calloc(count + 1, sizeof(*blocks));

	if (!blocks) {
		tell(p, p->all, "its table of contents: out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++)
		pack_toc_block_at(toc, (uint32_t)i, &blocks[i]);
	qsort(blocks, count, sizeof(*blocks), compare_blocks);
	for (size_t i = 0; i < p->all_count; i++)
		if (!agrees(&p->all[i].block, blocks, count))
			tell(p, &p->all[i],
			     "the blob's table of contents does not have it "
			     "there");
}

/* True: the table begins before what was read, and is read again. */
static bool check_tail(struct part *p)
{
	CLEANUP(pack_toc_freep) struct pack_toc *toc = NULL;
	const struct buf *out = &p->range.out;
	struct pack_toc_place at;
	struct err e = { 0 };

	if (p->range.off + out->len != p->size) {
		tell_all(p, p->all, p->all_count,
			 "the blob is not as long as it was listed");
		return false;
	}
	if (pack_footer_parse(&at, out->data, out->len, p->size, &e)) {
		tell_all(p, p->all, p->all_count, e.text);
		return false;
	}
	if (at.off < p->range.off) {
		p->range.off = at.off;
		p->range.len = p->size - at.off;
		p->count = 0; /* those are through */
		return p->range.len <= RANGE_MAX;
	}
	if (memcmp(&at.id, &p->all->block.frame.blob, sizeof(at.id)) != 0)
		tell_all(p, p->all, p->all_count, "the blob is another one");
	else if (pack_toc_parse(&toc, &at, out->data + (at.off - p->range.off),
				at.stored, &e))
		tell_all(p, p->all, p->all_count, e.text);
	else
		check_toc(p, toc);
	return false;
}

static bool use(struct range *r)
{
	struct part *p = container_of(r, struct part, range);
	bool again = false;

	if (r->req.err.code == -ECANCELED)
		return false;
	if (r->req.err.code) {
		if (p->count)
			tell_all(p, p->blocks, p->count, r->req.err.text);
		else
			tell_all(p, p->all, p->all_count, r->req.err.text);
	} else {
		check_frames(p);
		if (p->damaged && !p->second) {
			p->second = true;
			return true;
		}
	}
	through(p);
	if (r->req.err.code == -ETIMEDOUT)
		ranges_stop(r->ranges); /* the others would fare no better */
	if (!r->req.err.code && p->tail)
		again = check_tail(p);
	return again;
}

static void drop(struct range *r)
{
	free(container_of(r, struct part, range));
}

/* ---- ranges -------------------------------------------------------------- */

struct blob {
	struct blobcheck *check;
	struct ranges *ranges;
	char key[KEY_ROOM];
	uint64_t size;
	struct blobcheck_block *blocks;
	size_t count;
};

static int read_part(const struct blob *b, size_t first, size_t count,
		     uint64_t off, uint64_t end)
{
	struct part *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->check = b->check;
	memcpy(p->key, b->key, sizeof(p->key));
	p->range.key = p->key;
	p->range.off = off;
	p->range.len = end - off;
	p->range.use = use;
	p->range.drop = drop;
	p->blocks = b->blocks + first;
	p->count = count;
	p->size = b->size;
	p->tail = end == b->size;
	p->all = b->blocks;
	p->all_count = b->count;
	return ranges_add(b->ranges, &p->range);
}

static uint64_t end_of(const struct blobcheck_block *b)
{
	return b->block.frame.off + b->block.frame.stored;
}

static int read_blob(const struct blob *b)
{
	uint64_t end = 0;
	size_t first = 0;

	while (first < b->count) {
		uint64_t off = b->blocks[first].block.frame.off;
		size_t n = 0;
		int r;

		if (off <= GAP_MAX && !first)
			off = 0; /* a pack that is needed as a whole */
		end = end_of(&b->blocks[first]);
		while (first + n < b->count) {
			const struct blobcheck_block *next =
				&b->blocks[first + n];
			uint64_t next_end = end_of(next);

			if (next->block.frame.off > end + GAP_MAX ||
			    next_end - off > RANGE_MAX)
				break;
			end = next_end > end ? next_end : end;
			n++;
		}
		first += n;
		if (first == b->count && b->size - end <= GAP_MAX &&
		    b->size - off <= RANGE_MAX)
			end = b->size;
		r = read_part(b, first - n, n, off, end);
		if (r)
			return r;
	}
	if (end == b->size)
		return 0;
	return read_part(b, 0, 0, b->size > TAIL ? b->size - TAIL : 0, b->size);
}

/* Tells of what the LIST shows to be wrong, and leaves it out: to the front of
 * the blob's blocks come those that can be read. */
static void check_listed(struct blob *b, bool found)
{
	struct part p = { .check = b->check };
	size_t kept = 0;

	memcpy(p.key, b->key, sizeof(p.key));
	for (size_t i = 0; i < b->count; i++) {
		const struct blobcheck_block *block = &b->blocks[i];

		if (found && end_of(block) <= b->size) {
			b->blocks[kept++] = *block;
			continue;
		}
		tell(&p, block,
		     found ? "the blob ends before it"
			   : "there is no such blob");
		b->check->checked(b->check->arg, block);
	}
	b->count = kept;
}

static int check_blob(struct blobcheck *c, struct ranges *q,
		      struct blobcheck_block *blocks, size_t count)
{
	CLEANUP_BUF struct buf key = BUF_INIT(KEY_ROOM - 1);
	const struct store_list_entry *listed;
	struct blob b = {
		.check = c,
		.ranges = q,
		.blocks = blocks,
		.count = count,
	};

	if (name_blob(&key, c->pool_dir, &blocks->block.frame.blob))
		return buf_error(&key);
	memcpy(b.key, key.data, key.len + 1);
	listed = keylist_find(c->blobs, b.key, key.len);
	b.size = listed ? listed->object.size : 0;
	check_listed(&b, listed);
	c->blob_count++;
	if (!c->list_only)
		return b.count ? read_blob(&b) : 0;
	for (size_t i = 0; i < b.count; i++)
		c->checked(c->arg, &b.blocks[i]);
	return 0;
}

static void count_frames(struct blobcheck *c,
			 const struct blobcheck_block *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		c->frames += !i ||
			     blocks[i].block.frame.off !=
				     blocks[i - 1].block.frame.off ||
			     memcmp(&blocks[i].block.frame.blob,
				    &blocks[i - 1].block.frame.blob,
				    OBJECT_ID_LEN);
}

int blobcheck_run(struct blobcheck *c, struct blobcheck_block *blocks,
		  size_t count)
{
	struct ranges q;
	size_t n;
	int r = 0, wait;

	qsort(blocks, count, sizeof(*blocks), compare);
	count_frames(c, blocks, count);
	ranges_init(&q, c->store, c->pool);
	for (size_t i = 0; i < count && !r; i += n) {
		for (n = 1;
		     i + n < count &&
		     !memcmp(&blocks[i].block.frame.blob,
			     &blocks[i + n].block.frame.blob, OBJECT_ID_LEN);
		     n++)
			;
		r = check_blob(c, &q, &blocks[i], n);
	}
	if (r)
		ranges_stop(&q);
	wait = ranges_wait(&q);
	ranges_done(&q);
	return r ?: wait;
}
