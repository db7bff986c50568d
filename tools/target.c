/*
 * No descriptor is kept but the root's: each operation opens its directory anew.
 * That costs one call, and a directory that somebody swaps for a symbolic link
 * meanwhile is refused by the kernel.
 */
#include "tools/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/hash.h"

#define NS_PER_S 1000000000
#define TEMP_PREFIX ".assetctl-"

static const char *slash_of(const char *dir)
{
	return *dir ? "/" : "";
}

int target_fail(const struct target *t, const char *dir, const char *name,
		int r, struct err *e)
{
	const char *why = strerror(-r);

	if (r == -ELOOP)
		why = "a symbolic link is here: remove it first";
	return err_set(e, r, "'%s/%s%s%s': %s", t->shown, dir, slash_of(dir),
		       name, why);
}

static int open_beneath(int root, const char *path, uint64_t flags,
			uint64_t resolve)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd;

	/* The kernel asks for another try when a rename raced with "..",
	 * which our paths do not have; other tasks' renames may still do it. */
	do
		fd = syscall(SYS_openat2, root, *path ? path : ".", &how,
			     sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? -errno : (int)fd;
}

int target_open_dir(const struct target *t, const char *path, uint64_t flags)
{
	if (t->root < 0)
		return -ENOENT;
	return open_beneath(t->root, path, flags | O_DIRECTORY, 0);
}

int target_open_child(int fd, const char *name)
{
	return open_beneath(fd, name, O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);
}

static int open_dir(const struct target *t, const char *path)
{
	return target_open_dir(t, path, O_PATH);
}

/* "a/b/c" into its directory (owned) and its name (borrowed from path). */
static int split_path(const char *path, char **ret_dir, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;

	*ret_dir = strndup(path, len);
	*ret_name = slash ? slash + 1 : path;
	return *ret_dir ? 0 : -ENOMEM;
}

/* ---- where it goes ------------------------------------------------------- */

static bool is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int open_root(struct target *t, const char *dir, bool make,
		     bool may_lack, struct err *e)
{
	t->shown = strdup(dir);
	if (!t->shown)
		return err_set(e, -ENOMEM, "out of memory");
	if (make) {
		t->made = !mkdir(dir, 0777);
		if (!t->made && errno != EEXIST)
			return err_set(e, -errno, "'%s': %m", dir);
	}
	/* The user named it, so that its own links are followed. */
	t->root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0 && !(errno == ENOENT && may_lack))
		return err_set(e, -errno, "'%s': %m", dir);
	return 0;
}

/* DEST is to be the thing itself: its parent is the root. */
static int open_parent(struct target *t, const char *dest, char **ret_name,
		       struct err *e)
{
	CLEANUP_FREE char *dir = NULL;
	CLEANUP_FREE char *copy = NULL;
	const char *name;

	if (split_path(dest, &dir, &name))
		return err_set(e, -ENOMEM, "out of memory");
	if (!name_is_safe(name, strlen(name)))
		return err_set(e, -EINVAL, "'%s' is no name for a file", dest);
	copy = strdup(name);
	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	*ret_name = TAKE_PTR(copy);
	if (*dir)
		return open_root(t, dir, false, false, e);
	return open_root(t, *dest == '/' ? "/" : ".", false, false, e);
}

static int open_below(struct target *t, const char *dest, const char *name,
		      unsigned int flags, char **ret_name, struct err *e)
{
	CLEANUP_FREE char *copy = NULL;
	bool dry_run = flags & TARGET_DRY_RUN;

	if (flags & TARGET_CONTENTS)
		name = "";
	else if (!name_is_safe(name, strlen(name)))
		return err_set(e, -EINVAL,
			       "the source has no name of its own: name the "
			       "destination");
	copy = strdup(name);
	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	*ret_name = TAKE_PTR(copy);
	return open_root(t, dest, !dry_run && !is_dir(dest), dry_run, e);
}

