/* plan: what is uploaded, what is reused, how packs are cut. */
#include "tools/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

#define KIB (1u << 10)
#define MIB (1u << 20)
#define FILES_MAX 400

struct fixture {
	struct plan plan;
	struct scan_entry files[FILES_MAX];
	size_t count;
};

/* One number stands for the content of one block. */
static struct hash hash_nr(unsigned int nr)
{
	struct hash h;

	hash_of(&h, &nr, sizeof(nr));
	return h;
}

static void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	plan_init(&f->plan);
}

static void fixture_done(struct fixture *f)
{
	plan_done(&f->plan);
	for (size_t i = 0; i < f->count; i++) {
		free(f->files[i].path);
		free(f->files[i].hashes);
	}
}

/* A file whose blocks hold contents nr, nr + 1, … */
static struct scan_entry *add(struct fixture *f, uint64_t size, unsigned int nr)
{
	struct scan_entry *file = &f->files[f->count++];
	uint64_t blocks = block_count(size);

	if (asprintf(&file->path, "f%03zu", f->count) < 0)
		abort();
	file->path_len = strlen(file->path);
	file->st.st_mode = S_IFREG | 0644;
	file->st.st_size = (off_t)size;
	file->hashes = calloc(blocks ? blocks : 1, sizeof(*file->hashes));
	for (uint64_t i = 0; i < blocks; i++)
		file->hashes[i] = hash_nr(nr + (unsigned int)i);
	if (plan_file(&f->plan, file))
		abort();
	return file;
}

static struct block block_nr(unsigned int nr, uint32_t len, uint8_t blob)
{
	return (struct block){ .hash = hash_nr(nr),
			       .len = len,
			       .frame.blob.bytes[0] = blob };
}

static void offer(struct fixture *f, unsigned int nr, uint32_t len,
		  uint8_t blob)
{
	struct block b = block_nr(nr, len, blob);

	plan_offer(&f->plan, &b);
}

static void test_new(void)
{
	struct fixture f;

	fixture_init(&f);
	(void)add(&f, 100, 1);
	(void)add(&f, 3 * MIB / 2, 10);
	(void)add(&f, 100, 1); /* the same again */
	ok(!plan_cut(&f.plan), "cut");
	is_int(f.plan.pack_count, 1, "a small push makes one pack");
	is_int(f.plan.packs[0].count, 2, "content that occurs twice goes once");
	is_int(f.plan.upload_bytes, 100 + 3 * MIB / 2, "bytes to upload");
	is_int(f.plan.reuse_bytes, 100, "bytes that need not be");
	fixture_done(&f);
}

static void test_reuse(void)
{
	struct scan_entry *whole, *half;
	struct block blocks[2];
	struct fixture f;

	fixture_init(&f);
	whole = add(&f, 100, 1);
	half = add(&f, 2 * MIB, 10);
	offer(&f, 1, 100, 7);
	offer(&f, 10, MIB, 7); /* the second block is missing */
	offer(&f, 99, 5, 7); /* nobody wants it */
	ok(!plan_cut(&f.plan), "cut");
	ok(f.plan.pack_count == 1 && f.plan.packs[0].count == 1 &&
		   f.plan.packs[0].files[0] == half,
	   "a file that is known in part is stored whole");
	ok(plan_blocks(&f.plan, whole, blocks) &&
		   blocks[0].frame.blob.bytes[0] == 7,
	   "a known one has its place");
	ok(!plan_blocks(&f.plan, half, blocks), "the other not yet");
	for (unsigned int i = 0; i < 2; i++) {
		struct block b = block_nr(10 + i, MIB, 8);

		ok(!plan_place(&f.plan, &b), "placed");
	}
	ok(plan_blocks(&f.plan, half, blocks) &&
		   blocks[0].frame.blob.bytes[0] == 8 &&
		   blocks[1].frame.blob.bytes[0] == 8,
	   "both blocks from the pack that was made");
	ok(!plan_cut(&f.plan) && !f.plan.pack_count && !f.plan.upload_files,
	   "nothing is left to upload");
	fixture_done(&f);
}

static void test_length(void)
{
	struct fixture f;

	fixture_init(&f);
	(void)add(&f, 100, 1);
	offer(&f, 1, 99, 7);
	ok(!plan_cut(&f.plan) && f.plan.pack_count == 1,
	   "a place of another length does not count");
	fixture_done(&f);
}

static bool gone_7(void *arg, const struct object_id *blob)
{
	(void)arg;
	return blob->bytes[0] == 7;
}

static void test_withdraw(void)
{
	struct fixture f;

	fixture_init(&f);
	(void)add(&f, 100, 1);
	(void)add(&f, 100, 2);
	offer(&f, 1, 100, 7);
	offer(&f, 2, 100, 8);
	ok(!plan_cut(&f.plan) && !f.plan.pack_count, "all is known");
	is_int(plan_withdraw(&f.plan, gone_7, NULL), 1, "a blob is condemned");
	ok(!plan_cut(&f.plan) && f.plan.pack_count == 1 &&
		   f.plan.packs[0].count == 1,
	   "what stood in it goes up again");
	fixture_done(&f);
}

static void test_large(void)
{
	struct scan_entry *file;
	struct fixture f;

	fixture_init(&f);
	file = add(&f, 20ull * MIB + 5, 100);
	(void)add(&f, 20ull * MIB + 5, 100);
	offer(&f, 103, MIB, 7);
	ok(!plan_cut(&f.plan) && !f.plan.pack_count, "no pack");
	ok(f.plan.blobs[0].file == file && f.plan.blobs[0].count == 20 &&
		   f.plan.blobs[0].blocks[3] == 4,
	   "of the blocks that are not known");
	is_int(f.plan.blobs[0].raw, 19ull * MIB + 5, "and their bytes");
	is_int(f.plan.blob_count, 1, "once");
	fixture_done(&f);
}

