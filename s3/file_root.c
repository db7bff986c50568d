/*
 * Paths are resolved by the kernel, below the root's descriptor, with symlinks
 * refused (openat2): a key cannot reach outside, whatever others do to the
 * tree meanwhile.
 *
 * The ETag is a digest of inode, size, mtime and ctime. Every change of content
 * changes ctime, which no program can set back.
 */
#include "s3/file_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/hash.h"
#include "s3/file_list.h"

#define CLOCK_EVERY_MS 1000
/* Stamps lag behind by up to one tick of the kernel; the clock is to be no
 * later than the stamp of anything that is written after asking it. */
#define CLOCK_TICK_MS 10

int file_open_at(int at, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
			   RESOLVE_NO_SYMLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, at, path, &how, sizeof(how));
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : (int)fd;
}

int file_open_dir(int at, const char *path)
{
	int fd =
		file_open_at(at, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);

	/* A symlink where a directory is wanted is not a directory. */
	return fd == -ELOOP ? -ENOTDIR : fd;
}

int file_root_open(struct file_root *root, const char *dir, struct err *e)
{
	CLEANUP_FREE char *path = realpath(dir, NULL);
	CLEANUP_FREE char *url = NULL;
	int fd;

	if (!path && (errno == ENOENT || errno == ENOTDIR))
		return err_set(e, -ENXIO,
			       "'%s' does not exist: check the path, or create "
			       "the directory first",
			       dir);
	if (!path)
		return err_set(e, -errno, "'%s': %m", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOTDIR)
		return err_set(e, -ENXIO, "'%s' is not a directory", dir);
	if (fd < 0)
		return err_set(e, -errno, "'%s': %m", dir);
	if (asprintf(&url, "file://%s", path) < 0) {
		url = NULL; /* undefined after a failure */
		(void)close(fd); /* nothing was written through it */
		return err_set(e, -ENOMEM, "'%s': out of memory", dir);
	}
	memset(root, 0, sizeof(*root));
	root->fd = fd;
	root->url = TAKE_PTR(url);
	root->has_proc = !access("/proc/self/fd", X_OK);
	return 0;
}

void file_root_close(struct file_root *root)
{
	cleanup_closep(&root->fd);
	root->fd = -1;
	free(root->url);
	root->url = NULL;
}

/*
 * Stamps a file of this file system. Reading alone must not create the pool's
 * directory: its presence tells where a bucket begins. Without it, and where the
 * file belongs to another user, a file without a name does.
 */
static int read_clock(const struct file_root *root, struct timespec *ret_now)
{
	static const struct timespec now[2] = { { .tv_nsec = UTIME_NOW },
						{ .tv_nsec = UTIME_NOW } };
	CLEANUP_FD int fd = -1;
	struct stat st;

	fd = file_open_at(root->fd, FILE_CLOCK,
			  O_WRONLY | O_CREAT | O_NONBLOCK | O_NOFOLLOW, 0666);
	if (fd < 0)
		fd = file_open_at(root->fd, ".", O_TMPFILE | O_WRONLY, 0600);
	if (fd < 0)
		return fd;
	if (futimens(fd, now) || fstat(fd, &st))
		return -errno;
	*ret_now = st.st_ctim;
	return 0;
}

int64_t file_root_date(struct file_root *root)
{
	uint64_t now_ms = clock_now_ms(), due_ms;
	int64_t offset_ms;
	struct timespec ts;

	due_ms = atomic_load(&root->clock_due_ms);
	offset_ms = atomic_load(&root->clock_offset_ms);
	/* One thread looks, the others go on with what is known; at first, all
	 * of them look. */
	if (now_ms >= due_ms &&
	    (!due_ms ||
	     atomic_compare_exchange_strong(&root->clock_due_ms, &due_ms,
					    now_ms + CLOCK_EVERY_MS))) {
		if (read_clock(root, &ts))
			(void)clock_gettime(CLOCK_REALTIME, &ts);
		now_ms = clock_now_ms();
		offset_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 -
			    CLOCK_TICK_MS - (int64_t)now_ms;
		atomic_store(&root->clock_offset_ms, offset_ms);
		atomic_store(&root->clock_due_ms, now_ms + CLOCK_EVERY_MS);
	}
	return (offset_ms + (int64_t)now_ms) / 1000;
}