int target_open(struct target *t, const char *dest, const char *name,
		unsigned int flags, char **ret_name, struct err *e)
{
	size_t len = strlen(dest);
	char *own_name = NULL;
	int r;

	*t = (struct target){ .root = -1, .owner = !geteuid() };
	if (!len)
		return err_set(e, -EINVAL, "DEST is empty");
	if ((flags & (TARGET_INTO | TARGET_CONTENTS)) || dest[len - 1] == '/' ||
	    is_dir(dest))
		r = open_below(t, dest, name, flags, &own_name, e);
	else
		r = open_parent(t, dest, &own_name, e);
	if (r) {
		free(own_name);
		target_done(t);
		return r;
	}
	/* "dir/" reads badly before "/name". */
	for (len = strlen(t->shown); len && t->shown[len - 1] == '/'; len--)
		t->shown[len - 1] = '\0';
	*ret_name = own_name;
	return 0;
}

void target_done(struct target *t)
{
	cleanup_closep(&t->root);
	free(t->shown);
	*t = (struct target){ .root = -1 };
}

/* ---- attributes ---------------------------------------------------------- */

static struct timespec time_of(int64_t ns)
{
	struct timespec ts = {
		.tv_sec = ns / NS_PER_S,
		.tv_nsec = ns % NS_PER_S,
	};

	if (ts.tv_nsec < 0) {
		ts.tv_nsec += NS_PER_S;
		ts.tv_sec--;
	}
	return ts;
}

mode_t target_mode(const struct target *t, mode_t mode)
{
	mode &= 07777;
	return t->owner ? mode : mode & ~(mode_t)(S_ISUID | S_ISGID);
}

/* The owner first: changing it clears privileges from the mode. */
static int set_attrs(const struct target *t, int fd,
		     const struct target_attr *attr)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

	if (t->owner && fchown(fd, attr->uid, attr->gid))
		return -errno;
	if (fchmod(fd, target_mode(t, attr->mode)))
		return -errno;
	times[1] = time_of(attr->mtime_ns);
	if (attr->has_mtime && futimens(fd, times))
		return -errno;
	return 0;
}

/* ---- looking ------------------------------------------------------------- */

int target_stat(const struct target *t, const char *dir, const char *name,
		struct stat *ret_stat, struct err *e)
{
	CLEANUP_FD int fd = open_dir(t, dir);

