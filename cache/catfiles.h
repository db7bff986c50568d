/*
 * Immutable objects of the bucket kept whole, one file each.
 *
 * A file is named by the hash of what names the object, begins with its length
 * and CRC, and is replaced by rename: a reader finds a complete one or none.
 * Least recently read ones go when all together pass a ceiling.
 *
 * Threads: any; processes: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/hash.h"

struct catfiles;

/* dir: existing. -ENOMEM, -ENAMETOOLONG. */
int catfiles_open(struct catfiles **ret_files, const char *dir);
void catfiles_free(struct catfiles *f); /* NULL is accepted */
DEFINE_CLEANUP(struct catfiles *, catfiles_free)

/* Appends the content. -ENOENT also for a damaged one, which is removed;
 * -EFBIG above the ceiling of `out`; -ENOMEM; as read(2). */
int catfiles_get(struct catfiles *f, const struct hash *name, struct buf *out);
/*
 * The content mapped, checked once: [data, data + len) lies in [map, map +
 * map_len), to be unmapped by the caller. -ENOENT also for a damaged one, which
 * is removed; as mmap(2).
 */
struct catfile {
	const void *data;
	size_t len;
	void *map;
	size_t map_len;
};
int catfiles_map(struct catfiles *f, const struct hash *name,
		 struct catfile *ret_file);
/* max: ceiling of all together, bytes. -EFBIG when this alone passes it; as
 * write(2). */
int catfiles_put(struct catfiles *f, const struct hash *name, const void *data,
		 size_t len, uint64_t max);
/* Drops one that turned out bad. */
void catfiles_drop(struct catfiles *f, const struct hash *name);
/* Bytes of all, as last counted (at open and at each put). */
uint64_t catfiles_bytes(struct catfiles *f);
