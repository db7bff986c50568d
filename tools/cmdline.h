/*
 * The command line of a verb: options of its own beside those of session.h.
 *
 * Threads: one.
 */
#pragma once

#include <getopt.h>

#include "tools/session.h"

struct cmdline {
	const char *verb; /* "gc" */
	const char *help; /* what --help prints first */
	const char *letters; /* of short options, with SESSION_SHORT */
	const struct option *table; /* with SESSION_LONG */
	/* One of the verb's own: 1 taken, 0 not its own, -EINVAL with a
	 * sentence. NULL where it has none. */
	int (*take)(void *arg, int opt, const char *value, struct err *e);
};

/* -1 to go on, with argv[optind] the first argument; else the exit status: help
 * was asked for, or what is wrong has been said. */
int cmdline_parse(const struct cmdline *c, struct session_options *o, void *arg,
		  int argc, char **argv);
/* The same for verbs that take one SOURCE, borrowed from argv. */
int cmdline_source(const struct cmdline *c, struct session_options *o,
		   void *arg, int argc, char **argv, const char **ret_source);
/* Says what is wrong with it. Returns EXIT_USAGE. */
int cmdline_error(const struct cmdline *c, const char *text);
