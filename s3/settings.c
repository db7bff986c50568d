/*
 * A file is read whole. Its words that apply are kept with the length of their
 * section's name, sorted by that, and handed over.
 */
#include "s3/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/ini.h"
#include "s3/base/io.h"
#include "s3/words.h"

#define SOURCE_MAX (2 * PATH_MAX)
#define ETC_FILE "/etc/assetfs.conf"

struct setting {
	size_t weight; /* length of its section's name */
	struct ini_item item;
};

struct settings {
	struct setting *words; /* in the order of the file */
	size_t count;
};

static void settings_done(struct settings *s)
{
	free(s->words);
}

/* ---- sections ------------------------------------------------------------ */

/*
 * One spelling for one SOURCE: "s3://bucket/a", no slash at its end unless it
 * is "s3://", none doubled. -EINVAL for what is no SOURCE.
 */
static int normal(struct buf *out, const char *text)
{
	const char *sep = strstr(text, "://");
	const char *rest = sep ? sep + 3 : text;

	if (!sep) {
		size_t len = strcspn(text, ":/");

		if (!len || (text[len] && strncmp(text + len, ":/", 2)))
			return -EINVAL;
		(void)buf_addf(out, "s3://%.*s", (int)len, text);
		rest = text + len + !!text[len];
	} else if (!strncmp(text, "s3://", 5)) {
		(void)buf_add_str(out, "s3://");
		rest += strspn(rest, "/");
	} else if (!strncmp(text, "file://", 7)) {
		(void)buf_add_str(out, "file://");
	} else {
		return -EINVAL;
	}
	for (; *rest; rest++)
		if (*rest != '/' || (rest[1] && rest[1] != '/'))
			(void)buf_add_char(out, *rest);
	return buf_error(out);
}

static bool is_default(const char *section)
{
	return !strcmp(section, "default");
}

/* Whether it speaks for `source`, which is spelt the normal way: 1, 0, or
 * -EINVAL for what is no SOURCE. */
static int applies(const char *section, const char *source, size_t *ret_weight)
{
	CLEANUP_BUF struct buf name = BUF_INIT(SOURCE_MAX);
	int r;

	*ret_weight = 0;
	if (is_default(section))
		return 1;
	r = normal(&name, section);
	if (r)
		return r;
	*ret_weight = name.len;
	return !strncmp(source, name.data, name.len) &&
	       (name.data[name.len - 1] == '/' || !source[name.len] ||
		source[name.len] == '/');
}

/* ---- words --------------------------------------------------------------- */

static int fail_line(const char *path, unsigned int line, const char *text,
		     struct err *e)
{
	return err_set(e, -EINVAL, "%s:%u: %s", path, line, text);
}

static int keep(struct settings *s, size_t weight, const struct ini_item *item)
{
	struct setting *words =
		reallocarray(s->words, s->count + 1, sizeof(*words));

	if (!words)
		return -ENOMEM;
	s->words = words;
	words[s->count++] = (struct setting){ weight, *item };
	return 0;
}

/* What says where, and cannot be looked up by it. */
static bool is_out_of_place(const char *word)
{
	return words_same(word, "prefix") || words_same(word, "help") ||
	       words_same(word, "version");
}

