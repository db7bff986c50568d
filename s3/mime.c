#include "s3/mime.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Bytes of text in one word: 45 give 60 characters of base64, so a word stays
 * within the 75 that RFC 2047 allows. */
#define WORD_BYTES 45

static bool travels_as_is(const char *s)
{
	size_t len = strlen(s);

	if (len && (s[0] == ' ' || s[len - 1] == ' '))
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~' ||
		    (s[i] == ' ' && s[i + 1] == ' '))
			return false;
	return !strstr(s, "=?");
}

/* The length of the next word, which ends between characters of UTF-8. */
static size_t word_len(const char *s, size_t left)
{
	size_t len = left;

	if (left <= WORD_BYTES)
		return left;
	len = WORD_BYTES;
	while (len > WORD_BYTES - 4 && ((unsigned char)s[len] & 0xc0) == 0x80)
		len--;
	return len;
}

int mime_encode(struct buf *out, const char *value)
{
	size_t left = strlen(value);

	if (travels_as_is(value))
		return buf_add(out, value, left);
	for (const char *s = value; left;) {
		unsigned char base64[4 * WORD_BYTES / 3 + 5];
		size_t len = word_len(s, left);

		(void)EVP_EncodeBlock(base64, (const unsigned char *)s,
				      (int)len);
		(void)buf_addf(out, "%s=?UTF-8?B?%s?=", s == value ? "" : " ",
			       (const char *)base64);
		s += len;
		left -= len;
	}
	return buf_error(out);
}

static int add_base64(struct buf *out, const char *s, size_t len)
{
	unsigned char plain[3 * 2048];
	size_t pad = 0;
	int n;

	while (pad < 2 && pad < len && s[len - 1 - pad] == '=')
		pad++;
	if (!len || len % 4 || len > 4 * (sizeof(plain) / 3))
		return -EINVAL;
	n = EVP_DecodeBlock(plain, (const unsigned char *)s, (int)len);
	if (n < (int)pad || memchr(plain, '\0', (size_t)n - pad))
		return -EINVAL;
	return buf_add(out, plain, (size_t)n - pad);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int add_quoted(struct buf *out, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = s[i] == '_' ? ' ' : s[i];

		if (c == '=') {
			if (len - i < 3 || nibble(s[i + 1]) < 0 ||
			    nibble(s[i + 2]) < 0)
				return -EINVAL;
			c = (char)(nibble(s[i + 1]) << 4 | nibble(s[i + 2]));
			i += 2;
		}
		if (!c)
			return -EINVAL;
		(void)buf_add_char(out, c); /* checked once, below */
	}
	return buf_error(out);
}

/* One word at *s, which moves behind it. */
static int add_word(struct buf *out, const char **s)
{
	static const char charset[] = "=?utf-8?";
	const char *text = *s + sizeof(charset) - 1, *end;
	int r;

	if (strncasecmp(*s, charset, sizeof(charset) - 1) || !text[0] ||
	    text[1] != '?')
		return -EINVAL;
	end = strstr(text + 2, "?=");
	if (!end)
		return -EINVAL;
	if ((*text | 0x20) == 'b')
		r = add_base64(out, text + 2, (size_t)(end - text) - 2);
	else if ((*text | 0x20) == 'q')
		r = add_quoted(out, text + 2, (size_t)(end - text) - 2);
	else
		r = -EINVAL;
	if (!r)
		*s = end + 2;
	return r;
}

int mime_decode(struct buf *out, const char *value)
{
	const char *s = value;
	size_t start = out->len;
	bool after_word = false;

	while (*s) {
		size_t gap = strspn(s, " ");
		int r;

		/* Space between two words is no part of the text. */
		if (after_word && gap && !strncmp(s + gap, "=?", 2)) {
			s += gap;
			continue;
		}
		if (strncmp(s, "=?", 2)) {
			after_word = false;
			(void)buf_add_char(out, *s++);
			continue;
		}
		r = add_word(out, &s);
		if (r == -EINVAL) {
			out->len = start;
			return buf_add_str(out, value);
		}
		if (r)
			return r;
		after_word = true;
	}
	return buf_error(out);
}
