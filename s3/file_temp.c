/*
 * Temporary files have no name where the file system allows that (O_TMPFILE),
 * so that a crash leaves nothing; elsewhere, on NFS for instance, they are
 * named in .assetfs/tmp, and what is a day old there is removed by whoever
 * writes next.
 *
 * A version's ctime is later than that of the version it replaces: inode
 * numbers are used again, and within one tick of the kernel's clock two
 * versions of the same size could get the same ETag otherwise.
 */
#include "s3/file_temp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/io.h"

#define TEMP_PREFIX "put-"
#define LEFTOVER_S 86400
#define TRY_MS 10000
#define COPY_CHUNK (16u << 20)

static void sweep(int tmp, int64_t now_s)
{
	CLEANUP(file_closedirp) DIR *dir = file_read_dir(tmp, "");
	struct dirent *entry;
	struct stat st;
	int error;

	while (dir && (entry = file_next_entry(dir, &error)))
		if (!strncmp(entry->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) &&
		    !fstatat(tmp, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    st.st_ctim.tv_sec < now_s - LEFTOVER_S)
			(void)unlinkat(tmp, entry->d_name,
				       0); /* the next sweep retries */
}

static int make_dir(const struct file_root *root, const char *path)
{
	if (mkdirat(root->fd, path, 0777) && errno != EEXIST)
		return -errno;
	return 0;
}

int file_tmp_dir(struct file_root *root)
{
	int fd = file_open_dir(root->fd, FILE_TMP), r;

	if (fd == -ENOENT) {
		r = make_dir(root, FILE_POOL);
		if (!r)
			r = make_dir(root, FILE_TMP);
		if (r)
			return r;
		fd = file_open_dir(root->fd, FILE_TMP);
	}
	if (fd >= 0 && !atomic_exchange(&root->swept, true))
		sweep(fd, file_root_date(root));
	return fd;
}

void file_temp_name(struct file_temp *t)
{
	uint64_t id;

	random_bytes(&id, sizeof(id));
	(void)snprintf(t->name, sizeof(t->name), TEMP_PREFIX "%016llx",
		       (unsigned long long)id);
}

static bool is_removed(int dir)
{
	struct stat st;

	return !fstat(dir, &st) && !st.st_nlink;
}

int file_temp_open(struct file_temp *t, struct file_root *root,
		   const struct file_place *place)
{
	t->tmp = file_tmp_dir(root);
	if (t->tmp < 0)
		return t->tmp;
	if (root->has_proc) {
		t->fd = openat(place->parent, ".",
			       O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
		if (t->fd >= 0)
			return 0;
		/* ext4 answers EPERM in a directory that was removed. */
		if (errno == EPERM && is_removed(place->parent))
			return -ENOENT;
		if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
			return -errno;
	}
	file_temp_name(t);
	t->fd = openat(t->tmp, t->name,
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0666);
	if (t->fd < 0) {
		t->name[0] = '\0';
		return -errno;
	}
	return 0;
}

void file_temp_done(struct file_temp *t)
{
	if (t->tmp >= 0 && t->name[0])
		(void)unlinkat(t->tmp, t->name, 0); /* the sweep retries */
	cleanup_closep(&t->fd);
	cleanup_closep(&t->tmp);
	t->fd = -1;
	t->tmp = -1;
	t->name[0] = '\0';
}

static int temp_stat(const struct file_temp *t, struct stat *st)
{
	int r = t->fd >= 0 ? fstat(t->fd, st)
			   : fstatat(t->tmp, t->name, st, AT_SYMLINK_NOFOLLOW);

	return r ? -errno : 0;
}

bool file_try_again(int r, int race, uint64_t since_ms)
{
	const struct timespec pause = {
		.tv_nsec = (long)random_below(2000000),
	};

	if (r != race || clock_now_ms() - since_ms > TRY_MS)
		return false;
	(void)nanosleep(&pause, NULL);
	return true;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

/* Stamps the file anew until its ctime is later than that of `old`. */
static int settle(const struct file_temp *t, const struct stat *old)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	/* A clock that was set back is not waited for. */
	for (int i = 0; i < 30; i++) {
		struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
		struct stat st;
		int r = temp_stat(t, &st);

		if (r || is_later(&st.st_ctim, &old->st_ctim))
			return r;
		(void)nanosleep(&pause, NULL);
		times[1] = st.st_mtim;
		r = t->fd >= 0 ? futimens(t->fd, times)
			       : utimensat(t->tmp, t->name, times,
					   AT_SYMLINK_NOFOLLOW);
		if (r)
			return -errno;
	}
	return 0;
}

/* A new name for the file in dir. */
static int link_temp(const struct file_temp *t, int dir, const char *name)
{
	char path[32];
	struct stat st;

	if (!t->name[0]) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", t->fd);
		return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW)
			       ? -errno
			       : 0;
	}
	if (!linkat(t->tmp, t->name, dir, name, 0))
		return 0;
	/* NFS may answer so when it repeats a call whose answer was lost. */
	if (errno == EEXIST && !temp_stat(t, &st) && st.st_nlink == 2)
		return 0;
	return -errno;
}

