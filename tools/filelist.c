#include "tools/filelist.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/names.h"
#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "tools/session.h"

#define LIST_MAX (1u << 30) /* bytes */
#define READ_ROOM (64u << 10)

void filelist_done(struct filelist *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].path);
	free(l->items);
	*l = (struct filelist){ 0 };
}

/* What follows `base` in the absolute path, or NULL. */
static const char *below(const char *path, const char *base)
{
	size_t len = strlen(base);

	if (strncmp(path, base, len) || (path[len] && path[len] != '/'))
		return NULL;
	return path + len;
}

static const char *below_any(const char *path, const char *const *bases,
			     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *rest = below(path, bases[i]);

		if (rest)
			return rest;
	}
	return NULL;
}

/* Copies `path` without empty and "." components. -EINVAL for "..". */
static int tidy(char *to, const char *path)
{
	char *out = to;

	while (*path) {
		const char *end = strchrnul(path, '/');
		size_t len = (size_t)(end - path);

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return -EINVAL;
		if (len && !(len == 1 && path[0] == '.')) {
			if (out > to)
				*out++ = '/';
			memcpy(out, path, len);
			out += len;
		}
		path = *end ? end + 1 : end;
	}
	*out = '\0';
	return 0;
}

/* Whether a path stands for all that is below, too. */
static bool is_deep(const char *path)
{
	size_t len = strlen(path);

	if (len && path[len - 1] == '.' && (len == 1 || path[len - 2] == '/'))
		len--; /* "." and "a/." are "./" and "a/" */
	return !len || path[len - 1] == '/';
}

struct parser {
	struct filelist *list;
	size_t room;
	const char *const *bases;
	size_t base_count;
	struct notes *failed;
};

static int add(struct parser *p, const char *line)
{
	struct filelist *l = p->list;
	const char *rest = line;
	struct filelist_item *more;
	char *path;

	if (!*line)
		return 0;
	if (*line == '/')
		rest = below_any(line, p->bases, p->base_count);
	if (!rest) {
		notes_add(p->failed, "'%s': not below SRC", line);
		return 0;
	}
	if (l->count == p->room) {
		size_t room = p->room ? 2 * p->room : 256;

		more = reallocarray(l->items, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		l->items = more;
		p->room = room;
	}
	path = malloc(strlen(rest) + 1);
	if (!path)
		return -ENOMEM;
	if (tidy(path, rest) || (*path && !path_is_safe(path, strlen(path)))) {
		notes_add(p->failed, "'%s': %s", line,
			  strstr(line, "..") ? "write it without '..'"
					     : "the path is too long");
		free(path);
		return 0;
	}
	l->items[l->count++] = (struct filelist_item){
		.path = path,
		.below = is_deep(rest),
	};
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct filelist_item *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void sort_unique(struct filelist *l)
{
	size_t n = 0;

	if (l->count)
		qsort(l->items, l->count, sizeof(*l->items), compare);
	for (size_t i = 0; i < l->count; i++) {
		if (n && !strcmp(l->items[n - 1].path, l->items[i].path)) {
			l->items[n - 1].below |= l->items[i].below;
			free(l->items[i].path);
			continue;
		}
		l->items[n++] = l->items[i];
	}
	l->count = n;
}

int filelist_parse(struct filelist *ret_list, const char *data, size_t len,
		   bool nul, const char *const *bases, size_t base_count,
		   struct notes *failed, struct err *e)
{
	CLEANUP(filelist_done) struct filelist l = { 0 };
	struct parser p = {
		.list = &l,
		.bases = bases,
		.base_count = base_count,
		.failed = failed,
	};
	int r = 0;

	while (len && !r) {
		const char *end = memchr(data, nul ? '\0' : '\n', len);
		size_t n = end ? (size_t)(end - data) : len;
		CLEANUP_FREE char *line = strndup(data, n);

		r = line ? add(&p, line) : -ENOMEM;
		data += n + (end ? 1 : 0);
		len -= n + (end ? 1 : 0);
	}
	if (r)
		return err_set(e, r, "list of files: out of memory");
	sort_unique(&l);
	*ret_list = l;
	l = (struct filelist){ 0 };
	return 0;
}

/* ---- reading ------------------------------------------------------------ */

static int read_all(struct buf *out, const char *file, struct err *e)
{
	bool is_stdin = !strcmp(file, "-");
	CLEANUP_FD int own = -1;
	int fd = STDIN_FILENO;

	if (!is_stdin)
		fd = own = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "'%s': %m", file);
	for (;;) {
		char *to = buf_reserve(out, READ_ROOM);
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (!to)
			return err_set(e, buf_error(out), "'%s': too long",
				       file);
		/* A signal ends the poll; a read it would only restart. */
		(void)poll(&wait, 1, -1);
		if (session_interrupted())
			return err_set(e, -ECANCELED, "interrupted");
		n = read(fd, to, READ_ROOM);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "'%s': %m", file);
		if (!n)
			return 0;
		out->len += (size_t)n;
	}
}

/* The path from the root, as it was said and as it is: an application may tell
 * either. */
static int find_bases(char *bases[2], const char *base, struct err *e)
{
	CLEANUP_FREE char *cwd = NULL;
	CLEANUP_FREE char *said = NULL;

	bases[1] = realpath(base, NULL);
	if (!bases[1])
		return err_set(e, -errno, "'%s': %m", base);
	if (!strcmp(bases[1], "/"))
		bases[1][0] = '\0';
	cwd = *base == '/' ? strdup("") : getcwd(NULL, 0);
	if (!cwd || asprintf(&said, "%s/%s", cwd, base) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	bases[0] = malloc(strlen(said) + 2);
	if (!bases[0])
		return err_set(e, -ENOMEM, "out of memory");
	bases[0][0] = '/';
	if (tidy(bases[0] + 1, said)) /* has a "..": as it is, then */
		strcpy(bases[0], "//");
	else if (!bases[0][1])
		bases[0][0] = '\0';
	return 0;
}

int filelist_read(struct filelist *ret_list, const char *file, bool nul,
		  const char *base, struct notes *failed, struct err *e)
{
	CLEANUP_BUF struct buf data = BUF_INIT(LIST_MAX);
	char *bases[2] = { NULL, NULL };
	int r = find_bases(bases, base, e);

	if (!r)
		r = read_all(&data, file, e);
	if (!r)
		r = filelist_parse(ret_list, data.data ? data.data : "",
				   data.len, nul, (const char *const *)bases, 2,
				   failed, e);
	free(bases[0]);
	free(bases[1]);
	return r;
}
