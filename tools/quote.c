/*
 * UTF-8 is checked here and not by the locale: what reaches a terminal must be
 * harmless whatever LANG says, and output is the same everywhere.
 */
#include "tools/quote.h"

#include <stdint.h>
#include <string.h>

/* Code point and length of one well-formed character; 0: malformed. */
static size_t utf8_decode(const char *s, size_t len, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = (unsigned char)*s;
	size_t need = first < 0x80	       ? 1
		      : (first & 0xe0) == 0xc0 ? 2
		      : (first & 0xf0) == 0xe0 ? 3
		      : (first & 0xf8) == 0xf0 ? 4
					       : 0;
	uint32_t code = need == 1 ? first : first & (0x7fu >> need);

	if (!need || need > len)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (code < least[need] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return need;
}

size_t quote_utf8(const char *s, size_t len)
{
	uint32_t code = 0;
	size_t n = utf8_decode(s, len, &code);

	return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : n;
}

bool quote_is_utf8(const char *name, size_t len)
{
	while (len) {
		uint32_t code;
		size_t n = utf8_decode(name, len, &code);

		if (!n)
			return false;
		name += n;
		len -= n;
	}
	return true;
}

static int add_octal(struct buf *out, char c)
{
	return buf_addf(out, "\\%03o", (unsigned char)c);
}

int quote_terminal(struct buf *out, const char *name, size_t len)
{
	while (len) {
		size_t n = *name == '\\' ? 0 : quote_utf8(name, len);

		if (n)
			(void)buf_add(out, name, n);
		else
			(void)add_octal(out, *name);
		n = n ?: 1;
		name += n;
		len -= n;
	}
	return buf_error(out);
}

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || (c && strchr("/._-+,:@%~", c));
}

int quote_mtree(struct buf *out, const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (is_plain(name[i]))
			(void)buf_add_char(out, name[i]);
		else
			(void)add_octal(out, name[i]);
	return buf_error(out);
}
