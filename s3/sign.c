#include "s3/sign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "s3/base/cleanup.h"

#define CANONICAL_MAX (128 << 10)

void sign_stamp(char out[SIGN_STAMP_LEN], int64_t now_s)
{
	time_t t = (time_t)now_s;
	struct tm tm;

	memcpy(out, "19700101T000000Z", SIGN_STAMP_LEN);
	if (gmtime_r(&t, &tm))
		(void)strftime(out, SIGN_STAMP_LEN, "%Y%m%dT%H%M%SZ", &tm);
}

void sign_key(struct hash *out, const char *secret, const char *date,
	      const char *region, const char *service)
{
	CLEANUP_BUF struct buf first = BUF_INIT(64 << 10);
	const char *const steps[] = { date, region, service, "aws4_request" };
	struct hash key;

	/* An over-long or failed secret only makes a wrong signature. */
	(void)buf_addf(&first, "AWS4%s", secret);
	hash_hmac(&key, first.data ? first.data : "", first.len, steps[0],
		  strlen(steps[0]));
	for (size_t i = 1; i < 4; i++)
		hash_hmac(&key, key.bytes, HASH_LEN, steps[i],
			  strlen(steps[i]));
	if (first.data)
		explicit_bzero(first.data, first.len);
	*out = key;
}

static int compare_fields(const void *a, const void *b)
{
	const struct header *const *x = a, *const *y = b;
	int r = strcmp((*x)->name, (*y)->name);

	if (r)
		return r;
	/* The order of equal names counts; they stand in one array. */
	return *x < *y ? -1 : *x > *y;
}

/* Runs of white space count as one space; the ends were trimmed already. */
static void add_value(struct buf *out, const char *value)
{
	for (const char *p = value; *p; p++) {
		bool space = *p == ' ' || *p == '\t' || *p == '\n' ||
			     *p == '\r';

		if (!space)
			(void)buf_add_char(out, *p);
		else if (p == value || out->data[out->len - 1] != ' ')
			(void)buf_add_char(out, ' ');
	}
}

int sign_canonical(struct buf *out, struct buf *names,
		   const struct sign_request *r)
{
	size_t count = r->headers->count;
	CLEANUP_FREE const struct header **sorted =
		calloc(count + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = &r->headers->fields[i];
	qsort(sorted, count, sizeof(*sorted), compare_fields);

	(void)buf_addf(out, "%s\n%s\n%s\n", r->method, r->path, r->query);
	for (size_t i = 0; i < count; i++) {
		bool same = i && !strcmp(sorted[i]->name, sorted[i - 1]->name);

		if (same) {
			(void)buf_add_char(out, ',');
		} else {
			(void)buf_addf(out, "%s%s:", i ? "\n" : "",
				       sorted[i]->name);
			(void)buf_addf(names, "%s%s", i ? ";" : "",
				       sorted[i]->name);
		}
		add_value(out, sorted[i]->value);
	}
	(void)buf_addf(out, "%s\n%s\n%s", count ? "\n" : "",
		       names->data ? names->data : "", r->payload);
	return buf_error(names) ? buf_error(names) : buf_error(out);
}

int sign_authorization(struct buf *out, const struct sign_request *r,
		       const struct sign_scope *s)
{
	CLEANUP_BUF struct buf canonical = BUF_INIT(CANONICAL_MAX);
	CLEANUP_BUF struct buf names = BUF_INIT(CANONICAL_MAX);
	CLEANUP_BUF struct buf text = BUF_INIT(CANONICAL_MAX);
	char hex[HASH_HEX];
	struct hash h;
	int ret;

	ret = sign_canonical(&canonical, &names, r);
	if (ret)
		return ret;
	hash_of(&h, canonical.data, canonical.len);
	hex_encode(hex, h.bytes, HASH_LEN);
	ret = buf_addf(&text,
		       "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s",
		       s->stamp, s->stamp, s->region, s->service, hex);
	if (ret)
		return ret;
	hash_hmac(&h, s->key->bytes, HASH_LEN, text.data, text.len);
	hex_encode(hex, h.bytes, HASH_LEN);
	return buf_addf(
		out,
		"AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, "
		"SignedHeaders=%s, Signature=%s",
		s->access, s->stamp, s->region, s->service, names.data, hex);
}
