/*
 * The directory behind a file:// store: from keys to open files, and back.
 *
 * Nothing here follows a symlink, nor leaves the directory. Private to the
 * file store's modules.
 *
 * Threads: any.
 */
#pragma once

#include <dirent.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "s3/base/err.h"
#include "s3/store.h"

#define FILE_POOL ".assetfs"
#define FILE_TMP ".assetfs/tmp"
#define FILE_CLOCK ".assetfs/clock"

struct file_root {
	/* Set at open, then constant: */
	int fd;
	char *url; /* "file:///dir", for messages; owned */
	bool has_proc; /* /proc/self/fd can be used */
	_Atomic uint64_t *bytes_in, *bytes_out; /* the store's counts */

	_Atomic int64_t clock_offset_ms; /* its clock minus clock_now_ms */
	_Atomic uint64_t clock_due_ms; /* when to look again; 0: at once */
	atomic_bool swept; /* leftovers were looked for */
};

/* Where a key's object stands. */
struct file_place {
	int parent; /* directory, readable; owned */
	char name[NAME_MAX + 1]; /* in parent */
	bool is_dir; /* the key ends in "/" */
	unsigned int made; /* directories made for it, parent and upwards */
};

int file_root_open(struct file_root *root, const char *dir, struct err *e);
void file_root_close(struct file_root *root);
/* Seconds since the epoch by the clock that gives files their ctime. */
int64_t file_root_date(struct file_root *root);

/*
 * Turns `errnum` (positive) into an error of the store, with operation, key and
 * store in the text.
 */
int file_error(const struct file_root *root, const struct store_req *req,
	       const char *key, int errnum, struct err *e);

/* -EILSEQ or -ENAMETOOLONG for a key that cannot be a path here. */
int file_key_check(const char *key, struct err *e);
/* Files that a tree or the pool is made of, by name in a directory. */
bool file_name_reserved(const char *name, bool in_root);
/* The key is .assetfs/ or stands below it. */
bool file_key_in_pool(const char *key);
/* In .assetfs/: temporary files and the clock, which are no objects. */
bool file_name_own(const char *name);

/* openat2 that stays below `at` and follows no symlink. Returns the descriptor
 * or a negative errno. */
int file_open_at(int at, const char *path, int flags, mode_t mode);
/* A directory below `at`, or `at` itself for "" and ".", opened anew. */
int file_open_dir(int at, const char *path);
/*
 * Opens the parent of a checked key, with make_dirs after making what is
 * missing above it. -ENOENT, -ENOTDIR (also for a symlink above), other errno.
 */
int file_place_open(struct file_place *ret_place, const struct file_root *root,
		    const char *key, bool make_dirs);
void file_place_close(struct file_place *place);
#define CLEANUP_PLACE __attribute__((cleanup(file_place_close)))

/*
 * Opens an object for reading; a symlink's descriptor names the link itself
 * (O_PATH). -ENOENT also where something stands that is no object. Returns the
 * descriptor or a negative errno.
 */
int file_open_object(const struct file_root *root, const char *key,
		     struct stat *ret_st);
/* The same without the right to read. */
int file_open_object_path(const struct file_root *root, const char *key,
			  struct stat *ret_st);

/* Makes the entry of `key` durable, and those of directories made for it. */
int file_place_sync(const struct file_place *place,
		    const struct file_root *root, const char *key);

/* fsync of a directory, where the file system knows such a thing. */
int file_sync_dir(int fd);

/* The next entry but . and .., NULL at the end (*ret_error 0) or on an error
 * (negative errno). */
struct dirent *file_next_entry(DIR *dir, int *ret_error);
/* S_IFREG, S_IFDIR, S_IFLNK, another type, or 0 if it is gone. */
mode_t file_entry_type(int dir_fd, const struct dirent *entry);
/* As file_open_dir, for reading entries. NULL with errno. */
DIR *file_read_dir(int at, const char *path);
static inline void file_closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* Size, LastModified and ETag. */
void file_describe(struct store_object *out, const struct stat *st);