int file_error(const struct file_root *root, const struct store_req *req,
	       const char *key, int errnum, struct err *e)
{
	struct stat st;
	int code;

	switch (errnum) {
	case ENOENT:
		/* Nothing is to be told from a root that is gone. */
		code = fstat(root->fd, &st) || !st.st_nlink ? -ENXIO : -ENOENT;
		break;
	case EPERM:
		code = -EACCES;
		break;
	case EDQUOT:
		code = -ENOSPC;
		break;
	case EACCES:
	case EEXIST:
	case EISDIR:
	case ENOTDIR:
	case ENOSPC:
	case EROFS:
	case ENOMEM:
	case EFBIG:
	case EILSEQ:
	case ENAMETOOLONG:
	case ECANCELED:
		code = -errnum;
		break;
	default: /* also ESTALE, which means another thing to callers */
		code = -EIO;
		break;
	}
	return err_set(e, code, "%s '%s' in %s: %s", store_op_name(req->op),
		       key, root->url,
		       code == -ENXIO ? "the directory is gone"
				      : strerror(errnum));
}

static bool is_below(const char *key, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(key, dir, len) && (!key[len] || key[len] == '/');
}

bool file_key_in_pool(const char *key)
{
	return is_below(key, FILE_POOL);
}

bool file_name_own(const char *name)
{
	return !strcmp(name, "tmp") || !strcmp(name, "clock");
}

bool file_name_reserved(const char *name, bool in_root)
{
	static const char tree[] = ".assetfs-tree-";

	return !strncmp(name, tree, sizeof(tree) - 1) ||
	       (in_root && !strcmp(name, FILE_POOL));
}

int file_key_check(const char *key, struct err *e)
{
	size_t len = strlen(key);

	if (!len)
		return err_set(e, -EILSEQ, "an empty key");
	if (len > STORE_KEY_MAX)
		return err_set(e, -ENAMETOOLONG, "key of %zu bytes: '%s'", len,
			       key);
	for (const char *p = key; *p;) {
		size_t n = strcspn(p, "/");

		if (n > NAME_MAX)
			return err_set(e, -ENAMETOOLONG,
				       "key '%s': a name of more than %d bytes",
				       key, NAME_MAX);
		if (!n || (n <= 2 && !strncmp(p, "..", n)))
			return err_set(e, -EILSEQ,
				       "key '%s' is no path of a file", key);
		p += n;
		p += *p == '/';
	}
	if (is_below(key, FILE_TMP) || is_below(key, FILE_CLOCK))
		return err_set(e, -EILSEQ, "key '%s' is the store's own", key);
	return 0;
}

