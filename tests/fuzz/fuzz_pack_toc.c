/*
 * The end of packs. The input is read twice: as the last bytes of an object,
 * and as the plain table of a pack whose id is all 7, wrapped as packs wrap it.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cache/pack_toc.h"

static void walk(const struct pack_toc *toc)
{
	for (size_t i = 0; i < pack_toc_member_count(toc); i++) {
		struct pack_toc_member m;

		pack_toc_member_at(toc, i, &m);
		if (!m.path_len || memchr(m.path, '\0', m.path_len))
			abort();
		for (uint32_t k = 0; k < m.block_count; k++) {
			struct block b;

			pack_toc_block_at(toc, m.first_block + k, &b);
			if (b.off + b.len > b.frame.raw)
				abort();
		}
	}
}

static void as_tail(const uint8_t *data, size_t size)
{
	CLEANUP(pack_toc_freep) struct pack_toc *toc = NULL;
	struct pack_toc_place at;

	if (pack_footer_parse(&at, data, size, size, NULL))
		return;
	if (!pack_toc_parse(&toc, &at, data + at.off, at.stored, NULL))
		walk(toc);
}

static void as_table(const uint8_t *data, size_t size)
{
	CLEANUP(pack_toc_freep) struct pack_toc *toc = NULL;
	CLEANUP_BUF struct buf stored = BUF_INIT(2 * FRAME_STORED_MAX);
	struct pack_toc_place at = { .off = 1 << 20, .raw = (uint32_t)size };
	struct hash sum;

	if (!size || size > FRAME_RAW_MAX ||
	    frame_encode(&stored, data, size, 1))
		return;
	hash_of(&sum, stored.data, stored.len);
	(void)buf_add(&stored, sum.bytes, HASH_LEN);
	at.stored = (uint32_t)stored.len;
	memset(at.id.bytes, 7, sizeof(at.id.bytes));
	if (!pack_toc_parse(&toc, &at, stored.data, stored.len, NULL))
		walk(toc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_tail(data, size);
	as_table(data, size);
	return 0;
}
