/*
 * Settings files: option words of the mount, by SOURCE.
 *
 *   [s3://studio/shots]
 *   endpoint = http://rgw.lan:7480
 *   path_style
 *
 * A section speaks for its SOURCE and all below it; "[default]" for all,
 * "[s3://]" for all buckets. All that fit apply, longer names over shorter ones,
 * and the user's file over that of the machine. See assetfs.conf(5).
 *
 * Files: ASSETFS_CONF, else /etc/assetfs.conf; then assetfs.conf in
 * XDG_CONFIG_HOME, else in ~/.config. They hold no secrets, but say where to
 * send them, so one that others may write to is refused.
 *
 * Threads: one at a time; reads the environment and the files at each call.
 */
#pragma once

#include "s3/base/err.h"

/* value: NULL for a bare word. Borrowed. As the words after -o. */
typedef int (*settings_take)(void *arg, const char *word, const char *value,
			     struct err *e);

/*
 * Hands over the words for this SOURCE, the weakest first: a later one stands.
 * Errors: those of `take`, -EINVAL for what is no such file, -EACCES; the text
 * begins with file and line. A file that is not there is none.
 */
int settings_read(const char *source, settings_take take, void *arg,
		  struct err *e);
/* The same for one text; path: for messages. `text` is cut up. */
int settings_parse(char *text, const char *path, const char *source,
		   settings_take take, void *arg, struct err *e);
