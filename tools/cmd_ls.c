/*
 * assetctl ls: the namespace as the mount would show it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3/base/buf.h"
#include "s3/base/log.h"
#include "tools/cmd.h"
#include "tools/cmdline.h"
#include "tools/link.h"
#include "tools/listing.h"
#include "tools/location.h"
#include "tools/quote.h"
#include "tools/walk.h"

#define LINE_MAX_LEN (256u << 10) /* a quoted path and a quoted target */

enum {
	OPT_FORMAT = OPT_VERB_FIRST,
};

static const char help[] =
	"usage: assetctl ls [OPTIONS] SOURCE[/PATH]\n"
	"\n"
	"Lists a directory of a bucket, or a file.\n"
	"\n"
	"  -l                     mode, owner, size, time and where bytes "
	"stand\n"
	"  -R                     directories below, too\n"
	"  --format=mtree         all below in the form of mtree(5)\n";

struct ls {
	struct session_options options;
	struct listing_style style;
	bool attrs; /* print what needs a look at each object */
	bool recursive;
	const char *source;

	struct location at;
	size_t root_len; /* of the listed directory's path, with its '/' */
	size_t printed;
	size_t failed;
};

static int print_node(struct ls *ls, const struct view_node *node,
		      const char *name, const char *target)
{
	CLEANUP_BUF struct buf line = BUF_INIT(LINE_MAX_LEN);
	int r;

	if (ls->style.format == LISTING_JSON)
		(void)buf_add_str(&line, ls->printed ? ",\n" : "[\n");
	r = listing_add(&line, &ls->style, node, name, target);
	if (r)
		return r;
	ls->printed++;
	(void)fwrite(line.data, 1, line.len, stdout); /* main looks at it */
	return 0;
}

/* Path from the listed directory. */
static const char *below_root(const struct ls *ls, const char *path)
{
	return strlen(path) < ls->root_len ? "" : path + ls->root_len;
}

static bool names_are_paths(const struct ls *ls)
{
	return ls->style.format == LISTING_MTREE ||
	       ls->style.format == LISTING_JSON;
}

static const char *last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void report(struct ls *ls, const char *path, const struct err *e)
{
	ls->failed++;
	log_error("'%s': %s", path, e ? e->text : "out of memory");
}

/* The links of a directory, targets read; *ret_count of them. */
static struct link *read_links(struct ls *ls, const struct walk_dir *dir,
			       size_t *ret_count)
{
	struct link *links = calloc(dir->count ?: 1, sizeof(*links));
	size_t count = 0;
	struct err e = { 0 };

	if (!links)
		return NULL;
	for (size_t i = 0; i < dir->count; i++)
		if (S_ISLNK(dir->names[i].node->mode))
			links[count++].node = dir->names[i].node;
	if (link_read(ls->at.session.fetch, links, count, &e))
		report(ls, dir->path, &e);
	*ret_count = count;
	return links;
}

/* Links stand in the order of the names. */
static int print_names(struct ls *ls, const struct walk_dir *dir,
		       const struct link *links, size_t link_count)
{
	size_t next = 0;

	for (size_t i = 0; i < dir->count; i++) {
		const struct view_node *node = dir->names[i].node;
		const char *target = NULL;
		int r;

		if (dir->names[i].failed)
			report(ls, node->path, dir->names[i].err);
		if (next < link_count && links[next].node == node)
			target = links[next++].target;
		/* In a recursive mtree a directory has its line where it is
		 * visited. */
		if (ls->style.format == LISTING_MTREE && node->kind == VIEW_DIR)
			continue;
		r = print_node(ls, node,
			       names_are_paths(ls) ? below_root(ls, node->path)
						   : last_of(node->path),
			       target);
		if (r)
			return r;
	}
	return 0;
}

/* "path:" before each directory of a recursive list for people. */
static void print_head(struct ls *ls, const struct walk_dir *dir)
{
	CLEANUP_BUF struct buf line = BUF_INIT(LINE_MAX_LEN);
	const char *path = below_root(ls, dir->path);

	if (!ls->recursive || names_are_paths(ls))
		return;
	if (ls->printed++)
		(void)buf_add_char(&line, '\n');
	path = *path ? path : ".";
	if (ls->style.terminal)
		(void)quote_terminal(&line, path, strlen(path));
	else
		(void)buf_add_str(&line, path);
	(void)buf_add_str(&line, ":\n");
	(void)fwrite(line.data, 1, line.len, stdout); /* main looks at it */
}

