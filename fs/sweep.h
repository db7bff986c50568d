/*
 * Tells a program that reads through a directory from one that opens a file it
 * knows.
 *
 * A tree's files are read in an order that cannot be foreseen (cp sorts by inode
 * number), but hardly ever without listing their directory first. So a miss in
 * a directory listed lately announces more of them: of a small tree all content
 * is worth fetching at once, of a larger one what stands around the file, and
 * more of it the better that guess turns out.
 *
 * Pure bookkeeping: the caller fetches. Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/catalog.h"
#include "s3/base/cleanup.h"

#define SWEEP_LISTED_MS 5000 /* how long a listing announces reads */
#define SWEEP_WHOLE_MAX (32u << 20) /* stored bytes of a small tree */
#define SWEEP_CHUNK (4u << 20) /* stored bytes, the grain of guesses */
#define SWEEP_WINDOW_MIN (16u << 20) /* stored bytes of the first guess */
#define SWEEP_WINDOW_MAX (32u << 20)

struct sweep;

int sweep_open(struct sweep **ret_sweep); /* -ENOMEM */
void sweep_free(struct sweep *s); /* NULL is accepted */
DEFINE_CLEANUP(struct sweep *, sweep_free)

/* Somebody began to read this directory (relative to SOURCE). */
void sweep_listed(struct sweep *s, const char *dir, size_t len,
		  uint64_t now_ms);
/* Whether that was lately. */
bool sweep_expects(struct sweep *s, const char *dir, size_t len,
		   uint64_t now_ms);

/* Blocks of a catalog. */
struct sweep_range {
	uint32_t first;
	uint32_t count;
};

/*
 * The beginning of a file in an expected directory is read. missing: `block`,
 * its first, is not in the cache. True: fetch ret_range ahead (no range is
 * handed out twice within a sweep).
 * cat: kept referenced while the sweep lasts. dir, len: as for sweep_listed.
 */
bool sweep_read(struct sweep *s, struct catalog *cat, uint32_t block,
		bool missing, const char *dir, size_t len, uint64_t now_ms,
		struct sweep_range *ret_range);
