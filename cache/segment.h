/*
 * Segments: append-only files of records, the bytes of the local cache.
 *
 * A segment begins with a header that bears a random salt; each record's header
 * repeats it. So a record can be told from bytes that only look like one, also
 * where cached content was made to look so, and what a torn write left behind
 * is passed over. Payloads of SEGMENT_LARGE and more begin on a page, so that
 * they can be spliced. Nothing is ever rewritten, punched or truncated.
 *
 * Threads: these functions share nothing; a struct segment_info is constant.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/err.h"
#include "s3/base/hash.h"

#define SEGMENT_MAX (64u << 20) /* bytes */
#define SEGMENT_MIN (2u << 20)
#define SEGMENT_HEADER 64u /* bytes of a record's header, and the file's */
#define SEGMENT_PAGE 4096u
#define SEGMENT_LARGE (64u << 10)
#define RECORD_MAX (1u << 20) /* bytes of payload */

enum segment_queue {
	QUEUE_PROBATION, /* seen once */
	QUEUE_MAIN, /* used again */
	QUEUE_COUNT
};

struct segment_info {
	uint64_t number;
	uint8_t salt[16];
	enum segment_queue queue;
};

struct record {
	struct hash id;
	uint32_t off; /* of the payload in the segment */
	uint32_t len; /* bytes of payload */
	uint32_t crc; /* of the payload */
};

#define SEGMENT_NAME_MAX 17
/* File name: 16 hex digits. */
void segment_name(char out[SEGMENT_NAME_MAX], uint64_t number);
/* "DIR/NAME"; -ENAMETOOLONG. */
int segment_path(char out[PATH_MAX], const char *dir, uint64_t number);
/* -EINVAL for any other name. */
int segment_parse_name(const char *name, uint64_t *ret_number);

/* Writes the header of a new file. */
int segment_create(int fd, struct segment_info *ret_info, uint64_t number,
		   enum segment_queue queue);
/* Errors: -EBADMSG for what is no segment of that number, and as pread. */
int segment_read_info(int fd, uint64_t number, struct segment_info *ret_info);

/* Where a payload of `len` bytes goes in a segment used up to `end`, and the
 * end afterwards. */
uint32_t segment_place(uint32_t end, uint32_t len, uint32_t *ret_end);
/* Writes header and payload at `off` as told by segment_place. */
int segment_write(int fd, const struct segment_info *info,
		  const struct hash *id, uint32_t off, const void *data,
		  uint32_t len);
/*
 * Reads the record of `id` whose payload of `len` bytes stands at `off`: header
 * and payload, SEGMENT_HEADER + len bytes in all, to `out`. -EBADMSG where it is
 * not there, cut, or does not fit its CRC.
 */
int segment_read(int fd, const struct segment_info *info, const struct hash *id,
		 uint32_t off, uint32_t len, void *out);
/* Reads the payload of a record that a walk found. -EBADMSG. */
int segment_read_payload(int fd, const struct record *rec, void *out);

/*
 * Calls `fn` for each record in [from, size), in order of place; ends at a
 * result other than 0 and returns it. Payloads are neither read nor checked.
 */
int segment_walk(int fd, const struct segment_info *info, uint32_t from,
		 uint64_t size, int (*fn)(const struct record *rec, void *arg),
		 void *arg);
