/*
 * assetctl stat: where the bytes of a file stand, and what they cost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3/base/log.h"
#include "tools/cmd.h"
#include "tools/cmdline.h"
#include "tools/link.h"
#include "tools/stat.h"

/* Blocks of a file of 5 TiB, a line each, and more. */
#define TEXT_MAX (2u << 30)

static const char help[] =
	"usage: assetctl stat [OPTIONS] SOURCE[/PATH]...\n"
	"\n"
	"Tells attributes and version of each path, where its blocks stand, "
	"which\n"
	"of them this machine has, and what it costs to read it from the "
	"store.\n";

struct stat_cmd {
	struct session_options options;
	size_t printed;
};

static int print(struct stat_cmd *cmd, const struct location *at,
		 const char *path, const char *target)
{
	CLEANUP_BUF struct buf out = BUF_INIT(TEXT_MAX);
	int r;

	if (cmd->options.json) {
		(void)buf_add_str(&out, cmd->printed ? ",\n" : "[\n");
		r = stat_json(&out, at, path, target);
	} else {
		if (cmd->printed)
			(void)buf_add_char(&out, '\n');
		r = stat_text(&out, at, path, target);
	}
	if (r)
		return r;
	cmd->printed++;
	(void)fwrite(out.data, 1, out.len, stdout); /* main looks at it */
	return 0;
}

static int stat_path(struct stat_cmd *cmd, const char *path)
{
	struct location at;
	struct link link = { 0 };
	struct err e = { 0 };
	int r = location_open_one(&at, path, &cmd->options, &e);

	if (!r) {
		link.node = at.node;
		if (S_ISLNK(at.node->mode) &&
		    link_read(at.session.fetch, &link, 1, &e))
			r = e.code;
		else
			r = print(cmd, &at, path, link.target);
		if (r && !e.code)
			(void)err_set(&e, r, "'%s': %s", path, strerror(-r));
		free(link.target);
		location_close(&at);
	}
	if (!r)
		return EXIT_OK;
	log_error("%s", e.text);
	return session_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
}

static int stat_all(struct stat_cmd *cmd, char **paths, int count)
{
	int status = EXIT_OK;

	for (int i = 0; i < count && status != EXIT_INTERRUPTED; i++) {
		int one = stat_path(cmd, paths[i]);

		if (one != EXIT_OK)
			status = one;
	}
	if (cmd->options.json)
		(void)puts(cmd->printed ? "\n]" : "[]");
	return status;
}

static const struct option options[] = { SESSION_LONG, { 0 } };

static const struct cmdline cmdline = {
	.verb = "stat",
	.help = help,
	.letters = SESSION_SHORT,
	.table = options,
};

int cmd_stat(int argc, char **argv)
{
	struct stat_cmd cmd = { 0 };
	int status;

	session_options_init(&cmd.options);
	status = cmdline_parse(&cmdline, &cmd.options, NULL, argc, argv);
	if (status < 0 && optind == argc)
		status = cmdline_error(&cmdline, "SOURCE is missing");
	if (status < 0)
		status = stat_all(&cmd, argv + optind, argc - optind);
	session_options_done(&cmd.options);
	return status;
}