static int print_dir(struct ls *ls, const struct walk_dir *dir)
{
	struct link *links = NULL;
	size_t link_count = 0;
	int r = 0;

	if (dir->err.code) {
		report(ls, dir->path, &dir->err);
		return 0;
	}
	print_head(ls, dir);
	if (ls->attrs) {
		links = read_links(ls, dir, &link_count);
		if (!links)
			return -ENOMEM;
	}
	if (ls->style.format == LISTING_MTREE)
		r = print_node(ls, dir->self, below_root(ls, dir->path), NULL);
	if (!r)
		r = print_names(ls, dir, links, link_count);
	for (size_t i = 0; i < link_count; i++)
		free(links[i].target);
	free(links);
	return r;
}

static int list_tree(struct ls *ls)
{
	const struct walk_options wo = {
		.view = ls->at.view,
		.attrs = ls->attrs,
		.dirs = true,
	};
	CLEANUP(walk_freep) struct walk *walk = NULL;
	int r = walk_open(&walk, &wo, ls->at.node);

	ls->root_len = strlen(ls->at.node->path);
	ls->root_len += !!ls->root_len;
	while (!r) {
		struct walk_dir dir = { 0 };

		r = walk_next(walk, true, &dir);
		if (r <= 0)
			break;
		r = print_dir(ls, &dir);
		if (!r && ls->recursive)
			r = walk_descend(walk, &dir);
		walk_dir_done(&dir);
		if (ferror(stdout))
			break;
	}
	if (r) { /* what is under way ends early */
		view_free(ls->at.view);
		ls->at.view = NULL;
	}
	return r;
}

static int list_file(struct ls *ls)
{
	struct link link = { .node = ls->at.node };
	struct err e = { 0 };
	int r;

	if (ls->attrs && S_ISLNK(ls->at.node->mode) &&
	    link_read(ls->at.session.fetch, &link, 1, &e))
		report(ls, ls->at.name, &e);
	r = print_node(ls, ls->at.node, ls->at.name, link.target);
	free(link.target);
	return r;
}

static int list(struct ls *ls)
{
	struct err e = { 0 };
	int r = location_open(&ls->at, ls->source, &ls->options, false, &e);

	if (r) {
		log_error("%s", e.text);
		return session_interrupted() ? EXIT_INTERRUPTED : EXIT_FAILED;
	}
	if (ls->style.format == LISTING_MTREE)
		(void)puts("#mtree");
	r = ls->at.node->kind == VIEW_DIR ? list_tree(ls) : list_file(ls);
	if (!r && ls->style.format == LISTING_JSON)
		(void)puts(ls->printed ? "\n]" : "[]");
	location_close(&ls->at);
	if (r == -EINTR)
		return EXIT_INTERRUPTED;
	if (r)
		log_error("%s", strerror(-r));
	return r || ls->failed ? EXIT_FAILED : EXIT_OK;
}

static int take(void *arg, int opt, const char *value, struct err *e)
{
	struct ls *ls = arg;

	switch (opt) {
	case 'l':
		ls->style.format = LISTING_LONG;
		return 1;
	case 'R':
		ls->recursive = true;
		return 1;
	case OPT_FORMAT:
		if (strcmp(value, "mtree"))
			return err_set(e, -EINVAL, "--format knows mtree only");
		ls->style.format = LISTING_MTREE;
		return 1;
	}
	return 0;
}

static const struct option options[] = {
	SESSION_LONG,
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ 0 },
};

static const struct cmdline cmdline = {
	.verb = "ls",
	.help = help,
	.letters = SESSION_SHORT "lR",
	.table = options,
	.take = take,
};

int cmd_ls(int argc, char **argv)
{
	struct ls ls = { .style.terminal = isatty(STDOUT_FILENO) };
	int status;

	session_options_init(&ls.options);
	status = cmdline_source(&cmdline, &ls.options, &ls, argc, argv,
				&ls.source);
	if (status < 0) {
		ls.attrs = ls.style.format != LISTING_NAMES;
		if (ls.style.format == LISTING_MTREE)
			ls.recursive = true;
		else if (ls.options.json)
			ls.style.format = LISTING_JSON;
		status = list(&ls);
	}
	session_options_done(&ls.options);
	return status;
}
