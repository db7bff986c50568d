/*
 * The shards of a tree that is too large for one object, and the table of them
 * that stands in the tree object behind the catalog of the first entries.
 *
 * Each shard is an object of the pool with the catalog of the entries from its
 * first key to the next one's. The table tells the SHA-256 of each, so that a
 * damaged or a foreign one is noticed; the tree's own hash covers the table.
 *
 * Threads: any; pure computation. Tables are immutable; references are counted
 * atomically.
 */
#pragma once

#include "cache/catalog.h"

#define SHARDS_MAX (1u << 20) /* of a tree */

struct shard {
	struct object_id id;
	struct hash sum; /* SHA-256 of the object */
	uint32_t stored; /* bytes of the object */
	uint32_t entries;
	uint64_t plain; /* bytes of its catalog before compression */
	struct catalog_key first; /* borrowed from the table */
};

struct shard_table {
	const struct shard *shards; /* ascending by key */
	uint32_t count; /* at least 1 */
	uint64_t entries; /* of all */
};

struct shard_table *shard_table_ref(struct shard_table *t);
void shard_table_unref(struct shard_table *t); /* NULL is accepted */
DEFINE_CLEANUP(struct shard_table *, shard_table_unref)

/* Appends the table's plain bytes. Errors: -ENOMEM, -EFBIG. */
int shard_table_encode(struct buf *out, const struct shard *shards,
		       uint32_t count, struct err *e);
/* Errors: -EBADMSG, -ENOMEM. */
int shard_table_decode(struct shard_table **ret_table, const void *data,
		       size_t len, struct err *e);
/*
 * Parts of the tree are counted from 0, the catalog in the tree object; shard i is
 * part i + 1. The part whose range the key lies in, and the range of a part,
 * borrowed from the table.
 */
uint32_t shard_part_of(const struct shard_table *t,
		       const struct catalog_key *key);
struct catalog_range shard_range(const struct shard_table *t, uint32_t part);

/*
 * Appends the object of a catalog (bytes of catalog_writer_finish) and fills in
 * stored, plain and sum. Errors: -ENOMEM, -EFBIG.
 */
int shard_encode(struct buf *out, const void *catalog, size_t len,
		 struct shard *shard, struct err *e);
/* The catalog of shard i. Errors: -EBADMSG damaged, or another object than the
 * table means; -ENOMEM. */
int shard_decode(struct catalog **ret_cat, const struct shard_table *t,
		 uint32_t i, const void *data, size_t len, struct err *e);
