/*
 * Catalog: what stands below a tree's root, or a part of it: every path with its
 * attributes and the places of its blocks.
 *
 * Sorted by (directory, name), bytes compared unsigned: one directory is one
 * contiguous run of entries. The bytes are the memory: a look-up is two binary
 * searches and parses nothing. The same entries give the same bytes.
 *
 * Paths are relative to the tree's root, without leading or trailing slash; ""
 * is the root itself, which has an entry like every other directory; it sorts
 * first of all.
 *
 * Threads: a catalog is immutable, any thread may read it. References are
 * counted atomically.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "cache/block.h"
#include "s3/base/cleanup.h"

/* Bytes in memory, and as laid down in columns; more is refused. It is enough for
 * a file of 5 TiB. */
#define CATALOG_MAX (1u << 28)
#define CATALOG_NONE UINT32_MAX
/* Members that a frame of FRAME_RAW_MAX can hold, a tar header each. */
#define CATALOG_FRAME_MAX (FRAME_RAW_MAX / 512)

struct catalog;

struct catalog_entry {
	uint32_t index; /* position in the catalog */
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

/* Where an entry stands in the order of all. The root's is ("", ""). */
struct catalog_key {
	const char *dir; /* path of the directory it is in; not terminated */
	size_t dir_len;
	const char *name;
	size_t name_len;
};
struct catalog_key catalog_key_of(const char *path, size_t len); /* borrows */
int catalog_key_compare(const struct catalog_key *a,
			const struct catalog_key *b);
/* Bytes compared unsigned, a prefix first. */
int catalog_compare(const char *a, size_t a_len, const char *b, size_t b_len);

/* [first, end); an `end` of NULL has no end. */
struct catalog_range {
	const struct catalog_key *first, *end;
};

/*
 * Checks all of `data` (bounds, order, names, lengths, places) and takes
 * ownership of it (malloc'ed) on success only. range: of a part, which begins
 * with exactly its first key; NULL for a catalog of a whole tree. Errors:
 * -EBADMSG with what is wrong, -ENOMEM. On success the catalog has one
 * reference.
 */
int catalog_parse(struct catalog **ret_cat, void *data, size_t len,
		  const struct catalog_range *range, struct err *e);
/*
 * The same of bytes in a mapping, [map, map + map_len), which on success becomes
 * the catalog's, to be unmapped.
 */
int catalog_parse_mapped(struct catalog **ret_cat, const void *data, size_t len,
			 void *map, size_t map_len,
			 const struct catalog_range *range, struct err *e);
struct catalog *catalog_ref(struct catalog *cat);
void catalog_unref(struct catalog *cat); /* NULL is accepted */
DEFINE_CLEANUP(struct catalog *, catalog_unref)

/* The bytes as parsed, borrowed. */
const void *catalog_bytes(const struct catalog *cat, size_t *ret_len);
uint32_t catalog_count(const struct catalog *cat); /* all entries, with root */
/* Directories that have entries here. */
uint32_t catalog_dir_count(const struct catalog *cat);
/* Whether the bytes are in anonymous memory. */
bool catalog_is_anonymous(const struct catalog *cat);

/* -ENOENT when there is none here; so is the run of an empty directory. */
int catalog_find(const struct catalog *cat, const char *path, size_t len,
		 struct catalog_entry *ret_entry);
int catalog_find_dir(const struct catalog *cat, const char *path, size_t len,
		     struct catalog_run *ret_run);
/* index < catalog_count, dir < catalog_dir_count. The root's entry (name "")
 * is entry 0 and in no run; a part that is not the first has none. */
void catalog_entry_at(const struct catalog *cat, uint32_t index,
		      struct catalog_entry *ret_entry);
void catalog_dir_at(const struct catalog *cat, uint32_t dir,
		    struct catalog_run *ret_run);
/* The directory whose run holds entry `index`, which is not the root's. */
uint32_t catalog_dir_of(const struct catalog *cat, uint32_t index);
/* Key of entry `index`, borrowed from the catalog. */
struct catalog_key catalog_key_at(const struct catalog *cat, uint32_t index);
/* Appends the path of entry `index`. */
int catalog_path(const struct catalog *cat, uint32_t index, struct buf *out);

/* block: entry.first_block + i, i < entry.block_count. */
void catalog_block_at(const struct catalog *cat, uint32_t block,
		      struct block *ret_block);
uint32_t catalog_total_blocks(const struct catalog *cat);
/* The blobs that they stand in, each once: i < catalog_total_blobs. */
uint32_t catalog_total_blobs(const struct catalog *cat);
void catalog_blob_at(const struct catalog *cat, uint32_t i,
		     struct object_id *ret_id);

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

/* ---- writing ------------------------------------------------------------- */

struct catalog_attr {
	mode_t mode; /* with type */
	uid_t uid;
	gid_t gid;
	uint64_t size; /* below 2^48; of no meaning for directories */
	int64_t mtime_ns;
	int64_t commit_s; /* 0 … 2^32-1 */
};

/*
 * What is put into a catalog: -EINVAL for an unsafe path, or attributes, places
 * and lengths that do not fit. target: symlinks, attr->size bytes. blocks:
 * regular files, in order, summing to attr->size. Path "" is the root, a
 * directory.
 */
int catalog_check(const char *path, size_t len, const struct catalog_attr *attr,
		  const char *target, const struct block *blocks,
		  size_t block_count, struct err *e);

/* Threads: one at a time. */
struct catalog_writer;
int catalog_writer_open(struct catalog_writer **ret_writer);
void catalog_writer_free(struct catalog_writer *w);
DEFINE_CLEANUP(struct catalog_writer *, catalog_writer_free)
/*
 * Adds an entry that passes catalog_check, with a key above the one before. All
 * is copied. That parents are there is up to the caller. Errors, after which it
 * can only be freed: -EFBIG (also for more than 65536 different owners), -ENOMEM.
 */
int catalog_writer_add(struct catalog_writer *w, const struct catalog_key *key,
		       const struct catalog_attr *attr, const char *target,
		       const struct block *blocks, size_t block_count,
		       struct err *e);
/* The same from an entry of a catalog, which may be freed afterwards. */
int catalog_writer_copy(struct catalog_writer *w, const struct catalog *cat,
			uint32_t index, struct err *e);
/* Appends the catalog's bytes to `out`; the writer is empty then. */
int catalog_writer_finish(struct catalog_writer *w, struct buf *out,
			  struct err *e);
