/* Push indexes, of which the hash at the end is put right first. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cache/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(index_freep) struct index *ix = NULL;
	CLEANUP_FREE uint8_t *copy = malloc(size ? size : 1);
	struct block block, found;
	struct hash sum;

	if (!copy || size < HASH_LEN)
		return 0;
	memcpy(copy, data, size);
	hash_of(&sum, copy, size - HASH_LEN);
	memcpy(copy + size - HASH_LEN, sum.bytes, HASH_LEN);
	if (index_parse(&ix, copy, size, NULL))
		return 0;
	for (size_t i = 0; i < index_count(ix); i++) {
		index_at(ix, i, &block);
		if (!index_find(ix, &block.hash, &found) ||
		    found.off != block.off)
			abort();
	}
	return 0;
}
