/*
 * All integers little-endian.
 *
 *	file header:	magic[8] "assetseg", version u32, queue u32, number u64,
 *			salt[16], zero[20], crc u32 of the 60 bytes before
 *	record header:	magic u32, crc u32 of the rest, salt[16], len u32,
 *			payload crc u32, id[32]
 *
 * A record's header stands right before its payload. Records begin at multiples
 * of 64 bytes; appenders write side by side, so that a crash leaves holes: where
 * no valid header stands the walk tries the next 64 bytes.
 */
#include "cache/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "s3/base/span.h"

#define FILE_MAGIC "assetseg"
#define FILE_VERSION 1
#define RECORD_MAGIC 0x63657261u /* "arec" */
#define WINDOW (16u << 10) /* bytes read at once by a walk */

void segment_name(char out[SEGMENT_NAME_MAX], uint64_t number)
{
	(void)snprintf(out, SEGMENT_NAME_MAX, "%016" PRIx64, number);
}

int segment_path(char out[PATH_MAX], const char *dir, uint64_t number)
{
	char name[SEGMENT_NAME_MAX];
	int n;

	segment_name(name, number);
	n = snprintf(out, PATH_MAX, "%s/%s", dir, name);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int segment_parse_name(const char *name, uint64_t *ret_number)
{
	uint8_t bytes[8];
	uint64_t number = 0;
	int r = hex_decode(bytes, sizeof(bytes), name, strlen(name));

	if (r)
		return r;
	for (size_t i = 0; i < sizeof(bytes); i++)
		number = number << 8 | bytes[i];
	*ret_number = number;
	return 0;
}

static void put_le(uint8_t *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

int segment_create(int fd, struct segment_info *ret_info, uint64_t number,
		   enum segment_queue queue)
{
	struct segment_info info = { .number = number, .queue = queue };
	uint8_t head[SEGMENT_HEADER] = { 0 };
	int r;

	random_bytes(info.salt, sizeof(info.salt));
	memcpy(head, FILE_MAGIC, 8);
	put_le(head + 8, FILE_VERSION, 4);
	put_le(head + 12, queue, 4);
	put_le(head + 16, number, 8);
	memcpy(head + 24, info.salt, sizeof(info.salt));
	put_le(head + 60, crc32c(0, head, 60), 4);
	r = io_pwrite_full(fd, head, sizeof(head), 0);
	if (!r)
		*ret_info = info;
	return r;
}

int segment_read_info(int fd, uint64_t number, struct segment_info *ret_info)
{
	struct segment_info info = { .number = number };
	uint8_t head[SEGMENT_HEADER];
	ssize_t n = io_pread_full(fd, head, sizeof(head), 0);
	struct span s = span_of(head, sizeof(head));
	uint32_t version, queue;

	if (n < 0)
		return (int)n;
	if (n != sizeof(head) || memcmp(span_take(&s, 8), FILE_MAGIC, 8))
		return -EBADMSG;
	version = span_u32(&s);
	queue = span_u32(&s);
	if (version != FILE_VERSION || queue >= QUEUE_COUNT ||
	    span_u64(&s) != number)
		return -EBADMSG;
	info.queue = queue;
	memcpy(info.salt, span_take(&s, sizeof(info.salt)), sizeof(info.salt));
	(void)span_take(&s, 20); /* spare */
	if (span_u32(&s) != crc32c(0, head, 60))
		return -EBADMSG;
	*ret_info = info;
	return 0;
}

static uint32_t round_up(uint32_t v, uint32_t to)
{
	return (v + to - 1) / to * to;
}

uint32_t segment_place(uint32_t end, uint32_t len, uint32_t *ret_end)
{
	uint32_t off = round_up(end, SEGMENT_HEADER) + SEGMENT_HEADER;

	if (len >= SEGMENT_LARGE)
		off = round_up(off, SEGMENT_PAGE);
	*ret_end = off + len;
	return off;
}

static void encode_record(uint8_t head[SEGMENT_HEADER],
			  const struct segment_info *info,
			  const struct hash *id, const void *data, uint32_t len)
{
	put_le(head, RECORD_MAGIC, 4);
	memcpy(head + 8, info->salt, sizeof(info->salt));
	put_le(head + 24, len, 4);
	put_le(head + 28, crc32c(0, data, len), 4);
	memcpy(head + 32, id->bytes, HASH_LEN);
	put_le(head + 4, crc32c(0, head + 8, SEGMENT_HEADER - 8), 4);
}

/* False for what is no header of this segment. */
static bool decode_record(const uint8_t head[SEGMENT_HEADER],
			  const struct segment_info *info, uint32_t off,
			  struct record *ret_record)
{
	struct span s = span_of(head, SEGMENT_HEADER);
	struct record rec = { .off = off };

	if (span_u32(&s) != RECORD_MAGIC)
		return false;
	if (span_u32(&s) != crc32c(0, head + 8, SEGMENT_HEADER - 8))
		return false;
	if (memcmp(span_take(&s, 16), info->salt, sizeof(info->salt)))
		return false;
	rec.len = span_u32(&s);
	rec.crc = span_u32(&s);
	memcpy(rec.id.bytes, span_take(&s, HASH_LEN), HASH_LEN);
	if (!rec.len || rec.len > RECORD_MAX)
		return false;
	*ret_record = rec;
	return true;
}

static int write_both(int fd, const uint8_t *head, const void *data,
		      uint32_t len, uint64_t at)
{
	union {
		const void *in;
		void *out;
	} first = { .in = head }, second = { .in = data };
	const struct iovec iov[2] = { { first.out, SEGMENT_HEADER },
				      { second.out, len } };
	ssize_t n;

	do
		n = pwritev(fd, iov, 2, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n == SEGMENT_HEADER + len)
		return 0;
	/* A short write: the rest tells why, or succeeds. */
	if ((size_t)n < SEGMENT_HEADER) {
		int r = io_pwrite_full(fd, head, SEGMENT_HEADER, at);

		return r ? r
			 : io_pwrite_full(fd, data, len, at + SEGMENT_HEADER);
	}
	n -= SEGMENT_HEADER;
	return io_pwrite_full(fd, (const char *)data + n, len - (size_t)n,
			      at + SEGMENT_HEADER + (uint64_t)n);
}

int segment_write(int fd, const struct segment_info *info,
		  const struct hash *id, uint32_t off, const void *data,
		  uint32_t len)
{
	uint8_t head[SEGMENT_HEADER];

	encode_record(head, info, id, data, len);
	return write_both(fd, head, data, len, off - SEGMENT_HEADER);
}

int segment_read(int fd, const struct segment_info *info, const struct hash *id,
		 uint32_t off, uint32_t len, void *out)
{
	const size_t all = SEGMENT_HEADER + (size_t)len;
	const uint8_t *head = out;
	struct record rec;
	ssize_t n;

	if (off < 2 * SEGMENT_HEADER || off % SEGMENT_HEADER)
		return -EBADMSG;
	n = io_pread_full(fd, out, all, off - SEGMENT_HEADER);
	if (n < 0)
		return (int)n;
	if ((size_t)n != all || !decode_record(head, info, off, &rec) ||
	    rec.len != len || !hash_equal(&rec.id, id) ||
	    crc32c(0, head + SEGMENT_HEADER, len) != rec.crc)
		return -EBADMSG;
	return 0;
}

int segment_read_payload(int fd, const struct record *rec, void *out)
{
	ssize_t n = io_pread_full(fd, out, rec->len, rec->off);

	if (n < 0)
		return (int)n;
	if ((size_t)n != rec->len || crc32c(0, out, rec->len) != rec->crc)
		return -EBADMSG;
	return 0;
}

int segment_walk(int fd, const struct segment_info *info, uint32_t from,
		 uint64_t size, int (*fn)(const struct record *rec, void *arg),
		 void *arg)
{
	CLEANUP_FREE uint8_t *window = malloc(WINDOW);
	uint64_t at = round_up(from, SEGMENT_HEADER), start = 0;
	size_t have = 0;

	if (!window)
		return -ENOMEM;
	if (size > SEGMENT_MAX)
		size = SEGMENT_MAX;
	if (at < SEGMENT_HEADER)
		at = SEGMENT_HEADER;
	while (at + SEGMENT_HEADER <= size) {
		struct record rec;
		int r;

		if (at < start || at + SEGMENT_HEADER > start + have) {
			ssize_t n = io_pread_full(fd, window, WINDOW, at);

			if (n < 0)
				return (int)n;
			if (n < (ssize_t)SEGMENT_HEADER)
				return 0;
			start = at;
			have = (size_t)n;
		}
		if (!decode_record(window + (at - start), info,
				   (uint32_t)(at + SEGMENT_HEADER), &rec)) {
			at += SEGMENT_HEADER;
			continue;
		}
		r = at + SEGMENT_HEADER + rec.len <= size ? fn(&rec, arg) : 0;
		if (r)
			return r;
		at = round_up(rec.off + rec.len, SEGMENT_HEADER);
	}
	return 0;
}
