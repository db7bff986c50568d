/*
 * Frames of blobs: blocks of packed files.
 *
 * Which blocks a frame holds is known from the catalog. All of them are verified
 * and cached. A catalog lists blocks in the order of directories and packs hold
 * them in the order of paths, so what stands between two frames of a pack is
 * found near them in the catalog: a scan looks some thousand blocks to both
 * sides.
 *
 * A blob that reaches beyond the size of a pack is a large file: its readers get
 * what they ask for, the third miss does not fetch the rest.
 */
#include "cache/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/fetch_unit.h"
#include "cache/names.h"
#include "s3/base/cleanup.h"

#define REST_MISSES 3
#define REST_SCAN_MAX 65536 /* blocks to each side */
#define REST_STRANGERS 4096 /* blocks of other blobs that end the scan */
#define BETWEEN_SCAN 2048 /* blocks to each side of a prefetch */
#define SPANS_MAX 64 /* blobs of one prefetch that are filled between */

struct frame_unit {
	struct fetch_unit unit;
	struct catalog *cat; /* counted */
	struct catalog_frame blocks; /* that stand in it */
	struct frame_place place;
};

static void frame_free(struct fetch_unit *u)
{
	struct frame_unit *fu = container_of(u, struct frame_unit, unit);

	fetch_unit_done(u);
	catalog_unref(fu->cat);
	free(fu);
}

static bool frame_check(const struct fetch_req *req, const char *raw,
			size_t len)
{
	const struct block b = { .hash = req->id,
				 .off = req->off,
				 .len = req->len };

	return !block_verify(&b, raw, len, NULL);
}

static int frame_open(struct fetch_unit *u, const void *stored, size_t len,
		      struct fetch_opened *out, struct err *e)
{
	const struct frame_unit *fu = container_of(u, struct frame_unit, unit);
	int r;

	buf_init(&out->decoded, fu->place.raw);
	r = frame_decode(&out->decoded, &fu->place, stored, len, e);
	if (r)
		return r;
	out->raw = out->decoded.data;
	out->raw_len = out->decoded.len;
	out->records = calloc(fu->blocks.count, sizeof(*out->records));
	if (!out->records)
		return err_set(e, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < fu->blocks.count; i++) {
		struct fetch_record *rec = &out->records[out->count++];
		struct block b;
		int bad;

		catalog_block_at(fu->cat, catalog_frame_block(&fu->blocks, i),
				 &b);
		bad = block_verify(&b, out->raw, out->raw_len, r ? NULL : e);
		*rec = (struct fetch_record){
			.id = b.hash, .off = b.off, .len = b.len, .bad = bad
		};
		if (bad)
			r = bad;
	}
	return r;
}

static const struct fetch_unit_ops frame_ops = {
	.open = frame_open,
	.check = frame_check,
	.free = frame_free,
};

static void frame_key(struct fetch_unit *u, const struct frame_place *p)
{
	unsigned char *k = u->key;

	/* All that says what comes out, so that no catalog can mislead the
	 * readers of another. */
	memcpy(k, p->blob.bytes, OBJECT_ID_LEN);
	memcpy(k + 16, &p->off, 8);
	memcpy(k + 24, &p->stored, 4);
	memcpy(k + 28, &p->raw, 4);
	k[32] = p->codec;
	u->key_len = 33;
}

/* The unit of the frame that holds `block`; NULL without memory. */
static struct fetch_unit *frame_new(struct catalog *cat, const char *pool,
				    uint32_t block,
				    const struct frame_place *place)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	struct frame_unit *fu = calloc(1, sizeof(*fu));

	if (!fu)
		return NULL;
	if (name_blob(&key, pool, &place->blob) ||
	    fetch_unit_init(&fu->unit, key.data, NULL)) {
		fetch_unit_done(&fu->unit);
		free(fu);
		return NULL;
	}
	fu->unit.ops = &frame_ops;
	fu->unit.off = place->off;
	fu->unit.len = place->stored;
	fu->unit.keep = true;
	frame_key(&fu->unit, place);
	fu->place = *place;
	fu->cat = catalog_ref(cat);
	catalog_frame_of(cat, block, &fu->blocks);
	return &fu->unit;
}

/* ---- what else to fetch -------------------------------------------------- */

