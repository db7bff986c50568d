/*
 * assetctl rm: options, and what is said at the end.
 *
 * Paths of one bucket that follow each other are removed together.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "s3/bill.h"
#include "tools/cmd.h"
#include "tools/cmdline.h"
#include "tools/output.h"
#include "tools/quote.h"
#include "tools/rm.h"

#define TEXT_MAX 8192

static const char help[] =
	"usage: assetctl rm [OPTIONS] PATH...\n"
	"\n"
	"Removes files, links and with -r directories from a bucket.\n"
	"\n"
	"  -r, -R, --recursive    directories, with all below them\n"
	"  -f, --force            do not ask, and say nothing of what is not\n"
	"                         there\n"
	"  -n, --dry-run          say what would be removed, change nothing\n"
	"  --single-writer        commit although the server cannot keep two\n"
	"                         writers apart\n";

struct rm_args {
	struct session_options session;
	bool recursive, force, dry_run;
	char **paths;
	size_t count;
};

/* What was asked of the stores of all buckets. */
struct totals {
	struct rm_result result;
	struct store_counts counts;
	bool unbilled;
};

static int take(void *arg, int opt, const char *value, struct err *e)
{
	struct rm_args *a = arg;

	(void)value, (void)e;
	switch (opt) {
	case 'r':
	case 'R':
		a->recursive = true;
		return 1;
	case 'f':
		a->force = true;
		return 1;
	case 'n':
		a->dry_run = true;
		return 1;
	}
	return 0;
}

static const struct option options[] = {
	SESSION_LONG,
	SESSION_WRITER,
	{ "recursive", no_argument, NULL, 'r' },
	{ "force", no_argument, NULL, 'f' },
	{ "dry-run", no_argument, NULL, 'n' },
	{ 0 },
};

static const struct cmdline cmdline = {
	.verb = "rm",
	.help = help,
	.letters = SESSION_SHORT "rRfn",
	.table = options,
	.take = take,
};

static int parse(struct rm_args *a, int argc, char **argv)
{
	int status = cmdline_parse(&cmdline, &a->session, a, argc, argv);

	if (status >= 0)
		return status;
	a->paths = argv + optind;
	a->count = (size_t)(argc - optind);
	if (!a->count && !a->force)
		return cmdline_error(&cmdline, "rm takes one PATH or more");
	return -1;
}

/* As rm -I: once for each directory, and only where somebody can answer. */
static bool ask(const char *text)
{
	CLEANUP_BUF struct buf shown = BUF_INIT(TEXT_MAX);
	char answer[16] = "";

	(void)quote_terminal(&shown, text, strlen(text)); /* only shown */
	(void)fprintf(stderr, "remove '%s' with all below it? ",
		      shown.data ? shown.data : "");
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	return *answer == 'y' || *answer == 'Y';
}

static char *key_of(const char *prefix)
{
	size_t len = strlen(prefix);

	return strndup(prefix, len ? len - 1 : 0);
}

static bool ends_in_slash(const char *text)
{
	size_t len = strlen(text);

	return len && text[len - 1] == '/';
}

/* As many of the paths as are in one bucket: the session is opened on the
 * first. */
struct group {
	struct session session;
	struct rm_path *paths; /* owned */
	char **keys; /* theirs, owned */
	size_t count;
};

static void group_done(struct group *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->keys[i]);
	free(g->keys);
	free(g->paths);
	session_close(&g->session);
}

static int group_add(struct group *g, const char *text, const char *prefix,
		     struct err *e)
{
	char *key = key_of(prefix);

	if (!key)
		return err_set(e, -ENOMEM, "out of memory");
	g->keys[g->count] = key;
	g->paths[g->count] = (struct rm_path){
		.text = text,
		.key = key,
		.slash = ends_in_slash(text),
	};
	g->count++;
	return 0;
}

static int group_open(struct group *g, const struct rm_args *a, size_t first,
		      struct err *e)
{
	struct store *store;
	int r;

	g->paths = calloc(a->count, sizeof(*g->paths));
	g->keys = calloc(a->count, sizeof(*g->keys));
	if (!g->paths || !g->keys)
		return err_set(e, -ENOMEM, "out of memory");
	r = session_open(&g->session, a->paths[first], &a->session, e);
	if (r)
		return r;
	store = g->session.source.store;
	r = group_add(g, a->paths[first], g->session.source.prefix, e);
	for (size_t i = first + 1; i < a->count && !r; i++) {
		struct source other = { 0 };
		bool same;

		/* A path that cannot be opened is told of in its turn. */
		if (source_open(&other, a->paths[i], &g->session.options.source,
				NULL))
			break;
		same = !memcmp(other.store->bucket_id, store->bucket_id,
			       sizeof(store->bucket_id));
		if (same)
			r = group_add(g, a->paths[i], other.prefix, e);
		source_done(&other);
		if (!same)
			break;
	}
	return r;
}

