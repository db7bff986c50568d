/*
 * Frames as stored. Input: the plain length (3 bytes) and the codec (1 byte)
 * that a place claims, then the stored bytes.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "cache/block.h"
#include "cache/le.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf out = BUF_INIT(FRAME_RAW_MAX);
	struct block block = { .len = 1 };
	int r;

	if (size < 4)
		return 0;
	block.frame.raw = get_le24(data);
	block.frame.codec = data[3];
	block.frame.stored = (uint32_t)(size - 4);
	r = frame_decode(&out, &block.frame, data + 4, size - 4, NULL);
	if (out.len != (r ? 0 : block.frame.raw))
		abort();
	if (!r)
		(void)block_verify(&block, out.data, out.len, NULL);
	return 0;
}
