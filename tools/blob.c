/*
 * One thread walks along the blob; chunks of a few blocks are read, checked
 * against their hashes and compressed by the pool ahead of it, in a ring. They
 * are taken in order, appended to `data`, and cut from there into parts of equal
 * size (some servers insist), of which a few are under way at a time.
 */
#include "tools/blob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/names.h"
#include "cache/pack_toc.h"
#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "tools/multipart.h"

#define CHUNK_BLOCKS 4
#define CHUNKS_AHEAD 4
#define LEVEL 3 /* zstd */
#define TABLE_MAX (1u << 20) /* bytes; of PLAN_BLOB_BLOCKS at most 80 each */

struct chunk {
	struct pool_job job;
	struct upload *up;
	size_t first, count; /* in plan->blocks */
	struct buf stored; /* frames, one behind the other */
	struct frame_place frames[CHUNK_BLOCKS]; /* lengths and codec */
	int code;
	bool under_way; /* guarded by the sending's lock */
};

struct upload {
	struct sending *s;
	const struct plan_blob *plan;
	struct object_id id;
	char *key; /* owned */
	int fd; /* owned */
	struct block *blocks; /* owned */
	uint64_t off; /* bytes of the blob so far */
	struct buf data; /* not yet sent, */
	uint64_t unsent; /* the bytes of the file in that */
	struct chunk chunks[CHUNKS_AHEAD];

	uint64_t part_size; /* 0: one PUT */
	struct multipart parts;
};

uint64_t blob_memory(const struct plan_blob *plan)
{
	uint64_t ahead = 2ull * CHUNKS_AHEAD * CHUNK_BLOCKS * BLOCK_MAX;

	if (plan->raw <= BLOB_PUT_MAX)
		return plan->raw + ahead;
	return (uint64_t)(MULTIPART_AT_ONCE + 1) * BLOB_PART + ahead;
}

/* ---- chunks ------------------------------------------------------------- */

/* Appends the frame of one block. */
static int encode(struct chunk *c, struct frame_place *frame, const void *data,
		  uint32_t len)
{
	size_t at = c->stored.len;
	int r = frame_encode(&c->stored, data, len, LEVEL);

	if (r)
		return r;
	frame->raw = len;
	frame->codec = CODEC_ZSTD;
	if (c->stored.len - at > len - len / 32) {
		c->stored.len = at;
		frame->codec = CODEC_RAW;
		r = buf_add(&c->stored, data, len);
	}
	frame->stored = (uint32_t)(c->stored.len - at);
	return r;
}

static int chunk_block(struct chunk *c, size_t i, void *data)
{
	const struct upload *up = c->up;
	const struct scan_entry *file = up->plan->file;
	uint32_t nr = up->plan->blocks[c->first + i];
	uint32_t len = block_len((uint64_t)file->st.st_size, nr);
	ssize_t n = io_pread_full(up->fd, data, len, (uint64_t)nr * BLOCK_MAX);
	struct hash hash;

	if (n < 0)
		return (int)n;
	if ((size_t)n < len)
		return -ESTALE;
	hash_of(&hash, data, len);
	if (!hash_equal(&hash, &file->hashes[nr]))
		return -ESTALE;
	sending_cache(up->s, &hash, data, len);
	return encode(c, &c->frames[i], data, len);
}

static void chunk_run(struct pool_job *job)
{
	struct chunk *c = container_of(job, struct chunk, job);
	struct sending *s = c->up->s;
	void *data = malloc(BLOCK_MAX);

	c->code = data ? 0 : -ENOMEM;
	for (size_t i = 0; i < c->count && !c->code; i++)
		c->code = chunk_block(c, i, data);
	free(data);

	LOCK_SCOPE(&s->lock);
	c->under_way = false;
	pthread_cond_broadcast(&s->change);
}

static void chunk_start(struct upload *up, struct chunk *c, size_t first)
{
	size_t left = up->plan->count - first;

	buf_reset(&c->stored);
	c->first = first;
	c->count = left < CHUNK_BLOCKS ? left : CHUNK_BLOCKS;
	c->under_way = true;
	pool_submit(up->s->pool, &c->job);
}

static void chunk_wait(struct chunk *c)
{
	struct sending *s = c->up->s;

	LOCK_SCOPE(&s->lock);
	while (c->under_way)
		cond_wait(&s->change, &s->lock);
}

/* Notes the places of a chunk's blocks and takes over its bytes. */
static int chunk_take(struct upload *up, struct chunk *c, struct err *e)
{
	const struct scan_entry *file = up->plan->file;

	chunk_wait(c);
	if (c->code)
		return err_set(e, c->code, "'%s': %s", file->path,
			       c->code == -ESTALE
				       ? "has changed while it was pushed"
				       : strerror(-c->code));
	for (size_t i = 0; i < c->count; i++) {
		struct block *b = &up->blocks[c->first + i];

		b->hash = file->hashes[up->plan->blocks[c->first + i]];
		b->len = c->frames[i].raw;
		b->off = 0;
		b->frame = c->frames[i];
		b->frame.blob = up->id;
		b->frame.off = up->off;
		up->off += c->frames[i].stored;
		up->unsent += b->len;
	}
	if (buf_add(&up->data, c->stored.data, c->stored.len))
		return err_set(e, -ENOMEM, "'%s': out of memory", file->path);
	return 0;
}

/* The blob's own table, by which a later push finds the blocks that are in no
 * index. */
