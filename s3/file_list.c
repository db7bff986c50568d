/*
 * A walk in the order of keys, with a stack of levels, one per directory on the
 * way down. Each level holds a batch of the names that come next, directories
 * with a trailing slash so that plain comparison gives the order of keys: "a-b",
 * "a.txt", "a/…", "a0". The batch is chosen by a heap of as many names as the
 * page can still take; the names behind it are read by another pass over the
 * directory when (and if) the page gets there.
 *
 * A walk whose page ended early is kept for a few seconds, for the next page to
 * go on with: in a directory of 100,000 names each page would read them all
 * again. Batches after a level's first are larger for the same reason. What is
 * kept are names; what stands behind one is looked at when its page is made.
 */
#include "s3/file_list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"

#define BATCH 65536 /* names of a level, after its first batch */
#define KEEP_MS 5000
#define KEEP_DEPTH 16 /* of open directories */

struct level {
	int fd; /* owned */
	size_t path_len; /* of the walk's path, including its slash */
	char **names; /* owned, as each of them; sorted after reading */
	size_t count, room;
	size_t next; /* first name not yet visited */
	bool more; /* names were left out of the batch */
	char *floor; /* last name of the batch before; owned */
};

struct file_walk {
	const struct file_root *root;
	struct store_req *req;
	char *prefix; /* owned */
	char *start; /* only keys behind it; "" for all; owned */
	char *token; /* of the next page, if kept; owned */
	uint64_t born_ms; /* clock_now_ms */
	const char *leaf; /* what names in the first level begin with */
	size_t max; /* entries on the page */
	bool flat; /* with delimiter */
	bool full;
	char path[STORE_KEY_MAX + 2]; /* key being visited */
	struct level *levels; /* owned */
	size_t depth, level_room;
};

static void level_done(struct level *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->names[i]);
	free(l->names);
	free(l->floor);
	cleanup_closep(&l->fd);
}

static void walk_free(struct file_walk *w)
{
	if (!w)
		return;
	while (w->depth)
		level_done(&w->levels[--w->depth]);
	free(w->levels);
	free(w->prefix);
	free(w->start);
	free(w->token);
	free(w);
}

DEFINE_CLEANUP(struct file_walk *, walk_free)

/* ---- what counts as an object --------------------------------------- */

/* Whether any object stands below; for the pool's part of the tree, where
 * directories are none. own: leave out the store's own names. */
static bool holds_file(int at, const char *path, bool own)
{
	CLEANUP(file_closedirp) DIR *dir = file_read_dir(at, path);
	struct dirent *entry;
	int error;

	while (dir && (entry = file_next_entry(dir, &error))) {
		mode_t type;

		if (own && file_name_own(entry->d_name))
			continue;
		type = file_entry_type(dirfd(dir), entry);
		if (S_ISREG(type) || S_ISLNK(type) ||
		    (S_ISDIR(type) &&
		     holds_file(dirfd(dir), entry->d_name, false)))
			return true;
	}
	return false;
}

static bool holds_tree(int at, const char *path)
{
	CLEANUP(file_closedirp) DIR *dir = file_read_dir(at, path);
	struct dirent *entry;
	int error;

	while (dir && (entry = file_next_entry(dir, &error)))
		if (file_name_reserved(entry->d_name, false))
			return true;
	return false;
}

/* Whether the directory is empty, or anything but reserved names is below. */
static bool is_kept(int at, const char *path)
{
	CLEANUP(file_closedirp) DIR *dir = file_read_dir(at, path);
	bool reserved = false, dirs = false;
	struct dirent *entry;
	int error = 0;

	if (!dir)
		return true;
	while ((entry = file_next_entry(dir, &error))) {
		mode_t type;

		if (file_name_reserved(entry->d_name, false)) {
			reserved = true;
			continue;
		}
		type = file_entry_type(dirfd(dir), entry);
		if (S_ISREG(type) || S_ISLNK(type))
			return true;
		dirs = dirs || S_ISDIR(type);
	}
	if (error || !dirs)
		return error || !reserved;
	rewinddir(dir);
	while ((entry = file_next_entry(dir, &error)))
		if (S_ISDIR(file_entry_type(dirfd(dir), entry)) &&
		    !file_name_reserved(entry->d_name, false) &&
		    is_kept(dirfd(dir), entry->d_name))
			return true;
	return error != 0;
}

/* Where versions of a tree stand, they tell of the directory. Each new one
 * changes it, so that as an object it would always be younger than what they
 * say. */
