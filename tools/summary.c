/*
 * Numbers are told where they are not zero, so that the usual line is short.
 */
#include "tools/summary.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "s3/base/buf.h"
#include "s3/base/human.h"
#include "s3/bill.h"

#define TEXT_MAX 4096

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static double price(const struct summary *s)
{
	return s->unbilled ? 0 : bill_price(&s->counts);
}

static void add_work(struct buf *out, const struct summary *s)
{
	(void)buf_addf(out, "%s%s %" PRIu64 " file%s",
		       s->dry_run ? "dry run: would have " : "", s->past,
		       s->files, plural(s->files));
	(void)human_add_size(out, ", ", s->bytes, "");
	if (s->symlinks)
		(void)buf_addf(out, ", %" PRIu64 " symlink%s", s->symlinks,
			       plural(s->symlinks));
	if (s->unchanged)
		(void)buf_addf(out, ", %" PRIu64 " unchanged", s->unchanged);
	if (s->removed)
		(void)buf_addf(out, ", %" PRIu64 " removed", s->removed);
	(void)buf_addf(out, " in %.1f s; ", s->seconds);
}

static void add_saved(struct buf *out, const struct summary *s)
{
	if (s->saved_pool)
		(void)human_add_size(out, "; ", s->saved_pool,
				     " not moved (pool)");
	if (s->saved_cache)
		(void)human_add_size(out, "; ", s->saved_cache,
				     " not moved (local)");
}

char *summary_text(const struct summary *s)
{
	CLEANUP_BUF struct buf out = BUF_INIT(TEXT_MAX);

	add_work(&out, s);
	(void)bill_add_requests(&out, &s->counts);
	add_saved(&out, s);
	if (!s->unbilled)
		(void)bill_add_price(&out, &s->counts);
	return buf_take(&out);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* Setting a NULL value fails; the last line of the caller looks for it. */
static int requests_json(json_t *requests, const struct store_counts *c)
{
	int r = 0;

	for (int op = 0; op < STORE_OP_COUNT; op++)
		r |= json_object_set_new(requests,
					 store_op_name((enum store_op)op),
					 number(c->requests[op]));
	return r;
}

char *summary_json(const struct summary *s)
{
	json_t *o = json_object(), *requests = json_object();
	char *text = NULL;
	int r = requests_json(requests, &s->counts);

	r |= json_object_set_new(o, "verb", json_string(s->verb));
	r |= json_object_set_new(o, "dry_run", json_boolean(s->dry_run));
	r |= json_object_set_new(o, "files", number(s->files));
	r |= json_object_set_new(o, "dirs", number(s->dirs));
	r |= json_object_set_new(o, "symlinks", number(s->symlinks));
	r |= json_object_set_new(o, "bytes", number(s->bytes));
	r |= json_object_set_new(o, "unchanged", number(s->unchanged));
	r |= json_object_set_new(o, "removed", number(s->removed));
	r |= json_object_set_new(o, "saved_pool", number(s->saved_pool));
	r |= json_object_set_new(o, "saved_cache", number(s->saved_cache));
	r |= json_object_set_new(o, "requests_total",
				 number(bill_requests(&s->counts)));
	r |= json_object_set_new(o, "requests", requests);
	r |= json_object_set_new(o, "retries", number(s->counts.retries));
	r |= json_object_set_new(o, "bytes_in", number(s->counts.bytes_in));
	r |= json_object_set_new(o, "bytes_out", number(s->counts.bytes_out));
	r |= json_object_set_new(o, "seconds", json_real(s->seconds));
	r |= json_object_set_new(o, "price_usd", json_real(price(s)));
	if (!r)
		text = json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER |
					     JSON_REAL_PRECISION(9));
	json_decref(o);
	return text;
}

void summary_print(const struct summary *s, bool json, bool quiet)
{
	char *text;

	if (quiet && !json)
		return;
	text = json ? summary_json(s) : summary_text(s);
	if (text)
		(void)puts(text); /* main looks at stdout's errors at the end */
	free(text);
}
