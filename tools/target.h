/*
 * The place on local disk that a pull writes to. Nothing outside of it is ever
 * touched: every path is opened from its root with RESOLVE_BENEATH and
 * RESOLVE_NO_SYMLINKS, and names within a directory are single components.
 *
 * Files come into being under a temporary name in their directory and are
 * renamed when complete; symbolic links likewise.
 *
 * Paths are relative to the root, of safe components, "" for the root itself.
 * Errors name the path. Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "s3/base/err.h"

struct target {
	int root; /* -1: does not exist, which only a dry run accepts */
	char *shown; /* for messages: the root as the user wrote it; owned */
	bool owner; /* this process may give files away, so owners are set */
	bool made; /* the root was not there before */
};

struct target_attr {
	mode_t mode; /* permission bits count */
	uid_t uid;
	gid_t gid;
	bool has_mtime;
	int64_t mtime_ns;
};

/*
 * Where `dest` puts something called `name`, as cp(1) has it: below an existing
 * directory or one whose name ends in '/' (which is made), else as `dest`.
 * *ret_name: its name below the root, owned by the caller.
 */
enum target_flags {
	TARGET_DRY_RUN = 1, /* nothing is made */
	TARGET_INTO = 2, /* `dest` is a directory, made where it is lacking */
	TARGET_CONTENTS = 4, /* likewise, and is the thing itself: *ret_name is
				"", `name` does not count */
};
int target_open(struct target *t, const char *dest, const char *name,
		unsigned int flags, char **ret_name, struct err *e);
void target_done(struct target *t);

/* The permission bits that a file of this mode gets: who cannot give it away
 * must not hand out its owner's privileges. */
mode_t target_mode(const struct target *t, mode_t mode);

/* A descriptor of a directory below the root, with these flags of open(2); or
 * -errno. */
int target_open_dir(const struct target *t, const char *path, uint64_t flags);
/* A descriptor for reading the directory `name` in the directory `fd`; or
 * -errno: -EXDEV where another file system is mounted there. */
int target_open_child(int fd, const char *name);

/* 0, -ENOENT, or another failure. Symbolic links are not followed. */
int target_stat(const struct target *t, const char *dir, const char *name,
		struct stat *ret_stat, struct err *e);
/*
 * Of a name below the root, as messages have it: "root/dir/name: why"; returns
 * r, a negative errno.
 */
int target_fail(const struct target *t, const char *dir, const char *name,
		int r, struct err *e);

/*
 * Makes a directory, usable by this process until target_finish_dir, or readies
 * the one that is there. -ENOTDIR, -ELOOP: something else is there.
 */
int target_make_dir(const struct target *t, const char *path, struct err *e);
int target_finish_dir(const struct target *t, const char *path,
		      const struct target_attr *attr, struct err *e);

#define TARGET_TEMP_MAX 48
/* A new temporary file to become `name`, of `size` zero bytes; with room for
 * them where the file system can promise it, unless it is to be sparse. */
int target_temp(const struct target *t, const char *dir, const char *name,
		uint64_t size, bool sparse, char temp[TARGET_TEMP_MAX],
		int *ret_fd, struct err *e);
/* Gives it its attributes and its name. The file stays the caller's to drop on
 * failure. Takes no ownership of fd. */
int target_commit(const struct target *t, const char *dir, const char *temp,
		  int fd, const char *name, const struct target_attr *attr,
		  struct err *e);
void target_drop(const struct target *t, const char *dir, const char *temp);
/* Attributes alone, of a regular file that is there. */
int target_set_attrs(const struct target *t, const char *dir, const char *name,
		     const struct target_attr *attr, struct err *e);
int target_link(const struct target *t, const char *dir, const char *name,
		const char *link_to, const struct target_attr *attr,
		struct err *e);
/* Whether the symbolic link there leads to `link_to`. */
bool target_link_is(const struct target *t, const char *dir, const char *name,
		    const char *link_to);
