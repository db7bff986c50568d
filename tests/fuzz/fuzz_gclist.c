/* Lists of condemned objects, of which the hash is put right first. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cache/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(gclist_freep) struct gclist *list = NULL;
	CLEANUP_FREE uint8_t *copy = malloc(size ? size : 1);
	struct object_id id = { { 0 } };
	struct hash sum;

	if (!copy || size < HASH_LEN)
		return 0;
	memcpy(copy, data, size);
	hash_of(&sum, copy, size - HASH_LEN);
	memcpy(copy + size - HASH_LEN, sum.bytes, HASH_LEN);
	if (gclist_parse(&list, copy, size, NULL))
		return 0;
	(void)gclist_time(list);
	memcpy(id.bytes, copy + size / 2, OBJECT_ID_LEN);
	if (gclist_has(list, &id) && !gclist_count(list))
		abort();
	return 0;
}
