/*
 * The directory that is mounted on.
 *
 * Threads: any.
 */
#pragma once

#include <stdint.h>

#include "s3/base/err.h"

/*
 * Makes sure that it can be mounted on: an existing directory, not an assetfs
 * already. What a killed daemon left there is lazily unmounted.
 * ret_path: absolute, owned by the caller.
 */
int mountpoint_prepare(char **ret_path, const char *path, struct err *e);
/*
 * Sets how far the kernel reads ahead in the file system mounted there. After
 * the kernel has got the answer to INIT, which resets it. -EACCES but for root.
 */
int mountpoint_read_ahead(const char *path, uint32_t bytes, struct err *e);
