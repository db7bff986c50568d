/*
 * Catalogs. One that is accepted must answer for each of its paths, and can be
 * copied by a builder into another that is accepted too.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cache/catalog.h"
#include "s3/base/buf.h"

/* What a catalog may not do is to lie: then the target dies. */
static void must(bool good)
{
	if (!good)
		abort();
}

static struct catalog *parse(const void *data, size_t size)
{
	struct catalog *cat = NULL;
	void *copy = malloc(size ? size : 1);

	must(copy);
	if (size)
		memcpy(copy, data, size);
	if (catalog_parse(&cat, copy, size, NULL))
		free(copy);
	return cat;
}

static void walk_entry(const struct catalog *cat, uint32_t index)
{
	CLEANUP_BUF struct buf path = BUF_INIT(8192);
	struct catalog_entry en, again;
	struct block block;
	struct catalog_frame frame;

	catalog_entry_at(cat, index, &en);
	must(!catalog_path(cat, index, &path));
	must(!catalog_find(cat, path.data ? path.data : "", path.len, &again));
	must(again.index == index);
	if (en.target)
		must(!memchr(en.target, '\0', en.size));
	for (uint32_t i = 0; i < en.block_count; i++) {
		catalog_block_at(cat, en.first_block + i, &block);
		must(block.len <= BLOCK_MAX &&
		     block.off + block.len <= block.frame.raw);
		catalog_frame_of(cat, en.first_block + i, &frame);
		must(frame.count > 0 &&
		     frame.number < catalog_total_frames(cat));
		must(catalog_frame_block(&frame, frame.count - 1) <
		     catalog_total_blocks(cat));
	}
}

static void rebuild(const struct catalog *cat)
{
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;
	CLEANUP(catalog_unrefp) struct catalog *other = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT(CATALOG_MAX);

	must(!catalog_builder_open(&b));
	for (uint32_t i = catalog_count(cat); i-- > 0;)
		must(!catalog_builder_copy(b, cat, i, NULL));
	must(!catalog_builder_finish(b, &out, NULL));
	other = parse(out.data, out.len);
	must(other && catalog_count(other) == catalog_count(cat));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(catalog_unrefp) struct catalog *cat = parse(data, size);

	if (!cat)
		return 0;
	for (uint32_t i = 0; i < catalog_count(cat); i++)
		walk_entry(cat, i);
	rebuild(cat);
	return 0;
}
