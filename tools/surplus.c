/*
 * A directory is emptied through its descriptor, so that nobody can lead the
 * removal elsewhere by a rename. One descriptor for each level.
 */
#include "tools/surplus.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/cleanup.h"

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Takes over fd. */
static int open_stream(int fd, DIR **ret_dir)
{
	if (fd < 0)
		return fd;
	*ret_dir = fdopendir(fd);
	if (!*ret_dir) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return 0;
}

static int note(struct surplus *s, const char *dir, const char *name)
{
	struct surplus_item *item;

	if (s->count == s->room) {
		size_t room = s->room * 2 ?: 64;

		item = reallocarray(s->items, room, sizeof(*item));
		if (!item)
			return -ENOMEM;
		s->items = item;
		s->room = room;
	}
	item = &s->items[s->count];
	item->dir = strdup(dir);
	item->name = strdup(name);
	if (item->dir && item->name) {
		s->count++;
		return 0;
	}
	free(item->dir);
	free(item->name);
	return -ENOMEM;
}

static bool entry_is_dir(DIR *dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return !fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
	       S_ISDIR(st.st_mode);
}

int surplus_note(struct surplus *s, const struct target *t, const char *dir,
		 bool (*keep)(void *arg, const char *name, bool is_dir),
		 void *arg, struct err *e)
{
	CLEANUP(closedirp) DIR *stream = NULL;
	struct dirent *entry;
	int r = open_stream(target_open_dir(t, dir, O_RDONLY), &stream);

	if (r == -ENOENT)
		return 0;
	if (r)
		return target_fail(t, "", dir, r, e);
	while (errno = 0, (entry = readdir(stream))) {
		const char *name = entry->d_name;

		if (is_dots(name) ||
		    keep(arg, name, entry_is_dir(stream, entry)))
			continue;
		if (note(s, dir, name))
			return err_set(e, -ENOMEM, "out of memory");
	}
	return errno ? target_fail(t, "", dir, -errno, e) : 0;
}

static int empty_dir(int parent, const char *name, uint64_t *removed);

static int remove_at(int parent, const char *name, uint64_t *removed)
{
	int r;

	if (!unlinkat(parent, name, 0)) {
		(*removed)++;
		return 0;
	}
	if (errno == ENOENT)
		return 0;
	/* Of a directory; POSIX would have EPERM. */
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	r = empty_dir(parent, name, removed);
	if (r == -ENOTDIR)
		return -EPERM;
	if (r)
		return r;
	if (unlinkat(parent, name, AT_REMOVEDIR))
		return errno == ENOENT ? 0 : -errno;
	(*removed)++;
	return 0;
}

static int empty_dir(int parent, const char *name, uint64_t *removed)
{
	CLEANUP(closedirp) DIR *stream = NULL;
	struct dirent *entry;
	int r = open_stream(target_open_child(parent, name), &stream);

	if (r)
		return r;
	while (errno = 0, (entry = readdir(stream))) {
		if (is_dots(entry->d_name))
			continue;
		r = remove_at(dirfd(stream), entry->d_name, removed);
		if (r)
			return r;
	}
	return -errno;
}

int surplus_remove(const struct target *t, const struct surplus_item *item,
		   uint64_t *removed, struct err *e)
{
	CLEANUP_FD int parent = target_open_dir(t, item->dir, O_PATH);
	int r = parent < 0 ? parent : remove_at(parent, item->name, removed);

	if (r == -EXDEV)
		return err_set(e, r,
			       "'%s/%s%s%s' is on another file system: not "
			       "removed",
			       t->shown, item->dir, *item->dir ? "/" : "",
			       item->name);
	return r ? target_fail(t, item->dir, item->name, r, e) : 0;
}

void surplus_done(struct surplus *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].dir);
		free(s->items[i].name);
	}
	free(s->items);
	*s = (struct surplus){ 0 };
}
