/*
 * The option words of the mount and what they set, spelt with `_`.
 * Those that reach the bucket are known to s3/source.h instead, and those
 * without an effect to s3/words.h.
 */
#pragma once

#include <stdbool.h>

enum word_kind {
	WORD_FLAG, /* sets a bool */
	WORD_TEXT,
	WORD_PATH, /* made absolute */
	WORD_SIZE, /* bytes, or with a suffix K, M, G, T */
	WORD_MEBIBYTES,
	WORD_TTL, /* seconds */
	WORD_ID,
	WORD_OCTAL,
	WORD_COUNT,
	WORD_LEVEL,
	WORD_DEBUG, /* the level, as a flag */
	WORD_IGNORED, /* meant for mount(8), or always so here */
	WORD_NOTED, /* of another program; without a meaning here */
	WORD_NOTED_VALUE, /* the same, with a value */
	WORD_REFUSED, /* would change what is read or paid; not supported */
};

struct word {
	const char *name;
	enum word_kind kind;
	unsigned int field; /* offset in struct options, where one is set */
};

/* False for an unknown word; `-` counts as `_`. */
bool word_find(struct word *ret_word, const char *name);
/* True if the word cannot stand without a value. */
bool word_needs_value(const struct word *w);
