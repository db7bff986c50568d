#include "s3/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"

ssize_t io_pread_full(int fd, void *data, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done,
				  (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_pwrite_full(int fd, const void *data, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)data + done, len - done,
				   (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO; /* would go on for ever */
		done += (size_t)n;
	}
	return 0;
}

int io_write_full(int fd, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, (const char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO; /* would go on for ever */
		done += (size_t)n;
	}
	return 0;
}

int io_read_file(const char *path, struct buf *out, struct err *e)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(e, -errno, "'%s': %m", path);
	for (;;) {
		char chunk[16384];
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, -errno, "'%s': %m", path);
		if (!n)
			return 0;
		if (buf_add(out, chunk, (size_t)n))
			return err_set(e, buf_error(out), "'%s': %s", path,
				       strerror(-buf_error(out)));
	}
}

static int replace_in(const char *temp, const char *path, const void *data,
		      size_t len, mode_t mode)
{
	CLEANUP_FD int fd = -1;
	int r;

	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = io_write_full(fd, data, len);
	if (!r && fsync(fd))
		r = -errno;
	if (!r && rename(temp, path))
		r = -errno;
	if (r)
		(void)unlink(temp); /* the first failure is the one to tell */
	return r;
}

static int sync_parent(const char *path)
{
	CLEANUP_FREE char *dir = strdup(path);
	CLEANUP_FD int fd = -1;
	char *slash;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		return -errno;
	return 0;
}

int io_read_text(const char *path, struct buf *out, struct stat *ret_st,
		 struct err *e)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t size;
	ssize_t n;
	char *to;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -ENOENT;
	if (fd < 0 || fstat(fd, ret_st) < 0)
		return err_set(e, -EACCES, "'%s': %m", path);
	if (!S_ISREG(ret_st->st_mode))
		return err_set(e, -EINVAL, "'%s': not a regular file", path);
	if (ret_st->st_size > (off_t)IO_TEXT_MAX)
		return err_set(e, -EINVAL, "'%s': larger than 1 MiB", path);
	size = (size_t)ret_st->st_size;
	to = buf_reserve(out, size);
	if (!to)
		return err_set(e, -ENOMEM, "'%s': out of memory", path);
	n = io_pread_full(fd, to, size, 0);
	if (n < 0)
		return err_set(e, -EACCES, "'%s': %s", path, strerror((int)-n));
	out->len += (size_t)n;
	to[n] = '\0';
	if (memchr(to, '\0', (size_t)n))
		return err_set(e, -EINVAL, "'%s': not a text file", path);
	return 0;
}

int io_replace_file(const char *path, const void *data, size_t len, mode_t mode,
		    struct err *e)
{
	char temp[PATH_MAX];
	uint64_t id;
	int r;

	random_bytes(&id, sizeof(id));
	r = snprintf(temp, sizeof(temp), "%s.%016llx.tmp", path,
		     (unsigned long long)id);
	if (r < 0 || r >= (int)sizeof(temp))
		return err_set(e, -ENAMETOOLONG, "'%s': name too long", path);
	r = replace_in(temp, path, data, len, mode);
	if (!r)
		r = sync_parent(path);
	if (r)
		return err_set(e, r, "'%s': %s", path, strerror(-r));
	return 0;
}

int io_make_dirs(const char *path, mode_t mode, struct err *e)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	struct stat st;

	if (!len || len >= sizeof(part))
		return err_set(e, -ENAMETOOLONG, "'%s': bad path", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, mode) && errno != EEXIST)
			return err_set(e, -errno, "mkdir '%s': %m", part);
	}
	if (stat(path, &st))
		return err_set(e, -errno, "'%s': %m", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "'%s' is not a directory", path);
	return 0;
}

void io_hold_std(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			/* The lowest number that is free: fd. */
			(void)open("/dev/null",
				   fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}
