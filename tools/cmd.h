/*
 * The verbs of assetctl. Each parses its own arguments (argv[0] is the verb),
 * prints `--help` to stdout, and returns the exit status.
 */
#pragma once

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* the operation failed; one line on stderr says why */
	EXIT_USAGE = 2, /* the command line was wrong; nothing was done */
	EXIT_INTERRUPTED = 130,
};

int cmd_push(int argc, char **argv);
int cmd_pull(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_gc(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
