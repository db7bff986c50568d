#include "tools/plain_put.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/block.h"
#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "tools/multipart.h"

#define PART_MIN (16u << 20) /* bytes; more for huge files */
#define DIR_TYPE "application/x-directory"

struct upload {
	struct sending *s;
	const struct scan_entry *entry;
	const char *key;
	const struct meta *meta;
	int fd; /* owned */
	uint64_t size, part_size;
	struct multipart parts;
};

/* A multiple of the block's length, so that parts consist of whole blocks. */
static uint64_t part_size(uint64_t size)
{
	uint64_t least = size / STORE_PARTS_MAX + 1;
	uint64_t blocks = block_count(least);

	return blocks * BLOCK_MAX < PART_MIN ? PART_MIN : blocks * BLOCK_MAX;
}

uint64_t plain_put_memory(const struct scan_entry *entry)
{
	uint64_t size = (uint64_t)entry->st.st_size;

	if (!S_ISREG(entry->st.st_mode) || size <= PLAIN_PUT_MAX)
		return size;
	return MULTIPART_AT_ONCE * part_size(size);
}

static int failed(const struct upload *up, int code, struct err *e)
{
	return err_set(e, code, "'%s': %s", up->entry->path,
		       code == -ESTALE ? "has changed while it was pushed"
				       : strerror(-code));
}

/* Reads and checks [off, off + len), which begins with a block. */
static int read_blocks(const struct upload *up, char *to, uint64_t off,
		       size_t len)
{
	ssize_t n = io_pread_full(up->fd, to, len, off);

	if (n < 0)
		return (int)n;
	if ((size_t)n < len)
		return -ESTALE;
	for (size_t at = 0; at < len; at += BLOCK_MAX) {
		uint64_t nr = (off + at) / BLOCK_MAX;
		struct hash hash;

		hash_of(&hash, to + at, block_len(up->size, nr));
		if (!hash_equal(&hash, &up->entry->hashes[nr]))
			return -ESTALE;
	}
	return 0;
}

static int put(struct upload *up, const void *body, size_t len,
	       const char *type, struct err *e)
{
	struct sent t = { 0 };
	int r;

	store_req_init(&t.req, STORE_PUT, up->key);
	t.req.body = body;
	t.req.body_len = len;
	t.req.meta = up->meta;
	t.req.content_type = type;
	t.worth = S_ISREG(up->entry->st.st_mode) ? len : 0;
	r = sending_run(up->s, &t, e);
	store_req_done(&t.req);
	return r;
}

/* ---- parts -------------------------------------------------------------- */

static int part_send(struct upload *up, uint64_t off, struct err *e)
{
	uint64_t left = up->size - off;
	size_t len = left < up->part_size ? left : up->part_size;
	CLEANUP_FREE char *body = NULL;
	int r = multipart_ready(&up->parts, e);

	if (r)
		return r;
	body = malloc(len);
	r = body ? read_blocks(up, body, off, len) : -ENOMEM;
	if (r)
		return failed(up, r, e);
	return multipart_send(&up->parts, TAKE_PTR(body), len, len, e);
}

static int put_parts(struct upload *up, struct err *e)
{
	int r = multipart_start(&up->parts, up->s, up->key, up->meta, e);

	up->part_size = part_size(up->size);
	for (uint64_t off = 0; off < up->size && !r; off += up->part_size)
		r = part_send(up, off, e);
	if (!r)
		r = multipart_finish(&up->parts, e);
	multipart_done(&up->parts);
	return r;
}

/* ---- as a whole --------------------------------------------------------- */

static int put_small(struct upload *up, struct err *e)
{
	CLEANUP_FREE char *data = malloc(up->size + 1);
	int r = data ? read_blocks(up, data, 0, up->size) : -ENOMEM;

	if (r)
		return failed(up, r, e);
	return put(up, data, up->size, NULL, e);
}

static int put_file(struct upload *up, struct err *e)
{
	CLEANUP_FD int fd = scan_open_file(up->s->scan, up->entry);
	struct stat st;

	if (fd < 0)
		return failed(up, fd, e);
	if (fstat(fd, &st) < 0 || !scan_same_file(&st, &up->entry->st))
		return failed(up, -ESTALE, e);
	up->fd = fd;
	return up->size <= PLAIN_PUT_MAX ? put_small(up, e) : put_parts(up, e);
}

int plain_put(struct sending *s, const struct scan_entry *entry,
	      const char *key, const struct meta *meta, struct err *e)
{
	struct upload up = {
		.s = s,
		.entry = entry,
		.key = key,
		.meta = meta,
		.fd = -1,
		.size = (uint64_t)entry->st.st_size,
	};

	if (S_ISDIR(entry->st.st_mode))
		return put(&up, NULL, 0, DIR_TYPE, e);
	if (S_ISLNK(entry->st.st_mode))
		return put(&up, entry->target, up.size, NULL, e);
	return put_file(&up, e);
}
