/*
 * Texts are cut, never overrun. Control characters from outside (server
 * messages, file names) are replaced, so that one error stays one line.
 */
#include "s3/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void clean(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

static void ellipsis(char *text, size_t size, int wanted)
{
	if (wanted >= 0 && (size_t)wanted >= size)
		memcpy(text + size - 4, "...", 4);
	clean(text);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;
	int saved = errno, len;

	if (!e)
		return code;
	e->code = code;
	va_start(ap, fmt);
	errno = saved;
	len = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	ellipsis(e->text, sizeof(e->text), len);
	return code;
}

int err_wrap(struct err *e, int code, const char *fmt, ...)
{
	char prefix[sizeof(e->text)], inner[sizeof(e->text)];
	va_list ap;
	int saved = errno, len;

	if (!e)
		return code;
	if (e->code && *e->text)
		memcpy(inner, e->text, sizeof(inner));
	else
		(void)snprintf(inner, sizeof(inner), "%s", strerror(-code));
	va_start(ap, fmt);
	errno = saved;
	(void)vsnprintf(prefix, sizeof(prefix), fmt, ap);
	va_end(ap);
	len = snprintf(e->text, sizeof(e->text), "%s: %s", prefix, inner);
	ellipsis(e->text, sizeof(e->text), len);
	e->code = code;
	return code;
}

int err_copy(struct err *to, const struct err *from)
{
	if (to && to != from)
		*to = *from;
	return from->code;
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	e->code = 0;
	e->text[0] = '\0';
}
