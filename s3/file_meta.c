/*
 * The types that a file store does not create itself (devices, fifos, sockets)
 * are empty regular files here; the type is kept in an attribute beside the
 * pairs.
 */
#include "s3/file_meta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "s3/base/cleanup.h"

#define PAIR_PREFIX "user.assetfs."
#define TYPE_NAME "user.assetfs-type"
#define NAMES_MAX 65536 /* XATTR_LIST_MAX of Linux */
#define VALUE_MAX 2048
#define NS_PER_S 1000000000

static bool is_own_attribute(const char *name)
{
	return !strcmp(name, "mode") || !strcmp(name, "uid") ||
	       !strcmp(name, "gid") || !strcmp(name, "mtime");
}

static bool is_special(mode_t mode)
{
	return S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) ||
	       S_ISBLK(mode);
}

/* Attributes of a descriptor opened with O_PATH are reached by this name. */
static void path_of(char *out, size_t size, int fd)
{
	(void)snprintf(out, size, "/proc/self/fd/%d", fd);
}

/* All attribute names of fd; NULL when there are none to be had. */
static char *list_names(const char *path, size_t *ret_len)
{
	ssize_t len = listxattr(path, NULL, 0);
	char *names;

	if (len <= 0 || len > NAMES_MAX)
		return NULL;
	names = malloc(NAMES_MAX);
	if (!names)
		return NULL;
	len = listxattr(path, names, NAMES_MAX);
	if (len <= 0) {
		free(names);
		return NULL;
	}
	*ret_len = (size_t)len;
	return names;
}

static bool is_ours(const char *name)
{
	return !strncmp(name, PAIR_PREFIX, strlen(PAIR_PREFIX)) ||
	       !strcmp(name, TYPE_NAME);
}

static void remove_pairs(int fd)
{
	CLEANUP_FREE char *names = NULL;
	char path[32];
	size_t len = 0;

	path_of(path, sizeof(path), fd);
	names = list_names(path, &len);
	if (!names)
		return;
	for (const char *n = names; n < names + len; n += strlen(n) + 1)
		if (is_ours(n))
			(void)fremovexattr(fd, n); /* kept where possible */
}

static void set_attribute(int fd, const char *prefix, const char *name,
			  const char *value)
{
	char full[XATTR_NAME_MAX + 1];
	int n = snprintf(full, sizeof(full), "%s%s", prefix, name);

	if (n > 0 && n < (int)sizeof(full))
		(void)fsetxattr(fd, full, value, strlen(value),
				0); /* kept where possible */
}

static void set_pairs(int fd, const struct meta *m, const struct meta_posix *p)
{
	mode_t type = p->mode & S_IFMT;
	char text[16];

	remove_pairs(fd);
	for (size_t i = 0; i < m->count; i++)
		if (!is_own_attribute(m->pairs[i].name))
			set_attribute(fd, PAIR_PREFIX, m->pairs[i].name,
				      m->pairs[i].value);
	if (!p->has_mode || !is_special(type))
		return;
	(void)snprintf(text, sizeof(text), "%u", (unsigned int)type);
	set_attribute(fd, TYPE_NAME, "", text);
}

static void times_of(struct timespec times[2], const struct meta_posix *p)
{
	int64_t s = p->mtime_ns / NS_PER_S, ns = p->mtime_ns % NS_PER_S;

	if (ns < 0) {
		ns += NS_PER_S;
		s--;
	}
	times[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	times[1] = (struct timespec){ .tv_sec = s, .tv_nsec = ns };
}

int file_meta_apply(int fd, const struct meta *m)
{
	struct timespec times[2];
	struct meta_posix p;

	meta_to_posix(&p, m);
	set_pairs(fd, m, &p);
	/* Before the mode: a change of owner clears the set-id bits. EINVAL is
	 * an id that a user namespace does not know. */
	if ((p.has_uid || p.has_gid) &&
	    fchown(fd, p.has_uid ? p.uid : (uid_t)-1,
		   p.has_gid ? p.gid : (gid_t)-1) &&
	    errno != EPERM && errno != EINVAL)
		return -errno;
	if (p.has_mode && fchmod(fd, p.mode & 07777))
		return -errno;
	if (!p.has_mtime)
		return 0;
	times_of(times, &p);
	return futimens(fd, times) ? -errno : 0;
}

int file_meta_apply_link(int dir_fd, const char *name, const struct meta *m)
{
	struct timespec times[2];
	struct meta_posix p;

	meta_to_posix(&p, m);
	if ((p.has_uid || p.has_gid) &&
	    fchownat(dir_fd, name, p.has_uid ? p.uid : (uid_t)-1,
		     p.has_gid ? p.gid : (gid_t)-1, AT_SYMLINK_NOFOLLOW) &&
	    errno != EPERM && errno != EINVAL)
		return -errno;
	if (!p.has_mtime)
		return 0;
	times_of(times, &p);
	return utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

/* False when it is absent, or was not written by us. */
static bool get_attribute(const char *path, const char *name,
			  char value[VALUE_MAX + 1])
{
	ssize_t len = getxattr(path, name, value, VALUE_MAX);

	if (len < 0 || memchr(value, '\0', (size_t)len))
		return false;
	value[len] = '\0';
	return true;
}

static int read_pairs(struct meta *out, const char *path)
{
	CLEANUP_FREE char *names = NULL;
	char value[VALUE_MAX + 1];
	size_t len = 0;
	int r = 0;

	names = list_names(path, &len);
	for (const char *n = names; n && !r && n < names + len;
	     n += strlen(n) + 1) {
		const char *name = n + strlen(PAIR_PREFIX);

		if (is_ours(n) && strcmp(n, TYPE_NAME) &&
		    !is_own_attribute(name) && get_attribute(path, n, value))
			r = meta_set(out, name, value);
	}
	return r;
}

int file_meta_read(struct meta *out, int fd, const struct stat *st)
{
	struct meta_posix p = {
		.has_mode = true,
		.mode = st->st_mode,
		.has_uid = true,
		.uid = st->st_uid,
		.has_gid = true,
		.gid = st->st_gid,
	};
	char path[32], value[VALUE_MAX + 1];
	int r;

	/* Times that nanoseconds in 64 bits cannot say are left out. */
	p.has_mtime = !__builtin_mul_overflow((int64_t)st->st_mtim.tv_sec,
					      (int64_t)NS_PER_S, &p.mtime_ns) &&
		      !__builtin_add_overflow(p.mtime_ns,
					      (int64_t)st->st_mtim.tv_nsec,
					      &p.mtime_ns);
	/* A symlink has no such attributes, and its name under /proc would
	 * lead to those of its target. */
	if (S_ISLNK(st->st_mode))
		return meta_from_posix(out, &p);
	path_of(path, sizeof(path), fd);
	if (S_ISREG(st->st_mode) && get_attribute(path, TYPE_NAME, value)) {
		mode_t type = (mode_t)strtoul(value, NULL, 10) & S_IFMT;

		if (is_special(type))
			p.mode = (p.mode & 07777) | type;
	}
	r = meta_from_posix(out, &p);
	if (!r)
		r = read_pairs(out, path);
	return r == -E2BIG ? 0 : r; /* no more than S3 would give */
}
