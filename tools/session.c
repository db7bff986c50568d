/*
 * Option words come from a mount's option string as often as from a person, so
 * words that only a mount heeds are taken without a word; a misspelt one is
 * still refused, since it may be the one that points to the right server.
 *
 * The interrupt flag is the one global here: a signal handler reaches nothing
 * else. The handler stands for one signal, the next one finds the default
 * action and ends the process. A thread for each session looks at the flag and
 * stops the store, whoever waits for it and wherever; a handler could not, as
 * that takes locks.
 */
#include "tools/session.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "s3/base/human.h"
#include "s3/base/lock.h"
#include "s3/base/pool.h"
#include "s3/settings.h"
#include "s3/words.h"

#define WATCH_MS 50

static atomic_bool interrupted;

const char session_help[] =
	"  -o WORD[=VALUE][,...]  option words of the mount\n"
	"  --endpoint URL         the S3 server, where it is not AWS\n"
	"  --region R             its region\n"
	"  --profile P            credentials of this profile\n"
	"  --cache-dir DIR        the local cache\n"
	"  --json                 results as JSON\n"
	"  -q, --quiet            no progress, no summary\n"
	"  -v, --verbose          say more; twice: debug\n"
	"  -h, --help             this text\n";

void session_options_init(struct session_options *o)
{
	*o = (struct session_options){ 0 };
	source_options_init(&o->source);
}

void session_options_done(struct session_options *o)
{
	source_options_done(&o->source);
	free(o->cache_dir);
	free(o->pool);
	for (size_t i = 0; i < o->given_count; i++)
		free(o->given[i].value);
	free(o->given);
	session_options_init(o);
}

static int set_string(char **field, const char *value, struct err *e)
{
	char *copy = strdup(value);

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	free(*field);
	*field = copy;
	return 0;
}

/* "a/b" and "/a/b/" become "a/b/"; "" and "/" the root. */
static int set_pool(char **field, const char *value, struct err *e)
{
	size_t len;
	char *copy;

	while (*value == '/')
		value++;
	len = strlen(value);
	while (len && value[len - 1] == '/')
		len--;
	copy = calloc(1, len + 2);
	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	memcpy(copy, value, len);
	if (len)
		copy[len] = '/';
	free(*field);
	*field = copy;
	return 0;
}

/* As session_option, for one word of -o; value NULL for a bare word. */
static int own_word(struct session_options *o, const char *word,
		    const char *value, struct err *e)
{
	if (words_same(word, "single_writer")) {
		o->single_writer = !value || strcmp(value, "0");
		return 1;
	}
	if (!value)
		return 0;
	if (words_same(word, "cache_dir") || words_same(word, "use_cache"))
		return set_string(&o->cache_dir, value, e) ?: 1;
	if (words_same(word, "cache_size"))
		return human_parse_size(value, &o->cache_size, e) ?: 1;
	if (words_same(word, "pool"))
		return set_pool(&o->pool, value, e) ?: 1;
	return 0;
}

/* One word of a mount's options. Those that say how a mount behaves are taken;
 * nothing here depends on them. */
static int option_word(void *arg, const char *word, const char *value,
		       struct err *e)
{
	struct session_options *o = arg;
	const char *name = word;
	int r;

	r = own_word(o, word, value, e);
	if (!r)
		r = source_option(&o->source, word, value, e);
	if (r)
		return r < 0 ? r : 0;
	switch (words_find(word, &name)) {
	case WORDS_UNKNOWN:
		return err_set(e, -EINVAL, "unknown option word '%s'", word);
	case WORDS_REFUSED:
		return err_set(e, -EINVAL, "option %s is not supported", name);
	default:
		return 0;
	}
}

static int list_word(struct session_options *o, char *word, struct err *e)
{
	char *value = strchr(word, '=');
	int r;

	if (value)
		*value++ = '\0';
	r = option_word(o, word, value, e);
	return r ? err_wrap(e, r, "-o %s", word) : 0;
}