	if (fd == -ENOENT)
		return -ENOENT;
	if (fd < 0)
		return target_fail(t, dir, name, fd, e);
	if (!fstatat(fd, name, ret_stat, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (errno == ENOENT)
		return -ENOENT;
	return target_fail(t, dir, name, -errno, e);
}

bool target_link_is(const struct target *t, const char *dir, const char *name,
		    const char *link_to)
{
	CLEANUP_FD int fd = open_dir(t, dir);
	char now[PATH_MAX_LEN + 1];
	ssize_t n;

	if (fd < 0)
		return false;
	n = readlinkat(fd, name, now, sizeof(now));
	return n >= 0 && (size_t)n == strlen(link_to) &&
	       !memcmp(now, link_to, (size_t)n);
}

/* ---- directories --------------------------------------------------------- */

static int make_dir(const struct target *t, const char *dir, const char *name)
{
	CLEANUP_FD int parent = open_dir(t, dir);
	struct stat st;

	if (parent < 0)
		return parent;
	if (!mkdirat(parent, name, 0700))
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	/* One of ours that lacks rights of its owner gets them for the time
	 * being; others are as they are. */
	if ((st.st_mode & 0700) == 0700 || st.st_uid != geteuid())
		return 0;
	if (fchmodat(parent, name, (st.st_mode & 07777) | 0700,
		     AT_SYMLINK_NOFOLLOW))
		return -errno;
	return 0;
}

int target_make_dir(const struct target *t, const char *path, struct err *e)
{
	CLEANUP_FREE char *dir = NULL;
	const char *name;
	int r = split_path(path, &dir, &name);

	if (!r)
		r = make_dir(t, dir, name);
	return r ? target_fail(t, "", path, r, e) : 0;
}

int target_finish_dir(const struct target *t, const char *path,
		      const struct target_attr *attr, struct err *e)
{
	CLEANUP_FD int fd = target_open_dir(t, path, O_RDONLY);
	int r = fd < 0 ? fd : set_attrs(t, fd, attr);

	return r ? target_fail(t, "", path, r, e) : 0;
}

/* ---- files --------------------------------------------------------------- */

static void temp_name(char temp[TARGET_TEMP_MAX])
{
	uint8_t id[12];
	char hex[2 * sizeof(id) + 1];

	random_bytes(id, sizeof(id));
	hex_encode(hex, id, sizeof(id));
	(void)snprintf(temp, TARGET_TEMP_MAX, TEMP_PREFIX "%s", hex);
}

/* Finds a full disk before the bytes travel. Where it cannot be promised, the
 * writes will tell. */
static int reserve_room(int fd, uint64_t size, bool sparse)
{
	if (!size)
		return 0;
	if (ftruncate(fd, (off_t)size))
		return -errno;
	if (sparse || !fallocate(fd, 0, 0, (off_t)size))
		return 0;
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? -errno
								    : 0;
}

int target_temp(const struct target *t, const char *dir, const char *name,
		uint64_t size, bool sparse, char temp[TARGET_TEMP_MAX],
		int *ret_fd, struct err *e)
{
	CLEANUP_FD int parent = open_dir(t, dir);
	CLEANUP_FD int fd = -1;
	int r;

	if (parent < 0)
		return target_fail(t, dir, name, parent, e);
	temp_name(temp);
	fd = openat(parent, temp,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return target_fail(t, dir, name, -errno, e);
	r = reserve_room(fd, size, sparse);
	if (r) {
		(void)unlinkat(parent, temp, 0); /* the failure is told */
		return target_fail(t, dir, name, r, e);
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int target_commit(const struct target *t, const char *dir, const char *temp,
		  int fd, const char *name, const struct target_attr *attr,
		  struct err *e)
{
	CLEANUP_FD int parent = open_dir(t, dir);
	int r = parent < 0 ? parent : set_attrs(t, fd, attr);

	if (!r && renameat(parent, temp, parent, name))
		r = -errno;
	return r ? target_fail(t, dir, name, r, e) : 0;
}

void target_drop(const struct target *t, const char *dir, const char *temp)
{
	CLEANUP_FD int parent = open_dir(t, dir);

	if (parent >= 0)
		(void)unlinkat(parent, temp, 0); /* nothing better to do */
}

int target_set_attrs(const struct target *t, const char *dir, const char *name,
		     const struct target_attr *attr, struct err *e)
{
	CLEANUP_FD int parent = open_dir(t, dir);
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	int r = parent < 0 ? parent : 0;

	times[1] = time_of(attr->mtime_ns);
	if (!r && t->owner &&
	    fchownat(parent, name, attr->uid, attr->gid, AT_SYMLINK_NOFOLLOW))
		r = -errno;
	if (!r && fchmodat(parent, name, target_mode(t, attr->mode),
			   AT_SYMLINK_NOFOLLOW))
		r = -errno;
	if (!r && attr->has_mtime &&
	    utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW))
		r = -errno;
	return r ? target_fail(t, dir, name, r, e) : 0;
}

static int make_link(const struct target *t, int parent, const char *temp,
		     const char *name, const char *link_to,
		     const struct target_attr *attr)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	int r = 0;

	if (symlinkat(link_to, parent, temp))
		return -errno;
	times[1] = time_of(attr->mtime_ns);
	if (t->owner &&
	    fchownat(parent, temp, attr->uid, attr->gid, AT_SYMLINK_NOFOLLOW))
		r = -errno;
	if (!r && attr->has_mtime &&
	    utimensat(parent, temp, times, AT_SYMLINK_NOFOLLOW))
		r = -errno;
	if (!r && renameat(parent, temp, parent, name))
		r = -errno;
	if (r)
		(void)unlinkat(parent, temp, 0); /* the failure is told */
	return r;
}

int target_link(const struct target *t, const char *dir, const char *name,
		const char *link_to, const struct target_attr *attr,
		struct err *e)
{
	CLEANUP_FD int parent = open_dir(t, dir);
	char temp[TARGET_TEMP_MAX];
	int r = parent;

	if (parent >= 0) {
		temp_name(temp);
		r = make_link(t, parent, temp, name, link_to, attr);
	}
	return r ? target_fail(t, dir, name, r, e) : 0;
}
