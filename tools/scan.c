/*
 * Directories are taken from the list of entries itself, which serves as the
 * queue: each one found is appended and visited later, so that neither the
 * stack nor the number of open descriptors grows with the depth. Each directory
 * is opened anew from the root, one component after the other.
 */
#include "tools/scan.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"

struct scanner {
	struct scan *scan;
	size_t room; /* entries allocated */
	struct notes *failed;
	struct notes *skipped;
	bool (*stop)(void);
};

void scan_init(struct scan *w)
{
	*w = (struct scan){ .root_fd = -1 };
}

void scan_done(struct scan *w)
{
	for (size_t i = 0; i < w->count; i++) {
		free(w->entries[i].path);
		free(w->entries[i].target);
		free(w->entries[i].hashes);
		free(w->entries[i].data);
	}
	free(w->entries);
	free(w->file);
	if (w->root_fd >= 0)
		(void)close(w->root_fd); /* only read from */
	scan_init(w);
}

static size_t dir_len(const char *path, size_t len)
{
	const char *slash = len ? memrchr(path, '/', len) : NULL;

	return slash ? (size_t)(slash - path) : 0;
}

static int compare_bytes(const char *a, size_t a_len, const char *b,
			 size_t b_len)
{
	size_t both = a_len < b_len ? a_len : b_len;
	int r = both ? memcmp(a, b, both) : 0;

	if (r)
		return r;
	return (a_len > b_len) - (a_len < b_len);
}

int scan_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t a_dir = dir_len(a, a_len), b_dir = dir_len(b, b_len);
	int r = compare_bytes(a, a_dir, b, b_dir);

	/* Behind an equal directory the rest is the name, with its slash. */
	return r ? r
		 : compare_bytes(a + a_dir, a_len - a_dir, b + b_dir,
				 b_len - b_dir);
}

static int compare_entries(const void *a, const void *b)
{
	const struct scan_entry *x = a, *y = b;

	return scan_compare(x->path, x->path_len, y->path, y->path_len);
}

