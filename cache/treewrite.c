/*
 * A shard has about 8192 entries, some 350 kB: one path costs little more than a
 * round trip to read, a change of one file little to write, and a walk of a
 * million files takes 125 GETs. A table of that many has 7 kB.
 *
 * Entries wait until there are enough for two shards; then the first one is cut
 * off, so that a shard has between three quarters and twice that length. None is
 * smaller but what is left of one that was, and the last.
 *
 * The first part, which every reader of the tree has to fetch, ends where the
 * directories at the top do, if it can.
 *
 * Lengths count besides entries, as one file may have thousands of blocks.
 */
#include "cache/treewrite.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/buf.h"

#define INLINE_BYTES (2u << 20) /* plain; see edit_weight */
#define SHARD_BYTES (1u << 20)
#define FIRST_BYTES (384u << 10) /* in the tree object, of a large tree */

void treewrite_init(struct treewrite *w)
{
	*w = (struct treewrite){ 0 };
	buf_init(&w->catalog, CATALOG_MAX);
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "commit: out of memory");
}

static bool grow(void **array, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 64;
	void *p = reallocarray(*array, more, size);

	if (!p)
		return false;
	*array = p;
	*room = more;
	return true;
}

/* ---- sending ------------------------------------------------------------- */

static int await(struct treewrite_sending *s, struct err *e)
{
	int r;

	if (!s->busy)
		return 0;
	r = store_await(&s->req, &s->wait, e);
	s->busy = false;
	store_req_done(&s->req);
	buf_done(&s->key);
	buf_done(&s->data);
	return r;
}

static int await_all(struct treewrite *w, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < TREEWRITE_AT_ONCE; i++) {
		int one = await(&w->sending[i], r ? NULL : e);

		r = r ? r : one;
	}
	return r;
}

/* Takes over `data`. */
static int put_shard(struct treewrite *w, const struct object_id *id,
		     struct buf *data, struct err *e)
{
	struct treewrite_sending *s = &w->sending[w->next];
	int r = await(s, e);

	w->next = (w->next + 1) % TREEWRITE_AT_ONCE;
	if (r)
		return r;
	buf_init(&s->key, STORE_KEY_MAX);
	if (name_shard(&s->key, w->pool, id))
		return err_set(e, -ENAMETOOLONG, "'%s': path too long",
			       w->pool);
	s->data = *data;
	*data = (struct buf)BUF_INIT(0);
	store_req_init(&s->req, STORE_PUT, s->key.data);
	s->req.body = s->data.data;
	s->req.body_len = s->data.len;
	s->req.content_type = "application/octet-stream";
	s->busy = true;
	store_begin(w->store, &s->req, &s->wait);
	return 0;
}

/* ---- shards -------------------------------------------------------------- */

static int add_row(struct treewrite *w, const struct shard *row, struct err *e)
{
	size_t room = w->shard_room;

	if (w->shard_count == SHARDS_MAX)
		return err_set(e, -EFBIG, "a tree of more than %u shards",
			       SHARDS_MAX);
	if (w->shard_count == room &&
	    !grow((void **)&w->shards, &room, sizeof(*w->shards)))
		return no_memory(e);
	w->shard_room = (uint32_t)room;
	w->shards[w->shard_count++] = *row;
	return 0;
}

/* One that was put before, of the same bytes. */
static bool find_made(const struct treewrite *w, struct shard *shard)
{
	for (size_t i = 0; i < w->made_count; i++) {
		if (!hash_equal(&w->made[i].sum, &shard->sum))
			continue;
		shard->id = w->made[i].id;
		return true;
	}
	return false;
}

static void keep(struct treewrite *w, const struct shard *shard,
		 const struct buf *catalog)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);

	if (w->cache && !name_shard(&key, w->pool, &shard->id))
		cache_catalog_put(w->cache, w->store->bucket_id, key.data,
				  &shard->sum, catalog->data, catalog->len);
}

/* Writes the first `count` of those that wait into a catalog. */
static int write_waiting(struct treewrite *w, size_t count, struct buf *out,
			 struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < count && !r; i++) {
		r = edit_write(w->writer, &w->waiting[i], e);
		w->wait_weight -= edit_weight(&w->waiting[i]);
	}
	if (!r)
		r = catalog_writer_finish(w->writer, out, e);
	if (r)
		return r;
	w->wait_count -= count;
	memmove(w->waiting, w->waiting + count,
		w->wait_count * sizeof(*w->waiting));
	return 0;
}