bool file_dir_is_object(int at, const char *path)
{
	return !holds_tree(at, path) && is_kept(at, path);
}

/* ---- batches of names ------------------------------------------------ */

static void sift_up(char **names, size_t i)
{
	while (i) {
		size_t up = (i - 1) / 2;
		char *name = names[i];

		if (strcmp(names[up], name) >= 0)
			return;
		names[i] = names[up];
		names[up] = name;
		i = up;
	}
}

static void sift_down(char **names, size_t count)
{
	for (size_t i = 0;;) {
		size_t big = 2 * i + 1;
		char *name = names[i];

		if (big >= count)
			return;
		if (big + 1 < count && strcmp(names[big + 1], names[big]) > 0)
			big++;
		if (strcmp(names[big], name) <= 0)
			return;
		names[i] = names[big];
		names[big] = name;
		i = big;
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keeps the `limit` smallest names, the largest of them on top. */
static int keep_name(struct level *l, const char *name, size_t limit)
{
	char *copy;

	if (l->count == limit && strcmp(name, l->names[0]) >= 0) {
		l->more = true;
		return 0;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	if (l->count == limit) {
		l->more = true;
		free(l->names[0]);
		l->names[0] = copy;
		sift_down(l->names, l->count);
		return 0;
	}
	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		char **names = reallocarray(l->names, room, sizeof(*names));

		if (!names) {
			free(copy);
			return -ENOMEM;
		}
		l->names = names;
		l->room = room;
	}
	l->names[l->count] = copy;
	sift_up(l->names, l->count++);
	return 0;
}

/* The part of `start` below this level; "" when all of the level comes after
 * it. (A level that comes before it as a whole is never entered.) */
static const char *start_below(const struct file_walk *w, const struct level *l)
{
	if (strncmp(w->start, w->path, l->path_len))
		return "";
	return w->start + l->path_len;
}

/* name: with a slash if a directory. */
static bool is_wanted(const struct file_walk *w, const struct level *l,
		      const char *name, bool is_dir)
{
	const char *start = start_below(w, l);
	size_t len = strlen(name);

	if (l->path_len + len > STORE_KEY_MAX)
		return false;
	if (w->depth == 1 && strncmp(name, w->leaf, strlen(w->leaf)))
		return false;
	if (l->floor && strcmp(name, l->floor) <= 0)
		return false;
	if (strcmp(name, start) > 0)
		return true;
	/* What was last seen may stand below, in a recursive listing. */
	return is_dir && !w->flat && !strncmp(start, name, len);
}

/* In the pool's directory, the store's own files are no objects. */
static bool is_own(const char *path, const char *name)
{
	return !strcmp(path, FILE_POOL "/") && file_name_own(name);
}

/* Fills the level's batch with the first names behind its floor. */
static int read_names(struct file_walk *w, struct level *l)
{
	CLEANUP(file_closedirp) DIR *dir = file_read_dir(l->fd, "");
	/* One that does not fit tells that the page is truncated. */
	size_t limit = l->floor ? BATCH : w->max - w->req->list.count + 1;
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = file_next_entry(dir, &r))) {
		char name[NAME_MAX + 2];
		mode_t type = file_entry_type(l->fd, entry);
		size_t len = strlen(entry->d_name);

		if (!S_ISREG(type) && !S_ISDIR(type) && !S_ISLNK(type))
			continue;
		if (len > NAME_MAX || is_own(w->path, entry->d_name))
			continue;
		memcpy(name, entry->d_name, len + 1);
		if (S_ISDIR(type))
			memcpy(name + len, "/", 2);
		if (!is_wanted(w, l, name, S_ISDIR(type)))
			continue;
		r = keep_name(l, name, limit);
		if (r)
			return r;
	}
	if (r && r != -ENOENT) /* removed meanwhile: nothing more in it */
		return r;
	if (l->count)
		qsort(l->names, l->count, sizeof(*l->names), compare_names);
	return 0;
}

static int read_more(struct file_walk *w, struct level *l)
{
	free(l->floor);
	l->floor = TAKE_PTR(l->names[l->count - 1]);
	for (size_t i = 0; i + 1 < l->count; i++)
		free(l->names[i]);
	l->count = 0;
	l->next = 0;
	l->more = false;
	return read_names(w, l);
}

/* ---- the walk -------------------------------------------------------- */

static int emit(struct file_walk *w, bool is_prefix, const struct stat *st)
{
	struct store_list *list = &w->req->list;
	struct store_object object;

	if (list->count == w->max) {
		w->full = true;
		return 0;
	}
	if (st)
		file_describe(&object, st);
	return store_list_add(list, w->path, strlen(w->path), is_prefix,
			      st ? &object : NULL);
}

