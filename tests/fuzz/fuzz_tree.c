/*
 * Tree objects, of which the hash at the end is put right first, so that the
 * parser behind it is reached.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cache/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(tree_content_done) struct tree_content content = { 0 };
	CLEANUP_FREE uint8_t *copy = malloc(size ? size : 1);
	struct tree_head head;
	struct hash sum;

	if (!copy || size < HASH_LEN)
		return 0;
	(void)tree_decode(&head, NULL, data, size, NULL);
	memcpy(copy, data, size);
	hash_of(&sum, copy, size - HASH_LEN);
	memcpy(copy + size - HASH_LEN, sum.bytes, HASH_LEN);
	if (!tree_decode(&head, &content, copy, size, NULL) &&
	    (!head.seq || !memchr(head.pool, '\0', sizeof(head.pool)) ||
	     !content.cat))
		abort();
	return 0;
}
