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
#include "tools/cmdline.h"
#include "tools/pull.h"
#include "tools/summary.h"

enum {
	OPT_DELETE = OPT_VERB_FIRST,
	OPT_EXCLUDE,
	OPT_FILES_FROM,
	OPT_JOBS,
};

#define JOBS_MAX 1024

static const char help[] =
	"usage: assetctl pull [OPTIONS] SOURCE[/PATH]... DEST\n"
	"\n"
	"Copies files and directory trees out of a bucket: into DEST where it\n"
	"is a directory, ends in '/' or there are several sources, else to "
	"DEST\n"
	"itself. Of a SOURCE that ends in '/', its contents go to DEST. What "
	"is\n"
	"there already and the same is left alone.\n"
	"\n"
	"  -n, --dry-run          only tell what would be copied\n"
	"  --delete               remove what is in DEST and not in SOURCE\n"
	"  --exclude PATTERN      leave these names out\n"
	"  --files-from FILE      only these paths below SOURCE; '-': stdin\n"
	"  -0, --from0            that list has NULs in place of newlines\n"
	"  --jobs N               at most N requests at once\n";

struct pull_cmd {
	struct session_options options;
	char **sources;
	size_t source_count;
	const char *dest;
	struct exclude exclude;
	const char *files_from; /* NULL: none */
	bool nul;
	struct filelist only;
	bool delete;
	bool dry_run;

	struct progress *progress;
	struct pull_result sum;
	struct store_counts counts;
	uint64_t started_ns;
	bool billed; /* at least one store sends a bill */
	bool ran; /* at least one source was there */
};

static int print_summary(const struct pull_cmd *cmd)
{
	const struct pull_result *sum = &cmd->sum;
	struct summary summary = {
		.verb = "pull",
		.past = "pulled",
		.files = sum->files,
		.dirs = sum->dirs,
		.symlinks = sum->symlinks,
		.bytes = sum->bytes,
		.saved_cache = sum->saved,
		.unchanged = sum->unchanged,
		.removed = sum->removed,
		.counts = cmd->counts,
		.seconds = (double)(clock_now_ns() - cmd->started_ns) / 1e9,
		.dry_run = cmd->dry_run,
		.unbilled = !cmd->billed,
	};

	return summary_print(&summary, cmd->options.json, cmd->options.quiet);
}

static int status_of(int r, const struct pull_result *result)
{
	if (r == -EINTR) {
		log_error("interrupted");
		return EXIT_INTERRUPTED;
	}
	if (r == -ENOMEM)
		log_error("out of memory");
	return r || result->failed ? EXIT_FAILED : EXIT_OK;
}

static void add_result(struct pull_result *sum, const struct pull_result *r)
{
	sum->files += r->files;
	sum->dirs += r->dirs;
	sum->symlinks += r->symlinks;
	sum->bytes += r->bytes;
	sum->unchanged += r->unchanged;
	sum->saved += r->saved;
	sum->removed += r->removed;
	sum->failed += r->failed;
}

/* *ret_r: why the other sources need not be tried, or 0. */
static int pull_to(struct pull_cmd *cmd, struct location *at,
		   const struct target *target, const char *name, int *ret_r)
{
	struct pull_job job = {
		.at = at,
		.target = target,
		.name = name,
		.exclude = &cmd->exclude,
		.only = cmd->files_from ? &cmd->only : NULL,
		.progress = cmd->progress,
		.files_before = cmd->sum.files + cmd->sum.symlinks,
		.bytes_before = cmd->sum.bytes,
		.delete = cmd->delete,
		.dry_run = cmd->dry_run,
	};
	struct store_counts counts;
	struct pull_result result;

	*ret_r = pull_run(&job, &result);
	add_result(&cmd->sum, &result);
	store_counts(at->session.source.store, &counts);
	store_counts_add(&cmd->counts, &counts);
	cmd->billed |= !at->session.unbilled;
	cmd->ran = true;
	return status_of(*ret_r, &result);
}

