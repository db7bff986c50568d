/*
 * Writing a builder's nodes as a catalog.
 *
 * The bytes do not depend on the order in which entries were put: directories
 * are sorted by path and names within them, and frames, blobs and owners are
 * numbered anew in the order of their first use. Everything is counted first,
 * so that the sections can be filled side by side in one walk.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/catalog.h"
#include "cache/catalog_format.h"
#include "cache/catalog_node.h"
#include "cache/names.h"
#include "s3/base/buf.h"

struct dir {
	struct node *node;
	char *path; /* in the builder's arena */
	size_t len;
	size_t first; /* its run in writer.nodes */
	size_t count;
};

struct writer {
	struct catalog_builder *b;
	struct catalog_counts n;
	struct node **nodes; /* in the order of entries */
	struct dir *dirs;
	uint32_t *frames; /* the builder's number -> the catalog's, or NONE */
	struct place_set places;
	struct intern owners;

	/* where the next record goes: */
	unsigned char *dir_at;
	unsigned char *entry_at;
	unsigned char *hash_at;
	unsigned char *block_at;
	char *strings;
	uint32_t string_pos;
	uint32_t block_pos;
};

static void writer_done(struct writer *w)
{
	free(w->nodes);
	free(w->dirs);
	free(w->frames);
	place_set_done(&w->places);
	intern_done(&w->owners);
}

static int compare_dirs(const void *a, const void *b)
{
	const struct dir *x = a, *y = b;

	return catalog_compare(x->path, x->len, y->path, y->len);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a;
	const struct node *y = *(struct node *const *)b;

	return catalog_compare(x->key.name, x->name_len, y->key.name,
			       y->name_len);
}

/* Lists all directories with their paths, and sorts them. */
static int collect_dirs(struct writer *w)
{
	struct catalog_builder *b = w->b;
	uint32_t count = 1;

	w->dirs = calloc(b->dirs, sizeof(*w->dirs));
	if (!w->dirs)
		return -ENOMEM;
	w->dirs[0] = (struct dir){ .node = b->root };
	for (uint32_t i = 0; i < count; i++) {
		const struct dir *d = &w->dirs[i];

		for (struct node *n = d->node->children; n; n = n->next) {
			size_t at = d->len + !!d->len;
			struct dir *to;

			if (!S_ISDIR(n->mode))
				continue;
			assert(count < b->dirs);
			to = &w->dirs[count++];
			to->node = n;
			to->len = at + n->name_len;
			to->path = builder_alloc(b, to->len);
			if (!to->path)
				return -ENOMEM;
			if (at) {
				memcpy(to->path, d->path, d->len);
				to->path[d->len] = '/';
			}
			memcpy(to->path + at, n->key.name, n->name_len);
		}
	}
	assert(count == b->dirs);
	qsort(w->dirs, count, sizeof(*w->dirs), compare_dirs);
	return 0;
}

static int collect_nodes(struct writer *w)
{
	size_t count = 1;

	w->nodes = calloc(w->b->count, sizeof(struct node *));
	if (!w->nodes)
		return -ENOMEM;
	w->nodes[0] = w->b->root;
	for (uint32_t i = 0; i < w->b->dirs; i++) {
		struct dir *d = &w->dirs[i];

		d->first = count;
		for (struct node *n = d->node->children; n; n = n->next)
			w->nodes[count++] = n;
		d->count = count - d->first;
		qsort(w->nodes + d->first, d->count, sizeof(struct node *),
		      compare_nodes);
	}
	assert(count == w->b->count);
	return 0;
}

/* Deepest first, as parents sort before what is in them. */
static void settle_implied(struct writer *w)
{
	for (uint32_t i = w->b->dirs; i-- > 0;) {
		const struct dir *d = &w->dirs[i];
		const struct node *from;

		if (!d->node->implied || !d->count)
			continue;
		from = w->nodes[d->first];
		d->node->commit_s = from->commit_s;
		d->node->mtime_ns = from->mtime_ns;
		d->node->uid = from->uid;
		d->node->gid = from->gid;
	}
}

