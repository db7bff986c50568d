/*
 * A table of all wanted blocks; each is missing, has a place, or is pending: it
 * will be in a pack or blob of this plan.
 *
 * Packs are cut by what their members take in a tar archive, before anything
 * is compressed, so that they can be made in parallel and come out the same
 * each time: pack i holds the files whose middle falls into the i-th of n equal
 * parts.
 */
#include "tools/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/list.h"

/*
 * A long link is filled by several connections at once: up to PACKS_AT_ONCE
 * packs, as far as each is worth its request.
 */
#define PACKS_AT_ONCE 8
#define PACK_RAW_MAX (24u << 20)
#define TAR_RECORD 512u

enum want_state {
	WANT_MISSING,
	WANT_PENDING,
	WANT_PLACED,
};

struct want {
	struct table_item item; /* key: block.hash */
	enum want_state state;
	bool found; /* its place is one that plan_offer_all found */
	struct block block; /* the place counts when it is placed */
};

static struct want *want_of(const struct plan *p, const struct hash *hash)
{
	struct table_item *item = table_find(&p->wanted, hash->bytes, HASH_LEN);

	return item ? container_of(item, struct want, item) : NULL;
}

static struct want *want_add(struct plan *p, const struct hash *hash,
			     uint32_t len)
{
	struct want *w = want_of(p, hash);

	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->block.hash = *hash;
	w->block.len = len;
	w->item.key = w->block.hash.bytes;
	w->item.key_len = HASH_LEN;
	table_add(&p->wanted, &w->item);
	return w;
}

void plan_init(struct plan *p)
{
	*p = (struct plan){ 0 };
	table_init(&p->wanted);
}

static void drop_results(struct plan *p)
{
	for (size_t i = 0; i < p->pack_count; i++)
		free(p->packs[i].files);
	for (size_t i = 0; i < p->blob_count; i++)
		free(p->blobs[i].blocks);
	free(TAKE_PTR(p->packs));
	free(TAKE_PTR(p->blobs));
	p->pack_count = 0;
	p->blob_count = p->blob_room = 0;
	p->upload_files = 0;
	p->upload_bytes = p->reuse_bytes = 0;
}

void plan_done(struct plan *p)
{
	struct table_item *item = table_next(&p->wanted, NULL);

	while (item) {
		struct table_item *next = table_next(&p->wanted, item);

		table_remove(&p->wanted, item);
		free(container_of(item, struct want, item));
		item = next;
	}
	table_done(&p->wanted);
	drop_results(p);
	free(p->files);
	*p = (struct plan){ 0 };
}

void plan_forget(struct plan *p)
{
	const struct plan sums = {
		.upload_files = p->upload_files,
		.upload_bytes = p->upload_bytes,
		.reuse_bytes = p->reuse_bytes,
	};

	plan_done(p);
	*p = sums;
	table_init(&p->wanted);
}

static uint64_t size_of(const struct scan_entry *file)
{
	return (uint64_t)file->st.st_size;
}

static int want_file(struct plan *p, const struct scan_entry *file)
{
	uint64_t size = size_of(file);

	for (uint64_t i = 0; i < block_count(size); i++) {
		if (!want_add(p, &file->hashes[i], block_len(size, i)))
			return -ENOMEM;
	}
	return 0;
}

