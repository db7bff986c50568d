/*
 * assetctl push: options, and what is said at the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "tools/cmd.h"
#include "s3/base/human.h"
#include "tools/push.h"
#include "tools/session.h"
#include "tools/summary.h"

enum {
	OPT_DRY_RUN = OPT_VERB_FIRST,
	OPT_SINGLE_WRITER,
};

static const char help[] =
	"usage: assetctl push [OPTIONS] SRC DEST\n"
	"\n"
	"Puts a directory or a file into a bucket, packed, in one commit.\n"
	"\n"
	"  push K s3://bucket/assets/    makes or updates assets/K\n"
	"  push K s3://bucket/assets/L   makes or updates assets/L\n"
	"  push K/ s3://bucket/assets    puts what is in K into assets\n"
	"\n"
	"  --dry-run              say what would be uploaded, change nothing\n"
	"  --single-writer        commit although the server cannot keep two\n"
	"                         writers apart\n";

struct push_args {
	struct session_options session;
	bool dry_run;
	const char *src, *dest;
};

static int take_option(struct push_args *a, int opt, struct err *e)
{
	int r;

	if (opt == OPT_DRY_RUN) {
		a->dry_run = true;
		return 0;
	}
	if (opt == OPT_SINGLE_WRITER) {
		a->session.single_writer = true;
		return 0;
	}
	r = session_option(&a->session, opt, optarg, e);
	if (!r)
		return -1; /* getopt has said it */
	return r < 0 ? r : 0;
}

/* 0, or EXIT_USAGE with a line said. */
static int parse(struct push_args *a, int argc, char **argv)
{
	static const struct option options[] = {
		SESSION_LONG,
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		{ "single-writer", no_argument, NULL, OPT_SINGLE_WRITER },
		{ 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, SESSION_SHORT, options, NULL)) !=
	       -1) {
		struct err e = { 0 };

		if (take_option(a, opt, &e)) {
			if (e.code)
				log_error("%s", e.text);
			return EXIT_USAGE;
		}
	}
	if (a->session.help)
		return 0;
	if (argc - optind != 2) {
		log_error("push takes SRC and DEST; try 'assetctl push "
			  "--help'");
		return EXIT_USAGE;
	}
	a->src = argv[optind];
	a->dest = argv[optind + 1];
	return 0;
}

static void say_plan(const struct push_result *result)
{
	char size[HUMAN_MAX];

	human_size(size, result->upload_bytes);
	(void)printf("%" PRIu64 " files with %s of content to upload, "
		     "%zu objects\n",
		     result->upload_files, size, result->upload_objects);
}

static void say(const struct push_args *a, const struct session *s,
		const struct push_result *result)
{
	struct summary sum = {
		.verb = "push",
		.past = "pushed",
		.files = result->files,
		.dirs = result->dirs,
		.symlinks = result->symlinks,
		.bytes = result->bytes,
		.saved_pool = result->reused_bytes + result->unchanged_bytes,
		.unchanged = result->unchanged,
		.removed = result->removed,
		.seconds = (double)(clock_now_ns() - s->started_ns) / 1e9,
		.dry_run = a->dry_run,
		.unbilled = s->unbilled,
	};

	store_counts(s->source.store, &sum.counts);
	if (a->dry_run && !a->session.json && !a->session.quiet)
		say_plan(result);
	summary_print(&sum, a->session.json, a->session.quiet);
}

static int push(const struct push_args *a)
{
	const struct push_options o = {
		.src = a->src,
		.dest = a->dest,
		.session = &a->session,
		.dry_run = a->dry_run,
	};
	struct push_result result;
	struct session session;
	struct err e = { 0 };
	int r = session_open(&session, a->dest, &a->session, &e);

	if (r) {
		log_error("%s", e.text);
		return EXIT_FAILED;
	}
	r = push_run(&result, &session, &o, &e);
	if (!r)
		say(a, &session, &result);
	session_close(&session);
	if (r)
		log_error("push '%s': %s", a->src, e.text);
	if (r == -ECANCELED && session_interrupted())
		return EXIT_INTERRUPTED;
	return r || result.warnings ? EXIT_FAILED : EXIT_OK;
}

int cmd_push(int argc, char **argv)
{
	struct push_args a = { 0 };
	int status;

	session_options_init(&a.session);
	status = parse(&a, argc, argv);
	if (!status && a.session.help)
		(void)printf("%s%s", help, session_help);
	else if (!status)
		status = push(&a);
	session_options_done(&a.session);
	return status;
}
