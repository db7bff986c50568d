/*
 * The command line and the option words of the mount.
 *
 *   assetfs SOURCE MOUNTPOINT [-o WORD[=VALUE],…] [--word[=VALUE]] …
 *
 * A word means the same in a list after -o and as a long option; `-` and `_`
 * are the same in it; a comma inside a value is written `\,`, a backslash `\\`.
 * Words of s3fs and mountpoint-s3 are known by their names: those with a meaning
 * here do it, others are named in `ignored`, and unknown ones are refused.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "s3/base/err.h"
#include "s3/base/log.h"
#include "s3/source_options.h"

/* Strings are owned; NULL for unset. */
struct options {
	char *source; /* with `prefix` applied */
	char *mountpoint; /* as given */
	struct source_options store;
	char *cache_dir; /* absolute; NULL: the cache's default */
	uint64_t cache_size; /* bytes; 0: the cache's default */
	uint32_t ttl_ms; /* default 60000 */
	uid_t uid; /* of what has no owner of its own; default: the caller's */
	gid_t gid;
	mode_t file_mode; /* default 0644, or 0666 less the umask word */
	mode_t dir_mode; /* default 0755, or 0777 less the umask word */
	bool allow_other;
	bool allow_root;
	bool auto_unmount;
	bool noexec;
	bool read_only; /* asked for */
	uint32_t max_background; /* default 512 */
	uint32_t read_ahead; /* bytes; 0: the kernel's default */
	enum log_level level; /* default LOG_LEVEL_WARN */
	char *logfile; /* absolute; NULL: syslog, stderr in the foreground */
	bool foreground;
	bool help; /* source and mountpoint may be NULL then, */
	bool version; /* and here */
	char *ignored; /* "a, b": words without a meaning here */
	/* private: */
	char *prefix;
	mode_t umask;
	bool umask_set;
};

void options_init(struct options *o);
void options_done(struct options *o);
/* The command line over the environment over settings files (s3/settings.h).
 * o: as initialised. Errors: -EINVAL with a sentence that names the word, those
 * of settings_read, -ENOMEM. */
int options_parse(struct options *o, int argc, char **argv, struct err *e);
/* One word, as after -o. As options_parse. */
int options_word(struct options *o, const char *word, const char *value,
		 struct err *e);

extern const char options_help[];
