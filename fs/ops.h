/*
 * The FUSE handlers. userdata of the session: struct mount.
 */
#pragma once

#include "fs/mount.h"

extern const struct fuse_lowlevel_ops fs_ops;