static int check_object(int fd_in, const char *key, struct stat *ret_st)
{
	CLEANUP_FD int fd = fd_in;
	struct stat st;
	bool is_dir;

	/* Sockets refuse to be opened with ENXIO, symlinks above with ELOOP. */
	if (fd == -ENOTDIR || fd == -ELOOP || fd == -ENXIO)
		return -ENOENT;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		return -errno;
	is_dir = key[strlen(key) - 1] == '/';
	if (is_dir ? !S_ISDIR(st.st_mode) || file_key_in_pool(key) ||
			     !file_dir_is_object(fd, "")
		   : !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return -ENOENT;
	*ret_st = st;
	return TAKE_FD(fd);
}

int file_open_object_path(const struct file_root *root, const char *key,
			  struct stat *ret_st)
{
	return check_object(file_open_at(root->fd, key, O_PATH | O_NOFOLLOW, 0),
			    key, ret_st);
}

int file_open_object(const struct file_root *root, const char *key,
		     struct stat *ret_st)
{
	/* O_NONBLOCK: not to wait for the other end of a fifo. */
	int fd = file_open_at(root->fd, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
			      0);

	if (fd == -ELOOP)
		return file_open_object_path(root, key, ret_st);
	return check_object(fd, key, ret_st);
}

int file_sync_dir(int fd)
{
	if (fsync(fd) && errno != EINVAL && errno != ENOTSUP)
		return -errno;
	return 0;
}

/* Opens directory `path`, whose names are separated by single slashes. Nothing
 * is synced before it holds something: until then, it can be removed. */
static int make_path(const struct file_root *root, char *path,
		     unsigned int *made)
{
	CLEANUP_FD int at = file_open_dir(root->fd, "");

	for (char *p = path; at >= 0 && *p;) {
		size_t n = strcspn(p, "/");
		bool last = !p[n];
		int fd;

		p[n] = '\0';
		fd = file_open_dir(at, p);
		if (fd == -ENOENT) {
			if (mkdirat(at, p, 0777) && errno != EEXIST)
				return -errno;
			(*made)++;
			fd = file_open_dir(at, p);
		}
		if (fd < 0)
			return fd;
		cleanup_closep(&at);
		at = fd;
		p += last ? n : n + 1;
	}
	return TAKE_FD(at);
}

int file_place_open(struct file_place *ret_place, const struct file_root *root,
		    const char *key, bool make_dirs)
{
	char path[STORE_KEY_MAX + 1];
	size_t len = strlen(key);
	struct file_place place = { .parent = -1 };
	const char *name = path;
	char *slash;

	memcpy(path, key, len + 1);
	place.is_dir = path[len - 1] == '/';
	if (place.is_dir)
		path[len - 1] = '\0';
	slash = strrchr(path, '/');
	if (slash) {
		*slash = '\0';
		name = slash + 1;
	}
	len = strnlen(name, NAME_MAX);
	memcpy(place.name, name, len);
	place.name[len] = '\0';
	place.parent = file_open_dir(root->fd, slash ? path : "");
	if (place.parent == -ENOENT && make_dirs && slash)
		place.parent = make_path(root, path, &place.made);
	if (place.parent < 0)
		return place.parent;
	*ret_place = place;
	return 0;
}

/* Cuts the last name off; "" is the root. */
static void cut_name(char *path)
{
	char *slash = strrchr(path, '/');

	*(slash ? slash : path) = '\0';
}

int file_place_sync(const struct file_place *place,
		    const struct file_root *root, const char *key)
{
	char path[STORE_KEY_MAX + 1];
	int r = file_sync_dir(place->parent);

	(void)snprintf(path, sizeof(path), "%s", key);
	if (place->is_dir)
		cut_name(path);
	cut_name(path); /* the parent */
	for (unsigned int i = 0; !r && i < place->made; i++) {
		CLEANUP_FD int fd = -1;

		cut_name(path);
		fd = file_open_dir(root->fd, path);
		/* What has been removed meanwhile need not last. */
		if (fd == -ENOENT || fd == -ENOTDIR)
			return 0;
		r = fd < 0 ? fd : file_sync_dir(fd);
	}
	return r;
}

void file_place_close(struct file_place *place)
{
	cleanup_closep(&place->parent);
	place->parent = -1;
}

DIR *file_read_dir(int at, const char *path)
{
	int fd = file_open_dir(at, path);
	DIR *dir;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	dir = fdopendir(fd);
	if (!dir)
		cleanup_closep(&fd);
	return dir;
}

struct dirent *file_next_entry(DIR *dir, int *ret_error)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry &&
		 (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	*ret_error = entry ? 0 : -errno;
	return entry;
}

mode_t file_entry_type(int dir_fd, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return DTTOIF(entry->d_type);
	if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	return st.st_mode & S_IFMT;
}

void file_describe(struct store_object *out, const struct stat *st)
{
	uint64_t facts[6] = { st->st_ino };
	struct hash digest;

	/* A directory's object is empty at all times. */
	if (!S_ISDIR(st->st_mode)) {
		facts[1] = (uint64_t)st->st_size;
		facts[2] = (uint64_t)st->st_mtim.tv_sec;
		facts[3] = (uint64_t)st->st_mtim.tv_nsec;
		facts[4] = (uint64_t)st->st_ctim.tv_sec;
		facts[5] = (uint64_t)st->st_ctim.tv_nsec;
	}
	hash_of(&digest, facts, sizeof(facts));
	memset(out, 0, sizeof(*out));
	out->size = facts[1];
	out->modified_s = st->st_ctim.tv_sec;
	hex_encode(out->etag, digest.bytes, 16);
}