static int fail(const struct err *e)
{
	log_error("%s", e->text);
	return session_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static unsigned int target_flags(const struct pull_cmd *cmd, const char *source)
{
	size_t len = strlen(source);
	unsigned int flags = cmd->dry_run ? TARGET_DRY_RUN : 0;

	if (cmd->files_from || (len && source[len - 1] == '/'))
		flags |= TARGET_CONTENTS;
	if (cmd->source_count > 1)
		flags |= TARGET_INTO;
	return flags;
}

static int pull_one(struct pull_cmd *cmd, const char *source, int *ret_r)
{
	unsigned int flags = target_flags(cmd, source);
	struct location at;
	struct target target;
	char *name;
	struct err e = { 0 };
	int status, r;

	if (location_open(&at, source, &cmd->options, true, &e))
		return fail(&e);
	if ((flags & TARGET_CONTENTS) && at.node->kind != VIEW_DIR)
		r = err_set(&e, -ENOTDIR, "'%s' is no directory", source);
	else
		r = target_open(&target, cmd->dest, at.name, flags, &name, &e);
	if (r) {
		status = fail(&e);
	} else {
		status = pull_to(cmd, &at, &target, name, ret_r);
		target_done(&target);
		free(name);
	}
	location_close(&at);
	return status;
}

static int pull(struct pull_cmd *cmd)
{
	int status = EXIT_OK;

	cmd->started_ns = clock_now_ns();
	cmd->progress = progress_start("pull", cmd->options.quiet);
	for (size_t i = 0; i < cmd->source_count; i++) {
		int r = 0, one = pull_one(cmd, cmd->sources[i], &r);

		if (one != EXIT_OK)
			status = one;
		if (r || one == EXIT_INTERRUPTED)
			break;
	}
	progress_stop(cmd->progress);
	if (cmd->ran && print_summary(cmd) && status == EXIT_OK)
		status = EXIT_FAILED;
	return status;
}

static int take_jobs(struct pull_cmd *cmd, const char *text, struct err *e)
{
	char *end, word[64];
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !n || n > JOBS_MAX)
		return err_set(e, -EINVAL, "--jobs wants a number from 1 to %d",
			       JOBS_MAX);
	/* As a word, so that it stands over those of settings files. */
	(void)snprintf(word, sizeof(word), "max_connections=%lu", n);
	return session_option(&cmd->options, 'o', word, e);
}

static int take(void *arg, int opt, const char *value, struct err *e)
{
	struct pull_cmd *cmd = arg;

	switch (opt) {
	case 'n':
		cmd->dry_run = true;
		return 1;
	case '0':
		cmd->nul = true;
		return 1;
	case OPT_DELETE:
		cmd->delete = true;
		return 1;
	case OPT_EXCLUDE:
		if (exclude_add(&cmd->exclude, value))
			return err_set(e, -EINVAL, "--exclude wants a pattern");
		return 1;
	case OPT_FILES_FROM:
		cmd->files_from = value;
		return 1;
	case OPT_JOBS:
		return take_jobs(cmd, value, e);
	}
	return 0;
}

static const struct option options[] = {
	SESSION_LONG,
	{ "dry-run", no_argument, NULL, 'n' },
	{ "delete", no_argument, NULL, OPT_DELETE },
	{ "exclude", required_argument, NULL, OPT_EXCLUDE },
	{ "files-from", required_argument, NULL, OPT_FILES_FROM },
	{ "from0", no_argument, NULL, '0' },
	{ "jobs", required_argument, NULL, OPT_JOBS },
	{ 0 },
};

static const struct cmdline cmdline = {
	.verb = "pull",
	.help = help,
	.letters = SESSION_SHORT "n0",
	.table = options,
	.take = take,
};

/* What options and arguments say together; NULL, or what is wrong. */
static const char *check(const struct pull_cmd *cmd)
{
	if (cmd->nul && !cmd->files_from)
		return "-0 is for --files-from";
	if (cmd->files_from && cmd->source_count > 1)
		return "--files-from wants one SOURCE";
	if (cmd->delete &&cmd->files_from)
		return "--delete wants whole directories, not --files-from";
	/* Where two sources go to one place, each would lack what the other
	 * brought. */
	if (cmd->delete &&cmd->source_count > 1)
		return "--delete wants one SOURCE";
	return NULL;
}

static int parse(struct pull_cmd *cmd, int argc, char **argv)
{
	int status = cmdline_parse(&cmdline, &cmd->options, cmd, argc, argv);
	const char *wrong;

	if (status >= 0)
		return status;
	if (optind + 2 > argc)
		return cmdline_error(&cmdline, "SOURCE and DEST are needed");
	cmd->sources = argv + optind;
	cmd->source_count = (size_t)(argc - optind - 1);
	cmd->dest = argv[argc - 1];
	wrong = check(cmd);
	return wrong ? cmdline_error(&cmdline, wrong) : -1;
}

/* Paths in the list are taken from SOURCE, those with a slash in front too. */
static int read_list(struct pull_cmd *cmd)
{
	struct notes failed;
	struct err e = { 0 };
	int r, status = EXIT_OK;

	if (!cmd->files_from)
		return EXIT_OK;
	notes_init(&failed);
	r = filelist_read(&cmd->only, cmd->files_from, cmd->nul, "/", &failed,
			  &e);
	if (r)
		status = fail(&e);
	else if (notes_count(&failed))
		status = EXIT_FAILED;
	notes_log(&failed, true);
	notes_done(&failed);
	return status;
}

int cmd_pull(int argc, char **argv)
{
	struct pull_cmd cmd = { 0 };
	int status;

	session_options_init(&cmd.options);
	status = parse(&cmd, argc, argv);
	if (status < 0) {
		status = read_list(&cmd);
		if (status == EXIT_OK)
			status = pull(&cmd);
	}
	filelist_done(&cmd.only);
	exclude_done(&cmd.exclude);
	session_options_done(&cmd.options);
	return status;
}
