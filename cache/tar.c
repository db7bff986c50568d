/*
 * POSIX.1-1988 ustar, and POSIX.1-2001 extended headers with the standard
 * keywords alone: others make GNU tar print a warning for each member.
 *
 * A path goes to the name field, or is split between prefix and name, or else
 * into an extended header. Extended paths are UTF-8 by the standard: bsdtar
 * cannot extract one that is not, nor any that is not ASCII in the C locale,
 * and GNU tar does not know the keyword that would make it binary. So such a
 * path, if it does not fit ustar, takes GNU's header for long names, which is
 * bytes to both.
 */
#include "cache/tar.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cache/names.h"

#define SECOND 1000000000ll
#define ID_MAX 07777777
#define TIME_MAX 077777777777ll

struct ustar {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char chksum[8];
	char typeflag;
	char linkname[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char pad[12];
};
_Static_assert(sizeof(struct ustar) == TAR_BLOCK, "a header is one block");

/* width - 1 octal digits and a NUL. */
static void octal(char *field, size_t width, uint64_t v)
{
	field[--width] = '\0';
	while (width) {
		field[--width] = (char)('0' + (v & 7));
		v >>= 3;
	}
	assert(!v);
}

static int add_block(struct buf *out, struct ustar *h)
{
	const unsigned char *bytes = (const unsigned char *)h;
	unsigned int sum = 0;

	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->chksum, ' ', sizeof(h->chksum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += bytes[i];
	octal(h->chksum, 7, sum); /* six digits, NUL, space */
	return buf_add(out, h, sizeof(*h));
}

/* Splits a path between prefix and name. False if it cannot be. */
static bool set_path(struct ustar *h, const char *path, size_t len)
{
	if (len <= sizeof(h->name)) {
		memcpy(h->name, path, len);
		return true;
	}
	/* The first slash that leaves a name short enough gives the shortest
	 * prefix. */
	for (size_t at = len - sizeof(h->name) - 1;
	     at < len && at <= sizeof(h->prefix); at++)
		if (at && path[at] == '/') {
			memcpy(h->prefix, path, at);
			memcpy(h->name, path + at + 1, len - at - 1);
			return true;
		}
	return false;
}

static bool is_ascii(const char *path, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)path[i] >= 0x80)
			return false;
	return true;
}

/* "LEN KEY=VALUE\n", where LEN counts itself. */
static void add_record(struct buf *pax, const char *key, const char *value,
		       size_t value_len)
{
	size_t rest = strlen(key) + value_len + 3, len = rest + 1;
	char digits[24];

	while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + rest !=
	       len)
		len++;
	(void)buf_addf(pax, "%zu %s=", len, key); /* sticky */
	(void)buf_add(pax, value, value_len);
	(void)buf_add_char(pax, '\n');
}

static void add_number(struct buf *pax, const char *key, uint64_t v)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)v);

	add_record(pax, key, text, (size_t)n);
}

static void add_mtime(struct buf *pax, int64_t ns)
{
	const char *sign = ns < 0 ? "-" : "";
	uint64_t abs_ns = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	char text[40];
	int n = snprintf(text, sizeof(text), "%s%llu.%09llu", sign,
			 (unsigned long long)(abs_ns / SECOND),
			 (unsigned long long)(abs_ns % SECOND));

	add_record(pax, "mtime", text, (size_t)n);
}

/* Fills what ustar can say, and lists the rest as PAX records. False if the
 * path is not said yet. */
static bool split(struct ustar *h, struct buf *pax, const struct tar_member *m)
{
	int64_t time_s = m->mtime_ns / SECOND;
	bool whole = m->mtime_ns >= 0 && m->mtime_ns % SECOND == 0 &&
		     time_s <= TIME_MAX;
	bool said = set_path(h, m->path, m->path_len);

	if (!said) {
		memcpy(h->name, m->path, sizeof(h->name));
		said = is_ascii(m->path, m->path_len);
		if (said)
			add_record(pax, "path", m->path, m->path_len);
	}
	if (m->uid > ID_MAX)
		add_number(pax, "uid", m->uid);
	if (m->gid > ID_MAX)
		add_number(pax, "gid", m->gid);
	if (!whole)
		add_mtime(pax, m->mtime_ns);
	octal(h->mode, sizeof(h->mode), m->mode & 07777);
	octal(h->uid, sizeof(h->uid), m->uid > ID_MAX ? 0 : m->uid);
	octal(h->gid, sizeof(h->gid), m->gid > ID_MAX ? 0 : m->gid);
	octal(h->size, sizeof(h->size), m->size);
	octal(h->mtime, sizeof(h->mtime),
	      time_s < 0 || time_s > TIME_MAX ? 0 : (uint64_t)time_s);
	h->typeflag = '0';
	return said;
}

/* A header that tells about the next one, and its data. */
static int add_extension(struct buf *out, const char *name, char type,
			 const void *data, size_t len)
{
	struct ustar x = { .typeflag = type };

	memcpy(x.name, name, strlen(name));
	octal(x.mode, sizeof(x.mode), 0644);
	octal(x.uid, sizeof(x.uid), 0);
	octal(x.gid, sizeof(x.gid), 0);
	octal(x.size, sizeof(x.size), len);
	octal(x.mtime, sizeof(x.mtime), 0);
	(void)add_block(out, &x); /* sticky */
	(void)buf_add(out, data, len);
	return buf_add_zero(out, tar_padding(len));
}

/* GNU's long name: the path with a NUL. */
static int add_long_name(struct buf *out, const struct tar_member *m)
{
	char path[PATH_MAX_LEN + 1];

	memcpy(path, m->path, m->path_len);
	path[m->path_len] = '\0';
	return add_extension(out, "././@LongLink", 'L', path, m->path_len + 1);
}

int tar_header(struct buf *out, const struct tar_member *m)
{
	CLEANUP_BUF struct buf pax = BUF_INIT(TAR_HEADER_MAX);
	struct ustar h = { 0 };
	bool said;

	assert(m->path_len && m->path_len <= PATH_MAX_LEN &&
	       m->size <= TAR_SIZE_MAX);
	said = split(&h, &pax, m);
	if (buf_error(&pax))
		return buf_error(&pax);
	if (!said && add_long_name(out, m))
		return buf_error(out);
	if (pax.len &&
	    add_extension(out, "././@PaxHeader", 'x', pax.data, pax.len))
		return buf_error(out);
	return add_block(out, &h);
}