/* The object that is the directory just entered, if it is one. */
static int emit_marker(struct file_walk *w, int fd)
{
	struct stat st;

	if (!*w->path || strcmp(w->path, w->start) <= 0 ||
	    file_key_in_pool(w->path) || !file_dir_is_object(fd, ""))
		return 0;
	if (fstat(fd, &st))
		return -errno;
	return emit(w, false, &st);
}

/* Enters the directory that w->path names; takes fd. */
static int push_level(struct file_walk *w, int fd_in)
{
	CLEANUP_FD int fd = fd_in;
	struct level *l;
	int r;

	if (w->depth == w->level_room) {
		size_t room = w->level_room ? 2 * w->level_room : 16;

		l = reallocarray(w->levels, room, sizeof(*l));
		if (!l)
			return -ENOMEM;
		w->levels = l;
		w->level_room = room;
	}
	if (w->depth || !*w->leaf) {
		r = emit_marker(w, fd);
		if (r || w->full)
			return r;
	}
	l = &w->levels[w->depth++];
	*l = (struct level){ .fd = TAKE_FD(fd), .path_len = strlen(w->path) };
	return read_names(w, l);
}

static int visit_dir(struct file_walk *w, const struct level *l,
		     const char *name)
{
	int fd;

	if (w->flat && file_key_in_pool(w->path) &&
	    !holds_file(l->fd, name, !strcmp(w->path, FILE_POOL "/")))
		return 0;
	if (w->flat)
		return emit(w, true, NULL);
	fd = file_open_dir(l->fd, name);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0; /* gone, or replaced, since its name was read */
	return fd < 0 ? fd : push_level(w, fd);
}

static int visit_file(struct file_walk *w, const struct level *l,
		      const char *name)
{
	struct stat st;

	if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return 0; /* replaced since its name was read */
	return emit(w, false, &st);
}

static int step(struct file_walk *w)
{
	struct level *l = &w->levels[w->depth - 1];
	char *name;
	size_t len;

	if (l->next == l->count && l->more)
		return read_more(w, l);
	if (l->next == l->count) {
		level_done(l);
		w->depth--;
		return 0;
	}
	name = l->names[l->next++];
	len = strlen(name);
	memcpy(w->path + l->path_len, name, len + 1);
	if (name[len - 1] != '/')
		return visit_file(w, l, name);
	return visit_dir(w, l, name);
}

static int walk_all(struct file_walk *w)
{
	struct store_list *list = &w->req->list;
	int r = 0;

	while (!r && !w->full && w->depth) {
		/* Deeper names overwrote the path behind this level's. */
		struct level *l = &w->levels[w->depth - 1];

		w->path[l->path_len] = '\0';
		r = step(w);
	}
	if (r || !w->full || !list->count)
		return r;
	/* What did not fit is met again. */
	w->levels[w->depth - 1].next--;
	list->next = strdup(list->entries[list->count - 1].key);
	if (!list->next)
		return -ENOMEM;
	list->truncated = true;
	return 0;
}

/* Splits the prefix into the directory to begin in and the start of a name. */
static int begin(struct file_walk *w, const char *prefix)
{
	const char *slash = strrchr(prefix, '/');
	size_t dir_len = slash ? (size_t)(slash - prefix) + 1 : 0;
	int fd;

	if (strlen(prefix) > STORE_KEY_MAX)
		return 0; /* no key begins like that */
	memcpy(w->path, prefix, dir_len);
	w->path[dir_len] = '\0';
	w->leaf = prefix + dir_len;
	if (dir_len && file_key_check(w->path, NULL))
		return 0; /* no key here can begin like that */
	/* Nothing of it is left behind the start? */
	if (strcmp(w->start, w->path) > 0 &&
	    strncmp(w->start, w->path, dir_len))
		return 0;
	fd = file_open_dir(w->root->fd, w->path);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	return fd < 0 ? fd : push_level(w, fd);
}

/*
 * With a delimiter, a start inside of a common prefix is behind all of it: so
 * does a token that names one, and so do other servers.
 */
static char *flat_start(const char *start, const char *prefix)
{
	size_t len = strlen(prefix);
	const char *slash = NULL;
	char *copy;

	if (!strncmp(start, prefix, len))
		slash = strchr(start + len, '/');
	copy = strdup(start);
	if (copy && slash)
		copy[slash - start + 1] = '\0';
	return copy;
}

