/*
 * The mount table, /proc/self/mountinfo, is asked rather than the file system
 * itself: that would mean a request to the daemon that asks.
 */
#include "fs/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "s3/base/log.h"

#define STALE_MAX 8 /* dead daemons, one mounted over the other */
#define DEVICE_MAX 32

static void close_filep(FILE **file)
{
	if (*file)
		(void)fclose(*file); /* was only read */
}

/* Undoes the octal escapes of the mount table, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p;) {
		unsigned int c;

		if (*p == '\\' && sscanf(p + 1, "%3o", &c) == 1) {
			*to++ = (char)c;
			p += 4;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
}

/*
 * Type and device of what is mounted on top at `path`. -ENOENT: nothing.
 * A line: id parent major:minor root mountpoint options [tags] - type ...
 */
static int find_mount(const char *path, char ret_type[64],
		      char ret_device[DEVICE_MAX])
{
	CLEANUP(close_filep) FILE *table = NULL;
	CLEANUP_FREE char *line = NULL;
	size_t room = 0;
	int rc = -ENOENT;

	table = fopen("/proc/self/mountinfo", "re");
	if (!table)
		return -errno;
	while (getline(&line, &room, table) > 0) {
		CLEANUP_FREE char *at = NULL;
		char device[DEVICE_MAX], type[64];
		const char *dash = strstr(line, " - ");

		if (!dash || sscanf(dash, " - %63s", type) != 1 ||
		    sscanf(line, "%*d %*d %31s %*s %ms", device, &at) != 2)
			continue;
		unescape(at);
		if (strcmp(at, path))
			continue;
		memcpy(ret_type, type, sizeof(type));
		memcpy(ret_device, device, sizeof(device));
		rc = 0; /* later lines are mounted over earlier ones */
	}
	return rc;
}

/* The work of fusermount3, for those who may not call umount(2). */
static int run_fusermount(const char *path)
{
	char name[] = "fusermount3", quiet[] = "-q", lazy[] = "-uz",
	     end[] = "--";
	CLEANUP_FREE char *dir = strdup(path);
	char *const argv[] = { name, quiet, lazy, end, dir, NULL };
	pid_t pid;
	int status = 0, rc;

	if (!dir)
		return -ENOMEM;
	rc = posix_spawnp(&pid, name, NULL, NULL, argv, environ);
	if (rc)
		return -rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status ? -EPERM : 0;
}

static int unmount_stale(const char *path, struct err *e)
{
	int rc = umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) ? -errno : 0;

	if (rc == -EPERM)
		rc = run_fusermount(path);
	if (rc)
		return err_set(e, rc,
			       "mount point '%s': a dead mount is in the way; "
			       "umount it (umount -l)",
			       path);
	log_warn("'%s': unmounted what a dead process left", path);
	return 0;
}

/* 0: it can be mounted on. -ENOTCONN: a dead mount is there. */
static int look_at(const char *path, char **ret_path, struct err *e)
{
	CLEANUP_FREE char *absolute = NULL;
	char type[64], device[DEVICE_MAX];
	struct statfs fs;
	struct stat st;

	absolute = realpath(path, NULL);
	if (!absolute || stat(absolute, &st))
		return errno == ENOENT ? err_set(e, -ENOENT,
						 "mount point '%s' does not "
						 "exist; create "
						 "it first",
						 path)
				       : err_set(e, -errno,
						 "mount point '%s': %m", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR,
			       "mount point '%s' is not a directory", path);
	if (!find_mount(absolute, type, device) &&
	    !strcmp(type, "fuse.assetfs")) {
		/* stat(2) may be answered from the kernel's memory; this not. */
		if (statfs(absolute, &fs) && errno == ENOTCONN)
			return err_set(e, -ENOTCONN, "mount point '%s': %m",
				       path);
		return err_set(e, -EBUSY,
			       "mount point '%s' is in use by another assetfs; "
			       "umount it first",
			       path);
	}
	*ret_path = TAKE_PTR(absolute);
	return 0;
}

int mountpoint_prepare(char **ret_path, const char *path, struct err *e)
{
	int rc = look_at(path, ret_path, e);

	for (int i = 0; rc == -ENOTCONN && i < STALE_MAX; i++) {
		rc = unmount_stale(path, e);
		if (!rc)
			rc = look_at(path, ret_path, e);
	}
	return rc;
}

int mountpoint_read_ahead(const char *path, uint32_t bytes, struct err *e)
{
	char type[64], device[DEVICE_MAX], file[96], text[16];
	CLEANUP_FD int fd = -1;
	int rc;

	rc = find_mount(path, type, device);
	if (rc)
		return err_set(e, rc, "'%s' is not in the mount table", path);
	(void)snprintf(file, sizeof(file), "/sys/class/bdi/%s/read_ahead_kb",
		       device);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "read_ahead: '%s': %m", file);
	(void)snprintf(text, sizeof(text), "%u", bytes >> 10);
	rc = io_write_full(fd, text, strlen(text));
	if (rc)
		return err_set(e, rc, "read_ahead: '%s': %s", file,
			       strerror(-rc));
	return 0;
}
