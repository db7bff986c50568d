/*
 * A word is looked for first among the store's (s3/source.h), then in the table
 * of words. The command line is gone through twice: for SOURCE, by which words
 * of settings files are found, and again on top of those and the environment.
 * Values are checked here, so that every mistake is named before the
 * program goes into the background.
 */
#include "fs/options.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fs/words.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/settings.h"

#define TTL_DEFAULT_MS 60000
#define TTL_MAX_S 2592000 /* 30 days */
#define BACKGROUND_DEFAULT 512
#define BACKGROUND_MAX 65535
#define READ_AHEAD_MAX (64u << 20)
#define LIST_MAX (64u << 10) /* bytes of one -o list, of all ignored words */

const char options_help[] =
	"usage: assetfs SOURCE MOUNTPOINT [-fdhV] [-o WORD[=VALUE][,...]]\n"
	"               [--WORD[=VALUE]] ...\n"
	"\n"
	"SOURCE is s3://BUCKET[/PREFIX], BUCKET[:/PREFIX], or "
	"file:///DIR[/PREFIX]\n"
	"\n"
	"  -f, --foreground        stay in the foreground, log to stderr\n"
	"  -d, --debug             log everything\n"
	"  -h, --help              this text\n"
	"  -V, --version           the version\n"
	"\n"
	"the bucket:\n"
	"  endpoint=URL            S3 server (url, endpoint-url)\n"
	"  region=NAME             its region\n"
	"  profile=NAME            section of the AWS credentials files\n"
	"  passwd_file=FILE        keys as s3fs keeps them\n"
	"  iam_role[=NAME]         keys of the EC2 instance\n"
	"  ecs                     keys of the container\n"
	"  anonymous               unsigned requests (public_bucket,\n"
	"                          no-sign-request)\n"
	"  path_style              bucket in the path "
	"(use_path_request_style,\n"
	"                          force-path-style)\n"
	"  ca_bundle=FILE          trusted certificates\n"
	"  no_check_certificate    trust any\n"
	"  ssl_verify_hostname=0   trust another host's certificate\n"
	"  requester_pays          who asks pays\n"
	"  expected_bucket_owner=ACCOUNT\n"
	"                          refuse another's bucket\n"
	"  sse=KIND                AES256, aws:kms or aws:kms:dsse (use_sse)\n"
	"  sse_kms_key_id=KEY      for aws:kms\n"
	"  storage_class=CLASS     of what is put\n"
	"  upload_checksums=off    none\n"
	"  prefix=PREFIX           mount this part of SOURCE\n"
	"  retry_timeout=SECONDS   how long a call waits for the network "
	"(300)\n"
	"  connect_timeout=SECONDS for one connection (10)\n"
	"  max_connections=N       at once (64)\n"
	"\n"
	"the cache:\n"
	"  cache_dir=DIR           where (use_cache, cache)\n"
	"  cache_size=SIZE         its limit; suffix K, M, G or T\n"
	"                          (max-cache-size: in MiB)\n"
	"  ttl=SECONDS             longest trust in a listing (60; "
	"metadata-ttl,\n"
	"                          stat_cache_expire)\n"
	"\n"
	"what is seen:\n"
	"  uid=N gid=N             owner of what has none of its own\n"
	"  file_mode=OCTAL         permissions of such files (644)\n"
	"  dir_mode=OCTAL          and of such directories (755)\n"
	"  umask=OCTAL             taken from 666 and 777 instead\n"
	"  allow_other             let other users in\n"
	"  allow_root              let root in\n"
	"  ro, read-only           no writing\n"
	"  noexec                  no programs\n"
	"\n"
	"the program:\n"
	"  logfile=FILE            log there instead of syslog\n"
	"  dbglevel=LEVEL          error, warn, info or debug\n"
	"  max_background=N        requests the kernel may queue (512)\n"
	"  read_ahead=SIZE         kernel read-ahead; root only\n"
	"  auto_unmount            unmount when the program dies\n";

void options_init(struct options *o)
{
	*o = (struct options){
		.ttl_ms = TTL_DEFAULT_MS,
		.uid = geteuid(),
		.gid = getegid(),
		.max_background = BACKGROUND_DEFAULT,
		.level = LOG_LEVEL_WARN,
	};
	source_options_init(&o->store);
}

void options_done(struct options *o)
{
	free(o->source);
	free(o->mountpoint);
	source_options_done(&o->store);
	free(o->cache_dir);
	free(o->logfile);
	free(o->ignored);
	free(o->prefix);
	*o = (struct options){ 0 };
}

/* ---- values -------------------------------------------------------------- */

static int out_of_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}

