/*
 * Two locks (flock) in the directory: `open.lock` is held while a process
 * begins or ends to use it, `users.lock` shared by all that use it. Who gets the
 * second exclusively under the first is alone.
 */
#include "cache/cachedir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "s3/base/io.h"

#define DISK_PART 10 /* default size: a tenth of the disk */
#define RESERVE_PART 20 /* kept free: a twentieth of it */

struct cachedir {
	char path[PATH_MAX];
	char index[PATH_MAX], segments[PATH_MAX], catalogs[PATH_MAX];
	int open_fd, users_fd;
	bool sole;
};

/* File systems of the network, and those that may be: their locks and maps do
 * not hold what LMDB needs. Numbers as in statfs(2) and the kernel's magic.h. */
static bool is_remote(const struct statfs *fs)
{
	static const uint32_t remote[] = {
		0x6969, /* NFS */
		0x517b, /* SMB */
		0xff534d42, /* CIFS */
		0xfe534d42, /* SMB2 */
		0x65735546, /* FUSE */
		0x00c36400, /* Ceph */
		0x5346414f, /* AFS */
		0x6b414653, /* kAFS */
		0x01021997, /* 9p */
		0x73757245, /* Coda */
		0x0bd00bd0, /* Lustre */
		0x47504653, /* GPFS */
		0x19830326, /* BeeGFS */
		0x7461636f, /* OCFS2 */
		0x01161970, /* GFS2 */
		0x564c, /* NCP */
		0xaad7aaea, /* PanFS */
		0xbacbacbc, /* VMware shared folders */
		0x786f4256, /* VirtualBox shared folders */
	};

	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if ((uint32_t)fs->f_type == remote[i])
			return true;
	return false;
}

static int choose_path(struct cachedir *d, const char *dir, struct err *e)
{
	const char *env = getenv("ASSETFS_CACHE_DIR");
	int n;

	if (!dir && env && *env)
		dir = env;
	if (dir)
		n = snprintf(d->path, sizeof(d->path), "%s", dir);
	else if (!geteuid())
		n = snprintf(d->path, sizeof(d->path), "/var/cache/assetfs");
	else
		n = snprintf(d->path, sizeof(d->path), "/var/tmp/assetfs-%lu",
			     (unsigned long)geteuid());
	/* The longest name below it fits, too. */
	if (n <= 0 || n >= (int)sizeof(d->path) - 256)
		return err_set(e, -ENAMETOOLONG, "cache directory: bad path");
	while (n > 1 && d->path[n - 1] == '/')
		d->path[--n] = '\0';
	return 0;
}

/* A link is followed only where nobody else can have planted it. */
static int open_dir(const char *path, int *ret_fd)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = open(path, flags | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
		if (lstat(path, &st))
			return -errno;
		if (!S_ISLNK(st.st_mode))
			return -ENOTDIR;
		if (st.st_uid && st.st_uid != geteuid())
			return -EACCES;
		fd = open(path, flags);
	}
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int make_root(const char *path, struct err *e)
{
	char parent[PATH_MAX];
	char *slash;

	(void)snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (slash && slash != parent) {
		int r;

		*slash = '\0';
		r = io_make_dirs(parent, 0755, e);
		if (r)
			return err_wrap(e, r, "cache directory '%s'", path);
	}
	if (mkdir(path, 0700) && errno != EEXIST)
		return err_set(e, -errno, "cache directory '%s': %m", path);
	return 0;
}

static int check_root(const char *path, struct err *e)
{
	CLEANUP_FD int fd = -1;
	struct statfs fs;
	struct stat st;
	int r = open_dir(path, &fd);

	if (r == -EACCES)
		return err_set(e, r,
			       "cache directory '%s' is a link that belongs to "
			       "somebody else, or not accessible",
			       path);
	if (r)
		return err_set(e, r, "cache directory '%s': %s", path,
			       strerror(-r));
	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return err_set(e, -errno, "cache directory '%s': %m", path);
	if (st.st_uid != geteuid())
		return err_set(e, -EACCES,
			       "cache directory '%s' belongs to user %lu; give "
			       "another one or change its owner",
			       path, (unsigned long)st.st_uid);
	if (st.st_mode & 077)
		return err_set(e, -EACCES,
			       "cache directory '%s' is open to other users; "
			       "run: chmod 700 '%s'",
			       path, path);
	if (is_remote(&fs))
		return err_set(e, -EOPNOTSUPP,
			       "cache directory '%s' is on a network file "
			       "system; give one on a local disk",
			       path);
	return 0;
}