int plan_file(struct plan *p, struct scan_entry *file)
{
	int r;

	if (p->file_count == p->file_room) {
		size_t room = p->file_room ? 2 * p->file_room : 64;
		struct scan_entry **more =
			reallocarray(p->files, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->files = more;
		p->file_room = room;
	}
	r = want_file(p, file);
	if (!r)
		p->files[p->file_count++] = file;
	return r;
}

/* A length that differs would be a second content of one hash: no place. */
static void place(struct want *w, const struct block *block)
{
	if (w->block.len != block->len)
		return;
	w->block = *block;
	w->state = WANT_PLACED;
	w->found = false;
}

void plan_offer(struct plan *p, const struct block *block)
{
	struct want *w = want_of(p, &block->hash);

	if (w && w->state != WANT_PLACED)
		place(w, block);
}

size_t plan_offer_all(struct plan *p,
		      bool (*find)(void *arg, const struct hash *hash,
				   struct block *ret_block),
		      void *arg)
{
	size_t count = 0;

	for (struct table_item *i = table_next(&p->wanted, NULL); i;
	     i = table_next(&p->wanted, i)) {
		struct want *w = container_of(i, struct want, item);
		struct block block;

		if (w->state == WANT_PLACED ||
		    !find(arg, &w->block.hash, &block))
			continue;
		place(w, &block);
		w->found = true;
		count++;
	}
	return count;
}

size_t plan_withdraw(struct plan *p,
		     bool (*gone)(void *arg, const struct object_id *blob),
		     void *arg)
{
	size_t count = 0;

	for (struct table_item *i = table_next(&p->wanted, NULL); i;
	     i = table_next(&p->wanted, i)) {
		struct want *w = container_of(i, struct want, item);

		if (w->state != WANT_PLACED || !gone(arg, &w->block.frame.blob))
			continue;
		w->state = WANT_MISSING;
		count++;
	}
	return count;
}

int plan_place(struct plan *p, const struct block *block)
{
	struct want *w = want_add(p, &block->hash, block->len);

	if (!w)
		return -ENOMEM;
	place(w, block);
	return 0;
}

/* Whether all of the file is in the pool, or will be. */
static bool settled(const struct plan *p, const struct scan_entry *file)
{
	for (uint64_t i = 0; i < block_count(size_of(file)); i++) {
		if (want_of(p, &file->hashes[i])->state == WANT_MISSING)
			return false;
	}
	return true;
}

static bool placed(const struct plan *p, const struct scan_entry *file)
{
	for (uint64_t i = 0; i < block_count(size_of(file)); i++) {
		if (want_of(p, &file->hashes[i])->state != WANT_PLACED)
			return false;
	}
	return true;
}

int plan_each_partial(const struct plan *p,
		      int (*fn)(void *arg, const struct block *block),
		      void *arg)
{
	int r = 0;

	for (size_t i = 0; i < p->file_count && !r; i++) {
		const struct scan_entry *file = p->files[i];

		if (size_of(file) <= PACKED_FILE_MAX || placed(p, file))
			continue;
		for (uint64_t k = 0; k < block_count(size_of(file)) && !r;
		     k++) {
			const struct want *w = want_of(p, &file->hashes[k]);

			if (w->state == WANT_PLACED && w->found)
				r = fn(arg, &w->block);
		}
	}
	return r;
}

static void mark_pending(struct plan *p, const struct scan_entry *file)
{
	for (uint64_t i = 0; i < block_count(size_of(file)); i++)
		want_of(p, &file->hashes[i])->state = WANT_PENDING;
}

static struct plan_blob *new_blob(struct plan *p, struct scan_entry *file)
{
	struct plan_blob *b;

	if (p->blob_count == p->blob_room) {
		size_t room = p->blob_room ? 2 * p->blob_room : 16;
		struct plan_blob *more =
			reallocarray(p->blobs, room, sizeof(*more));

		if (!more)
			return NULL;
		p->blobs = more;
		p->blob_room = room;
	}
	b = &p->blobs[p->blob_count];
	*b = (struct plan_blob){ .file = file };
	b->blocks = calloc(PLAN_BLOB_BLOCKS, sizeof(*b->blocks));
	if (!b->blocks)
		return NULL;
	p->blob_count++;
	return b;
}

static int add_blobs(struct plan *p, struct scan_entry *file)
{
	uint64_t size = size_of(file);
	struct plan_blob *b = NULL;

	if (block_count(size) > UINT32_MAX)
		return -EFBIG;
	for (uint32_t i = 0; i < block_count(size); i++) {
		struct want *w = want_of(p, &file->hashes[i]);

		if (w->state != WANT_MISSING)
			continue;
		if (!b || b->count == PLAN_BLOB_BLOCKS)
			b = new_blob(p, file);
		if (!b)
			return -ENOMEM;
		w->state = WANT_PENDING;
		b->blocks[b->count++] = i;
		b->raw += block_len(size, i);
	}
	if (b)
		b->ends = true;
	return 0;
}

static uint64_t tar_bytes(const struct scan_entry *file)
{
	uint64_t size = size_of(file);

	return TAR_RECORD + (size + TAR_RECORD - 1) / TAR_RECORD * TAR_RECORD;
}

static int pack_add(struct plan_pack *pack, struct scan_entry *file)
{
	/* Doubles at each power of two. */
	if (!(pack->count & (pack->count - 1))) {
		size_t room = pack->count ? 2 * pack->count : 1;
		struct scan_entry **more =
			reallocarray(pack->files, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		pack->files = more;
	}
	pack->files[pack->count++] = file;
	pack->raw += size_of(file);
	return 0;
}

/* Cuts `count` files, which take `total` bytes of tar. */
static int cut_packs(struct plan *p, struct scan_entry **files, size_t count,
		     uint64_t total)
{
	uint64_t target = total / PACKS_AT_ONCE;
	uint64_t parts, at = 0, last = UINT64_MAX;
	int r = 0;

	if (target < PLAN_PACK_RAW_MIN)
		target = PLAN_PACK_RAW_MIN;
	if (target > PACK_RAW_MAX)
		target = PACK_RAW_MAX;
	parts = (total + target / 2) / target;
	if (!parts)
		parts = 1;
	p->packs = calloc(parts, sizeof(*p->packs));
	if (!p->packs)
		return -ENOMEM;
	for (size_t i = 0; i < count && !r; i++) {
		uint64_t len = tar_bytes(files[i]);
		uint64_t part = (at + len / 2) / ((total + parts - 1) / parts);

		if (part != last)
			p->pack_count++;
		last = part;
		r = pack_add(&p->packs[p->pack_count - 1], files[i]);
		at += len;
	}
	return r;
}

static void forget_pending(struct plan *p)
{
	for (struct table_item *i = table_next(&p->wanted, NULL); i;
	     i = table_next(&p->wanted, i)) {
		struct want *w = container_of(i, struct want, item);

		if (w->state == WANT_PENDING)
			w->state = WANT_MISSING;
	}
}

int plan_cut(struct plan *p)
{
	CLEANUP_FREE struct scan_entry **files = NULL;
	uint64_t total = 0, all = 0;
	size_t count = 0;
	int r = 0;

	drop_results(p);
	forget_pending(p);
	files = calloc(p->file_count ? p->file_count : 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	for (size_t i = 0; i < p->file_count && !r; i++) {
		struct scan_entry *file = p->files[i];

		/* Its content may be another one by now. */
		r = want_file(p, file);
		if (r)
			break;
		all += size_of(file);
		if (settled(p, file))
			continue;
		p->upload_files++;
		if (size_of(file) > PACKED_FILE_MAX) {
			r = add_blobs(p, file);
			continue;
		}
		mark_pending(p, file);
		files[count++] = file;
		total += tar_bytes(file);
		p->upload_bytes += size_of(file);
	}
	for (size_t i = 0; i < p->blob_count; i++)
		p->upload_bytes += p->blobs[i].raw;
	p->reuse_bytes = all - p->upload_bytes;
	if (!r && count)
		r = cut_packs(p, files, count, total);
	return r;
}

static bool packs_equal(const struct plan_pack *a, const struct plan_pack *b)
{
	return a->count == b->count &&
	       !memcmp(a->files, b->files,
		       a->count * sizeof(struct scan_entry *));
}

static bool blobs_equal(const struct plan_blob *a, const struct plan_blob *b)
{
	return a->file == b->file && a->count == b->count &&
	       !memcmp(a->blocks, b->blocks, a->count * sizeof(*a->blocks));
}

bool plan_equal(const struct plan *a, const struct plan *b)
{
	if (a->pack_count != b->pack_count || a->blob_count != b->blob_count)
		return false;
	for (size_t i = 0; i < a->pack_count; i++) {
		if (!packs_equal(&a->packs[i], &b->packs[i]))
			return false;
	}
	for (size_t i = 0; i < a->blob_count; i++) {
		if (!blobs_equal(&a->blobs[i], &b->blobs[i]))
			return false;
	}
	return true;
}

bool plan_blocks(const struct plan *p, const struct scan_entry *file,
		 struct block *ret_blocks)
{
	for (uint64_t i = 0; i < block_count(size_of(file)); i++) {
		const struct want *w = want_of(p, &file->hashes[i]);

		if (!w || w->state != WANT_PLACED)
			return false;
		ret_blocks[i] = w->block;
	}
	return true;
}