static int collect(struct settings *s, char *text, const char *path,
		   const char *source, struct err *e)
{
	bool inside = false, any = false;
	struct ini_item item;
	enum ini_kind kind;
	size_t weight = 0;
	struct ini ini;
	int r = 0;

	ini_init(&ini, text);
	while (!r && (kind = ini_next(&ini, &item)) != INI_END) {
		if (kind == INI_BAD)
			return fail_line(path, item.line,
					 "neither [SOURCE] nor WORD = VALUE",
					 e);
		if (kind == INI_SECTION) {
			r = applies(item.name, source, &weight);
			if (r == -EINVAL)
				return fail_line(
					path, item.line,
					"the name of a section is s3://BUCKET, "
					"file:///DIR or default",
					e);
			inside = r > 0;
			any = true;
			r = r < 0 ? r : 0;
		} else if (!any) {
			return fail_line(path, item.line,
					 "a word stands before the first "
					 "[SOURCE]",
					 e);
		} else if (inside) {
			r = keep(s, weight, &item);
		}
	}
	return r ? err_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

static int compare(const void *a, const void *b)
{
	const struct setting *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight < y->weight ? -1 : 1;
	return x->item.line < y->item.line ? -1 : 1;
}

static int hand_over(const struct ini_item *item, const char *path,
		     settings_take take, void *arg, struct err *e)
{
	CLEANUP_BUF struct buf value = BUF_INIT(SOURCE_MAX + IO_TEXT_MAX);
	const char *home = getenv("HOME");
	struct err why = { 0 };
	int r;

	if (is_out_of_place(item->name))
		return err_set(e, -EINVAL,
			       "%s:%u: option %s has no place in this file",
			       path, item->line, item->name);
	if (item->value && !strncmp(item->value, "~/", 2) && home && *home &&
	    buf_addf(&value, "%s%s", home, item->value + 1))
		return err_set(e, -ENOMEM, "out of memory");
	r = take(arg, item->name, value.data ? value.data : item->value, &why);
	if (r < 0)
		return err_set(e, r, "%s:%u: %s", path, item->line, why.text);
	return 0;
}

int settings_parse(char *text, const char *path, const char *source,
		   settings_take take, void *arg, struct err *e)
{
	__attribute__((cleanup(settings_done))) struct settings s = { 0 };
	CLEANUP_BUF struct buf name = BUF_INIT(SOURCE_MAX);
	int r;

	/* What is no SOURCE is told by those who open it. */
	if (normal(&name, source) || !name.len)
		return 0;
	r = collect(&s, text, path, name.data, e);
	if (!r && s.count)
		qsort(s.words, s.count, sizeof(*s.words), compare);
	for (size_t i = 0; i < s.count && !r; i++)
		r = hand_over(&s.words[i].item, path, take, arg, e);
	return r;
}

/* ---- files --------------------------------------------------------------- */

static int check_owner(const char *path, const struct stat *st, struct err *e)
{
	if ((st->st_mode & 0002) || (st->st_uid && st->st_uid != geteuid()))
		return err_set(e, -EACCES,
			       "'%s' can be changed by others, who could send "
			       "your requests elsewhere: make it root's or "
			       "your own, and chmod o-w '%s'",
			       path, path);
	return 0;
}

static int read_file(const char *path, const char *source, settings_take take,
		     void *arg, struct err *e)
{
	CLEANUP_BUF struct buf text = BUF_INIT(IO_TEXT_MAX);
	struct stat st;
	int r = io_read_text(path, &text, &st, e);

	if (!r)
		r = check_owner(path, &st, e);
	if (r)
		return r == -ENOENT ? 0 : r;
	return settings_parse(text.data, path, source, take, arg, e);
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* "" where there is no home. */
static int user_file(struct buf *out)
{
	const char *config = variable("XDG_CONFIG_HOME");
	const char *home = variable("HOME");

	if (config)
		return buf_addf(out, "%s/assetfs.conf", config);
	return home ? buf_addf(out, "%s/.config/assetfs.conf", home) : 0;
}

int settings_read(const char *source, settings_take take, void *arg,
		  struct err *e)
{
	CLEANUP_BUF struct buf path = BUF_INIT(PATH_MAX);
	const char *etc = variable("ASSETFS_CONF");
	int r = read_file(etc ? etc : ETC_FILE, source, take, arg, e);

	if (r)
		return r;
	if (user_file(&path))
		return err_set(e, -EINVAL, "HOME is too long");
	return path.len ? read_file(path.data, source, take, arg, e) : 0;
}
