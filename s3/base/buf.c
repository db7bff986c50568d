#include "s3/base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

void buf_done(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->error = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_cut(struct buf *b, size_t len)
{
	assert(len <= b->len);
	b->len = len;
	b->error = 0;
	if (b->data)
		b->data[len] = '\0';
}

/* Half as much again each time, within the ceiling. */
static size_t room_for(const struct buf *b, size_t need)
{
	size_t room = b->room + b->room / 2;

	if (room < 64)
		room = 64;
	if (room > b->max)
		room = b->max + 1;
	return room < need ? need : room;
}

void *buf_reserve(struct buf *b, size_t len)
{
	size_t need;
	char *data;

	if (b->error)
		return NULL;
	if (len > b->max || b->len > b->max - len || b->len + len == SIZE_MAX) {
		b->error = -EFBIG;
		return NULL;
	}
	need = b->len + len + 1;
	if (need > b->room) {
		size_t room = room_for(b, need);

		data = realloc(b->data, room);
		if (!data) {
			b->error = -ENOMEM;
			return NULL;
		}
		b->data = data;
		b->room = room;
		data[b->len] = '\0';
	}
	return b->data + b->len;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	char *to = buf_reserve(b, len);

	if (!to)
		return b->error;
	if (len)
		memcpy(to, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_add_zero(struct buf *b, size_t len)
{
	char *to = buf_reserve(b, len);

	if (!to)
		return b->error;
	memset(to, 0, len + 1);
	b->len += len;
	return 0;
}

int buf_add_str(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

int buf_add_char(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int len;
	char *to;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(len >= 0);
	to = buf_reserve(b, (size_t)len);
	if (!to)
		return b->error;
	va_start(ap, fmt);
	(void)vsnprintf(to, (size_t)len + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)len;
	return 0;
}

static int add_le(struct buf *b, uint64_t v, size_t bytes)
{
	unsigned char le[8];

	for (size_t i = 0; i < bytes; i++)
		le[i] = (unsigned char)(v >> (8 * i));
	return buf_add(b, le, bytes);
}

int buf_add_u8(struct buf *b, uint8_t v)
{
	return add_le(b, v, 1);
}

int buf_add_u16(struct buf *b, uint16_t v)
{
	return add_le(b, v, 2);
}

int buf_add_u32(struct buf *b, uint32_t v)
{
	return add_le(b, v, 4);
}

int buf_add_u64(struct buf *b, uint64_t v)
{
	return add_le(b, v, 8);
}

int buf_error(const struct buf *b)
{
	return b->error;
}

char *buf_take(struct buf *b)
{
	char *data;

	if (b->error || !buf_reserve(b, 0))
		return NULL;
	b->data[b->len] = '\0';
	data = b->data;
	b->data = NULL;
	buf_init(b, b->max);
	return data;
}