static int send_shard(struct treewrite *w, struct shard *shard,
		      const struct buf *catalog, struct buf *data,
		      struct err *e)
{
	int r;

	if (w->made_count == w->made_room &&
	    !grow((void **)&w->made, &w->made_room, sizeof(*w->made)))
		return no_memory(e);
	shard->id = object_ids_next(w->ids);
	r = put_shard(w, &shard->id, data, e);
	if (r)
		return r;
	w->made[w->made_count++] = *shard;
	keep(w, shard, catalog);
	return 0;
}

static int cut_shard(struct treewrite *w, size_t count, struct err *e)
{
	CLEANUP_BUF struct buf catalog = BUF_INIT(CATALOG_MAX);
	CLEANUP_BUF struct buf data = BUF_INIT(TREE_OBJECT_MAX);
	struct shard shard = {
		.entries = (uint32_t)count,
		.first = edit_key(&w->waiting[0]),
	};
	int r = write_waiting(w, count, &catalog, e);

	if (!r)
		r = shard_encode(&data, catalog.data, catalog.len, &shard, e);
	if (!r && !find_made(w, &shard))
		r = send_shard(w, &shard, &catalog, &data, e);
	return r ? r : add_row(w, &shard, e);
}

static unsigned int depth_of(const struct catalog_key *key)
{
	unsigned int depth = key->dir_len > 0;

	for (size_t i = 0; i < key->dir_len; i++)
		depth += key->dir[i] == '/';
	return depth;
}

/* How many of those that wait are within limits; at least one. */
static size_t within(const struct treewrite *w, uint64_t bytes)
{
	uint64_t weight = 0;
	size_t n = 0;

	while (n < w->wait_count && n < w->shard_entries && weight < bytes)
		weight += edit_weight(&w->waiting[n++]);
	return n;
}

/*
 * Where to end, after `least` to `most` entries: between directories, the
 * highest that there are, so that what is below one is in few shards. The first
 * such place, or the last; `most` if there is none.
 */
static size_t best_cut(const struct treewrite *w, size_t least, size_t most,
		       bool first)
{
	unsigned int depth, top = UINT_MAX;
	size_t best = most;

	for (size_t n = least; n <= most && n < w->wait_count; n++) {
		struct catalog_key last = edit_key(&w->waiting[n - 1]);
		struct catalog_key key = edit_key(&w->waiting[n]);

		if (!catalog_compare(last.dir, last.dir_len, key.dir,
				     key.dir_len))
			continue;
		depth = depth_of(&key);
		if (depth > top || (first && depth == top))
			continue;
		top = depth;
		best = n;
	}
	return best;
}

/* Cuts one part off. */
static int cut(struct treewrite *w, struct err *e)
{
	size_t most;

	if (w->first_done) {
		most = within(w, SHARD_BYTES);
		return cut_shard(w, best_cut(w, most - most / 4, most, false),
				 e);
	}
	w->first_done = true;
	most = within(w, FIRST_BYTES);
	return write_waiting(w, best_cut(w, most / 8 + 1, most, true),
			     &w->catalog, e);
}

static int wait_for_shard(void *arg, const struct edit_entry *entry,
			  struct err *e)
{
	struct treewrite *w = arg;

	if (w->wait_count == w->wait_room &&
	    !grow((void **)&w->waiting, &w->wait_room, sizeof(*w->waiting)))
		return no_memory(e);
	w->waiting[w->wait_count++] = *entry;
	w->wait_weight += edit_weight(entry);
	if (w->wait_count < 2 * (size_t)w->shard_entries &&
	    w->wait_weight < 2 * SHARD_BYTES)
		return 0;
	return cut(w, e);
}

/* The first part may be small: it ends where the top does. */
static bool is_tiny(const struct treewrite *w)
{
	if (!w->first_done)
		return w->wait_count < w->shard_entries / 16 &&
		       w->wait_weight < FIRST_BYTES / 16;
	return w->wait_count < w->shard_entries / 4 &&
	       w->wait_weight < SHARD_BYTES / 4;
}

/* At the end of a part. What is left tiny waits for the next one, unless this
 * was the last. */
