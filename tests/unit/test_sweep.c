/* Which reads are taken for a sweep, and what is fetched for them. */
#include "fs/sweep.h"

#include <stdio.h>
#include <stdlib.h>

#include "s3/base/buf.h"
#include "tests/unit/builder.h"
#include "tests/unit/tap.h"

#define KIB 1024u
#define NOW 1000000

/* A catalog of `files` files d/NNNNNN, each one block in a frame of its own. */
static struct catalog *make(uint32_t files, uint32_t stored)
{
	struct buf bytes = BUF_INIT(64u << 20);
	struct catalog_builder *b = NULL;
	struct catalog *cat = NULL;
	struct err e = { 0 };
	size_t len;

	if (catalog_builder_open(&b))
		return NULL;
	for (uint32_t i = 0; i < files; i++) {
		const struct catalog_attr attr = { .mode = 0100644,
						   .size = 10 };
		struct block block = {
			.len = 10,
			.frame = { .off = (uint64_t)i * stored,
				   .stored = stored,
				   .raw = 10,
				   .codec = CODEC_ZSTD },
		};
		char path[32];

		hash_of(&block.hash, &i, sizeof(i));
		(void)snprintf(path, sizeof(path), "d/%06u", i);
		if (catalog_builder_put(b, path, strlen(path), &attr, NULL,
					&block, 1, &e))
			break;
	}
	(void)catalog_builder_finish(b, &bytes, &e);
	catalog_builder_free(b);
	len = bytes.len;
	(void)catalog_parse(&cat, buf_take(&bytes), len, NULL, &e);
	if (!cat)
		printf("# %s\n", e.text);
	return cat;
}

static bool miss(struct sweep *s, struct catalog *cat, uint32_t block,
		 uint64_t now, struct sweep_range *r)
{
	return sweep_read(s, cat, block, true, "d", 1, now, r);
}

static void test_small(void)
{
	struct catalog *cat = make(242, 50 * KIB);
	struct sweep *s = NULL;
	struct sweep_range r;

	is_int(sweep_open(&s), 0, "open");
	ok(!sweep_expects(s, "d", 1, NOW) && !miss(s, cat, 3, NOW, &r),
	   "no listing, no sweep");
	sweep_listed(s, "d", 1, NOW);
	ok(sweep_expects(s, "d", 1, NOW + SWEEP_LISTED_MS - 1), "expected");
	ok(!sweep_expects(s, "e", 1, NOW), "in that directory only");
	ok(!sweep_expects(s, "d", 1, NOW + SWEEP_LISTED_MS), "not for ever");
	ok(!sweep_read(s, cat, 100, false, "d", 1, NOW, &r),
	   "what is cached starts nothing");
	ok(miss(s, cat, 100, NOW, &r) && r.first == 0 && r.count == 242,
	   "all of a small tree");
	ok(!miss(s, cat, 7, NOW + 1, &r), "once");
	ok(sweep_expects(s, "d", 1, NOW + SWEEP_LISTED_MS),
	   "a read that was foretold keeps the directory expected");
	catalog_unref(cat);
	sweep_free(s);
}

static void test_large(void)
{
	const uint32_t files = 4096, stored = 64 * KIB; /* 256 MiB */
	struct catalog *cat = make(files, stored);
	static bool fetched[4096];
	struct sweep *s = NULL;
	struct sweep_range r;
	uint32_t most = 0, twice = 0, left = 0;

	is_int(sweep_open(&s), 0, "open");
	sweep_listed(s, "d", 1, NOW);
	ok(miss(s, cat, 1000, NOW, &r), "a window");
	ok(r.first <= 1000 && r.first + r.count > 1000, "around the file");
	ok(r.count * stored >= SWEEP_WINDOW_MIN - SWEEP_CHUNK &&
		   r.count * stored <= SWEEP_WINDOW_MIN + SWEEP_CHUNK,
	   "of about the first size");
	sweep_free(s);

	/* In order from the first to the last file. */
	is_int(sweep_open(&s), 0, "open");
	sweep_listed(s, "d", 1, NOW);
	for (uint32_t i = 0; i < files; i++) {
		if (!sweep_read(s, cat, i, !fetched[i], "d", 1, NOW + i, &r))
			continue;
		most = r.count > most ? r.count : most;
		for (uint32_t k = r.first; k < r.first + r.count; k++) {
			twice += fetched[k];
			fetched[k] = true;
		}
	}
	for (uint32_t i = 0; i < files; i++)
		left += !fetched[i];
	ok(!left && !twice, "all of it, nothing twice (%u, %u)", left, twice);
	ok(most * stored > SWEEP_WINDOW_MAX - SWEEP_CHUNK, "windows grow");
	catalog_unref(cat);
	sweep_free(s);
}

static void test_bad_guesses(void)
{
	const uint32_t stored = 64 * KIB;
	struct catalog *cat = make(8192, stored); /* 512 MiB */
	struct sweep *s = NULL;
	struct sweep_range r = { 0 };

	is_int(sweep_open(&s), 0, "open");
	sweep_listed(s, "d", 1, NOW);
	/* Far apart, backwards: nothing of what was fetched is read. */
	for (uint32_t i = 0; i < 6; i++)
		(void)miss(s, cat, 8000 - i * 1000, NOW + i, &r);
	ok(r.count * stored <= SWEEP_CHUNK, "windows shrink");
	catalog_unref(cat);
	sweep_free(s);
}

int main(void)
{
	test_small();
	test_large();
	test_bad_guesses();
	return tap_done();
}
