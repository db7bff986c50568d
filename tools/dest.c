#include "tools/dest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"

void dest_done(struct dest *t)
{
	free(t->dir);
	free(t->name);
	*t = (struct dest){ 0 };
}

static bool ends_in_slash(const char *s)
{
	size_t len = strlen(s);

	return len && s[len - 1] == '/';
}

/* The last component, trailing slashes stripped; "" for the root. */
static char *base_name(const char *path)
{
	size_t len = strlen(path);
	const char *slash;

	while (len && path[len - 1] == '/')
		len--;
	slash = len ? memrchr(path, '/', len) : NULL;
	if (slash)
		return strndup(slash + 1, len - (size_t)(slash + 1 - path));
	return strndup(path, len);
}

/* Checks every component of `path` ("a/b/c", "" is good). */
static int check(const char *path, struct err *e)
{
	if (*path && !path_is_safe(path, strlen(path)))
		return err_set(e, -EINVAL,
			       "'%s' is not a name that a tree can "
			       "hold",
			       path);
	if (path_is_reserved(path))
		return err_set(e, -EINVAL, "'%s' is a reserved name", path);
	return 0;
}

char *dest_at(const char *src, bool is_dir)
{
	CLEANUP_FREE char *base = base_name(src);

	if (base && is_dir &&
	    (ends_in_slash(src) || !strcmp(base, ".") || !strcmp(base, "..")))
		*base = '\0';
	return TAKE_PTR(base);
}

static int make_dir(struct dest *t, const char *at, bool into,
		    const char *prefix)
{
	if (!*at || !into)
		t->dir = strdup(prefix);
	else if (asprintf(&t->dir, "%s%s/", prefix, at) < 0)
		t->dir = NULL;
	return t->dir ? 0 : -ENOMEM;
}

static int make_file(struct dest *t, const char *base, bool into,
		     const char *prefix)
{
	t->name = into ? strdup(base) : base_name(prefix);
	if (!t->name)
		return -ENOMEM;
	t->dir = into ? strdup(prefix)
		      : strndup(prefix, strlen(prefix) - strlen(t->name) - 1);
	return t->dir ? 0 : -ENOMEM;
}

static int finish(struct dest *ret_dest, struct dest *t, struct err *e)
{
	CLEANUP_FREE char *path = NULL;
	int r;

	if (asprintf(&path, "%s%s", t->dir, t->name ? t->name : "") < 0)
		return err_set(e, -ENOMEM, "out of memory");
	if (ends_in_slash(path))
		path[strlen(path) - 1] = '\0';
	r = check(path, e);
	if (r)
		return r;
	*ret_dest = *t;
	*t = (struct dest){ 0 };
	return 0;
}

int dest_make(struct dest *ret_dest, const char *src, bool src_is_dir,
	      const char *dest, const char *prefix, struct err *e)
{
	CLEANUP(dest_done) struct dest t = { 0 };
	CLEANUP_FREE char *at = dest_at(src, src_is_dir);
	bool into = !*prefix || ends_in_slash(dest);
	int r;

	if (!at)
		return err_set(e, -ENOMEM, "out of memory");
	if (src_is_dir)
		r = make_dir(&t, at, into, prefix);
	else
		r = make_file(&t, at, into, prefix);
	return r ? err_set(e, r, "out of memory") : finish(ret_dest, &t, e);
}

int dest_make_several(struct dest *ret_dest, const char *prefix, struct err *e)
{
	CLEANUP(dest_done) struct dest t = { .dir = strdup(prefix) };

	if (!t.dir)
		return err_set(e, -ENOMEM, "out of memory");
	return finish(ret_dest, &t, e);
}
