/*
 * An object's metadata as attributes of a file.
 *
 * Mode, owner and mtime are the file's own; all other pairs are extended
 * attributes "user.assetfs.<name>", kept where the file system has those.
 * The owner is set where this process may.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "s3/meta.h"

/* fd: of a file or directory, not O_PATH. Pairs that `m` does not name are
 * removed. 0 or a negative errno. */
int file_meta_apply(int fd, const struct meta *m);
/* For a symlink, by its name: owner and mtime only. */
int file_meta_apply_link(int dir_fd, const char *name, const struct meta *m);
/* fd: of any kind, also O_PATH. -ENOMEM. */
int file_meta_read(struct meta *out, int fd, const struct stat *st);