static int add_table(struct upload *up, struct err *e)
{
	struct pack_toc_writer w;
	int r;

	pack_toc_writer_init(&w);
	r = pack_toc_writer_finish(&w, &up->data, up->off, &up->id, up->blocks,
				   up->plan->count);
	pack_toc_writer_done(&w);
	return r ? err_set(e, r, "'%s': %s", up->plan->file->path, strerror(-r))
		 : 0;
}

/* ---- sending ------------------------------------------------------------ */

/* Sends the first `len` bytes of `data` as the next part. */
static int part_send(struct upload *up, size_t len, struct err *e)
{
	int r = multipart_ready(&up->parts, e);
	uint64_t worth = (uint64_t)((double)up->unsent * (double)len /
				    (double)up->data.len);
	void *body;

	if (r)
		return r;
	body = malloc(len);
	if (!body)
		return err_set(e, -ENOMEM, "'%s': out of memory",
			       up->plan->file->path);
	memcpy(body, up->data.data, len);
	up->data.len -= len;
	up->unsent -= worth;
	memmove(up->data.data, up->data.data + len, up->data.len);
	return multipart_send(&up->parts, body, len, worth, e);
}

static int send_whole(struct upload *up, struct err *e)
{
	struct sent t = { 0 };
	int r;

	store_req_init(&t.req, STORE_PUT, up->key);
	t.req.body = up->data.data;
	t.req.body_len = up->data.len;
	t.worth = up->unsent;
	r = sending_run(up->s, &t, e);
	store_req_done(&t.req);
	return r;
}

static int finish_multipart(struct upload *up, struct err *e)
{
	int r = 0;

	while (!r && up->data.len)
		r = part_send(up,
			      up->data.len < up->part_size ? up->data.len
							   : up->part_size,
			      e);
	return r ? r : multipart_finish(&up->parts, e);
}

static int send_all(struct upload *up, struct err *e)
{
	size_t chunks = (up->plan->count + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;
	int r = up->part_size
			? multipart_start(&up->parts, up->s, up->key, NULL, e)
			: 0;

	for (size_t i = 0; i < CHUNKS_AHEAD && i < chunks && !r; i++)
		chunk_start(up, &up->chunks[i], i * CHUNK_BLOCKS);
	for (size_t i = 0; i < chunks && !r; i++) {
		struct chunk *c = &up->chunks[i % CHUNKS_AHEAD];

		r = chunk_take(up, c, e);
		if (!r && i + CHUNKS_AHEAD < chunks)
			chunk_start(up, c, (i + CHUNKS_AHEAD) * CHUNK_BLOCKS);
		if (!r && sending_stopping(up->s))
			r = err_set(e, -ECANCELED, "interrupted");
		while (!r && up->part_size && up->data.len >= up->part_size)
			r = part_send(up, up->part_size, e);
	}
	for (size_t i = 0; i < CHUNKS_AHEAD; i++)
		chunk_wait(&up->chunks[i]);
	if (!r)
		r = add_table(up, e);
	if (r)
		return r;
	return up->part_size ? finish_multipart(up, e) : send_whole(up, e);
}

/* ---- as a whole --------------------------------------------------------- */

static int upload_init(struct upload *up, struct err *e)
{
	const struct scan_entry *file = up->plan->file;
	struct buf key = BUF_INIT(STORE_KEY_MAX);
	struct stat st;

	up->fd = scan_open_file(up->s->scan, file);
	if (up->fd < 0)
		return err_set(e, up->fd, "'%s': %s", file->path,
			       strerror(-up->fd));
	if (fstat(up->fd, &st) < 0 || !scan_same_file(&st, &file->st))
		return err_set(e, -ESTALE, "'%s' has changed", file->path);
	if (up->plan->raw > BLOB_PUT_MAX) {
		up->part_size = up->plan->raw / (STORE_PARTS_MAX - 1) + 1;
		if (up->part_size < BLOB_PART)
			up->part_size = BLOB_PART;
	}
	up->blocks = calloc(up->plan->count, sizeof(*up->blocks));
	(void)name_blob(&key, up->s->pool_prefix, &up->id);
	up->key = buf_take(&key);
	if (!up->blocks || !up->key)
		return err_set(e, -ENOMEM, "'%s': out of memory", file->path);
	return 0;
}

static void upload_done(struct upload *up)
{
	for (size_t i = 0; i < CHUNKS_AHEAD; i++)
		buf_done(&up->chunks[i].stored);
	buf_done(&up->data);
	free(up->blocks);
	free(up->key);
	if (up->fd >= 0)
		(void)close(up->fd); /* only read from */
}

int blob_upload(struct sending *s, const struct plan_blob *plan,
		const struct object_id *id, struct block **ret_blocks,
		struct err *e)
{
	struct upload up = { .s = s, .plan = plan, .id = *id, .fd = -1 };
	int r;

	for (size_t i = 0; i < CHUNKS_AHEAD; i++) {
		struct chunk *c = &up.chunks[i];

		c->up = &up;
		c->job.run = chunk_run;
		buf_init(&c->stored, CHUNK_BLOCKS * FRAME_STORED_MAX);
	}
	r = upload_init(&up, e);
	buf_init(&up.data, (up.part_size ? up.part_size : BLOB_PUT_MAX) +
				   CHUNK_BLOCKS * FRAME_STORED_MAX + TABLE_MAX);
	if (!r)
		r = send_all(&up, e);
	multipart_done(&up.parts);
	if (!r)
		*ret_blocks = TAKE_PTR(up.blocks);
	upload_done(&up);
	return r;
}
