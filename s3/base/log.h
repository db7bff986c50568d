/*
 * Levelled messages to stderr or syslog.
 *
 * error: an operation failed. warn: it went on, and how. info: mount, unmount,
 * changes of state. debug: anything. Callers quote names, print hashes in hex
 * and never pass keys, tokens or signed URLs; as a second line of defence,
 * secrets registered with log_secret are masked wherever they appear.
 *
 * Libraries return errors; only the edges log (the FUSE reply, a command's
 * main, a thread with nobody above it).
 *
 * Threads: any, after log_open.
 */
#pragma once

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/*
 * program: prefix of each line, borrowed for good. to_syslog: a daemon without
 * terminal. Without a call: stderr, warnings and errors, prefix "assetfs".
 */
void log_open(const char *program, bool to_syslog);
void log_level_set(enum log_level level);
bool log_enabled(enum log_level level);

/* The terminal's last line shows something else, and the cursor is in it: a
 * message begins at its start, and erases what it does not cover. */
void log_overwrites(bool on);

/* Masks this text (8 bytes or longer) in all later output; copied. At most 64
 * are kept, the oldest is replaced. */
void log_secret(const char *secret);

__attribute__((format(printf, 2, 3))) void log_at(enum log_level level,
						  const char *fmt, ...);

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                         \
	do {                                                                   \
		if (log_enabled(LOG_LEVEL_DEBUG))                              \
			log_at(LOG_LEVEL_DEBUG, __VA_ARGS__);                  \
	} while (0)
