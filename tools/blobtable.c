/*
 * The table stands behind the last block, which is always in the index: what
 * follows that block's end is asked for, whatever its length, and read from its
 * end as any table. Blobs of packs are asked, too, where a large file shares a
 * block with them; that is rare, and right.
 */
#include "tools/blobtable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "cache/pack_toc.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define AT_ONCE 16 /* GETs */
#define TAIL_MAX (2ull * PACK_TOC_MAX) /* any table, and what is around it */

struct blob {
	struct object_id id;
	uint64_t end; /* of the last block that an index names */
	struct buf key, data;
	struct store_req req;
	struct store_wait wait;
};

struct search {
	const struct inventory *inv;
	struct blob *blobs; /* owned */
	size_t count, room;
};

static void search_done(struct search *s)
{
	free(s->blobs);
}

static int note_blob(void *arg, const struct block *block)
{
	const struct object_id *id = &block->frame.blob;
	struct search *s = arg;

	/* Neighbours mostly stand in one blob. */
	for (size_t i = s->count; i > 0; i--) {
		if (!memcmp(&s->blobs[i - 1].id, id, sizeof(*id)))
			return 0;
	}
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct blob *more = reallocarray(s->blobs, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->blobs = more;
		s->room = room;
	}
	/* 0 where the tree alone names it. */
	s->blobs[s->count++] = (struct blob){
		.id = *id,
		.end = inventory_blob_end(s->inv, id),
	};
	return 0;
}

static int begin(struct store *s, struct blob *b, const char *pool,
		 struct err *e)
{
	buf_init(&b->key, STORE_KEY_MAX);
	buf_init(&b->data, TAIL_MAX);
	if (name_blob(&b->key, pool, &b->id))
		return err_set(e, -ENOMEM, "out of memory");
	store_req_init(&b->req, STORE_GET, b->key.data);
	b->req.offset = b->end;
	b->req.length = TAIL_MAX;
	b->req.out = &b->data;
	store_begin(s, &b->req, &b->wait);
	return 0;
}

static bool is_gone(void *arg, const struct object_id *blob)
{
	return !memcmp(arg, blob, sizeof(*blob));
}

static int offer_table(struct plan *plan, const struct blob *b, struct err *e)
{
	CLEANUP(pack_toc_freep) struct pack_toc *toc = NULL;
	struct pack_toc_place at;
	int r = pack_footer_parse(&at, b->data.data, b->data.len,
				  b->end + b->data.len, e);

	if (r)
		return r;
	if (memcmp(&at.id, &b->id, sizeof(at.id)) || at.off < b->end ||
	    at.off + at.stored > b->end + b->data.len)
		return err_set(e, -EBADMSG, "its table is not where it says");
	r = pack_toc_parse(&toc, &at, b->data.data + (at.off - b->end),
			   at.stored, e);
	for (uint32_t i = 0; !r && i < pack_toc_block_count(toc); i++) {
		struct block block;

		pack_toc_block_at(toc, i, &block);
		plan_offer(plan, &block);
	}
	return r;
}

static int end(struct plan *plan, struct blob *b, struct err *e)
{
	struct err why = { 0 };
	int r = store_await(&b->req, &b->wait, &why);

	if (r == -ENOENT)
		(void)plan_withdraw(plan, is_gone, &b->id);
	else if (!r)
		r = offer_table(plan, b, &why);
	if (r == -ENOENT || r == -EBADMSG || r == -EFBIG || r == -ERANGE) {
		log_warn("'%s': %s; it is not reused as a whole", b->key.data,
			 why.text);
		r = 0;
	}
	store_req_done(&b->req);
	buf_done(&b->data);
	buf_done(&b->key);
	return r ? err_copy(e, &why) : 0;
}

/* All that was begun is ended, whatever comes of it. */
static int ask(struct plan *plan, const char *pool, struct store *s,
	       struct blob *blobs, size_t count, struct err *e)
{
	size_t begun = 0;
	int r = 0;

	while (begun < count && !r) {
		r = begin(s, &blobs[begun], pool, e);
		if (r)
			buf_done(&blobs[begun].key);
		else
			begun++;
	}
	for (size_t i = 0; i < begun; i++) {
		int one = end(plan, &blobs[i], r ? NULL : e);

		if (one)
			r = one;
	}
	return r;
}

int blobtable_offer(struct plan *plan, const struct inventory *inv,
		    struct store *s, struct err *e)
{
	CLEANUP(search_done) struct search search = { .inv = inv };
	size_t count = 0;
	int r = plan_each_partial(plan, note_blob, &search);

	if (r)
		return err_set(e, r, "out of memory");
	for (size_t i = 0; i < search.count; i++) {
		if (search.blobs[i].end)
			search.blobs[count++] = search.blobs[i];
	}
	for (size_t i = 0; i < count && !r; i += AT_ONCE)
		r = ask(plan, inventory_pool(inv), s, search.blobs + i,
			count - i < AT_ONCE ? count - i : AT_ONCE, e);
	return r;
}
