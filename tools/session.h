/*
 * What all verbs share: the options that reach the bucket, and the opened
 * parts. Ctrl-C sets a flag that long work looks at (session_interrupted), and
 * stops the store, so that nothing waits for it any longer (store_stop); a
 * second Ctrl-C ends the process at once.
 *
 * Options common to all verbs, for getopt_long: -o WORD[=VALUE][,…] (the option
 * words of the mount), --endpoint URL, --region R, --profile P, --cache-dir DIR,
 * --json, -q/--quiet, -v/--verbose (repeatable), -h/--help.
 *
 * Threads: one, but for session_interrupted.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "cache/fetch.h"
#include "s3/base/pool.h"
#include "s3/source.h"

struct session_watch;

struct session_options {
	struct source_options source;
	char *cache_dir; /* owned; NULL: the default */
	uint64_t cache_size; /* bytes; 0: the default */
	/* Words of the mount that push heeds too: */
	bool single_writer; /* commit where the server honours no condition */
	char *pool; /* for a tree to be founded; owned; NULL: the root */
	bool json;
	bool quiet;
	bool verbose;
	bool no_cache; /* set by verbs that want the store's word */
	bool help;
	/* private: what the command line said of the above, to be said again
	 * over what settings files say */
	struct session_given {
		int opt;
		char *value;
	} * given;
	size_t given_count;
};

#define SESSION_SHORT "o:qvh"
/* Initialiser elements for a getopt_long table. */
enum {
	OPT_ENDPOINT = 256,
	OPT_REGION,
	OPT_PROFILE,
	OPT_CACHE_DIR,
	OPT_JSON,
	OPT_SINGLE_WRITER,
	OPT_VERB_FIRST = 300, /* verbs number their own from here */
};
/* clang-format off */
#define SESSION_LONG                                                           \
	{ "endpoint", required_argument, NULL, OPT_ENDPOINT },                 \
	{ "region", required_argument, NULL, OPT_REGION },                     \
	{ "profile", required_argument, NULL, OPT_PROFILE },                   \
	{ "cache-dir", required_argument, NULL, OPT_CACHE_DIR },               \
	{ "json", no_argument, NULL, OPT_JSON },                               \
	{ "quiet", no_argument, NULL, 'q' },                                   \
	{ "verbose", no_argument, NULL, 'v' },                                 \
	{ "help", no_argument, NULL, 'h' }
/* For verbs that commit. */
#define SESSION_WRITER                                                         \
	{ "single-writer", no_argument, NULL, OPT_SINGLE_WRITER }
/* clang-format on */
/* The lines of --help about them, with newlines. */
extern const char session_help[];

void session_options_init(struct session_options *o);
void session_options_done(struct session_options *o);
/* 1 taken, 0 not one of these, -EINVAL with a sentence. */
int session_option(struct session_options *o, int opt, const char *value,
		   struct err *e);

/*
 * What holds for this source: settings files, over them the environment, over
 * that `o`, what the command line said. all: as initialised. Errors: those of
 * settings_read, and of bad values.
 */
int session_settings(struct session_options *all, const char *source,
		     const struct session_options *o, struct err *e);

struct session {
	struct session_options options; /* with those of settings files */
	struct source source;
	struct cache *cache; /* NULL when it cannot be used (warned once) */
	struct pool *pool;
	struct fetch *fetch;
	uint64_t started_ns; /* clock_now_ns */
	bool unbilled; /* file://: requests cost nothing */
	struct session_watch *watch;
};

/*
 * Opens store, cache, pool and fetch, and installs the Ctrl-C handler (SIGINT,
 * SIGTERM, SIGHUP). o: what the command line said; what holds for this source,
 * with settings files and the environment, stands in s->options then.
 * Errors: those of settings_read and source_open; -ENOMEM.
 */
int session_open(struct session *s, const char *source,
		 const struct session_options *o, struct err *e);
void session_close(struct session *s);
bool session_interrupted(void);

/*
 * What session_open does about signals, for those who open a store by
 * themselves: the first one stops it. s: borrowed. Errors: -ENOMEM, -EAGAIN.
 */
int session_watch_open(struct session_watch **ret_watch, struct store *s,
		       struct err *e);
void session_watch_free(struct session_watch *w); /* NULL is accepted */
