/*
 * assetctl: finds the verb and hands over.
 *
 * What goes to stdout is looked at once, at the end: a full disk behind
 * `assetctl ls > file` must not look like success.
 */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/io.h"
#include "s3/base/log.h"
#include "tools/cmd.h"

#define LARGE_BYTES (128 << 10)

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

static const struct verb verbs[] = {
	{ "push", cmd_push, "put files and directories into a bucket, packed" },
	{ "pull", cmd_pull, "copy files and directories out of a bucket" },
	{ "ls", cmd_ls, "list what is in a bucket" },
	{ "verify", cmd_verify, "read and check all content in the store" },
	{ "stat", cmd_stat, "tell where the bytes of a file stand" },
	{ "rm", cmd_rm, "remove files and directories from a bucket" },
	{ "log", cmd_log, "list versions of a tree, restore an old one" },
	{ "gc", cmd_gc, "delete content that no tree refers to" },
	{ "doctor", cmd_doctor, "look for what is wrong, and say what to do" },
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void help(void)
{
	(void)printf("usage: assetctl VERB [OPTIONS] ARGUMENTS\n\n");
	for (size_t i = 0; i < VERBS; i++)
		(void)printf("  %-6s %s\n", verbs[i].name, verbs[i].help);
	(void)printf("\n'assetctl VERB --help' tells the options of a verb; "
		     "assetctl(1) tells all.\n");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int run(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2) {
		(void)fprintf(stderr, "assetctl: which verb? Try 'assetctl "
				      "--help'.\n");
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		help();
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		(void)puts("assetctl " ASSETFS_VERSION);
		return EXIT_OK;
	}
	verb = find_verb(argv[1]);
	if (!verb) {
		(void)fprintf(stderr,
			      "assetctl: unknown verb '%s'. Try 'assetctl "
			      "--help'.\n",
			      argv[1]);
		return EXIT_USAGE;
	}
	return verb->run(argc - 1, argv + 1);
}

/* A reader that has seen enough (`| head`) is no news. */
static bool reader_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

/* 0, or -1 when something of it was not written. */
static int end_output(void)
{
	int error = fflush(stdout) ? errno : ferror(stdout) ? EIO : 0;
	bool gone = error && reader_gone();

	if (fclose(stdout) && !error)
		error = errno; /* a file server may tell of it only now */
	if (error && !gone)
		log_error("cannot write the output: %s", strerror(error));
	return error ? -1 : 0;
}

int main(int argc, char **argv)
{
	int status;

	io_hold_std();
	(void)signal(SIGPIPE, SIG_IGN);
	/* Packs and frames go back to the system when they are freed: left to
	 * itself, the limit for that rises with the first large one. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	log_open("assetctl", false);
	status = run(argc, argv);
	if (end_output() && status == EXIT_OK)
		status = EXIT_FAILED;
	return status;
}
