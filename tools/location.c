/*
 * The path is opened as a directory first, which for trees is one LIST and no
 * more. Only where nothing is below it, it may be a file or an empty directory,
 * and its parent is asked.
 */
#include "tools/location.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"

/* A tool looks once: what it has seen holds while it runs. */
#define TTL_MS (10u * 60 * 1000)

/* Where the last component begins and ends: without slashes behind it, and
 * without the scheme or "BUCKET:" before it. */
static const char *last_component(const char *text, size_t *ret_len)
{
	const char *scheme = strstr(text, "://");
	const char *from = scheme ? scheme + 3 : text;
	size_t len = strlen(from);
	const char *end, *at;

	while (len &&
	       (from[len - 1] == '/' || (!scheme && from[len - 1] == ':')))
		len--;
	end = from + len;
	at = end;
	while (at > from && at[-1] != '/' && (scheme || at[-1] != ':'))
		at--;
	*ret_len = (size_t)(end - at);
	return at;
}

static int open_view(struct location *l, const char *prefix, struct err *e)
{
	uint32_t timeout_s = l->session.options.source.retry_timeout_s;
	struct view_options vo = {
		.store = l->session.source.store,
		.cache = l->session.cache,
		.prefix = prefix,
		.uid = getuid(),
		.gid = getgid(),
		.ttl_ms = TTL_MS,
		.reads = l->reads,
	};

	return view_open(&l->view, &vo, timeout_s * 1000, e);
}

/* 1 when something stands below, or an entry of a tree says it is a directory. */
static int find_directory(struct location *l, struct err *e)
{
	CLEANUP(view_listing_unrefp) const struct view_listing *listing = NULL;
	int r = view_list_wait(l->view, "", &listing, e);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r)
		return r;
	if (!listing->count && !listing->self->tree &&
	    *l->session.source.prefix)
		return 0;
	if (!listing->self->key) {
		l->node = view_node_ref(listing->self);
		return 1;
	}
	r = view_lookup_wait(l->view, "", true, &l->node, e);
	return r ?: 1;
}

/* Cuts "a/b/" to "a/" and returns a copy of "b". */
static char *cut_prefix(char *prefix)
{
	size_t len = strlen(prefix) - 1;
	char *name;

	prefix[len] = '\0';
	while (len && prefix[len - 1] != '/')
		len--;
	name = strdup(prefix + len);
	prefix[len] = '\0';
	return name;
}

static int find_below_parent(struct location *l, struct err *e)
{
	CLEANUP_FREE char *prefix = strdup(l->session.source.prefix);
	CLEANUP_FREE char *name = prefix ? cut_prefix(prefix) : NULL;
	int r;

	if (!name)
		return err_set(e, -ENOMEM, "out of memory");
	view_free(l->view);
	l->view = NULL;
	r = open_view(l, prefix, e);
	if (r)
		return r;
	return view_lookup_wait(l->view, name, true, &l->node, e);
}

/* A plain directory on disk is a bucket of its own; the path may be of a file
 * in it. */
static int open_beside(struct location *l, const char *text, const char *name,
		       const struct session_options *o, struct err *e)
{
	CLEANUP_FREE char *parent = strndup(text, (size_t)(name - text));
	struct err first = *e;
	int r;

	if (!parent)
		return err_set(e, -ENOMEM, "out of memory");
	r = session_open(&l->session, parent, o, e);
	if (r) {
		*e = first;
		return first.code;
	}
	r = open_view(l, l->session.source.prefix, e);
	return r ?: view_lookup_wait(l->view, l->name, true, &l->node, e);
}

static int find(struct location *l, struct err *e)
{
	int r = open_view(l, l->session.source.prefix, e);

	if (!r)
		r = find_directory(l, e);
	if (r > 0)
		return 0;
	return r ?: find_below_parent(l, e);
}

static int find_one(struct location *l, struct err *e)
{
	CLEANUP(view_listing_unrefp) const struct view_listing *top = NULL;
	CLEANUP_FREE char *prefix = strdup(l->session.source.prefix);
	CLEANUP_FREE char *path = NULL;
	char *slash = prefix ? strchr(prefix, '/') : NULL;
	int r;

	if (!slash || !slash[1])
		return find(l, e);
	path = strdup(slash + 1);
	if (!path)
		return err_set(e, -ENOMEM, "out of memory");
	path[strlen(path) - 1] = '\0';
	slash[1] = '\0';
	r = open_view(l, prefix, e);
	if (!r)
		r = view_list_wait(l->view, "", &top, e);
	if (!r)
		r = view_lookup_wait(l->view, path, true, &l->node, e);
	if (r != -EACCES)
		return r;
	/* Some may read below, and not here. */
	err_clear(e);
	view_free(l->view);
	l->view = NULL;
	return find(l, e);
}

static int open_with(struct location *l, const char *text,
		     const struct session_options *o, bool reads,
		     int (*find_it)(struct location *l, struct err *e),
		     struct err *e)
{
	const char *name;
	size_t len;
	int r;

	*l = (struct location){ .reads = reads };
	name = last_component(text, &len);
	l->name = strndup(name, len);
	if (!l->name)
		return err_set(e, -ENOMEM, "out of memory");
	r = session_open(&l->session, text, o, e);
	if (!r)
		r = find_it(l, e);
	else if (r == -ENXIO && len && !strncmp(text, "file://", 7))
		r = open_beside(l, text, name, o, e);
	if (r == -ENOENT || r == -ENOTDIR)
		(void)err_set(e, r, "'%s' does not exist", text);
	if (r)
		location_close(l);
	return r;
}

int location_open(struct location *l, const char *text,
		  const struct session_options *o, bool reads, struct err *e)
{
	return open_with(l, text, o, reads, find, e);
}

int location_open_one(struct location *l, const char *text,
		      const struct session_options *o, struct err *e)
{
	return open_with(l, text, o, false, find_one, e);
}

void location_close(struct location *l)
{
	view_node_unref(l->node);
	view_free(l->view);
	free(l->name);
	l->node = NULL;
	l->view = NULL;
	l->name = NULL;
	session_close(&l->session);
}