bool scan_same_file(const struct stat *a, const struct stat *b)
{
	return (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT) &&
	       a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* The directory that holds `path`, with the length of its name in *ret_dir. */
static int open_parent(const struct scan *w, const char *path, size_t path_len,
		       size_t *ret_dir)
{
	size_t end = dir_len(path, path_len);
	CLEANUP_FD int fd = fcntl(w->root_fd, F_DUPFD_CLOEXEC, 0);
	size_t at = 0;

	while (fd >= 0 && at < end) {
		const char *slash = memchr(path + at, '/', end - at);
		size_t len = slash ? (size_t)(slash - path) - at : end - at;
		char name[NAME_MAX_LEN + 1];
		int next;

		if (len > NAME_MAX_LEN)
			return -ENAMETOOLONG;
		memcpy(name, path + at, len);
		name[len] = '\0';
		next = openat(fd, name,
			      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		(void)close(fd);
		fd = next;
		at += len + 1;
	}
	if (fd < 0)
		return -errno;
	*ret_dir = end;
	return TAKE_FD(fd);
}

static int open_below(const struct scan *w, const struct scan_entry *entry,
		      int flags)
{
	CLEANUP_FD int dir = -1;
	const char *name;
	size_t end;
	int fd;

	if (w->file) {
		fd = openat(w->root_fd, w->file, flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	dir = open_parent(w, entry->path, entry->path_len, &end);
	if (dir < 0)
		return dir;
	name = entry->path + (end ? end + 1 : 0);
	fd = openat(dir, *name ? name : ".", flags | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int scan_open_file(const struct scan *w, const struct scan_entry *entry)
{
	return open_below(w, entry, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

static struct scan_entry *new_entry(struct scanner *wk)
{
	struct scan *w = wk->scan;

	if (w->count == wk->room) {
		size_t room = wk->room ? 2 * wk->room : 64;
		struct scan_entry *more =
			reallocarray(w->entries, room, sizeof(*more));

		if (!more)
			return NULL;
		w->entries = more;
		wk->room = room;
	}
	w->entries[w->count] = (struct scan_entry){ 0 };
	return &w->entries[w->count];
}

static void count_entry(struct scan *w, const struct scan_entry *entry)
{
	if (S_ISREG(entry->st.st_mode)) {
		w->files++;
		w->bytes += (uint64_t)entry->st.st_size;
	} else if (S_ISDIR(entry->st.st_mode)) {
		w->dirs++;
	} else {
		w->symlinks++;
	}
	w->count++;
}

/* The target as it is now: a link may have been replaced since its stat. */
static int read_link(int dir, const char *name, struct scan_entry *entry)
{
	char target[PATH_MAX_LEN + 1];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	if (n < 0)
		return -errno;
	if ((size_t)n == sizeof(target))
		return -ENAMETOOLONG;
	entry->target = strndup(target, (size_t)n);
	if (!entry->target)
		return -ENOMEM;
	entry->st.st_size = n;
	return 0;
}

static char *join(const char *dir, size_t dir_size, const char *name,
		  size_t *ret_len)
{
	size_t name_size = strlen(name);
	size_t at = dir_size ? dir_size + 1 : 0;
	char *path = malloc(at + name_size + 1);

	if (!path)
		return NULL;
	if (dir_size) {
		memcpy(path, dir, dir_size);
		path[dir_size] = '/';
	}
	memcpy(path + at, name, name_size + 1);
	*ret_len = at + name_size;
	return path;
}

static const char *kind_of(mode_t mode)
{
	if (S_ISFIFO(mode))
		return "pipe";
	if (S_ISSOCK(mode))
		return "socket";
	return "device";
}

/* One name of a directory. The path in `entries[dir_at]` is borrowed afresh:
 * the array may move. */
static int visit_name(struct scanner *wk, size_t dir_at, int dir,
		      const char *name)
{
	struct scan *w = wk->scan;
	struct scan_entry *entry = new_entry(wk);
	CLEANUP_FREE char *path = NULL;
	size_t len;
	mode_t type;
	int r;

	if (!entry)
		return -ENOMEM;
	path = join(w->entries[dir_at].path, w->entries[dir_at].path_len, name,
		    &len);
	if (!path)
		return -ENOMEM;
	if (len > PATH_MAX_LEN) {
		notes_add(wk->failed, "'%s': the path is too long", path);
		return 0;
	}
	if (fstatat(dir, name, &entry->st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT) /* gone again is as if never there */
			notes_add(wk->failed, "'%s': %m", path);
		return 0;
	}
	type = entry->st.st_mode & S_IFMT;
	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
		notes_add(wk->skipped, "'%s' is a %s, skipped", path,
			  kind_of(type));
		return 0;
	}
	if (type == S_IFLNK) {
		r = read_link(dir, name, entry);
		if (r == -ENOMEM)
			return r;
		if (r) {
			notes_add(wk->failed, "'%s': %s", path, strerror(-r));
			return 0;
		}
	}
	entry->path = TAKE_PTR(path);
	entry->path_len = len;
	count_entry(w, entry);
	return 0;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir); /* only read from */
}

static int visit_dir(struct scanner *wk, size_t at)
{
	struct scan *w = wk->scan;
	CLEANUP(closedirp) DIR *stream = NULL;
	int fd = open_below(w, &w->entries[at], O_RDONLY | O_DIRECTORY);
	int r = 0;

	if (fd < 0) {
		notes_add(wk->failed, "directory '%s': %s", w->entries[at].path,
			  strerror(-fd));
		return 0;
	}
	stream = fdopendir(fd);
	if (!stream) {
		(void)close(fd);
		return -ENOMEM;
	}
	while (!r) {
		const struct dirent *d;

		errno = 0;
		d = readdir(stream);
		if (!d && errno)
			notes_add(wk->failed, "directory '%s': %m",
				  w->entries[at].path);
		if (!d)
			break;
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		r = wk->stop() ? -ECANCELED
			       : visit_name(wk, at, dirfd(stream), d->d_name);
	}
	return r;
}

int scan_dir(struct scan *w, const char *src, struct notes *failed,
	     struct notes *skipped, bool (*stop)(void), struct err *e)
{
	struct scanner wk = {
		.scan = w, .failed = failed, .skipped = skipped, .stop = stop
	};
	struct scan_entry *root;

	assert(!w->count && w->root_fd < 0);
	w->root_fd = open(src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->root_fd < 0)
		return err_set(e, -errno, "'%s': %m", src);
	root = new_entry(&wk);
	if (!root)
		return err_set(e, -ENOMEM, "'%s': out of memory", src);
	if (fstat(w->root_fd, &root->st) < 0)
		return err_set(e, -errno, "'%s': %m", src);
	root->path = strdup("");
	if (!root->path)
		return err_set(e, -ENOMEM, "'%s': out of memory", src);
	count_entry(w, root);

	for (size_t i = 0; i < w->count; i++) {
		int r = 0;

		if (S_ISDIR(w->entries[i].st.st_mode))
			r = visit_dir(&wk, i);
		if (r == -ECANCELED)
			return err_set(e, r, "interrupted");
		if (r)
			return err_set(e, r, "'%s': out of memory", src);
	}
	/* The root's "" comes before every other name. */
	qsort(w->entries, w->count, sizeof(*w->entries), compare_entries);
	return 0;
}

int scan_file(struct scan *w, const char *src, const char *name, struct err *e)
{
	struct scanner wk = { .scan = w };
	const char *slash = strrchr(src, '/');
	CLEANUP_FREE char *dir = NULL;
	struct scan_entry *entry;

	assert(!w->count && w->root_fd < 0);
	dir = slash ? strndup(src, (size_t)(slash - src) + 1) : strdup(".");
	w->file = strdup(slash ? slash + 1 : src);
	entry = new_entry(&wk);
	if (!dir || !w->file || !entry)
		return err_set(e, -ENOMEM, "'%s': out of memory", src);
	w->root_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->root_fd < 0)
		return err_set(e, -errno, "'%s': %m", dir);
	if (fstatat(w->root_fd, w->file, &entry->st, 0) < 0)
		return err_set(e, -errno, "'%s': %m", src);
	if (!S_ISREG(entry->st.st_mode))
		return err_set(e, -EINVAL,
			       "'%s' is neither a directory nor a regular file",
			       src);
	entry->path = strdup(name);
	if (!entry->path)
		return err_set(e, -ENOMEM, "'%s': out of memory", src);
	entry->path_len = strlen(name);
	count_entry(w, entry);
	return 0;
}