static int number_blocks(struct writer *w, const struct node *n)
{
	for (uint32_t i = 0; i < n->block_count; i++) {
		uint32_t *number = &w->frames[n->blocks[i].frame];
		struct frame_place place;
		int r;

		if (*number != CATALOG_NONE)
			continue;
		place_set_at(&w->b->places, n->blocks[i].frame, &place);
		r = place_set_add(&w->places, &place, number);
		if (r)
			return r;
	}
	return 0;
}

static void put_owner(unsigned char *rec, const struct node *n)
{
	put_le32(rec, n->uid);
	put_le32(rec + 4, n->gid);
}

/* Numbers frames and owners in order of use, and counts everything. */
static int measure(struct writer *w)
{
	uint64_t strings = 0, blocks = 0;
	unsigned char owner[CATALOG_OWNER_LEN];
	uint32_t number, frames = w->b->places.frames.count;
	int r = 0;

	w->frames = malloc((frames + 1ul) * sizeof(*w->frames));
	if (!w->frames)
		return -ENOMEM;
	memset(w->frames, 0xff, frames * sizeof(*w->frames));
	for (uint32_t i = 0; i < w->b->dirs; i++)
		strings += w->dirs[i].len;
	for (uint32_t i = 0; !r && i < w->b->count; i++) {
		const struct node *n = w->nodes[i];

		strings += n->name_len + (n->target ? n->size : 0);
		blocks += n->block_count;
		put_owner(owner, n);
		r = intern_add(&w->owners, owner, CATALOG_OWNERS_MAX, &number);
		if (!r)
			r = number_blocks(w, n);
	}
	if (r)
		return r;
	if (strings > CATALOG_MAX || blocks > CATALOG_MAX)
		return -EFBIG;
	w->n = (struct catalog_counts){
		.entries = w->b->count,
		.dirs = w->b->dirs,
		.owners = w->owners.count,
		.strings_len = (uint32_t)strings,
		.places.block_count = (uint32_t)blocks,
		.places.frame_count = w->places.frames.count,
		.places.blob_count = w->places.blobs.count,
	};
	return catalog_size(&w->n) > CATALOG_MAX ? -EFBIG : 0;
}

static uint32_t add_string(struct writer *w, const char *s, size_t len)
{
	uint32_t at = w->string_pos;

	if (len)
		memcpy(w->strings + at, s, len);
	w->string_pos += (uint32_t)len;
	return at;
}

static void write_blocks(struct writer *w, const struct node *n)
{
	for (uint32_t i = 0; i < n->block_count; i++) {
		const struct block_rec *rec = &n->blocks[i];

		memcpy(w->hash_at, rec->hash.bytes, HASH_LEN);
		w->hash_at += HASH_LEN;
		places_put(w->block_at, w->frames[rec->frame], rec->off,
			   rec->len);
		w->block_at += PLACES_BLOCK_LEN;
	}
	w->block_pos += n->block_count;
}

/* The number of the directory at `path`, known to be there. */
static uint32_t dir_number(const struct writer *w, const char *path, size_t len)
{
	uint32_t lo = 0, hi = w->n.dirs;

	for (;;) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct dir *d = &w->dirs[mid];
		int c = catalog_compare(path, len, d->path, d->len);

		if (!c)
			return mid;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
}

/* in: the directory it stands in, NULL for the root. */
static int write_entry(struct writer *w, const struct dir *in,
		       const struct node *n)
{
	unsigned char *rec = w->entry_at, owner[CATALOG_OWNER_LEN];
	uint32_t first = 0, number = 0;
	char path[PATH_MAX_LEN];
	int r;

	if (S_ISREG(n->mode)) {
		first = w->block_pos;
		write_blocks(w, n);
	} else if (S_ISDIR(n->mode) && in) {
		size_t at = in->len + !!in->len;

		if (at) {
			memcpy(path, in->path, in->len);
			path[in->len] = '/';
		}
		memcpy(path + at, n->key.name, n->name_len);
		first = dir_number(w, path, at + n->name_len);
	}
	put_owner(owner, n);
	r = intern_add(&w->owners, owner, CATALOG_OWNERS_MAX, &number);
	if (r)
		return r;
	put_le32(rec, add_string(w, n->key.name, n->name_len));
	put_le32(rec + 4, first);
	put_le32(rec + 8, n->commit_s);
	put_le16(rec + 12, (uint16_t)number);
	put_le16(rec + 14, n->mode);
	put_le48(rec + 16, n->size);
	rec[22] = n->name_len;
	rec[23] = S_ISREG(n->mode) && n->size ? CUT_FIXED_1M : 0;
	put_le64(rec + 24, (uint64_t)n->mtime_ns);
	if (n->target)
		(void)add_string(w, n->target, n->size); /* behind the name */
	w->entry_at += CATALOG_ENTRY_LEN;
	return 0;
}

