/*
 * Numbers are told where they are not zero, so that the usual line is short.
 */
#include "tools/summary.h"

#include <inttypes.h>

#include "s3/base/human.h"
#include "s3/bill.h"
#include "tools/cmd.h"
#include "tools/output.h"

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

int summary_add_text(struct buf *out, const struct summary *s)
{
	add_work(out, s);
	(void)bill_add_requests(out, &s->counts);
	add_saved(out, s);
	if (!s->unbilled)
		(void)bill_add_price(out, &s->counts);
	return buf_error(out);
}

static int set_requests(json_t *o, const struct store_counts *c)
{
	json_t *requests = json_object();
	int r = 0;

	for (int op = 0; op < STORE_OP_COUNT; op++)
		r |= output_set_number(requests,
				       store_op_name((enum store_op)op),
				       c->requests[op]);
	return r | json_object_set_new(o, "requests", requests);
}

int summary_set_json(json_t *o, const struct summary *s)
{
	int r = json_object_set_new(o, "verb", json_string(s->verb));

	r |= json_object_set_new(o, "dry_run", json_boolean(s->dry_run));
	r |= output_set_number(o, "files", s->files);
	r |= output_set_number(o, "dirs", s->dirs);
	r |= output_set_number(o, "symlinks", s->symlinks);
	r |= output_set_number(o, "bytes", s->bytes);
	r |= output_set_number(o, "unchanged", s->unchanged);
	r |= output_set_number(o, "removed", s->removed);
	r |= output_set_number(o, "saved_pool", s->saved_pool);
	r |= output_set_number(o, "saved_cache", s->saved_cache);
	r |= output_set_number(o, "requests_total", bill_requests(&s->counts));
	r |= set_requests(o, &s->counts);
	r |= output_set_number(o, "retries", s->counts.retries);
	r |= output_set_number(o, "bytes_in", s->counts.bytes_in);
	r |= output_set_number(o, "bytes_out", s->counts.bytes_out);
	r |= json_object_set_new(o, "seconds", json_real(s->seconds));
	return r | json_object_set_new(o, "price_usd", json_real(price(s)));
}

static int print_json(const struct summary *s)
{
	json_t *o = json_object();

	return output_json(o, summary_set_json(o, s));
}

int summary_print(const struct summary *s, bool json, bool quiet)
{
	CLEANUP_BUF struct buf line = BUF_INIT(TEXT_MAX);

	if (json)
		return print_json(s);
	if (quiet)
		return EXIT_OK;
	(void)summary_add_text(&line, s); /* its failure stays with it */
	return output_line(&line);
}