static int bad_value(const char *word, const char *value, const char *want,
		     struct err *e)
{
	return err_set(e, -EINVAL, "option %s: '%s' is not %s", word, value,
		       want);
}

/* A whole number in `base`, at most `max`; *ret_end is what follows it. */
static bool number(const char *text, int base, uint64_t max,
		   uint64_t *ret_value, const char **ret_end)
{
	char *end = NULL;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret_value = strtoull(text, &end, base);
	*ret_end = end;
	return !errno && *ret_value <= max;
}

static bool whole(const char *text, int base, uint64_t max, uint64_t *ret_value)
{
	const char *end = "";

	return number(text, base, max, ret_value, &end) && !*end;
}

static bool size_value(const char *text, uint64_t *ret_size)
{
	static const char suffixes[] = "KMGT";
	const char *end = "", *suffix;
	uint64_t n = 0;
	unsigned int shift = 0;

	if (!number(text, 10, UINT64_MAX, &n, &end))
		return false;
	if (*end) {
		suffix = strchr(suffixes, toupper((unsigned char)*end));
		if (!suffix || (end[1] && strcasecmp(end + 1, "iB")))
			return false;
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
	}
	if (!n || n > (uint64_t)INT64_MAX >> shift)
		return false;
	*ret_size = n << shift;
	return true;
}

static bool level_value(const char *text, enum log_level *ret_level)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{ "silent", LOG_LEVEL_ERROR }, { "critical", LOG_LEVEL_ERROR },
		{ "crit", LOG_LEVEL_ERROR },   { "error", LOG_LEVEL_ERROR },
		{ "err", LOG_LEVEL_ERROR },    { "warning", LOG_LEVEL_WARN },
		{ "warn", LOG_LEVEL_WARN },    { "wan", LOG_LEVEL_WARN },
		{ "info", LOG_LEVEL_INFO },    { "inf", LOG_LEVEL_INFO },
		{ "debug", LOG_LEVEL_DEBUG },  { "dbg", LOG_LEVEL_DEBUG },
	};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcasecmp(text, levels[i].name)) {
			*ret_level = levels[i].level;
			return true;
		}
	return false;
}

static int take_text(char **field, const char *value, struct err *e)
{
	char *copy = strdup(value);

	if (!copy)
		return out_of_memory(e);
	free(*field);
	*field = copy;
	return 0;
}

/* The program leaves its working directory. */
static int take_path(char **field, const char *value, struct err *e)
{
	CLEANUP_BUF struct buf path = BUF_INIT(2 * PATH_MAX);
	CLEANUP_FREE char *cwd = NULL;
	char *text;

	if (*value != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return err_set(e, -errno, "working directory: %m");
		(void)buf_addf(&path, "%s/", cwd);
	}
	(void)buf_add_str(&path, value);
	text = buf_take(&path);
	if (!text)
		return out_of_memory(e);
	free(*field);
	*field = text;
	return 0;
}

/* 0 is for those who unsay what a settings file says. */
static int take_flag(bool *field, const char *word, const char *value,
		     struct err *e)
{
	bool off = value && (!strcmp(value, "0") || !strcmp(value, "false"));

	if (value && !off && strcmp(value, "1") && strcmp(value, "true"))
		return err_set(e, -EINVAL, "option %s takes no value", word);
	*field = !off;
	return 0;
}

static int take_ttl(struct options *o, const char *word, const char *value,
		    struct err *e)
{
	uint64_t seconds = 0;

	/* The words of mountpoint-s3. */
	if (!strcmp(value, "indefinite"))
		seconds = TTL_MAX_S;
	else if (strcmp(value, "minimal") &&
		 !whole(value, 10, TTL_MAX_S, &seconds))
		return bad_value(word, value, "a number of seconds", e);
	o->ttl_ms = (uint32_t)(seconds * 1000);
	return 0;
}

static int take_octal(struct options *o, mode_t *field, const char *word,
		      const char *value, struct err *e)
{
	uint64_t mode = 0;

	if (!whole(value, 8, 0777, &mode))
		return bad_value(word, value, "an octal mode up to 777", e);
	*field = (mode_t)mode;
	if (field == &o->umask)
		o->umask_set = true;
	return 0;
}

static int take_size(struct options *o, const struct word *w, void *field,
		     const char *value, struct err *e)
{
	uint64_t size = 0;

	if (!size_value(value, &size))
		return bad_value(w->name, value, "a size", e);
	if (field == &o->read_ahead) {
		if (size > READ_AHEAD_MAX)
			return bad_value(w->name, value, "64M at most", e);
		o->read_ahead = (uint32_t)size;
		return 0;
	}
	*(uint64_t *)field = size;
	return 0;
}