struct frame_job {
	struct fetch_job job;
	struct catalog *cat; /* counted */
	char *pool; /* owned */
	uint32_t block; /* one of the pack's */
};

static void frame_job_free(struct fetch_job *job)
{
	struct frame_job *j = container_of(job, struct frame_job, job);

	catalog_unref(j->cat);
	free(j->pool);
	free(j);
}

static void rest_run(struct fetch_job *job);

/* Has the rest of the pack fetched that holds the block. */
static void submit_rest(struct fetch *f, struct catalog *cat, const char *pool,
			uint32_t block)
{
	struct frame_job *j = calloc(1, sizeof(*j));

	/* Nobody waits for a prefetch that there is no memory for. */
	if (!j)
		return;
	j->pool = strdup(pool);
	if (!j->pool) {
		free(j);
		return;
	}
	j->cat = catalog_ref(cat);
	j->block = block;
	j->job.run = rest_run;
	j->job.drop = frame_job_free;
	fetch_job_submit(f, &j->job);
}

/* Units gathered for a plan, each frame once. */
struct gathering {
	struct fetch *fetch;
	struct catalog *cat; /* borrowed */
	const char *pool; /* borrowed */
	unsigned char *seen; /* a bit a frame of the catalog; owned */
	struct fetch_unit **units; /* the array is owned */
	size_t count, room;
	uint64_t bytes;
};

/* False without memory: nobody waits for a prefetch. */
static bool gathering_init(struct gathering *g, struct fetch *f,
			   struct catalog *cat, const char *pool)
{
	*g = (struct gathering){ .fetch = f, .cat = cat, .pool = pool };
	g->seen = calloc(catalog_total_frames(cat) / 8 + 1, 1);
	return g->seen;
}

static bool gathering_is_full(const struct gathering *g)
{
	return g->bytes > fetch_budget(g->fetch);
}

static void add_unit(struct gathering *g, uint32_t block, const struct block *b)
{
	struct fetch_unit *u;

	if (g->count == g->room) {
		size_t room = g->room ? 2 * g->room : 64;
		struct fetch_unit **units = reallocarray(
			g->units, room, sizeof(struct fetch_unit *));

		if (!units)
			return;
		g->units = units;
		g->room = room;
	}
	u = frame_new(g->cat, g->pool, block, &b->frame);
	if (!u)
		return;
	g->units[g->count++] = u;
	g->bytes += b->frame.stored;
}

/* Adds the frame of a block, unless it is there or the block is cached. */
static void gather(struct gathering *g, uint32_t block, const struct block *b)
{
	uint32_t number = catalog_frame_number(g->cat, block);
	unsigned char bit = (unsigned char)(1u << number % 8);
	struct cache *cache = fetch_cache(g->fetch);

	if (gathering_is_full(g) || g->seen[number / 8] & bit ||
	    (cache && cache_has(cache, &b->hash)))
		return;
	g->seen[number / 8] |= bit;
	add_unit(g, block, b);
}

static void gathering_submit(struct gathering *g)
{
	fetch_plan(g->fetch, g->units, g->count);
	free(g->units);
	free(g->seen);
}

