/*
 * The bytes of a catalog in memory; shared by its reader, its writer, and
 * catalog_stored.c, which makes them from what stands in the bucket. They never
 * leave the machine. All integers are little-endian and unsigned unless told;
 * nothing is aligned.
 *
 *   header (44 bytes)
 *      0   8  "ASFSCATM"
 *      8   4  version, 1
 *     12   4  entries, at least 1
 *     16   4  directories
 *     20   4  blocks
 *     24   4  frames
 *     28   4  blobs
 *     32   4  owners, at least 1
 *     36   4  bytes of strings
 *     40   4  1: the root's entry is here, 0: it is not
 *   directories (14 bytes each) that have entries here, sorted by path: bytes
 *   compared unsigned, a prefix before what it begins
 *      0   4  path: offset in the strings
 *      4   2  length of the path, 0 … 4096
 *      6   4  first entry of its run
 *     10   4  entries in its run, at least 1
 *   entries (32 bytes each): the root's, then the runs in the order of the
 *   directories, each sorted by name in the same way
 *      0   4  name: offset in the strings
 *      4   4  regular file: first block; else 0
 *      8   4  commit time, seconds since the epoch
 *     12   2  owner: number in the table of owners
 *     14   2  mode as in stat(2): type and the low 12 bits
 *     16   6  size; symlink: length of the target, 1 … 4095; directory: 0
 *     22   1  length of the name, 1 … 255; 0 for the root
 *     23   1  cutting rule: 1 for a regular file that is not empty, else 0
 *     24   8  mtime, signed, nanoseconds since the epoch
 *   blocks, frames, blobs: see places.h; the blocks of the regular files in the
 *   order of the entries, so that each begins where the one before ended
 *   owners (8 bytes each), in the order in which entries first use them
 *      0   4  uid
 *      4   4  gid
 *   strings: without gaps the paths of all directories, then for each entry
 *   its name and, for a symlink, its target
 *
 * Nothing follows. A regular file of `size` bytes has ceil(size / 2^20) blocks
 * of 2^20 bytes each but the last. A directory other than the root whose place
 * lies in the catalog's range has an entry there. A path is at most 4096 bytes.
 */
#pragma once

#include "cache/le.h"
#include "cache/places.h"

#define CATALOG_MAGIC "ASFSCATM"
#define CATALOG_VERSION 1
#define CATALOG_HEADER_LEN 44
#define CATALOG_DIR_LEN 14
#define CATALOG_ENTRY_LEN 32
#define CATALOG_OWNER_LEN 8
#define CATALOG_OWNERS_MAX 65536u
#define CATALOG_SIZE_MAX ((1ull << 48) - 1)
#define CATALOG_TARGET_MAX 4095

struct catalog_counts {
	uint32_t root; /* 1: its entry is here */
	uint32_t entries;
	uint32_t dirs;
	uint32_t owners;
	uint32_t strings_len;
	struct places places; /* its counts alone */
};

static inline uint64_t catalog_size(const struct catalog_counts *c)
{
	return CATALOG_HEADER_LEN + (uint64_t)c->dirs * CATALOG_DIR_LEN +
	       (uint64_t)c->entries * CATALOG_ENTRY_LEN +
	       places_size(&c->places) +
	       (uint64_t)c->owners * CATALOG_OWNER_LEN + c->strings_len;
}

/* The counts of both forms, which begin with a header of one shape. */
static inline void catalog_put_header(unsigned char *to, const char magic[8],
				      const struct catalog_counts *n)
{
	memcpy(to, magic, 8);
	put_le32(to + 8, CATALOG_VERSION);
	put_le32(to + 12, n->entries);
	put_le32(to + 16, n->dirs);
	put_le32(to + 20, n->places.block_count);
	put_le32(to + 24, n->places.frame_count);
	put_le32(to + 28, n->places.blob_count);
	put_le32(to + 32, n->owners);
	put_le32(to + 36, n->strings_len);
	put_le32(to + 40, n->root);
}

/* Takes a header and checks what can be told from it alone: -EBADMSG. Sizes
 * made of the counts cannot overflow. */
int catalog_take_header(struct span *s, const char magic[8],
			struct catalog_counts *ret_counts, struct err *e);