static int link_absent(struct file_temp *t, const struct file_place *place)
{
	struct stat old;
	int r = link_temp(t, place->parent, place->name);

	if (r == -EEXIST &&
	    !fstatat(place->parent, place->name, &old, AT_SYMLINK_NOFOLLOW) &&
	    S_ISDIR(old.st_mode))
		return -EISDIR;
	if (r || !t->name[0])
		return r;
	(void)unlinkat(t->tmp, t->name, 0); /* the sweep retries */
	t->name[0] = '\0';
	return 0;
}

static int replace(struct file_temp *t, const struct file_place *place)
{
	struct stat old;
	int r;

	if (!fstatat(place->parent, place->name, &old, AT_SYMLINK_NOFOLLOW)) {
		r = S_ISDIR(old.st_mode) ? -EISDIR : settle(t, &old);
		if (r)
			return r;
	} else if (!t->name[0]) {
		r = link_temp(t, place->parent, place->name);
		if (r != -EEXIST)
			return r;
	}
	if (!t->name[0]) {
		struct file_temp named = *t;

		file_temp_name(&named);
		r = link_temp(t, t->tmp, named.name);
		if (r)
			return r;
		memcpy(t->name, named.name, sizeof(t->name));
	}
	if (renameat(t->tmp, t->name, place->parent, place->name))
		return -errno;
	t->name[0] = '\0';
	return 0;
}

int file_temp_publish(struct file_temp *t, const struct file_root *root,
		      const struct file_place *place, const char *key,
		      bool if_absent, struct store_object *ret_object)
{
	struct stat st;
	int r;

	if (t->fd >= 0 && fsync(t->fd))
		return -errno;
	r = if_absent ? link_absent(t, place) : replace(t, place);
	if (!r)
		r = file_place_sync(place, root, key);
	if (r)
		return r;
	/* Linking has changed ctime: only now it is what others will see. */
	r = t->fd >= 0 ? fstat(t->fd, &st)
		       : fstatat(place->parent, place->name, &st,
				 AT_SYMLINK_NOFOLLOW);
	if (r)
		return -errno;
	file_describe(ret_object, &st);
	return 0;
}

/* For pairs of files between which the kernel cannot copy. */
static int copy_plain(int to, uint64_t *off, int from, uint64_t end,
		      uint64_t at, const atomic_bool *cancelled)
{
	CLEANUP_FREE char *chunk = malloc(1 << 20);

	if (!chunk)
		return -ENOMEM;
	while (at < end) {
		ssize_t n = io_pread_full(from, chunk, 1 << 20, at);
		int r;

		if (atomic_load(cancelled))
			return -ECANCELED;
		if (n <= 0)
			return n ? (int)n : -EAGAIN;
		r = io_pwrite_full(to, chunk, (size_t)n, *off);
		if (r)
			return r;
		*off += (uint64_t)n;
		at += (uint64_t)n;
	}
	return at == end ? 0 : -EAGAIN;
}

int file_copy_bytes(int to, uint64_t *off, int from,
		    const atomic_bool *cancelled)
{
	struct stat st;
	uint64_t at = 0, size;

	if (fstat(from, &st))
		return -errno;
	size = (uint64_t)st.st_size;
	if (!*off && !ioctl(to, FICLONE, from)) {
		*off = size;
		return 0;
	}
	while (at < size) {
		off_t in = (off_t)at, out = (off_t)*off;
		uint64_t want = size - at;
		ssize_t n;

		if (atomic_load(cancelled))
			return -ECANCELED;
		n = copy_file_range(from, &in, to, &out,
				    want < COPY_CHUNK ? want : COPY_CHUNK, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EDQUOT ||
			      errno == EIO || errno == EFBIG))
			return -errno;
		/* Some kernels answer 0 where they cannot: let reading say. */
		if (n <= 0)
			return copy_plain(to, off, from, size, at, cancelled);
		at += (uint64_t)n;
		*off += (uint64_t)n;
	}
	return 0;
}
