#include "s3/source.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/file_store.h"
#include "s3/http_store.h"

#define BUCKET_MAX 255

/* "a//b/" to "a/b/", "" for the root. Names that cannot be below a mount are
 * refused. */
static int clean_prefix(char **ret_prefix, const char *path, const char *text,
			struct err *e)
{
	CLEANUP_BUF struct buf out = BUF_INIT(STORE_KEY_MAX);
	char *prefix;

	while (*path) {
		size_t len = strcspn(path, "/");

		if ((len == 1 && path[0] == '.') ||
		    (len == 2 && !memcmp(path, "..", 2)))
			return err_set(e, -EINVAL,
				       "'%s': the prefix must not have '.' or "
				       "'..' in it",
				       text);
		if (len) {
			(void)buf_add(&out, path, len);
			(void)buf_add_char(&out, '/');
		}
		path += len + (path[len] == '/');
	}
	if (buf_error(&out) == -EFBIG)
		return err_set(e, -EINVAL, "'%s': the prefix is too long",
			       text);
	prefix = buf_take(&out);
	if (!prefix)
		return err_set(e, -ENOMEM, "out of memory");
	*ret_prefix = prefix;
	return 0;
}

static int check_bucket(const char *bucket, const char *text, struct err *e)
{
	size_t len = strlen(bucket);

	if (!len)
		return err_set(
			e, -EINVAL,
			"'%s': names no bucket; write s3://BUCKET/PREFIX",
			text);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)bucket[i]) &&
		    !strchr(".-_", bucket[i]))
			return err_set(e, -EINVAL,
				       "'%s': no bucket can be called '%s'",
				       text, bucket);
	if (len > BUCKET_MAX || strstr(bucket, "..") || bucket[0] == '.')
		return err_set(e, -EINVAL, "'%s': no bucket can be called '%s'",
			       text, bucket);
	return 0;
}

static int open_bucket(struct source *s, const char *bucket, size_t len,
		       const char *path, const char *text,
		       const struct source_options *o, struct err *e)
{
	CLEANUP_FREE char *name = strndup(bucket, len);
	struct source_options all;
	int r;

	if (!name)
		return err_set(e, -ENOMEM, "out of memory");
	r = check_bucket(name, text, e);
	if (!r)
		r = clean_prefix(&s->prefix, path, text, e);
	if (r)
		return r;
	r = source_options_copy(&all, o, e);
	if (!r)
		r = source_options_complete(&all, e);
	if (!r)
		r = http_store_open(&s->store, name, &all, e);
	source_options_done(&all);
	return r;
}

static bool holds_pool(const char *dir)
{
	CLEANUP_BUF struct buf path = BUF_INIT(PATH_MAX);
	struct stat st;

	return !buf_addf(&path, "%s/.assetfs", dir) && !stat(path.data, &st) &&
	       S_ISDIR(st.st_mode);
}

/* Cuts `dir` (absolute) at the nearest directory that holds a pool, if there
 * is one; returns what lies below that, within the same text. */
static const char *split_dir(char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		dir[--len] = '\0';
	for (size_t end = len;;) {
		char cut = dir[end];

		dir[end] = '\0';
		if (holds_pool(end ? dir : "/"))
			return end < len ? dir + end + 1 : dir + len;
		dir[end] = cut;
		if (!end)
			return dir + len;
		do
			end--;
		while (end && dir[end] != '/');
	}
}

static int open_dir(struct source *s, const char *path, const char *text,
		    struct err *e)
{
	CLEANUP_FREE char *dir = NULL;
	const char *below;
	int r;

	if (*path != '/')
		return err_set(e, -EINVAL,
			       "'%s': write file:// and an absolute path",
			       text);
	if (strlen(path) >= PATH_MAX)
		return err_set(e, -EINVAL, "'%s': the path is too long", text);
	dir = strdup(path);
	if (!dir)
		return err_set(e, -ENOMEM, "out of memory");
	below = split_dir(dir);
	r = clean_prefix(&s->prefix, below, text, e);
	if (!r)
		r = file_store_open(&s->store, *dir ? dir : "/", e);
	return r;
}

int source_open(struct source *ret_source, const char *text,
		const struct source_options *o, struct err *e)
{
	struct source s = { NULL, NULL };
	const char *scheme = strstr(text, "://");
	const char *rest = scheme ? scheme + 3 : text;
	size_t len = strcspn(rest, scheme ? "/" : ":");
	int r;

	if (scheme && !strncmp(text, "file://", 7))
		r = open_dir(&s, rest, text, e);
	else if (scheme && strncmp(text, "s3://", 5))
		r = err_set(e, -EINVAL,
			    "'%s': only s3:// and file:// are known", text);
	else if (!scheme && (strchr(text, '/') || rest[len]) &&
		 strncmp(rest + len, ":/", 2) != 0)
		r = err_set(e, -EINVAL,
			    "'%s': write s3://BUCKET/PREFIX for a bucket, "
			    "file:///DIR for a directory",
			    text);
	else
		r = open_bucket(&s, rest, len, rest + len + !!rest[len], text,
				o, e);
	if (r) {
		source_done(&s);
		return r;
	}
	*ret_source = s;
	return 0;
}

void source_done(struct source *s)
{
	store_free(s->store);
	free(s->prefix);
	s->store = NULL;
	s->prefix = NULL;
}
