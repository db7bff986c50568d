/*
 * Going into the background, with the truth about the start-up reported to
 * whoever started the program.
 *
 * The fork comes first, while the process has one thread and nothing open that
 * does not survive it. The parent waits until the child says that the mount
 * works, or why it does not, and exits accordingly.
 *
 * Threads: one, the only one at daemon_start.
 */
#pragma once

#include <stdbool.h>

#include "s3/base/err.h"

struct daemon {
	bool foreground;
	bool keep_stderr; /* it is the log */
	int pipe_fd; /* to the parent; -1 in the foreground or once told */
};

/*
 * Forks unless `foreground`; returns in the child only (the parent exits: 0
 * when told so, else 1 with the child's sentence on stderr). The child leads a
 * session of its own. logfile: NULL, or where log lines go instead of syslog.
 */
int daemon_start(struct daemon *d, bool foreground, const char *logfile,
		 struct err *e);
/* The mount works: releases the parent, leaves the terminal. */
void daemon_ready(struct daemon *d);
/* It failed: hands the sentence on. To be followed by exit(1). */
void daemon_failed(struct daemon *d, const struct err *e);
