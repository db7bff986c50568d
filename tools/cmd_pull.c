/*
 * assetctl pull: out of the bucket, onto local disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "tools/cmd.h"
#include "tools/pull.h"
#include "tools/summary.h"

enum {
	OPT_DRY_RUN = OPT_VERB_FIRST,
};

static const char help[] =
	"usage: assetctl pull [OPTIONS] SOURCE/PATH DEST\n"
	"\n"
	"Copies a file or a directory tree out of a bucket: into DEST where "
	"it\n"
	"is a directory or ends in '/', else to DEST itself. What is there\n"
	"already, with the same size, time and mode, is left alone.\n"
	"\n"
	"  -n, --dry-run          only tell what would be copied\n";

struct pull_cmd {
	struct session_options options;
	const char *source;
	const char *dest;
	bool dry_run;
};

static void print_summary(const struct pull_cmd *cmd, const struct session *s,
			  const struct pull_result *result)
{
	struct summary summary = {
		.verb = "pull",
		.past = "pulled",
		.files = result->files,
		.dirs = result->dirs,
		.symlinks = result->symlinks,
		.bytes = result->bytes,
		.saved_cache = result->saved,
		.unchanged = result->unchanged,
		.seconds = (double)(clock_now_ns() - s->started_ns) / 1e9,
		.dry_run = cmd->dry_run,
		.unbilled = s->unbilled,
	};

	store_counts(s->source.store, &summary.counts);
	summary_print(&summary, cmd->options.json, cmd->options.quiet);
}

static int status_of(int r, const struct pull_result *result)
{
	if (r == -EINTR)
		return EXIT_INTERRUPTED;
	if (r == -ENOMEM)
		log_error("out of memory");
	return r || result->failed ? EXIT_FAILED : EXIT_OK;
}

static int pull_to(const struct pull_cmd *cmd, struct location *at,
		   const struct target *target, const char *name)
{
	struct pull_job job = {
		.at = at,
		.target = target,
		.name = name,
		.dry_run = cmd->dry_run,
	};
	struct pull_result result;
	int r;

	job.progress = progress_start("pull", cmd->options.quiet);
	r = pull_run(&job, &result);
	progress_stop(job.progress);
	print_summary(cmd, &at->session, &result);
	return status_of(r, &result);
}

static int fail(const struct err *e)
{
	log_error("%s", e->text);
	return session_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static int pull(const struct pull_cmd *cmd)
{
	struct location at;
	struct target target;
	char *name;
	struct err e = { 0 };
	int status;

	if (location_open(&at, cmd->source, &cmd->options, true, &e))
		return fail(&e);
	if (target_open(&target, cmd->dest, at.name, cmd->dry_run, &name, &e)) {
		status = fail(&e);
	} else {
		status = pull_to(cmd, &at, &target, name);
		target_done(&target);
		free(name);
	}
	location_close(&at);
	return status;
}

static int usage_error(const char *text)
{
	log_error("%s; try 'assetctl pull --help'", text);
	return EXIT_USAGE;
}

/* EXIT_OK, or what to end with. */
static int parse(struct pull_cmd *cmd, int argc, char **argv)
{
	static const struct option table[] = {
		{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
		SESSION_LONG,
		{ 0 },
	};
	struct err e = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, SESSION_SHORT "n", table,
				  NULL)) != -1) {
		switch (opt) {
		case 'n':
		case OPT_DRY_RUN:
			cmd->dry_run = true;
			break;
		case '?':
			return EXIT_USAGE;
		default:
			if (session_option(&cmd->options, opt, optarg, &e) < 0)
				return usage_error(e.text);
		}
	}
	if (cmd->options.help)
		return EXIT_OK;
	if (optind + 2 != argc)
		return usage_error("SOURCE and DEST are needed");
	cmd->source = argv[optind];
	cmd->dest = argv[optind + 1];
	return EXIT_OK;
}

int cmd_pull(int argc, char **argv)
{
	struct pull_cmd cmd = { 0 };
	int status;

	session_options_init(&cmd.options);
	status = parse(&cmd, argc, argv);
	if (status == EXIT_OK && cmd.options.help)
		(void)printf("%s%s", help, session_help);
	else if (status == EXIT_OK)
		status = pull(&cmd);
	session_options_done(&cmd.options);
	return status;
}
