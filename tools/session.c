/*
 * Option words come from a mount's option string as often as from a person, so
 * words that only a mount heeds are taken without a word; a misspelt one is
 * still refused, since it may be the one that points to the right server.
 *
 * The interrupt flag is the one global here: a signal handler reaches nothing
 * else. The handler stands for one signal, the next one finds the default
 * action and ends the process.
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
	o->cache_dir = NULL;
	o->pool = NULL;
}

/* Words that say how a mount behaves; nothing here depends on them. Those that
 * end in '*' stand for all that begin so. */
static const char *const mount_words[] = {
	"_netdev",
	"allow_delete",
	"allow_other",
	"allow_overwrite",
	"allow_root",
	"async",
	"atime",
	"auto",
	"auto_unmount",
	"auto_cache",
	"big_writes",
	"comment",
	"compat_dir",
	"complement_stat",
	"debug",
	"default_permissions",
	"defaults",
	"dev",
	"dir_mode",
	"ensure_diskfree",
	"excl",
	"exec",
	"file_mode",
	"foreground",
	"fsname",
	"gid",
	"group",
	"kernel_cache",
	"max_background",
	"max_dirty_data",
	"max_memory",
	"max_read",
	"max_stat_cache_size",
	"mp_umask",
	"multipart_size",
	"noatime",
	"noauto",
	"nodev",
	"nodiratime",
	"noexec",
	"nofail",
	"nonempty",
	"nosuid",
	"nouser",
	"owner",
	"parallel_count",
	"prefetch",
	"read_ahead",
	"read_only",
	"readahead",
	"relatime",
	"ro",
	"rw",
	"shared_cache",
	"stat_cache_expire",
	"stat_cache_interval_expire",
	"strictatime",
	"subtype",
	"suid",
	"sync",
	"ttl",
	"uid",
	"umask",
	"user",
	"users",
	"write",
	"x-*",
};

/* `-` and `_` are the same, as for the store's words. */
static bool word_is(const char *word, const char *known)
{
	for (; *known && *word; known++, word++) {
		if (*known == '*')
			return true;
		if (*word != *known && !(*word == '-' && *known == '_'))
			return false;
	}
	return *known == '*' || *known == *word;
}

static bool is_mount_word(const char *word)
{
	for (size_t i = 0; i < sizeof(mount_words) / sizeof(*mount_words); i++)
		if (word_is(word, mount_words[i]))
			return true;
	return false;
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
	if (word_is(word, "single_writer")) {
		o->single_writer = !value || strcmp(value, "0");
		return 1;
	}
	if (!value)
		return 0;
	if (word_is(word, "cache_dir") || word_is(word, "use_cache"))
		return set_string(&o->cache_dir, value, e) ?: 1;
	if (word_is(word, "cache_size"))
		return human_parse_size(value, &o->cache_size, e) ?: 1;
	if (word_is(word, "pool"))
		return set_pool(&o->pool, value, e) ?: 1;
	return 0;
}

static int option_word(struct session_options *o, char *word, struct err *e)
{
	char *value = strchr(word, '=');
	int r;

	if (value)
		*value++ = '\0';
	r = own_word(o, word, value, e);
	if (!r)
		r = source_option(&o->source, word, value, e);
	if (!r)
		r = is_mount_word(word);
	if (!r)
		return err_set(e, -EINVAL, "unknown option word '%s'", word);
	return r < 0 ? err_wrap(e, r, "-o %s", word) : 0;
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
		int r = *word ? option_word(o, word, e) : 0;

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

int session_option(struct session_options *o, int opt, const char *value,
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
	catch_signals();
	r = source_open(&s->source, source, &o->source, e);
	if (r)
		return r;
	r = open_parts(s, o, e);
	if (r)
		session_close(s);
	return r;
}

void session_close(struct session *s)
{
	fetch_free(s->fetch);
	pool_free(s->pool);
	cache_free(s->cache);
	source_done(&s->source);
	*s = (struct session){ 0 };
}
