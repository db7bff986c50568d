/*
 * Catalogs: as in memory, where the bytes begin like that, else as in the bucket
 * before compression. One that is accepted must answer for each of its paths,
 * can be written again into the same bytes, and stored.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cache/catalog_stored.h"
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
	if (catalog_parse(&cat, copy, size, NULL, NULL))
		free(copy);
	return cat;
}

static struct catalog *decode(const void *data, size_t size)
{
	CLEANUP_BUF struct buf stored = BUF_INIT(2 * size + 1024);
	struct catalog *cat = NULL;

	must(!frames_compress(&stored, data, size));
	(void)catalog_decode(&cat, size, stored.data, stored.len, NULL, NULL);
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

static void write_again(const struct catalog *cat)
{
	CLEANUP(catalog_writer_freep) struct catalog_writer *w = NULL;
	CLEANUP(catalog_unrefp) struct catalog *other = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT(CATALOG_MAX);
	CLEANUP_BUF struct buf stored = BUF_INIT(CATALOG_MAX);
	const void *bytes;
	uint64_t plain;
	size_t len;

	must(!catalog_writer_open(&w));
	for (uint32_t i = 0; i < catalog_count(cat); i++)
		must(!catalog_writer_copy(w, cat, i, NULL));
	must(!catalog_writer_finish(w, &out, NULL));
	must(!catalog_encode(&stored, out.data, out.len, &plain, NULL));
	must(!catalog_decode(&other, plain, stored.data, stored.len, NULL,
			     NULL));
	bytes = catalog_bytes(other, &len);
	must(len == out.len && !memcmp(bytes, out.data, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;

	if (size >= 8 && !memcmp(data, "ASFSCATM", 8))
		cat = parse(data, size);
	else
		cat = decode(data, size);
	if (!cat)
		return 0;
	for (uint32_t i = 0; i < catalog_count(cat); i++)
		walk_entry(cat, i);
	write_again(cat);
	return 0;
}