static int run_group(struct group *g, const struct rm_args *a,
		     struct totals *all, struct notes *failed, struct err *e)
{
	const struct rm_options o = {
		.recursive = a->recursive,
		.force = a->force,
		.dry_run = a->dry_run,
		.single_writer = g->session.options.single_writer,
		.ask = !a->force && !a->dry_run && isatty(STDIN_FILENO) ? ask
									: NULL,
	};
	struct store_counts counts;
	int r = rm_run(&all->result, &g->session, &o, g->paths, g->count,
		       failed, e);

	store_counts(g->session.source.store, &counts);
	store_counts_add(&all->counts, &counts);
	all->unbilled |= g->session.unbilled;
	return r;
}

static int say_text(const struct rm_args *a, const struct totals *all,
		    double seconds)
{
	CLEANUP_BUF struct buf out = BUF_INIT(TEXT_MAX);
	const struct rm_result *res = &all->result;

	(void)buf_addf(&out, "%s %zu path%s",
		       a->dry_run ? "dry run: would have removed" : "removed",
		       res->paths, res->paths == 1 ? "" : "s");
	if (res->trees)
		(void)buf_addf(&out, ", %zu tree%s", res->trees,
			       res->trees == 1 ? "" : "s");
	if (res->objects)
		(void)buf_addf(&out, ", %zu plain object%s", res->objects,
			       res->objects == 1 ? "" : "s");
	(void)buf_addf(&out, " in %.1f s; ", seconds);
	(void)bill_add_requests(&out, &all->counts);
	if (!all->unbilled)
		(void)bill_add_price(&out, &all->counts);
	return output_line(&out);
}

static int say_json(const struct rm_args *a, const struct totals *all,
		    double seconds)
{
	const struct rm_result *res = &all->result;

	return output_json(
		json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:f, s:f}",
			  "verb", "rm", "dry_run", (int)a->dry_run, "paths",
			  (json_int_t)res->paths, "trees",
			  (json_int_t)res->trees, "objects",
			  (json_int_t)res->objects, "kept",
			  (json_int_t)res->kept, "requests_total",
			  (json_int_t)bill_requests(&all->counts), "seconds",
			  seconds, "price_usd",
			  all->unbilled ? 0.0 : bill_price(&all->counts)),
		0);
}

/* 0, or the error that ended it, which has been said. */
static int run_all(const struct rm_args *a, struct totals *all,
		   struct notes *failed)
{
	size_t done = 0;

	while (done < a->count) {
		CLEANUP(group_done) struct group g = { 0 };
		struct err e = { 0 };
		int r = group_open(&g, a, done, &e);

		if (!r)
			r = run_group(&g, a, all, failed, &e);
		if (r) {
			log_error("rm: %s", e.text);
			return r;
		}
		done += g.count;
	}
	return 0;
}

static int rm(const struct rm_args *a)
{
	uint64_t start_ns = clock_now_ns();
	struct totals all = { 0 };
	struct notes failed;
	double seconds;
	size_t wrong;
	int r, status = EXIT_OK;

	notes_init(&failed);
	r = run_all(a, &all, &failed);
	wrong = notes_count(&failed);
	notes_log(&failed, true);
	notes_done(&failed);
	if (all.result.kept)
		log_warn("%zu %s changed by someone else meanwhile and left",
			 all.result.kept,
			 all.result.kept == 1 ? "path was" : "paths were");
	seconds = (double)(clock_now_ns() - start_ns) / 1e9;
	if (!r && a->session.json)
		status = say_json(a, &all, seconds);
	else if (!r && !a->session.quiet)
		status = say_text(a, &all, seconds);
	if (r == -ECANCELED && session_interrupted())
		return EXIT_INTERRUPTED;
	return r || wrong || all.result.kept ? EXIT_FAILED : status;
}

int cmd_rm(int argc, char **argv)
{
	struct rm_args a = { 0 };
	int status;

	session_options_init(&a.session);
	status = parse(&a, argc, argv);
	if (status < 0)
		status = rm(&a);
	session_options_done(&a.session);
	return status;
}
