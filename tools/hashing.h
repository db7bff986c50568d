/*
 * Reads the regular files of a walk and names their blocks.
 *
 * Files that the hash cache knows are not read. The rest is read in parallel,
 * large files in several places at once. A file that changes while it is read
 * is read again; one that does not come to rest fails by name.
 *
 * Threads: hashing_run one at a time; hashing_reread for different entries at
 * once, after hashing_run.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"
#include "s3/base/pool.h"
#include "tools/notes.h"
#include "tools/progress.h"
#include "tools/scan.h"

/* Content is kept in memory when all files that packs can hold are no more than
 * this together, so that a small push reads each file once. */
#define HASHING_KEEP_MAX (64u << 20) /* bytes */

struct hashing {
	struct scan *scan;
	struct cache *cache; /* may be NULL */
	struct pool *pool;
	struct progress *progress; /* may be NULL */
	struct notes *failed; /* files that cannot be read, by name */
	bool (*stop)(void); /* looked at by all threads */
};

/* Bytes of files that packs can hold and the hash cache does not know. */
uint64_t hashing_unknown(const struct hashing *h);

/*
 * Sets `hashes` of every regular file (and st to what it was when they were
 * true), and `data` where the content is kept; those noted as failed have none.
 * Errors: -ENOMEM, -ECANCELED.
 */
int hashing_run(struct hashing *h, struct err *e);

/* The same for one entry that is not what it was: st and hashes become those of
 * now. Failures are noted; -EAGAIN then, -ENOMEM, -ECANCELED. */
int hashing_again(struct hashing *h, struct scan_entry *entry);

/*
 * Reads one file of at most PACKED_FILE_MAX bytes again. If it is another one by
 * now, st and hashes of the entry become those of what was read.
 * ret_data: st_size bytes, malloc'ed.
 * Errors: by name; -EAGAIN for a file that keeps changing, -EFBIG for one that
 * has grown too large, those of open and read.
 */
int hashing_reread(const struct scan *w, struct scan_entry *entry,
		   void **ret_data, struct err *e);