static void write_header(const struct writer *w, unsigned char *to)
{
	memcpy(to, CATALOG_MAGIC, strlen(CATALOG_MAGIC));
	put_le32(to + 8, CATALOG_VERSION);
	put_le32(to + 12, w->n.entries);
	put_le32(to + 16, w->n.dirs);
	put_le32(to + 20, w->n.places.block_count);
	put_le32(to + 24, w->n.places.frame_count);
	put_le32(to + 28, w->n.places.blob_count);
	put_le32(to + 32, w->n.owners);
	put_le32(to + 36, w->n.strings_len);
	put_le32(to + 40, 0);
}

static unsigned char *put_bytes(unsigned char *to, const void *from, size_t len)
{
	if (len)
		memcpy(to, from, len);
	return to + len;
}

/* Lays the sections out in `to`, of catalog_size(&w->n) bytes. */
static int write_all(struct writer *w, unsigned char *to)
{
	const struct catalog_counts *n = &w->n;
	int r;

	write_header(w, to);
	w->dir_at = to + CATALOG_HEADER_LEN;
	w->entry_at = w->dir_at + (size_t)n->dirs * CATALOG_DIR_LEN;
	w->hash_at = w->entry_at + (size_t)n->entries * CATALOG_ENTRY_LEN;
	w->block_at = w->hash_at + (size_t)n->places.block_count * HASH_LEN;
	to = w->block_at + (size_t)n->places.block_count * PLACES_BLOCK_LEN;
	to = put_bytes(to, w->places.frames.records,
		       (size_t)n->places.frame_count * PLACES_FRAME_LEN);
	to = put_bytes(to, w->places.blobs.records,
		       (size_t)n->places.blob_count * OBJECT_ID_LEN);
	to = put_bytes(to, w->owners.records,
		       (size_t)n->owners * CATALOG_OWNER_LEN);
	w->strings = (char *)to;
	for (uint32_t i = 0; i < n->dirs; i++) {
		const struct dir *d = &w->dirs[i];

		put_le32(w->dir_at, add_string(w, d->path, d->len));
		put_le16(w->dir_at + 4, (uint16_t)d->len);
		put_le32(w->dir_at + 6, (uint32_t)d->first);
		put_le32(w->dir_at + 10, (uint32_t)d->count);
		w->dir_at += CATALOG_DIR_LEN;
	}
	r = write_entry(w, NULL, w->nodes[0]);
	for (uint32_t i = 0; !r && i < n->dirs; i++) {
		const struct dir *d = &w->dirs[i];

		for (size_t k = 0; !r && k < d->count; k++)
			r = write_entry(w, d, w->nodes[d->first + k]);
	}
	assert(r || w->string_pos == n->strings_len);
	return r;
}

static int write_to(struct writer *w, struct buf *out)
{
	unsigned char *to;
	size_t len;
	int r;

	r = collect_dirs(w);
	if (!r)
		r = collect_nodes(w);
	if (r)
		return r;
	settle_implied(w);
	r = measure(w);
	if (r)
		return r;
	len = (size_t)catalog_size(&w->n);
	to = buf_reserve(out, len);
	if (!to)
		return buf_error(out);
	r = write_all(w, to);
	if (r)
		return r;
	out->len += len;
	out->data[out->len] = '\0';
	return 0;
}

int catalog_builder_finish(struct catalog_builder *b, struct buf *out,
			   struct err *e)
{
	CLEANUP(writer_done) struct writer w = { .b = b };
	int r;

	place_set_init(&w.places);
	intern_init(&w.owners, CATALOG_OWNER_LEN);
	r = write_to(&w, out);
	if (r == -EFBIG)
		return err_set(e, r,
			       "catalog of %u entries is larger than the "
			       "format allows",
			       b->count);
	return r ? err_set(e, r, "no memory for a catalog") : 0;
}