static bool same_blob(const struct object_id *a, const struct object_id *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* A stretch of one blob. */
struct span_of_blob {
	struct object_id blob;
	uint64_t start, end;
};

static struct span_of_blob *span_find(struct span_of_blob *spans, size_t count,
				      const struct object_id *blob)
{
	for (size_t i = count; i-- > 0;)
		if (same_blob(&spans[i].blob, blob))
			return &spans[i];
	return NULL;
}

static void span_note(struct span_of_blob *spans, size_t *count,
		      const struct frame_place *p)
{
	struct span_of_blob *s = span_find(spans, *count, &p->blob);

	if (!s && *count < SPANS_MAX) {
		s = &spans[(*count)++];
		*s = (struct span_of_blob){ .blob = p->blob,
					    .start = p->off,
					    .end = p->off };
	}
	if (s && p->off < s->start)
		s->start = p->off;
	if (s && p->off > s->end)
		s->end = p->off;
}

/* Adds frames of blocks [first, end) that stand inside the spans. */
static void gather_between(struct gathering *g, struct span_of_blob *spans,
			   size_t count, uint32_t first, uint32_t end)
{
	struct catalog *cat = g->cat;

	for (uint32_t i = first; i < end && !gathering_is_full(g); i++) {
		const struct span_of_blob *s;
		struct block b;

		catalog_block_at(cat, i, &b);
		s = span_find(spans, count, &b.frame.blob);
		if (s && b.frame.off > s->start && b.frame.off < s->end)
			gather(g, i, &b);
	}
}

/* One way from the block. False: it is no pack. */
static bool gather_pack(struct gathering *g, const struct object_id *blob,
			uint32_t from, bool down)
{
	struct catalog *cat = g->cat;
	uint32_t total = catalog_total_blocks(cat), strangers = 0, i = from;

	for (uint32_t seen = 0; seen < REST_SCAN_MAX; seen++) {
		struct block b;

		if (i >= total || strangers >= REST_STRANGERS)
			break;
		catalog_block_at(cat, i, &b);
		if (same_blob(&b.frame.blob, blob)) {
			if (b.frame.off + b.frame.stored > PACK_STORED_MAX)
				return false;
			gather(g, i, &b);
			strangers = 0;
		} else {
			strangers++;
		}
		i += down ? -1u : 1u; /* below 0 ends it, too */
	}
	return true;
}

static void rest_run(struct fetch_job *job)
{
	struct frame_job *j = container_of(job, struct frame_job, job);
	struct gathering g;
	struct block b;

	if (!gathering_init(&g, job->fetch, j->cat, j->pool)) {
		frame_job_free(job);
		return;
	}
	catalog_block_at(j->cat, j->block, &b);
	/* Onwards first: that is the way readers go. */
	if (!gather_pack(&g, &b.frame.blob, j->block, false) ||
	    !gather_pack(&g, &b.frame.blob, j->block, true)) {
		for (size_t i = 0; i < g.count; i++)
			frame_free(g.units[i]);
		g.count = 0;
	}
	gathering_submit(&g);
	frame_job_free(job);
}

/* ---- requests ------------------------------------------------------------ */

void fetch_block(struct fetch *f, struct catalog *cat, const char *pool,
		 uint32_t block, struct fetch_req *req)
{
	const bool foreground = req->priority == STORE_FOREGROUND;
	struct cache *cache = fetch_cache(f);
	const struct cache_ref *ref;
	struct fetch_unit *u;
	struct block b;

	catalog_block_at(cat, block, &b);
	list_init(&req->link);
	req->id = b.hash;
	req->off = b.off;
	req->len = b.len;
	if (cache && !cache_get(cache, &b.hash, &ref)) {
		fetch_answer(req, ref, 0, "");
		return;
	}
	u = frame_new(cat, pool, block, &b.frame);
	if (!u) {
		fetch_answer(req, NULL, -ENOMEM, "out of memory");
		return;
	}
	/* req and the caller's catalog may be gone once it is answered. */
	(void)catalog_ref(cat);
	if (fetch_want(f, u, req) && foreground && cache &&
	    fetch_count_miss(f, &b.frame.blob) == REST_MISSES)
		submit_rest(f, cat, pool, block);
	catalog_unref(cat);
}

/* On the caller's thread: what is asked for right behind it joins the plan. */
void fetch_prefetch(struct fetch *f, struct catalog *cat, const char *pool,
		    uint32_t first, uint32_t count)
{
	struct gathering g;
	struct span_of_blob spans[SPANS_MAX];
	uint32_t total = catalog_total_blocks(cat), end, low, high;
	size_t span_count = 0;

	/* Without a cache there is nowhere to keep it. */
	if (!fetch_cache(f) || first >= total ||
	    !gathering_init(&g, f, cat, pool))
		return;
	end = count < total - first ? first + count : total;
	for (uint32_t i = first; i < end && !gathering_is_full(&g); i++) {
		struct block b;

		catalog_block_at(cat, i, &b);
		gather(&g, i, &b);
		span_note(spans, &span_count, &b.frame);
	}
	low = first > BETWEEN_SCAN ? first - BETWEEN_SCAN : 0;
	high = total - end > BETWEEN_SCAN ? end + BETWEEN_SCAN : total;
	if (g.count) {
		gather_between(&g, spans, span_count, end, high);
		gather_between(&g, spans, span_count, low, first);
	}
	gathering_submit(&g);
}
