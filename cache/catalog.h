/*
 * Catalog: what stands below a tree's root. Every path with its attributes and
 * the places of its blocks.
 *
 * Sorted by (directory, name), bytes compared unsigned: one directory is one
 * contiguous run of entries. The bytes are the memory: a look-up is two binary
 * searches and parses nothing. The same entries give the same bytes.
 *
 * Paths are relative to the tree's root, without leading or trailing slash; ""
 * is the root itself, which has an entry like every other directory.
 *
 * Threads: a catalog is immutable, any thread may read it. References are
 * counted atomically.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "cache/block.h"
#include "s3/base/cleanup.h"

#define CATALOG_MAX (1u << 30) /* bytes; more is refused */
#define CATALOG_NONE UINT32_MAX
/* Members that a frame of FRAME_RAW_MAX can hold, a tar header each. */
#define CATALOG_FRAME_MAX (FRAME_RAW_MAX / 512)

struct catalog;

struct catalog_entry {
	uint32_t index; /* position in the catalog */
	uint32_t dir; /* directories: for catalog_dir_at; else NONE */
	const char *name; /* borrowed from the catalog; not terminated */
	size_t name_len;
	mode_t mode; /* with type: regular, directory or symlink */
	uid_t uid;
	gid_t gid;
	uint64_t size; /* files: content; symlinks: length of the target */
	int64_t mtime_ns; /* since the epoch */
	int64_t commit_s; /* when the content was committed; store's clock */
	const char *target; /* symlinks: borrowed, not terminated; else NULL */
	uint32_t first_block;
	uint32_t block_count;
};

/* A run of entries: [first, first + count). */
struct catalog_run {
	const char *path; /* the directory's; borrowed, not terminated */
	size_t path_len;
	uint32_t first;
	uint32_t count;
};

/*
 * Checks all of `data` (bounds, order, names, lengths, places) and takes
 * ownership of it (malloc'ed) on success only. Errors: -EBADMSG with what is
 * wrong, -ENOMEM. On success the catalog has one reference.
 */
int catalog_parse(struct catalog **ret_cat, void *data, size_t len,
		  struct err *e);
struct catalog *catalog_ref(struct catalog *cat);
void catalog_unref(struct catalog *cat); /* NULL is accepted */
DEFINE_CLEANUP(struct catalog *, catalog_unref)

/* The bytes as parsed, borrowed. */
const void *catalog_bytes(const struct catalog *cat, size_t *ret_len);
uint32_t catalog_count(const struct catalog *cat); /* all entries, with root */
uint32_t catalog_dir_count(const struct catalog *cat);

/* -ENOENT when there is none. */
int catalog_find(const struct catalog *cat, const char *path, size_t len,
		 struct catalog_entry *ret_entry);
int catalog_find_dir(const struct catalog *cat, const char *path, size_t len,
		     struct catalog_run *ret_run);
/* index < catalog_count, dir < catalog_dir_count. The root's entry (name "")
 * is entry 0 and in no run. */
void catalog_entry_at(const struct catalog *cat, uint32_t index,
		      struct catalog_entry *ret_entry);
void catalog_dir_at(const struct catalog *cat, uint32_t dir,
		    struct catalog_run *ret_run);
/* The directory whose run holds entry `index` (> 0). */
uint32_t catalog_dir_of(const struct catalog *cat, uint32_t index);
/* Appends the path of entry `index`. */
int catalog_path(const struct catalog *cat, uint32_t index, struct buf *out);

/* block: entry.first_block + i, i < entry.block_count. */
void catalog_block_at(const struct catalog *cat, uint32_t block,
		      struct block *ret_block);
uint32_t catalog_total_blocks(const struct catalog *cat);

/*
 * The blocks that stand in one frame, which one read brings: wherever in the
 * catalog they are, as files that were reused from other packs may stand between
 * them. At most CATALOG_FRAME_MAX, those around the one asked about.
 */
struct catalog_frame {
	uint32_t number; /* < catalog_total_frames */
	uint32_t count;
	/* private: */
	uint32_t first;
	const uint32_t *blocks; /* borrowed; NULL: one run from `first` */
};
void catalog_frame_of(const struct catalog *cat, uint32_t block,
		      struct catalog_frame *ret_frame);
/* Number of the frame's i-th block, ascending. */
static inline uint32_t catalog_frame_block(const struct catalog_frame *f,
					   uint32_t i)
{
	return f->blocks ? f->blocks[i] : f->first + i;
}
/* The frame's number alone. */
uint32_t catalog_frame_number(const struct catalog *cat, uint32_t block);
uint32_t catalog_total_frames(const struct catalog *cat);

/*
 * Building. Entries may come in any order; a later one for the same path
 * replaces the earlier one. Parents that nobody put are added as directories of
 * mode 0755 with owner, mtime and commit time of their first child (in order of
 * names), and go again with their last one. A root that nobody put and without
 * children has mode 0755 and zeros.
 * Threads: one at a time.
 */
struct catalog_attr {
	mode_t mode; /* with type */
	uid_t uid;
	gid_t gid;
	uint64_t size; /* below 2^48; of no meaning for directories */
	int64_t mtime_ns;
	int64_t commit_s; /* 0 … 2^32-1 */
};

struct catalog_builder;
int catalog_builder_open(struct catalog_builder **ret_builder);
void catalog_builder_free(struct catalog_builder *b);
DEFINE_CLEANUP(struct catalog_builder *, catalog_builder_free)
/*
 * target: symlinks, attr->size bytes. blocks: regular files, in order, summing
 * to attr->size. All copied. Path "" is the root, a directory. Errors: -EINVAL
 * for an unsafe path, or attributes, places and lengths that do not fit,
 * -ENOTDIR where a parent is a file or where a file would take the place of a
 * directory that is not empty, -EFBIG: the builder is unchanged. -ENOMEM: it
 * can only be freed.
 */
int catalog_builder_put(struct catalog_builder *b, const char *path, size_t len,
			const struct catalog_attr *attr, const char *target,
			const struct block *blocks, size_t block_count,
			struct err *e);
/* The same from an entry of a catalog, which may be freed afterwards. */
int catalog_builder_copy(struct catalog_builder *b, const struct catalog *cat,
			 uint32_t index, struct err *e);
/* Removes the path and, for a directory, all below it ("" removes all, and what
 * was put for the root). -ENOENT. */
int catalog_builder_remove(struct catalog_builder *b, const char *path,
			   size_t len);
/* Sorts and writes, appending to `out`; the builder is spent, whatever comes of
 * it: free it. -EFBIG (also for more than 65536 different owners), -ENOMEM. */
int catalog_builder_finish(struct catalog_builder *b, struct buf *out,
			   struct err *e);
