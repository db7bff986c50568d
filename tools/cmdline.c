#include "tools/cmdline.h"

#include <stdio.h>

#include "s3/base/log.h"
#include "tools/cmd.h"

int cmdline_error(const struct cmdline *c, const char *text)
{
	log_error("%s; try 'assetctl %s --help'", text, c->verb);
	return EXIT_USAGE;
}

static int parse(const struct cmdline *c, struct session_options *o, void *arg,
		 int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, c->letters, c->table, NULL)) !=
	       -1) {
		struct err e = { 0 };
		int r = 0;

		if (opt == '?') /* getopt has said it */
			return EXIT_USAGE;
		if (c->take)
			r = c->take(arg, opt, optarg, &e);
		if (!r)
			r = session_option(o, opt, optarg, &e);
		if (r < 0)
			return cmdline_error(c, e.text);
	}
	if (!o->help)
		return -1;
	(void)printf("%s%s", c->help, session_help);
	return EXIT_OK;
}

int cmdline_parse(const struct cmdline *c, struct session_options *o, void *arg,
		  int argc, char **argv)
{
	char name[64], *verb = argv[0];
	int status;

	/* getopt begins with it what it says: as the log would. */
	(void)snprintf(name, sizeof(name), "assetctl: error: %s", c->verb);
	argv[0] = name;
	status = parse(c, o, arg, argc, argv);
	argv[0] = verb;
	return status;
}

int cmdline_source(const struct cmdline *c, struct session_options *o,
		   void *arg, int argc, char **argv, const char **ret_source)
{
	int status = cmdline_parse(c, o, arg, argc, argv);

	if (status >= 0)
		return status;
	if (optind + 1 != argc)
		return cmdline_error(c, optind == argc
						? "SOURCE is missing"
						: "one SOURCE at a time");
	*ret_source = argv[optind];
	return -1;
}
