/*
 * Directories are taken from the list of entries itself, which serves as the
 * queue: each one found is appended and visited later, so that neither the
 * stack nor the number of open descriptors grows with the depth. Each directory
 * is opened anew from the root, one component after the other.
 */
#include "tools/scan.h"

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
	const struct scan_options *o;
	uint32_t source;
	uint16_t named; /* of the entries that are made now */
};

void scan_init(struct scan *w)
{
	*w = (struct scan){ 0 };
}

static void entry_done(struct scan_entry *entry)
{
	free(entry->path);
	free(entry->target);
	free(entry->hashes);
	free(entry->data);
}

void scan_done(struct scan *w)
{
	for (size_t i = 0; i < w->count; i++)
		entry_done(&w->entries[i]);
	free(w->entries);
	for (size_t i = 0; i < w->source_count; i++) {
		free(w->sources[i].file);
		if (w->sources[i].fd >= 0)
			(void)close(w->sources[i].fd); /* only read from */
	}
	free(w->sources);
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

/* In the order of their sources where several have one path. */
static int compare_entries(const void *a, const void *b)
{
	const struct scan_entry *x = a, *y = b;
	int r = scan_compare(x->path, x->path_len, y->path, y->path_len);

	return r ? r : (x->source > y->source) - (x->source < y->source);
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

/* The entry's path below its source. */
static const char *path_below(const struct scan *w,
			      const struct scan_entry *entry)
{
	const char *path = entry->path + w->sources[entry->source].skip;

	return *path == '/' ? path + 1 : path;
}

/* The directory that holds `path`, with the length of its name in *ret_dir. */
static int open_parent(int top, const char *path, size_t named, size_t *ret_dir)
{
	size_t end = dir_len(path, strlen(path));
	CLEANUP_FD int fd = fcntl(top, F_DUPFD_CLOEXEC, 0);
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
			      O_PATH | O_DIRECTORY | O_CLOEXEC |
				      (at < named ? 0 : O_NOFOLLOW));
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
	const struct scan_source *source = &w->sources[entry->source];
	const char *path = path_below(w, entry);
	CLEANUP_FD int dir = -1;
	const char *name;
	size_t end;
	int fd;

	if (source->file) {
		fd = openat(source->fd, source->file, flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	dir = open_parent(source->fd, path, entry->named, &end);
	if (dir < 0)
		return dir;
	name = path + (end ? end + 1 : 0);
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

	if (w->count == w->room) {
		size_t room = w->room ? 2 * w->room : 64;
		struct scan_entry *more =
			reallocarray(w->entries, room, sizeof(*more));

		if (!more)
			return NULL;
		w->entries = more;
		w->room = room;
	}
	w->entries[w->count] = (struct scan_entry){
		.source = wk->source,
		.named = wk->named,
	};
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

/* What an entry is; 1 where it is to be left out. flags: of fstatat. */
static int examine(struct scanner *wk, int dir, const char *name,
		   const char *path, int flags, struct scan_entry *entry)
{
	mode_t type;
	int r;

	if (fstatat(dir, name, &entry->st, flags) < 0)
		return -errno;
	type = entry->st.st_mode & S_IFMT;
	if (exclude_match(wk->o->exclude, path, type == S_IFDIR))
		return 1;
	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
		notes_add(wk->o->skipped, "'%s' is a %s, skipped", path,
			  kind_of(type));
		return 1;
	}
	r = type == S_IFLNK ? read_link(dir, name, entry) : 0;
	return r;
}

/* One name of a directory. The path in `entries[dir_at]` is borrowed afresh:
 * the array may move. */
static int visit_name(struct scanner *wk, size_t dir_at, int dir,
		      const char *name)
{
	struct scan *w = wk->scan;
	struct scan_entry *entry = new_entry(wk);
	CLEANUP_FREE char *path = NULL;
	const char *below;
	size_t len;
	int r;

	if (!entry)
		return -ENOMEM;
	path = join(w->entries[dir_at].path, w->entries[dir_at].path_len, name,
		    &len);
	if (!path)
		return -ENOMEM;
	if (len > PATH_MAX_LEN) {
		notes_add(wk->o->failed, "'%s': the path is too long", path);
		return 0;
	}
	below = path + w->sources[wk->source].skip;
	r = examine(wk, dir, name, *below == '/' ? below + 1 : below,
		    AT_SYMLINK_NOFOLLOW, entry);
	if (r == -ENOMEM)
		return r;
	if (r < 0 && r != -ENOENT) /* gone again is as if never there */
		notes_add(wk->o->failed, "'%s': %s", path, strerror(-r));
	if (r)
		return 0;
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
		notes_add(wk->o->failed, "directory '%s': %s",
			  w->entries[at].path, strerror(-fd));
		return 0;
	}
	stream = fdopendir(fd);
	if (!stream) {
		(void)close(fd);
		return -ENOMEM;
	}
	w->entries[at].listed = true;
	while (!r) {
		const struct dirent *d;

		errno = 0;
		d = readdir(stream);
		if (!d && errno)
			notes_add(wk->o->failed, "directory '%s': %m",
				  w->entries[at].path);
		if (!d)
			break;
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		r = wk->o->stop()
			    ? -ECANCELED
			    : visit_name(wk, at, dirfd(stream), d->d_name);
	}
	return r;
}

/* All below the entries from `first` on. */
static int visit_all(struct scanner *wk, size_t first, const char *src,
		     struct err *e)
{
	struct scan *w = wk->scan;

	for (size_t i = first; i < w->count; i++) {
		int r = 0;

		if (S_ISDIR(w->entries[i].st.st_mode))
			r = visit_dir(wk, i);
		if (r == -ECANCELED)
			return err_set(e, r, "interrupted");
		if (r)
			return err_set(e, r, "'%s': out of memory", src);
	}
	return 0;
}

/* ---- sources ------------------------------------------------------------ */

static int add_source(struct scanner *wk, const char *dir, const char *at,
		      struct err *e)
{
	struct scan *w = wk->scan;
	struct scan_source *more =
		reallocarray(w->sources, w->source_count + 1, sizeof(*more));

	if (!more)
		return err_set(e, -ENOMEM, "'%s': out of memory", dir);
	w->sources = more;
	more += w->source_count;
	*more = (struct scan_source){ .skip = strlen(at) };
	more->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (more->fd < 0)
		return err_set(e, -errno, "'%s': %m", dir);
	wk->source = (uint32_t)w->source_count++;
	return 0;
}

static int set_path(struct scan_entry *entry, const char *path, struct err *e)
{
	entry->path_len = strlen(path);
	entry->path = strdup(path);
	return entry->path ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int scan_dir(struct scan *w, const char *src, const char *at,
	     const struct scan_options *o, struct err *e)
{
	struct scanner wk = { .scan = w, .o = o };
	size_t first = w->count;
	struct scan_entry *top;
	int r = add_source(&wk, src, at, e);

	if (r)
		return r;
	top = new_entry(&wk);
	if (!top)
		return err_set(e, -ENOMEM, "'%s': out of memory", src);
	if (fstat(w->sources[wk.source].fd, &top->st) < 0)
		return err_set(e, -errno, "'%s': %m", src);
	if (*at && exclude_match(o->exclude, at, true))
		return 0;
	r = set_path(top, at, e);
	if (r)
		return r;
	count_entry(w, top);
	return visit_all(&wk, first, src, e);
}

int scan_file(struct scan *w, const char *src, const char *at,
	      const struct scan_options *o, struct err *e)
{
	struct scanner wk = { .scan = w, .o = o };
	const char *slash = strrchr(src, '/');
	CLEANUP_FREE char *dir = NULL;
	struct scan_entry *entry;
	struct scan_source *source;
	int r;

	dir = slash ? strndup(src, (size_t)(slash - src) + 1) : strdup(".");
	if (!dir)
		return err_set(e, -ENOMEM, "'%s': out of memory", src);
	r = add_source(&wk, dir, at, e);
	if (r)
		return r;
	source = &w->sources[wk.source];
	source->file = strdup(slash ? slash + 1 : src);
	entry = new_entry(&wk);
	if (!source->file || !entry)
		return err_set(e, -ENOMEM, "'%s': out of memory", src);
	if (fstatat(source->fd, source->file, &entry->st, 0) < 0)
		return err_set(e, -errno, "'%s': %m", src);
	if (exclude_match(o->exclude, source->file, false))
		return 0;
	if (!S_ISREG(entry->st.st_mode))
		return err_set(e, -EINVAL,
			       "'%s' is neither a directory nor a regular file",
			       src);
	r = set_path(entry, at, e);
	if (!r)
		count_entry(w, entry);
	return r;
}

/* ---- lists -------------------------------------------------------------- */

/* One path of the list, or (as_dir) a directory that one is in. */
static int visit_listed(struct scanner *wk, const char *path, bool as_dir,
			bool below, struct err *e)
{
	struct scan *w = wk->scan;
	struct scan_entry *entry = new_entry(wk);
	CLEANUP_FD int dir = -1;
	const char *name;
	size_t end;
	int r;

	if (!entry)
		return err_set(e, -ENOMEM, "'%s': out of memory", path);
	entry->named = (uint16_t)strlen(path);
	dir = open_parent(w->sources[wk->source].fd, path, entry->named, &end);
	name = path + (end ? end + 1 : 0);
	r = dir < 0 ? dir
		    : examine(wk, dir, *name ? name : ".", path,
			      as_dir || below ? 0 : AT_SYMLINK_NOFOLLOW, entry);
	if (r == -ENOMEM)
		return err_set(e, r, "'%s': out of memory", path);
	/* Of a directory that is not there, the files in it tell. */
	if (r < 0 && !as_dir)
		notes_add(wk->o->failed, "'%s': %s", path, strerror(-r));
	if (r || (as_dir && !S_ISDIR(entry->st.st_mode)))
		return 0;
	r = set_path(entry, path, e);
	if (r)
		return r;
	count_entry(w, entry);
	if (!below || !S_ISDIR(entry->st.st_mode))
		return 0;
	wk->named = entry->named;
	r = visit_all(wk, w->count - 1, path, e);
	wk->named = 0;
	return r;
}

/* The directories that `path` is in, from the first that the path before it is
 * not in. */
static int visit_above(struct scanner *wk, const char *path, const char *before,
		       struct err *e)
{
	size_t same = 0;
	int r = 0;

	while (path[same] && path[same] == before[same])
		same++;
	for (const char *at = strchr(path, '/'); at && !r;
	     at = strchr(at + 1, '/')) {
		CLEANUP_FREE char *dir = NULL;

		if ((size_t)(at - path) < same)
			continue;
		dir = strndup(path, (size_t)(at - path));
		r = dir ? visit_listed(wk, dir, true, false, e)
			: err_set(e, -ENOMEM, "out of memory");
	}
	return r;
}

int scan_list(struct scan *w, const char *src, const struct filelist *list,
	      const struct scan_options *o, struct err *e)
{
	struct scanner wk = { .scan = w, .o = o };
	const char *before = "", *deep = NULL;
	int r = add_source(&wk, src, "", e);

	for (size_t i = 0; i < list->count && !r; i++) {
		const struct filelist_item *item = &list->items[i];
		size_t len = deep ? strlen(deep) : 0;

		if (o->stop())
			return err_set(e, -ECANCELED, "interrupted");
		/* Within one that was taken with all below it. */
		if (deep && (!len || (!strncmp(item->path, deep, len) &&
				      item->path[len] == '/')))
			continue;
		if (exclude_covers(o->exclude, item->path, false))
			continue;
		r = visit_above(&wk, item->path, before, e);
		if (!r)
			r = visit_listed(&wk, item->path, false, item->below,
					 e);
		before = item->path;
		if (item->below)
			deep = item->path;
	}
	return r;
}

/* ---- order -------------------------------------------------------------- */

static void uncount(struct scan *w, const struct scan_entry *entry)
{
	if (S_ISREG(entry->st.st_mode)) {
		w->files--;
		w->bytes -= (uint64_t)entry->st.st_size;
	} else if (S_ISDIR(entry->st.st_mode)) {
		w->dirs--;
	} else {
		w->symlinks--;
	}
}

void scan_sort(struct scan *w, struct notes *failed)
{
	size_t n = 0;

	if (w->count) /* a path of no bytes comes before every other */
		qsort(w->entries, w->count, sizeof(*w->entries),
		      compare_entries);
	for (size_t i = 0; i < w->count; i++) {
		struct scan_entry *entry = &w->entries[i];
		struct scan_entry *last = n ? &w->entries[n - 1] : NULL;

		if (!last || strcmp(last->path, entry->path)) {
			w->entries[n++] = *entry;
			continue;
		}
		if (last->source != entry->source &&
		    !(S_ISDIR(last->st.st_mode) && S_ISDIR(entry->st.st_mode)))
			notes_add(failed, "'%s' is in more than one SRC",
				  entry->path);
		/* A list may name a link, and what is behind it. */
		if (!S_ISDIR(last->st.st_mode)) {
			struct scan_entry other = *last;

			*last = *entry;
			*entry = other;
		}
		last->listed |= entry->listed;
		uncount(w, entry);
		entry_done(entry);
	}
	w->count = n;
}
