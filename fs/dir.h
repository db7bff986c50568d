/*
 * Directory handles: a snapshot of the listing for each opendir, so that
 * positions in it stay good whatever happens meanwhile.
 *
 * Entries whose attributes are known go to the kernel with them (readdirplus),
 * others without: nothing is guessed.
 *
 * Threads: any.
 */
#pragma once

#include "fs/mount.h"

/* FUSE handlers; the request is answered, now or later. */
void dir_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void dir_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
	      struct fuse_file_info *fi);
void dir_read_plus(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
		   struct fuse_file_info *fi);
void dir_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
