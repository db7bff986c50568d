#include "tests/proxy/times.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HTTP_FORMAT "%a, %d %b %Y %H:%M:%S GMT"
#define XML_FORMAT "%Y-%m-%dT%H:%M:%S"
#define XML_LEN 19
#define XML_TAG "<LastModified>"

static void read_moves(struct times *t)
{
	FILE *in = fopen(t->file, "re");
	long long when, by;

	if (!in)
		err(1, "%s", t->file);
	t->count = 0;
	while (t->count < TIMES_MAX &&
	       fscanf(in, "%lld %lld", &when, &by) == 2) {
		t->moves[t->count].when_s = when;
		t->moves[t->count++].by_s = by;
	}
	if (!feof(in))
		errx(1, "%s: not a move of the clock", t->file);
	fclose(in);
}

static void look_again(struct times *t)
{
	struct stat now;

	if (stat(t->file, &now) < 0)
		err(1, "%s", t->file);
	if (now.st_ino == t->read.st_ino && now.st_size == t->read.st_size &&
	    now.st_mtim.tv_sec == t->read.st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == t->read.st_mtim.tv_nsec)
		return;
	read_moves(t);
	t->read = now;
}

int64_t times_told(struct times *t, int64_t s)
{
	int64_t by = 0;

	if (!t->file)
		return s;
	look_again(t);
	for (size_t i = 0; i < t->count; i++)
		if (s >= t->moves[i].when_s)
			by += t->moves[i].by_s;
	return s + by;
}

void times_rewrite_http(struct times *t, char *text, size_t len)
{
	char stamp[64] = "";
	struct tm tm = { 0 };
	time_t told;

	if (len >= sizeof(stamp))
		return;
	memcpy(stamp, text, len);
	if (!strptime(stamp, HTTP_FORMAT, &tm))
		return;
	told = times_told(t, timegm(&tm));
	gmtime_r(&told, &tm);
	/* The same width by definition of the format; so below. */
	if (strftime(stamp, sizeof(stamp), HTTP_FORMAT, &tm) == len)
		memcpy(text, stamp, len);
}

static void rewrite_xml(struct times *t, char *text)
{
	char stamp[XML_LEN + 1] = "";
	struct tm tm = { 0 };
	time_t told;

	memcpy(stamp, text, XML_LEN);
	if (!strptime(stamp, XML_FORMAT, &tm))
		return;
	told = times_told(t, timegm(&tm));
	gmtime_r(&told, &tm);
	if (strftime(stamp, sizeof(stamp), XML_FORMAT, &tm) == XML_LEN)
		memcpy(text, stamp, XML_LEN);
}

void times_rewrite_xml(struct times *t, char *text, size_t len)
{
	const size_t tag = strlen(XML_TAG);
	char *end = text + len;
	char *at = text;

	while ((at = memmem(at, (size_t)(end - at), XML_TAG, tag))) {
		at += tag;
		if ((size_t)(end - at) >= XML_LEN)
			rewrite_xml(t, at);
	}
}