static int make_folder(const struct cachedir *d, const char *name, char *out,
		       struct err *e)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", d->path, name);

	if (n < 0 || n >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "cache directory '%s'",
			       d->path);
	if (mkdir(out, 0700) && errno != EEXIST)
		return err_set(e, -errno, "cache directory '%s': %m", out);
	return 0;
}

static int make_folders(struct cachedir *d, struct err *e)
{
	char staging[PATH_MAX];
	int n, r = make_folder(d, "segments", d->segments, e);

	if (!r)
		r = make_folder(d, "catalogs", d->catalogs, e);
	if (!r)
		r = make_folder(d, "staging", staging, e);
	if (r)
		return r;
	/* The index's own folder comes and goes with it. */
	n = snprintf(d->index, sizeof(d->index), "%s/index", d->path);
	return n < (int)sizeof(d->index) ? 0 : -ENAMETOOLONG;
}

static int open_lock(const struct cachedir *d, const char *name, int *ret_fd,
		     struct err *e)
{
	char path[PATH_MAX];
	int fd, n = snprintf(path, sizeof(path), "%s/%s", d->path, name);

	if (n < 0 || n >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, "cache directory '%s'",
			       d->path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, -errno, "cache '%s': %m", path);
	*ret_fd = fd;
	return 0;
}

static int lock_wait(int fd, int how)
{
	int r;

	do
		r = flock(fd, how);
	while (r && errno == EINTR);
	return r ? -errno : 0;
}

int cachedir_open(struct cachedir **ret_dir, const char *dir, struct err *e)
{
	CLEANUP(cachedir_freep) struct cachedir *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_set(e, -ENOMEM, "cache: out of memory");
	d->open_fd = d->users_fd = -1;
	r = choose_path(d, dir, e);
	if (!r)
		r = make_root(d->path, e);
	if (!r)
		r = check_root(d->path, e);
	if (!r)
		r = make_folders(d, e);
	if (!r)
		r = open_lock(d, "open.lock", &d->open_fd, e);
	if (!r)
		r = open_lock(d, "users.lock", &d->users_fd, e);
	if (r)
		return r;
	r = lock_wait(d->open_fd, LOCK_EX);
	if (!r)
		d->sole = !flock(d->users_fd, LOCK_EX | LOCK_NB);
	if (!r)
		r = lock_wait(d->users_fd, LOCK_SH);
	if (r)
		return err_set(e, r, "cache '%s': lock: %s", d->path,
			       strerror(-r));
	*ret_dir = TAKE_PTR(d);
	return 0;
}

bool cachedir_is_sole(const struct cachedir *d)
{
	return d->sole;
}

void cachedir_opened(struct cachedir *d)
{
	(void)flock(d->open_fd, LOCK_UN); /* closing it does the same */
}

bool cachedir_close(struct cachedir *d)
{
	return !lock_wait(d->open_fd, LOCK_EX) &&
	       !flock(d->users_fd, LOCK_EX | LOCK_NB);
}

void cachedir_free(struct cachedir *d)
{
	if (!d)
		return;
	if (d->users_fd >= 0)
		(void)close(d->users_fd); /* drops the lock */
	if (d->open_fd >= 0)
		(void)close(d->open_fd);
	free(d);
}

const char *cachedir_path(const struct cachedir *d)
{
	return d->path;
}

const char *cachedir_index(const struct cachedir *d)
{
	return d->index;
}

const char *cachedir_segments(const struct cachedir *d)
{
	return d->segments;
}

const char *cachedir_catalogs(const struct cachedir *d)
{
	return d->catalogs;
}

uint64_t cachedir_limit(const struct cachedir *d, uint64_t size, uint64_t used)
{
	struct statvfs fs;
	uint64_t disk, spare, reserve;

	if (statvfs(d->path, &fs))
		return size;
	disk = (uint64_t)fs.f_blocks * fs.f_frsize;
	reserve = disk / RESERVE_PART;
	spare = (uint64_t)fs.f_bavail * fs.f_frsize + used;
	spare = spare > reserve ? spare - reserve : 0;
	if (!size)
		size = disk / DISK_PART;
	return size < spare ? size : spare;
}
