/*
 * Keys that a program prints: credential_process of a profile.
 *
 * The line is cut into words as a shell does, with quotes and backslashes, but
 * no shell runs: no variables, no wildcards, no pipes. The program gets our
 * environment, no input, and a minute. What it writes to standard error is
 * shown when it fails; its output never is.
 *
 * Threads: any; blocks.
 */
#pragma once

#include "s3/base/buf.h"
#include "s3/creds_context.h"

/* Returns 1, or errors as a source (creds_context.h). */
int process_keys(struct creds_keys **ret_keys, const char *line,
		 const struct creds_context *c, struct err *e);

#define PROCESS_WORDS_MAX 64

/* Cuts `line` into words, which lie in `room` behind one another.
 * Errors: -EINVAL for an open quote, no word, or too many; -ENOMEM. Pure. */
int process_split(char *words[PROCESS_WORDS_MAX + 1], struct buf *room,
		  const char *line, struct err *e);