/* Cuts at the next comma; "\," is a comma and "\\" a backslash of the word. */
static char *next_word(char **rest)
{
	char *word = *rest, *to = word, *from = word;

	while (*from && *from != ',') {
		if (*from == '\\' && (from[1] == ',' || from[1] == '\\'))
			from++;
		*to++ = *from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return word;
}

static int option_words(struct session_options *o, const char *text,
			struct err *e)
{
	CLEANUP_FREE char *copy = strdup(text);
	char *rest = copy;

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	while (rest) {
		char *word = next_word(&rest);
		int r = *word ? list_word(o, word, e) : 0;

		if (r)
			return r;
	}
	return 0;
}

static int say_more(struct session_options *o)
{
	log_level_set(o->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	o->verbose = true;
	return 1;
}

/* Long options that stand for an option word of the store. */
static int store_word(struct session_options *o, const char *word,
		      const char *value, struct err *e)
{
	int r = source_option(&o->source, word, value, e);

	return r < 0 ? err_wrap(e, r, "--%s", word) : 1;
}

/* Those that settings files have a say in, too: 1, 0 for others, or an error. */
static int take_option(struct session_options *o, int opt, const char *value,
		       struct err *e)
{
	switch (opt) {
	case 'o':
		return option_words(o, value, e) ?: 1;
	case OPT_ENDPOINT:
		return store_word(o, "endpoint", value, e);
	case OPT_REGION:
		return store_word(o, "region", value, e);
	case OPT_PROFILE:
		return store_word(o, "profile", value, e);
	case OPT_CACHE_DIR:
		return set_string(&o->cache_dir, value, e) ?: 1;
	case OPT_SINGLE_WRITER:
		o->single_writer = true;
		return 1;
	}
	return 0;
}

/* value: NULL where the option has none. */
static int note_given(struct session_options *o, int opt, const char *value,
		      struct err *e)
{
	struct session_given *given =
		reallocarray(o->given, o->given_count + 1, sizeof(*given));
	char *copy = value ? strdup(value) : NULL;

	if (given)
		o->given = given;
	if (!given || (value && !copy)) {
		free(copy);
		return err_set(e, -ENOMEM, "out of memory");
	}
	given[o->given_count++] = (struct session_given){ opt, copy };
	return 1;
}

int session_option(struct session_options *o, int opt, const char *value,
		   struct err *e)
{
	int r = take_option(o, opt, value, e);

	if (r)
		return r < 0 ? r : note_given(o, opt, value, e);
	switch (opt) {
	case OPT_JSON:
		o->json = true;
		return 1;
	case 'q':
		o->quiet = true;
		return 1;
	case 'v':
		return say_more(o);
	case 'h':
		o->help = true;
		return 1;
	}
	return 0;
}

static void on_signal(int sig)
{
	(void)sig;
	interrupted = true;
}

bool session_interrupted(void)
{
	return interrupted;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = {
		.sa_handler = on_signal,
		.sa_flags = (int)SA_RESETHAND | SA_RESTART,
	};

	(void)sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct sigaction old;

		/* What nohup and background shells ignore stays ignored. */
		if (!sigaction(signals[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &act, NULL);
	}
}

struct session_watch {
	struct store *store; /* set at open, then constant */
	pthread_t thread;

	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	pthread_cond_t wake;
	bool over;
};

static void *watch(void *arg)
{
	struct session_watch *w = arg;
	bool over;

	lock_take(&w->lock);
	while (!w->over && !interrupted)
		(void)cond_wait_ms(&w->wake, &w->lock, WATCH_MS);
	over = w->over;
	lock_drop(&w->lock);
	if (!over)
		store_stop(w->store);
	return NULL;
}

int session_watch_open(struct session_watch **ret_watch, struct store *s,
		       struct err *e)
{
	struct session_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return err_set(e, -ENOMEM, "out of memory");
	catch_signals();
	w->store = s;
	lock_init(&w->lock, LOCK_RANK_TOOL);
	cond_init(&w->wake);
	r = pool_start_thread(&w->thread, watch, w);
	if (r) {
		(void)pthread_cond_destroy(&w->wake);
		lock_done(&w->lock);
		free(w);
		return err_set(e, r, "thread for signals: %s", strerror(-r));
	}
	*ret_watch = w;
	return 0;
}

void session_watch_free(struct session_watch *w)
{
	if (!w)
		return;
	lock_take(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->wake);
	lock_drop(&w->lock);
	(void)pthread_join(w->thread, NULL);
	(void)pthread_cond_destroy(&w->wake);
	lock_done(&w->lock);
	free(w);
}

int session_settings(struct session_options *all, const char *source,
		     const struct session_options *o, struct err *e)
{
	const char *dir = getenv("ASSETFS_CACHE_DIR");
	int r = settings_read(source, option_word, all, e);

	if (!r)
		r = source_options_environment(&all->source, e);
	if (!r && dir && *dir) { /* the cache asks for it itself */
		free(all->cache_dir);
		all->cache_dir = NULL;
	}
	for (size_t i = 0; i < o->given_count && r >= 0; i++)
		r = take_option(all, o->given[i].opt, o->given[i].value, e);
	all->json = o->json;
	all->quiet = o->quiet;
	all->verbose = o->verbose;
	return r < 0 ? r : 0;
}

/* Work goes on without a cache, only slower; that is worth a word. */
static void open_cache(struct session *s, const struct session_options *o)
{
	struct cache_options co = { .dir = o->cache_dir,
				    .size = o->cache_size };
	struct err e = { 0 };

	if (cache_open(&s->cache, &co, &e)) {
		s->cache = NULL;
		log_warn("%s; going on without a cache", e.text);
	}
}

static int open_parts(struct session *s, const struct session_options *o,
		      struct err *e)
{
	struct fetch_options fo;
	int r = pool_open(&s->pool, 0, e);

	if (r)
		return r;
	if (!o->no_cache)
		open_cache(s, o);
	fo = (struct fetch_options){
		.store = s->source.store,
		.cache = s->cache,
		.pool = s->pool,
	};
	return fetch_open(&s->fetch, &fo, e);
}

int session_open(struct session *s, const char *source,
		 const struct session_options *o, struct err *e)
{
	int r;

	*s = (struct session){ .started_ns = clock_now_ns() };
	s->unbilled = !strncmp(source, "file:", 5);
	session_options_init(&s->options);
	r = session_settings(&s->options, source, o, e);
	if (!r)
		r = source_open(&s->source, source, &s->options.source, e);
	if (!r)
		r = session_watch_open(&s->watch, s->source.store, e);
	if (!r)
		r = open_parts(s, &s->options, e);
	if (r)
		session_close(s);
	return r;
}

void session_close(struct session *s)
{
	fetch_free(s->fetch);
	pool_free(s->pool);
	cache_free(s->cache);
	session_watch_free(s->watch);
	source_done(&s->source);
	session_options_done(&s->options);
	*s = (struct session){ 0 };
}
