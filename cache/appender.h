/*
 * Appends records to segments of one queue, for one process.
 *
 * Any number of threads write side by side into one open segment; whoever finds
 * it full seals it and opens the next: one that another process left behind, or
 * a new one. The open segment's file is locked (flock) as long as this process
 * may write to it.
 *
 * Threads: any.
 */
#pragma once

#include "cache/segindex.h"
#include "s3/base/cleanup.h"

struct appender;

struct appender_options {
	struct cachedb *db; /* borrowed */
	const char *dir; /* the folder of segments; borrowed */
	enum segment_queue queue;
	uint32_t segment_size; /* bytes, SEGMENT_MIN … SEGMENT_MAX */
	/* What all segments may take now, asked for each new one. Must not
	 * block. */
	uint64_t (*limit)(void *arg);
	void *arg;
};

int appender_open(struct appender **ret_appender,
		  const struct appender_options *o); /* -ENOMEM */
/* Leaves the open segment to the next; no append may be running. */
void appender_free(struct appender *a);
DEFINE_CLEANUP(struct appender *, appender_free)

/*
 * Writes a record; the caller indexes it. spare: bytes below the limit that a
 * new segment must leave free. Errors: -ENOSPC (the limit, or the
 * disk), -EFBIG, and as write(2). After the disk failed, all appends fail for
 * some seconds without trying it.
 */
int appender_add(struct appender *a, const struct hash *id, const void *data,
		 uint32_t len, uint64_t spare, struct block_place *ret_place);