static bool find_10x(void *arg, const struct hash *hash,
		     struct block *ret_block)
{
	(void)arg;
	for (unsigned int nr = 100; nr < 110; nr++) {
		struct hash h = hash_nr(nr);

		if (!hash_equal(&h, hash))
			continue;
		*ret_block = block_nr(nr, MIB, 9);
		return true;
	}
	return false;
}

static int count_9(void *arg, const struct block *block)
{
	size_t *count = arg;

	*count += block->frame.blob.bytes[0] == 9 ? 1 : 100;
	return 0;
}

static void test_partial(void)
{
	struct fixture f;
	size_t count = 0;

	fixture_init(&f);
	(void)add(&f, 20ull * MIB, 90); /* 100 - 109 of it are found */
	(void)add(&f, 2 * MIB, 300); /* not large */
	offer(&f, 91, MIB, 7); /* from the tree */
	ok(!plan_cut(&f.plan), "cut before");
	is_int(plan_offer_all(&f.plan, find_10x, NULL), 10, "found some");
	(void)plan_each_partial(&f.plan, count_9, &count);
	is_int(count, 10, "what was found for a part of a large file");
	for (unsigned int nr = 90; nr < 100; nr++)
		offer(&f, nr, MIB, 7);
	count = 0;
	(void)plan_each_partial(&f.plan, count_9, &count);
	is_int(count, 0, "nothing when all of it has places");
	fixture_done(&f);
}

static void test_huge(void)
{
	const uint64_t blocks = 2 * PLAN_BLOB_BLOCKS + 7;
	struct fixture f;
	uint64_t count = 0;

	fixture_init(&f);
	(void)add(&f, blocks * MIB, 1);
	ok(!plan_cut(&f.plan), "cut");
	is_int(f.plan.blob_count, 3, "blobs of a huge file");
	for (size_t i = 0; i < f.plan.blob_count; i++)
		count += f.plan.blobs[i].count;
	is_int(count, blocks, "have all blocks");
	ok(!f.plan.blobs[1].ends && f.plan.blobs[2].ends &&
		   f.plan.blobs[2].blocks[0] == 2 * PLAN_BLOB_BLOCKS,
	   "one behind the other");
	is_int(f.plan.upload_files, 1, "one file");
	fixture_done(&f);
}

/* Sizes of files, and how many packs they make. */
static void test_cut(void)
{
	static const struct {
		const char *name;
		size_t files;
		uint64_t size;
		size_t packs;
	} cases[] = {
		{ "one byte", 1, 1, 1 },
		{ "K", 242, 50 * KIB, 6 },
		{ "4 MB", 40, 100 * KIB, 2 },
		{ "60 MB", 60, MIB, 8 },
		{ "400 MB", 400, MIB, 17 },
		{ "two of 16 MiB", 2, 16 * MIB, 2 },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct fixture f;
		size_t files = 0;
		uint64_t most = 0;

		fixture_init(&f);
		for (size_t k = 0; k < cases[i].files; k++)
			(void)add(&f, cases[i].size, (unsigned int)k * 16 + 1);
		ok(!plan_cut(&f.plan), "%s: cut", cases[i].name);
		is_int(f.plan.pack_count, cases[i].packs, "%s: packs",
		       cases[i].name);
		for (size_t k = 0; k < f.plan.pack_count; k++) {
			files += f.plan.packs[k].count;
			if (f.plan.packs[k].raw > most)
				most = f.plan.packs[k].raw;
		}
		is_int(files, cases[i].files, "%s: each file once",
		       cases[i].name);
		ok(most <= 40ull * MIB, "%s: none too large", cases[i].name);
		fixture_done(&f);
	}
}

static void test_equal(void)
{
	struct fixture f;
	struct plan other;

	fixture_init(&f);
	for (unsigned int i = 0; i < 100; i++)
		(void)add(&f, MIB, i + 1);
	plan_init(&other);
	for (unsigned int i = 0; i < 100; i++)
		(void)plan_file(&other, &f.files[i]);
	ok(!plan_cut(&f.plan) && !plan_cut(&other) &&
		   plan_equal(&f.plan, &other),
	   "the same files make the same packs");
	offer(&f, 50, MIB, 7);
	ok(!plan_cut(&f.plan) && !plan_equal(&f.plan, &other),
	   "one that is known makes other packs");
	plan_done(&other);
	fixture_done(&f);
}

static void test_changed(void)
{
	struct scan_entry *file;
	struct fixture f;
	struct block b;

	fixture_init(&f);
	file = add(&f, 100, 1);
	(void)add(&f, 100, 1);
	ok(!plan_cut(&f.plan) && f.plan.packs[0].count == 1, "one of the two");
	/* It was another one when it was packed. */
	file->hashes[0] = hash_nr(2);
	b = block_nr(2, 100, 8);
	ok(!plan_place(&f.plan, &b) && plan_blocks(&f.plan, file, &b),
	   "the new content has its place");
	ok(!plan_cut(&f.plan) && f.plan.pack_count == 1 &&
		   f.plan.packs[0].files[0] == &f.files[1],
	   "the file that counted on the old one goes up by itself");
	fixture_done(&f);
}

int main(void)
{
	test_new();
	test_reuse();
	test_length();
	test_withdraw();
	test_large();
	test_partial();
	test_huge();
	test_cut();
	test_equal();
	test_changed();
	return tap_done();
}
