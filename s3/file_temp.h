/*
 * Files that appear complete or not at all: written under no name, synced, then
 * linked or renamed into place, and the directory synced.
 *
 * Threads: any; one file_temp belongs to one at a time.
 */
#pragma once

#include <stdatomic.h>

#include "s3/file_root.h"

/* A file being written, without a name of its own in the tree. */
struct file_temp {
	int fd; /* for writing; owned */
	int tmp; /* .assetfs/tmp; owned */
	char name[32]; /* in tmp; "" while it has none */
};
#define FILE_TEMP_NONE                                                         \
	{                                                                      \
		.fd = -1, .tmp = -1                                            \
	}

/* Gives `t` a new name, for a file to be made in tmp. */
void file_temp_name(struct file_temp *t);
/* For an object at `place`. 0 or a negative errno. */
int file_temp_open(struct file_temp *t, struct file_root *root,
		   const struct file_place *place);
/*
 * Whether to try once more after `r`, when it is `race`, the sign that the
 * parents were removed meanwhile; waits a moment then. since_ms: clock_now_ms
 * at the first try.
 */
bool file_try_again(int r, int race, uint64_t since_ms);
/*
 * Puts the file in place, for `key`. -EEXIST: if_absent, and something stands there;
 * -EISDIR: a directory does; -ENOENT: the parent was removed meanwhile.
 */
int file_temp_publish(struct file_temp *t, const struct file_root *root,
		      const struct file_place *place, const char *key,
		      bool if_absent, struct store_object *ret_object);
/* Removes what was not published. */
void file_temp_done(struct file_temp *t);
#define CLEANUP_TEMP __attribute__((cleanup(file_temp_done)))

/* Opens .assetfs/tmp, making it where missing. Descriptor or negative errno. */
int file_tmp_dir(struct file_root *root);

/*
 * Copies all of `from` to `to` at *off, shared where the file system can, and
 * advances *off. -ECANCELED once *cancelled is set; -EAGAIN when `from` is not
 * of the length that fstat said.
 */
int file_copy_bytes(int to, uint64_t *off, int from,
		    const atomic_bool *cancelled);