/* ---- from page to page ------------------------------------------------ */

void file_lists_init(struct file_lists *l)
{
	memset(l, 0, sizeof(*l));
	lock_init(&l->lock, LOCK_RANK_BASE);
}

void file_lists_done(struct file_lists *l)
{
	for (size_t i = 0; i < FILE_LISTS_KEPT; i++)
		walk_free(l->kept[i]);
	lock_done(&l->lock);
}

static bool goes_on(const struct file_walk *w, const struct store_req *req)
{
	return req->continuation && !strcmp(w->token, req->continuation) &&
	       !strcmp(w->prefix, req->key ? req->key : "") &&
	       w->flat == (req->delimiter != NULL) &&
	       (!req->start_after ||
		strcmp(req->start_after, req->continuation) <= 0);
}

/* The walk that this page goes on with, or NULL; ends those that are old. */
static struct file_walk *take_kept(struct file_lists *l,
				   const struct store_req *req)
{
	struct file_walk *old[FILE_LISTS_KEPT] = { NULL }, *found = NULL;
	uint64_t now_ms = clock_now_ms();

	lock_take(&l->lock);
	for (size_t i = 0; i < FILE_LISTS_KEPT; i++) {
		struct file_walk **w = &l->kept[i];

		if (*w && now_ms - (*w)->born_ms > KEEP_MS)
			old[i] = TAKE_PTR(*w);
		else if (*w && !found && goes_on(*w, req))
			found = TAKE_PTR(*w);
	}
	lock_drop(&l->lock);
	for (size_t i = 0; i < FILE_LISTS_KEPT; i++)
		walk_free(old[i]);
	return found;
}

/* In the place of the oldest if there is no other. */
static void keep(struct file_lists *l, struct file_walk *w)
{
	struct file_walk *old;
	size_t at = 0;

	lock_take(&l->lock);
	for (size_t i = 1; i < FILE_LISTS_KEPT && l->kept[at]; i++)
		if (!l->kept[i] || l->kept[i]->born_ms < l->kept[at]->born_ms)
			at = i;
	old = l->kept[at];
	l->kept[at] = w;
	lock_drop(&l->lock);
	walk_free(old);
}

static int open_walk(struct file_walk **ret_walk, const struct file_root *root,
		     struct store_req *req, size_t max)
{
	CLEANUP(walk_freep) struct file_walk *w = calloc(1, sizeof(*w));
	const char *after = req->start_after ? req->start_after : "";
	const char *token = req->continuation ? req->continuation : "";
	const char *start = strcmp(after, token) > 0 ? after : token;
	int r;

	if (!w)
		return -ENOMEM;
	w->root = root;
	w->req = req;
	w->max = max;
	w->flat = req->delimiter != NULL;
	w->born_ms = clock_now_ms();
	w->prefix = strdup(req->key ? req->key : "");
	if (w->prefix)
		w->start = w->flat ? flat_start(start, w->prefix)
				   : strdup(start);
	if (!w->start)
		return -ENOMEM;
	r = begin(w, w->prefix);
	*ret_walk = TAKE_PTR(w); /* its path tells where it failed */
	return r;
}

int file_list(const struct file_root *root, struct file_lists *lists,
	      struct store_req *req, struct err *e)
{
	CLEANUP(walk_freep) struct file_walk *w = NULL;
	size_t max = req->max_keys;
	struct stat st;
	int r = 0;

	if (req->delimiter && strcmp(req->delimiter, "/"))
		return err_set(e, -EINVAL, "LIST with delimiter '%s'",
			       req->delimiter);
	if (!max || max > STORE_LIST_PAGE)
		max = STORE_LIST_PAGE;
	w = take_kept(lists, req);
	if (w) {
		w->req = req;
		w->max = max;
		w->full = false;
		free(TAKE_PTR(w->token));
	} else {
		r = open_walk(&w, root, req, max);
	}
	if (!r)
		r = walk_all(w);
	/* The emptiness of a directory that was removed says nothing. */
	if (!r && (fstat(root->fd, &st) || !st.st_nlink))
		r = -ENOENT;
	if (!r && req->list.truncated && w->depth <= KEEP_DEPTH) {
		w->token = strdup(req->list.next);
		if (w->token)
			keep(lists, TAKE_PTR(w));
	}
	if (!r)
		return 0;
	store_list_done(&req->list);
	/* Only the root can have made it here with ENOENT. */
	return file_error(root, req,
			  w && *w->path ? w->path
			  : req->key	? req->key
					: "",
			  -r, e);
}
