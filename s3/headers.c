#include "s3/headers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"

#define FIELDS_MAX 256
#define BYTES_MAX (64 << 10)

void headers_init(struct headers *h)
{
	memset(h, 0, sizeof(*h));
}

void headers_reset(struct headers *h)
{
	for (size_t i = 0; i < h->count; i++)
		free(h->fields[i].name);
	h->count = 0;
	h->bytes = 0;
}

void headers_done(struct headers *h)
{
	headers_reset(h);
	free(h->fields);
	headers_init(h);
}

static int grow(struct headers *h)
{
	size_t room = h->room ? 2 * h->room : 16;
	struct header *fields;

	if (h->count < h->room)
		return 0;
	fields = realloc(h->fields, room * sizeof(*fields));
	if (!fields)
		return -ENOMEM;
	h->fields = fields;
	h->room = room;
	return 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int add(struct headers *h, const char *name, size_t name_len,
	       const char *value, size_t value_len)
{
	size_t bytes = name_len + value_len + 2;
	char *copy;

	while (value_len && is_space(*value)) {
		value++;
		value_len--;
	}
	while (value_len && is_space(value[value_len - 1]))
		value_len--;
	if (h->count == FIELDS_MAX || bytes > BYTES_MAX - h->bytes)
		return -EFBIG;
	copy = malloc(bytes);
	if (!copy || grow(h)) {
		free(copy);
		return -ENOMEM;
	}
	for (size_t i = 0; i < name_len; i++)
		copy[i] = lower(name[i]);
	copy[name_len] = '\0';
	memcpy(copy + name_len + 1, value, value_len);
	copy[name_len + 1 + value_len] = '\0';
	h->fields[h->count].name = copy;
	h->fields[h->count].value = copy + name_len + 1;
	h->count++;
	h->bytes += bytes;
	return 0;
}

int headers_add(struct headers *h, const char *name, const char *value)
{
	return add(h, name, strlen(name), value, strlen(value));
}

int headers_addf(struct headers *h, const char *name, const char *fmt, ...)
{
	CLEANUP_FREE char *value = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&value, fmt, ap);
	va_end(ap);
	if (r < 0) {
		value = NULL;
		return -ENOMEM;
	}
	return headers_add(h, name, value);
}

int headers_add_line(struct headers *h, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	size_t name_len;

	if (!colon || colon == line || memchr(line, '\0', len))
		return 0;
	name_len = (size_t)(colon - line);
	return add(h, line, name_len, colon + 1, len - name_len - 1);
}

const char *headers_get(const struct headers *h, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (!strcmp(h->fields[i].name, name))
			return h->fields[i].value;
	return NULL;
}
