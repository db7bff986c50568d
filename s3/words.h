/*
 * The option words that are known, beside those that reach the bucket
 * (source.h): for the mount, which heeds some, and for all who read the option
 * string of a mount and have no use for them. Unknown words are refused by
 * everybody, as a misspelt one may be the one that matters.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>

enum words_kind {
	WORDS_UNKNOWN,
	WORDS_MOUNT, /* says how a mount behaves */
	WORDS_IGNORED, /* meant for mount(8), or always so here */
	WORDS_NOTED, /* of another program; without a meaning here */
	WORDS_NOTED_VALUE, /* the same, with a value */
	WORDS_REFUSED, /* would change what is read or paid; not supported */
};

/* `-` counts as `_`. ret_name: spelt with `_`; untouched for unknown ones. */
enum words_kind words_find(const char *name, const char **ret_name);
/* Whether `word` is `known`, which is spelt with `_`. */
bool words_same(const char *word, const char *known);
