/*
 * assetctl push: options, and what is said at the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "tools/cmd.h"
#include "tools/cmdline.h"
#include "s3/base/human.h"
#include "tools/push.h"
#include "tools/summary.h"

enum {
	OPT_DELETE = OPT_VERB_FIRST,
	OPT_EXCLUDE,
	OPT_FILES_FROM,
	OPT_JOBS,
	OPT_PLAIN,
};

#define JOBS_MAX 256

static const char help[] =
	"usage: assetctl push [OPTIONS] SRC... DEST\n"
	"\n"
	"Puts directories and files into a bucket, packed, in one commit.\n"
	"\n"
	"  push K s3://bucket/assets/    makes or updates assets/K\n"
	"  push K s3://bucket/assets/L   makes or updates assets/L\n"
	"  push K/ s3://bucket/assets    puts what is in K into assets\n"
	"  push K f s3://bucket/assets   makes or updates assets/K and "
	"assets/f\n"
	"\n"
	"  --delete               remove what DEST has in the directories "
	"pushed\n"
	"                         and SRC lacks\n"
	"  --exclude PATTERN      leave these names alone; may be repeated\n"
	"  --files-from FILE      push what FILE (- for standard input) "
	"names,\n"
	"                         a path below SRC on each line\n"
	"  -0, --from0            paths in FILE are ended by NULs\n"
	"  --plain                each file an object at its path, as other\n"
	"                         tools have it\n"
	"  --jobs N               uploads at a time\n"
	"  -n, --dry-run          say what would be done, change nothing\n"
	"  --single-writer        commit although the server cannot keep two\n"
	"                         writers apart\n";

struct push_args {
	struct session_options session;
	struct push_options push;
};

static int take_exclude(struct push_options *o, const char *pattern,
			struct err *e)
{
	int r = exclude_add(&o->sources.exclude, pattern);

	return r ? err_set(e, r, "--exclude '%s': %s", pattern, strerror(-r))
		 : 0;
}

static int take_jobs(struct push_options *o, const char *value, struct err *e)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !n || n > JOBS_MAX)
		return err_set(e, -EINVAL, "--jobs '%s': a number from 1 to %d",
			       value, JOBS_MAX);
	o->jobs = (unsigned int)n;
	return 0;
}

static int take(void *arg, int opt, const char *value, struct err *e)
{
	struct push_args *a = arg;

	switch (opt) {
	case 'n':
		a->push.dry_run = true;
		return 1;
	case OPT_DELETE:
		a->push.delete = true;
		return 1;
	case OPT_EXCLUDE:
		return take_exclude(&a->push, value, e) ?: 1;
	case OPT_JOBS:
		return take_jobs(&a->push, value, e) ?: 1;
	case OPT_FILES_FROM:
		a->push.sources.files_from = value;
		return 1;
	case '0':
		a->push.sources.from0 = true;
		return 1;
	case OPT_PLAIN:
		a->push.plain = true;
		return 1;
	}
	return 0;
}

static const struct option options[] = {
	SESSION_LONG,
	SESSION_WRITER,
	{ "delete", no_argument, NULL, OPT_DELETE },
	{ "dry-run", no_argument, NULL, 'n' },
	{ "exclude", required_argument, NULL, OPT_EXCLUDE },
	{ "files-from", required_argument, NULL, OPT_FILES_FROM },
	{ "jobs", required_argument, NULL, OPT_JOBS },
	{ "from0", no_argument, NULL, '0' },
	{ "plain", no_argument, NULL, OPT_PLAIN },
	{ 0 },
};

static const struct cmdline cmdline = {
	.verb = "push",
	.help = help,
	.letters = SESSION_SHORT "n0",
	.table = options,
	.take = take,
};

/* What options and arguments say together; NULL, or what is wrong. */
static const char *check(const struct push_options *o)
{
	const struct sources *s = &o->sources;

	if (!s->count)
		return "push takes SRC and DEST";
	if (s->files_from && s->count > 1)
		return "--files-from takes one SRC, which the names in the "
		       "list are relative to";
	if (o->delete &&s->files_from)
		return "--delete and --files-from exclude each other: a list "
		       "does not say what a directory lacks";
	if (s->from0 && !s->files_from)
		return "--from0 is of use with --files-from only";
	return NULL;
}

static int parse(struct push_args *a, int argc, char **argv)
{
	int status = cmdline_parse(&cmdline, &a->session, a, argc, argv);
	struct push_options *o = &a->push;
	const char *wrong;

	if (status >= 0)
		return status;
	o->sources.srcs = (const char *const *)argv + optind;
	o->sources.count = argc > optind ? (size_t)(argc - optind - 1) : 0;
	wrong = check(o);
	if (wrong)
		return cmdline_error(&cmdline, wrong);
	o->dest = argv[argc - 1];
	return -1;
}

static void say_plan(const struct push_result *result)
{
	char size[HUMAN_MAX];

	human_size(size, result->upload_bytes);
	(void)printf("%" PRIu64 " file%s with %s of content to upload, "
		     "%zu object%s\n",
		     result->upload_files, result->upload_files == 1 ? "" : "s",
		     size, result->upload_objects,
		     result->upload_objects == 1 ? "" : "s");
}

static int say(const struct push_args *a, const struct session *s,
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
		.dry_run = a->push.dry_run,
		.unbilled = s->unbilled,
	};

	store_counts(s->source.store, &sum.counts);
	if (a->push.dry_run && !a->session.json && !a->session.quiet)
		say_plan(result);
	return summary_print(&sum, a->session.json, a->session.quiet);
}

static int push(const struct push_args *a)
{
	struct push_options o = a->push;
	bool several = o.sources.count > 1;
	struct session session;
	struct push_result result;
	struct err e = { 0 };
	int status = EXIT_OK;
	int r = session_open(&session, o.dest, &a->session, &e);

	if (r) {
		log_error("%s", e.text);
		return EXIT_FAILED;
	}
	o.session = &session.options;
	r = push_run(&result, &session, &o, &e);
	if (!r)
		status = say(a, &session, &result);
	session_close(&session);
	if (r)
		log_error("push %s'%s': %s", several ? "to " : "",
			  several ? o.dest : *o.sources.srcs, e.text);
	if (r == -ECANCELED && session_interrupted())
		return EXIT_INTERRUPTED;
	return r || result.warnings ? EXIT_FAILED : status;
}

int cmd_push(int argc, char **argv)
{
	struct push_args a = { 0 };
	int status;

	session_options_init(&a.session);
	status = parse(&a, argc, argv);
	if (status < 0)
		status = push(&a);
	exclude_done(&a.push.sources.exclude);
	session_options_done(&a.session);
	return status;
}
