/*
 * assetctl gc: options, and what is said at the end.
 */
#include <errno.h>

#include "s3/base/clock.h"
#include "s3/base/human.h"
#include "s3/base/log.h"
#include "s3/bill.h"
#include "tools/cmd.h"
#include "tools/cmdline.h"
#include "tools/gc.h"
#include "tools/output.h"

#define TEXT_MAX 4096

static const char help[] =
	"usage: assetctl gc [OPTIONS] SOURCE\n"
	"\n"
	"Condemns what no version of a tree in the bucket refers to, and "
	"deletes\n"
	"what has been condemned for a day. Prunes old versions of trees.\n"
	"\n"
	"  -n, --dry-run          say what would be done, change nothing\n"
	"  -y, --yes              also when more than a tenth of the pool "
	"would\n"
	"                         be deleted\n";

struct gc_args {
	struct session_options session;
	bool dry_run;
	bool yes;
	const char *source;
};

static int take(void *arg, int opt, const char *value, struct err *e)
{
	struct gc_args *a = arg;

	(void)value, (void)e;
	if (opt == 'n')
		a->dry_run = true;
	else if (opt == 'y')
		a->yes = true;
	else
		return 0;
	return 1;
}

static const struct option options[] = {
	SESSION_LONG,
	{ "dry-run", no_argument, NULL, 'n' },
	{ "yes", no_argument, NULL, 'y' },
	{ 0 },
};

static const struct cmdline cmdline = {
	.verb = "gc",
	.help = help,
	.letters = SESSION_SHORT "ny",
	.table = options,
	.take = take,
};

static void add_count(struct buf *out, const char *what,
		      const struct gc_count *c)
{
	(void)buf_addf(out, "%s %zu object%s", what, c->objects,
		       c->objects == 1 ? "" : "s");
	(void)human_add_size(out, " (", c->bytes, ")");
}

static int say_text(const struct gc_args *a, const struct session *s,
		    const struct gc_result *res)
{
	CLEANUP_BUF struct buf out = BUF_INIT(TEXT_MAX);
	struct store_counts counts;
	double seconds = (double)(clock_now_ns() - s->started_ns) / 1e9;

	store_counts(s->source.store, &counts);
	add_count(&out, a->dry_run ? "dry run: would have deleted" : "deleted",
		  res->refused ? &(struct gc_count){ 0 } : &res->deleted);
	add_count(&out, " of", &res->pool);
	if (res->condemned.objects)
		add_count(&out, ", condemned", &res->condemned);
	if (res->lost)
		(void)buf_addf(&out, ", lost %zu blob%s", res->lost,
			       res->lost == 1 ? "" : "s");
	if (res->pruned.objects)
		(void)buf_addf(&out, ", pruned %zu version%s",
			       res->pruned.objects,
			       res->pruned.objects == 1 ? "" : "s");
	if (res->indexes_made)
		(void)buf_addf(&out, ", wrote %zu index%s", res->indexes_made,
			       res->indexes_made == 1 ? "" : "es");
	(void)buf_addf(&out, "; read %zu version%s of %zu tree%s in %.1f s; ",
		       res->versions, res->versions == 1 ? "" : "s", res->trees,
		       res->trees == 1 ? "" : "s", seconds);
	(void)bill_add_requests(&out, &counts);
	if (!s->unbilled)
		(void)bill_add_price(&out, &counts);
	return output_line(&out);
}

static int set_count(json_t *o, const char *name, const struct gc_count *c)
{
	return json_object_set_new(o, name,
				   json_pack("{s:I, s:I}", "objects",
					     (json_int_t)c->objects, "bytes",
					     (json_int_t)c->bytes));
}

static int say_json(const struct gc_args *a, const struct session *s,
		    const struct gc_result *res)
{
	json_t *o = json_object();
	struct store_counts counts;
	double seconds = (double)(clock_now_ns() - s->started_ns) / 1e9;
	int r;

	store_counts(s->source.store, &counts);
	r = json_object_set_new(o, "verb", json_string("gc"));
	r |= json_object_set_new(o, "dry_run", json_boolean(a->dry_run));
	r |= output_set_number(o, "run", res->run);
	r |= output_set_number(o, "trees", res->trees);
	r |= output_set_number(o, "versions", res->versions);
	r |= set_count(o, "pool", &res->pool);
	r |= set_count(o, "condemned", &res->condemned);
	r |= set_count(o, res->refused ? "refused" : "deleted", &res->deleted);
	r |= set_count(o, "pruned", &res->pruned);
	r |= output_set_number(o, "lost", res->lost);
	r |= output_set_number(o, "indexes_written", res->indexes_made);
	r |= output_set_number(o, "requests_total", bill_requests(&counts));
	r |= output_set_number(o, "bytes_in", counts.bytes_in);
	r |= output_set_number(o, "bytes_out", counts.bytes_out);
	r |= json_object_set_new(o, "seconds", json_real(seconds));
	r |= json_object_set_new(
		o, "price_usd",
		json_real(s->unbilled ? 0 : bill_price(&counts)));
	return output_json(o, r);
}

static void say_refused(const struct gc_result *res)
{
	char part[HUMAN_MAX], whole[HUMAN_MAX];

	human_size(part, res->deleted.bytes);
	human_size(whole, res->pool.bytes);
	log_error("%zu objects with %s of the pool's %s would be deleted, more "
		  "than a tenth: if that is meant, repeat with --yes",
		  res->deleted.objects, part, whole);
}

static int say(const struct gc_args *a, const struct session *s,
	       const struct gc_result *res)
{
	int status = EXIT_OK;

	if (res->lost)
		log_warn("%zu blob%s that trees name %s not in the bucket any "
			 "more: 'assetctl verify' tells whose content it was; "
			 "push it again from where it still is",
			 res->lost, res->lost == 1 ? "" : "s",
			 res->lost == 1 ? "is" : "are");
	if (a->session.json)
		status = say_json(a, s, res);
	else if (!a->session.quiet)
		status = say_text(a, s, res);
	if (!res->refused)
		return status;
	say_refused(res);
	return EXIT_FAILED;
}

static int gc(const struct gc_args *a)
{
	struct gc_result result = { 0 };
	struct session session;
	struct err e = { 0 };
	int status = EXIT_FAILED;
	int r = session_open(&session, a->source, &a->session, &e);
	struct gc_options o = {
		.pool = session.options.pool ? session.options.pool : "",
		.cache = session.cache,
		.dry_run = a->dry_run,
		.yes = a->yes,
		.stop = session_interrupted,
	};

	if (r) {
		log_error("%s", e.text);
		return EXIT_FAILED;
	}
	o.progress = progress_start("gc", session.options.quiet);
	r = gc_run(&result, session.source.store, &o, &e);
	progress_stop(o.progress);
	if (!r)
		status = say(a, &session, &result);
	session_close(&session);
	if (r)
		log_error("gc '%s': %s", a->source, e.text);
	if (r == -ECANCELED && session_interrupted())
		return EXIT_INTERRUPTED;
	return status;
}

int cmd_gc(int argc, char **argv)
{
	struct gc_args a = { 0 };
	int status;

	session_options_init(&a.session);
	status =
		cmdline_source(&cmdline, &a.session, &a, argc, argv, &a.source);
	if (status < 0)
		status = gc(&a);
	session_options_done(&a.session);
	return status;
}