static int note_ignored(struct options *o, const char *name, struct err *e)
{
	CLEANUP_BUF struct buf all = BUF_INIT(LIST_MAX);
	char *text;

	if (o->ignored)
		(void)buf_addf(&all, "%s, ", o->ignored);
	(void)buf_add_str(&all, name);
	text = buf_take(&all);
	if (!text)
		return out_of_memory(e);
	free(o->ignored);
	o->ignored = text;
	return 0;
}

static int take_word(struct options *o, const struct word *w, const char *value,
		     struct err *e)
{
	void *field = (char *)o + w->field;
	uint64_t n = 0;

	switch (w->kind) {
	case WORD_FLAG:
		return take_flag(field, w->name, value, e);
	case WORD_TEXT:
		return take_text(field, value, e);
	case WORD_PATH:
		return take_path(field, value, e);
	case WORD_SIZE:
		return take_size(o, w, field, value, e);
	case WORD_MEBIBYTES:
		if (!whole(value, 10, UINT32_MAX, &n) || !n)
			return bad_value(w->name, value, "a number of MiB", e);
		*(uint64_t *)field = n << 20;
		return 0;
	case WORD_TTL:
		return take_ttl(o, w->name, value, e);
	case WORD_ID:
		if (!whole(value, 10, UINT32_MAX - 1, &n))
			return bad_value(w->name, value, "a numeric id", e);
		*(uid_t *)field = (uid_t)n;
		return 0;
	case WORD_OCTAL:
		return take_octal(o, field, w->name, value, e);
	case WORD_COUNT:
		if (!whole(value, 10, BACKGROUND_MAX, &n) || !n)
			return bad_value(w->name, value,
					 "a number from 1 to 65535", e);
		*(uint32_t *)field = (uint32_t)n;
		return 0;
	case WORD_LEVEL:
		if (!level_value(value, field))
			return bad_value(w->name, value,
					 "error, warn, info or debug", e);
		return 0;
	case WORD_DEBUG:
		*(enum log_level *)field = LOG_LEVEL_DEBUG;
		return 0;
	case WORD_IGNORED:
		return 0;
	case WORD_NOTED:
	case WORD_NOTED_VALUE:
		return note_ignored(o, w->name, e);
	case WORD_REFUSED:
		return err_set(e, -EINVAL, "option %s is not supported",
			       w->name);
	}
	return 0;
}

/* ---- words --------------------------------------------------------------- */

static bool is_path_of_store(const char *word)
{
	return !strncmp(word, "passwd", 6) || !strncmp(word, "ca_", 3) ||
	       !strncmp(word, "ca-", 3);
}

static int store_word(struct options *o, const char *word, const char *value,
		      struct err *e)
{
	CLEANUP_FREE char *path = NULL;
	int rc;

	if (value && *value && is_path_of_store(word)) {
		rc = take_path(&path, value, e);
		if (rc)
			return rc;
	}
	return source_option(&o->store, word, path ? path : value, e);
}

int options_word(struct options *o, const char *word, const char *value,
		 struct err *e)
{
	struct word w;
	int rc;

	rc = store_word(o, word, value, e);
	if (rc)
		return rc < 0 ? rc : 0;
	if (!word_find(&w, word))
		return err_set(e, -EINVAL,
			       "unknown option '%s'; see assetfs --help", word);
	if (word_needs_value(&w) && (!value || !*value))
		return err_set(e, -EINVAL, "option %s needs a value", w.name);
	return take_word(o, &w, value, e);
}

/* "word" or "word=value"; leading dashes as goofys' lines have them. */
static int list_word(struct options *o, char *text, struct err *e)
{
	char *value;

	text += strspn(text, "-");
	value = strchr(text, '=');
	if (value)
		*value++ = '\0';
	return *text ? options_word(o, text, value, e) : 0;
}

static int option_list(struct options *o, const char *list, struct err *e)
{
	CLEANUP_BUF struct buf word = BUF_INIT(LIST_MAX);
	int rc = 0;

	for (const char *p = list; !rc; p++) {
		if (*p && *p != ',') {
			if (*p == '\\' && p[1])
				p++;
			(void)buf_add_char(&word, *p);
			continue;
		}
		if (buf_error(&word))
			return err_set(e, -EINVAL, "option list too long");
		if (word.len)
			rc = list_word(o, word.data, e);
		buf_reset(&word);
		if (!*p)
			break;
	}
	return rc;
}

/* ---- the command line ---------------------------------------------------- */

struct arguments {
	int argc;
	char **argv;
	int at; /* the next one */
};

static bool wants_value(struct options *o, const char *word)
{
	struct word w;

	if (word_find(&w, word))
		return word_needs_value(&w);
	/* A word of the store that fails when bare has a value. */
	return source_option(&o->store, word, NULL, NULL) < 0;
}

