/*
 * A table, searched in order: it is read at start-up only.
 */
#include "fs/words.h"

#include <stddef.h>
#include <string.h>

#include "fs/options.h"
#include "s3/words.h"

#define FIELD(name) ((unsigned int)offsetof(struct options, name))

static const struct word words[] = {
	{ "allow_other", WORD_FLAG, FIELD(allow_other) },
	{ "allow_root", WORD_FLAG, FIELD(allow_root) },
	{ "auto_unmount", WORD_FLAG, FIELD(auto_unmount) },
	{ "cache", WORD_PATH, FIELD(cache_dir) },
	{ "cache_dir", WORD_PATH, FIELD(cache_dir) },
	{ "cache_size", WORD_SIZE, FIELD(cache_size) },
	{ "dbglevel", WORD_LEVEL, FIELD(level) },
	{ "debug", WORD_DEBUG, FIELD(level) },
	{ "dir_mode", WORD_OCTAL, FIELD(dir_mode) },
	{ "file_mode", WORD_OCTAL, FIELD(file_mode) },
	{ "foreground", WORD_FLAG, FIELD(foreground) },
	{ "gid", WORD_ID, FIELD(gid) },
	{ "help", WORD_FLAG, FIELD(help) },
	{ "logfile", WORD_PATH, FIELD(logfile) },
	{ "max_background", WORD_COUNT, FIELD(max_background) },
	{ "max_cache_size", WORD_MEBIBYTES, FIELD(cache_size) },
	{ "metadata_ttl", WORD_TTL, FIELD(ttl_ms) },
	{ "noexec", WORD_FLAG, FIELD(noexec) },
	{ "prefix", WORD_TEXT, FIELD(prefix) },
	{ "read_ahead", WORD_SIZE, FIELD(read_ahead) },
	{ "read_only", WORD_FLAG, FIELD(read_only) },
	{ "ro", WORD_FLAG, FIELD(read_only) },
	{ "stat_cache_expire", WORD_TTL, FIELD(ttl_ms) },
	{ "ttl", WORD_TTL, FIELD(ttl_ms) },
	{ "uid", WORD_ID, FIELD(uid) },
	{ "umask", WORD_OCTAL, FIELD(umask) },
	{ "use_cache", WORD_PATH, FIELD(cache_dir) },
	{ "version", WORD_FLAG, FIELD(version) },
};

bool word_find(struct word *ret_word, const char *name)
{
	static const enum word_kind kinds[] = {
		[WORDS_IGNORED] = WORD_IGNORED,
		[WORDS_NOTED] = WORD_NOTED,
		[WORDS_NOTED_VALUE] = WORD_NOTED_VALUE,
		[WORDS_REFUSED] = WORD_REFUSED,
	};
	const char *known = NULL;
	enum words_kind kind = words_find(name, &known);

	if (kind == WORDS_UNKNOWN)
		return false;
	if (kind != WORDS_MOUNT) {
		*ret_word = (struct word){ known, kinds[kind], 0 };
		return true;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(known, words[i].name)) {
			*ret_word = words[i];
			return true;
		}
	return false;
}

bool word_needs_value(const struct word *w)
{
	switch (w->kind) {
	case WORD_FLAG:
	case WORD_DEBUG:
	case WORD_IGNORED:
	case WORD_NOTED:
	case WORD_REFUSED:
		return false;
	default:
		return true;
	}
}
