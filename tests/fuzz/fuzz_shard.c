/*
 * Shards and the table of them. An accepted table finds each of its keys in the
 * shard that begins with it, and comes out of its own bytes again. A shard is
 * read by a table that was made to fit it, so that the parser behind the hash
 * is reached.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cache/le.h"
#include "cache/shard.h"
#include "s3/base/buf.h"

static void must(bool good)
{
	if (!good)
		abort();
}

static void use_table(const struct shard_table *t, const void *data,
		      size_t size)
{
	CLEANUP_BUF struct buf again = BUF_INIT(2 * size + 1024);

	for (uint32_t i = 0; i < t->count; i++) {
		struct catalog_range range = shard_range(t, i + 1);

		must(shard_part_of(t, range.first) == i + 1);
		must(!range.end ||
		     catalog_key_compare(range.first, range.end) < 0);
	}
	must(!shard_table_encode(&again, t->shards, t->count, NULL));
	must(again.len == size && !memcmp(again.data, data, size));
}

static void read_shard(const uint8_t *data, size_t size)
{
	CLEANUP(shard_table_unrefp) struct shard_table *t = NULL;
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	CLEANUP_BUF struct buf table = BUF_INIT(1024);
	struct shard shard = {
		.stored = (uint32_t)size,
		/* As in the corpus: */
		.entries = 10,
		.first = { "", 0, "dir0", 4 },
		.plain = get_le64(data + 16),
	};

	hash_of(&shard.sum, data, size);
	must(!shard_table_encode(&table, &shard, 1, NULL));
	if (shard_table_decode(&t, table.data, table.len, NULL))
		return;
	if (!shard_decode(&cat, t, 0, data, size, NULL))
		must(catalog_count(cat) == 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(shard_table_unrefp) struct shard_table *t = NULL;

	if (!shard_table_decode(&t, data, size, NULL))
		use_table(t, data, size);
	if (size >= 24)
		read_shard(data, size);
	return 0;
}