static int long_option(struct options *o, struct arguments *args,
		       const char *text, struct err *e)
{
	CLEANUP_FREE char *word = strdup(text);
	const char *value = NULL;
	char *equals;

	if (!word)
		return out_of_memory(e);
	equals = strchr(word, '=');
	if (equals) {
		*equals = '\0';
		value = equals + 1;
	} else if (args->at < args->argc && wants_value(o, word)) {
		value = args->argv[args->at++];
	}
	return options_word(o, word, value, e);
}

static int short_options(struct options *o, struct arguments *args,
			 const char *text, struct err *e)
{
	for (; *text; text++) {
		switch (*text) {
		case 'f':
			o->foreground = true;
			break;
		case 'd':
			o->level = LOG_LEVEL_DEBUG;
			break;
		case 'h':
			o->help = true;
			break;
		case 'V':
			o->version = true;
			break;
		case 's': /* one thread: of no use here */
			break;
		case 'o':
			if (text[1])
				return option_list(o, text + 1, e);
			if (args->at == args->argc)
				return err_set(e, -EINVAL,
					       "-o needs a list of words");
			return option_list(o, args->argv[args->at++], e);
		default:
			return err_set(
				e, -EINVAL,
				"unknown option '-%c'; see assetfs --help",
				*text);
		}
	}
	return 0;
}

static int positional(struct options *o, const char *text, struct err *e)
{
	if (!o->source)
		return take_text(&o->source, text, e);
	if (!o->mountpoint)
		return take_text(&o->mountpoint, text, e);
	return err_set(e, -EINVAL,
		       "'%s': one SOURCE and one MOUNTPOINT are enough", text);
}

/* SOURCE with the prefix word behind it. */
static int apply_prefix(struct options *o, struct err *e)
{
	CLEANUP_BUF struct buf all = BUF_INIT(2 * PATH_MAX);
	bool is_bucket = !strchr(o->source, ':');
	size_t len = strlen(o->source);
	char *text;

	(void)buf_addf(&all, "%s%s%s%s", is_bucket ? "s3://" : "", o->source,
		       len && o->source[len - 1] == '/' ? "" : "/", o->prefix);
	text = buf_take(&all);
	if (!text)
		return out_of_memory(e);
	free(o->source);
	o->source = text;
	return 0;
}

static void apply_umask(struct options *o)
{
	mode_t off = o->umask_set ? o->umask : 022;

	if (!o->file_mode)
		o->file_mode = 0666 & ~off;
	if (!o->dir_mode)
		o->dir_mode = 0777 & ~off;
}

static int parse_arguments(struct options *o, int argc, char **argv,
			   struct err *e)
{
	struct arguments args = { .argc = argc, .argv = argv, .at = 1 };
	bool only_names = false;
	int rc = 0;

	while (!rc && args.at < argc) {
		const char *arg = argv[args.at++];

		if (only_names || arg[0] != '-' || !arg[1])
			rc = positional(o, arg, e);
		else if (!strcmp(arg, "--"))
			only_names = true;
		else if (arg[1] == '-')
			rc = long_option(o, &args, arg + 2, e);
		else
			rc = short_options(o, &args, arg + 1, e);
	}
	if (rc || o->help || o->version)
		return rc;
	if (!o->mountpoint)
		return err_set(e, -EINVAL,
			       "usage: assetfs SOURCE MOUNTPOINT [OPTIONS]; "
			       "see assetfs --help");
	return o->prefix ? apply_prefix(o, e) : 0;
}

static int settings_word(void *arg, const char *word, const char *value,
			 struct err *e)
{
	return options_word(arg, word, value, e);
}

/* Puts what settings files and the environment say under the command line. */
static int add_settings(struct options *o, int argc, char **argv, struct err *e)
{
	const char *dir = getenv("ASSETFS_CACHE_DIR");
	struct options all;
	int rc;

	options_init(&all);
	rc = settings_read(o->source, settings_word, &all, e);
	if (!rc)
		rc = source_options_environment(&all.store, e);
	if (!rc && dir && *dir) { /* the cache asks for it itself */
		free(all.cache_dir);
		all.cache_dir = NULL;
	}
	if (!rc)
		rc = parse_arguments(&all, argc, argv, e);
	options_done(o);
	*o = all;
	return rc;
}

int options_parse(struct options *o, int argc, char **argv, struct err *e)
{
	int rc = parse_arguments(o, argc, argv, e);

	if (!rc && !o->help && !o->version)
		rc = add_settings(o, argc, argv, e);
	if (!rc)
		apply_umask(o);
	return rc;
}