static int flush(struct treewrite *w, bool last, struct err *e)
{
	int r = 0;

	if (!w->wait_count || (is_tiny(w) && !last))
		return 0;
	if (!w->first_done && within(w, FIRST_BYTES) == w->wait_count) {
		w->first_done = true;
		return write_waiting(w, w->wait_count, &w->catalog, e);
	}
	if (!w->first_done)
		r = cut(w, e);
	if (r || !w->wait_count || (is_tiny(w) && !last))
		return r;
	return cut_shard(w, w->wait_count, e);
}

static int write_parts(struct treewrite *w, struct edit *ed, struct err *e)
{
	const struct shard_table *old = ed->in.base->table;
	int r = 0;

	for (uint32_t i = 0; i < ed->part_count && !r; i++) {
		/* The first one is in the tree object, which is new anyway. */
		if (!i || ed->parts[i].touched || w->wait_count)
			r = edit_walk(ed, i, wait_for_shard, w, e);
		else
			r = add_row(w, &old->shards[i - 1], e);
		if (!r)
			r = flush(w, i + 1 == ed->part_count, e);
	}
	return r ? r : await_all(w, e);
}

/* ---- as a whole ---------------------------------------------------------- */

struct count {
	uint64_t entries, weight;
};

static int count_one(void *arg, const struct edit_entry *entry, struct err *e)
{
	struct count *c = arg;

	(void)e;
	c->entries++;
	c->weight += edit_weight(entry);
	return 0;
}

/* Counts a part; it is untouched after all where nothing was in reach of a
 * directory's removal. */
static int count_part(struct edit *ed, uint32_t i, struct count *all,
		      struct err *e)
{
	struct edit_part *p = &ed->parts[i];
	const struct shard_table *old = ed->in.base->table;
	struct count c = { 0 };
	int r;

	if (p->touched || !i) {
		r = edit_walk(ed, i, count_one, &c, e);
		if (r)
			return r;
	}
	if (i && p->touched && p->first_op == p->end_op &&
	    c.entries == old->shards[i - 1].entries)
		p->touched = false;
	if (i && !p->touched) {
		c.entries = old->shards[i - 1].entries;
		c.weight = old->shards[i - 1].plain;
	}
	all->entries += c.entries;
	all->weight += c.weight;
	return 0;
}

static int write_one(void *arg, const struct edit_entry *entry, struct err *e)
{
	return edit_write(arg, entry, e);
}

static int write_inline(struct treewrite *w, struct edit *ed, struct err *e)
{
	int r = 0;

	for (uint32_t i = 0; i < ed->part_count && !r; i++)
		r = edit_walk(ed, i, write_one, w->writer, e);
	return r ? r : catalog_writer_finish(w->writer, &w->catalog, e);
}

/* Shards of another pool are of no use in this one. */
static int use_pool(struct treewrite *w, const char *pool, struct err *e)
{
	if (strlen(pool) >= sizeof(w->pool))
		return err_set(e, -EINVAL, "pool '%.200s': path too long",
			       pool);
	if (strcmp(w->pool, pool))
		w->made_count = 0;
	strcpy(w->pool, pool);
	return 0;
}

int treewrite_run(struct treewrite *w, struct edit *ed, const char *pool,
		  struct err *e)
{
	unsigned int part = ed->in.base->table ? 2 : 1;
	struct count all = { 0 };
	int r = use_pool(w, pool, e);

	if (r)
		return r;
	catalog_writer_free(TAKE_PTR(w->writer));
	if (catalog_writer_open(&w->writer))
		return no_memory(e);
	buf_reset(&w->catalog);
	w->shard_count = 0;
	w->wait_count = 0;
	w->wait_weight = 0;
	w->first_done = false;
	for (uint32_t i = 0; i < ed->part_count && !r; i++)
		r = count_part(ed, i, &all, e);
	if (r)
		return r;
	if (all.entries <= w->inline_entries / part &&
	    all.weight <= INLINE_BYTES / part)
		return write_inline(w, ed, e);
	return write_parts(w, ed, e);
}

void treewrite_done(struct treewrite *w)
{
	(void)await_all(w, NULL); /* the run has failed already */
	catalog_writer_free(w->writer);
	buf_done(&w->catalog);
	free(w->shards);
	free(w->waiting);
	free(w->made);
	*w = (struct treewrite){ 0 };
}
