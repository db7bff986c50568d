/*
 * Reads INI text, line by line: [section], word = value, or a bare word.
 *
 * A line that begins with '#' or ';' is a comment. Nothing in a value is
 * special; white space at its ends is not part of it. What a section means, and
 * whether bare or indented lines are any good, is for the caller to say.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct ini {
	/* private: */
	char *rest;
	unsigned int line;
};

enum ini_kind {
	INI_END,
	INI_SECTION,
	INI_WORD,
	INI_BAD, /* a section without a name or its ']', or a line without a
		    word; one can go on */
};

/* Borrowed from the text. */
struct ini_item {
	unsigned int line; /* from 1 */
	bool indented;
	const char *name; /* of the section, or the word */
	const char *value; /* NULL: none, without even a '=' */
};

/* text: borrowed while it is read, and cut up by it. Up to its NUL. */
void ini_init(struct ini *ini, char *text);
enum ini_kind ini_next(struct ini *ini, struct ini_item *ret_item);
