/*
 * Writing: entries in the order of their keys, appended to the sections side by
 * side. Frames, blobs and owners are numbered as they are first used, so the
 * bytes depend on the entries alone. Where names begin in the strings is known
 * only when all paths of directories are: until then they are counted from the
 * first name.
 */
#include "cache/catalog.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/catalog_format.h"
#include "cache/names.h"
#include "s3/base/buf.h"

struct catalog_writer {
	struct buf dirs, entries, hashes, blocks, paths, names;
	struct place_set places;
	struct intern owners;
	uint32_t root;
	uint32_t count; /* entries */
	uint32_t dir_count;
	uint32_t block_count;
};

int catalog_check(const char *path, size_t len, const struct catalog_attr *a,
		  const char *target, const struct block *blocks, size_t count,
		  struct err *e)
{
	const int shown = len > 200 ? 200 : (int)len;
	uint64_t expected = S_ISREG(a->mode) ? block_count(a->size) : 0;

	if (len ? !path_is_safe(path, len) : !S_ISDIR(a->mode))
		return err_set(e, -EINVAL, "'%.*s' is not a safe path", shown,
			       path);
	if (!S_ISREG(a->mode) && !S_ISDIR(a->mode) && !S_ISLNK(a->mode))
		return err_set(e, -EINVAL,
			       "'%.*s': neither a regular file, a "
			       "directory nor a symlink",
			       shown, path);
	if (a->mode & ~(mode_t)(S_IFMT | 07777) || a->size > CATALOG_SIZE_MAX ||
	    a->commit_s < 0 || a->commit_s > UINT32_MAX)
		return err_set(e, -EINVAL,
			       "'%.*s': attributes cannot be stored", shown,
			       path);
	if (S_ISLNK(a->mode) &&
	    (!target || !a->size || a->size > CATALOG_TARGET_MAX ||
	     memchr(target, '\0', a->size)))
		return err_set(e, -EINVAL, "'%.*s': target cannot be stored",
			       shown, path);
	if (count != expected)
		return err_set(e, -EINVAL, "'%.*s': %zu blocks instead of %llu",
			       shown, path, count,
			       (unsigned long long)expected);
	for (size_t i = 0; i < count; i++)
		if (blocks[i].len != block_len(a->size, i) ||
		    !block_is_valid(&blocks[i]))
			return err_set(e, -EINVAL,
				       "'%.*s': block %zu cannot be stored",
				       shown, path, i);
	return 0;
}

/* ---- life ---------------------------------------------------------------- */

static void begin(struct catalog_writer *w)
{
	*w = (struct catalog_writer){
		.dirs = BUF_INIT(CATALOG_MAX),
		.entries = BUF_INIT(CATALOG_MAX),
		.hashes = BUF_INIT(CATALOG_MAX),
		.blocks = BUF_INIT(CATALOG_MAX),
		.paths = BUF_INIT(CATALOG_MAX),
		.names = BUF_INIT(CATALOG_MAX),
	};
	place_set_init(&w->places);
	intern_init(&w->owners, CATALOG_OWNER_LEN);
}

static void end(struct catalog_writer *w)
{
	buf_done(&w->dirs);
	buf_done(&w->entries);
	buf_done(&w->hashes);
	buf_done(&w->blocks);
	buf_done(&w->paths);
	buf_done(&w->names);
	place_set_done(&w->places);
	intern_done(&w->owners);
}

int catalog_writer_open(struct catalog_writer **ret_writer)
{
	struct catalog_writer *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	begin(w);
	*ret_writer = w;
	return 0;
}

void catalog_writer_free(struct catalog_writer *w)
{
	if (!w)
		return;
	end(w);
	free(w);
}

/* ---- adding -------------------------------------------------------------- */

static unsigned char *last_dir(struct catalog_writer *w)
{
	return (unsigned char *)w->dirs.data + w->dirs.len - CATALOG_DIR_LEN;
}

/* Whether `dir` is the directory of the entry before. */
static bool same_dir(struct catalog_writer *w, const struct catalog_key *key)
{
	const unsigned char *rec;

	if (!w->dir_count)
		return false;
	rec = last_dir(w);
	return get_le16(rec + 4) == key->dir_len &&
	       (!key->dir_len ||
		!memcmp(w->paths.data + get_le32(rec), key->dir, key->dir_len));
}

static void add_dir(struct catalog_writer *w, const struct catalog_key *key)
{
	unsigned char rec[CATALOG_DIR_LEN];

	put_le32(rec, (uint32_t)w->paths.len);
	put_le16(rec + 4, (uint16_t)key->dir_len);
	put_le32(rec + 6, w->count);
	put_le32(rec + 10, 0);
	(void)buf_add(&w->dirs, rec, sizeof(rec)); /* sticky, as all here */
	(void)buf_add(&w->paths, key->dir, key->dir_len);
	w->dir_count++;
}

static int add_blocks(struct catalog_writer *w, const struct block *blocks,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned char rec[PLACES_BLOCK_LEN];
		uint32_t frame;
		int r = place_set_add(&w->places, &blocks[i].frame, &frame);

		if (r)
			return r;
		places_put(rec, frame, blocks[i].off, blocks[i].len);
		(void)buf_add(&w->hashes, blocks[i].hash.bytes, HASH_LEN);
		(void)buf_add(&w->blocks, rec, sizeof(rec));
	}
	w->block_count += (uint32_t)count;
	return 0;
}

static int add_entry(struct catalog_writer *w, const struct catalog_key *key,
		     const struct catalog_attr *attr, const char *target)
{
	unsigned char rec[CATALOG_ENTRY_LEN] = { 0 };
	unsigned char owner[CATALOG_OWNER_LEN];
	bool file = S_ISREG(attr->mode);
	uint32_t number;
	int r;

	put_le32(owner, attr->uid);
	put_le32(owner + 4, attr->gid);
	r = intern_add(&w->owners, owner, CATALOG_OWNERS_MAX, &number);
	if (r)
		return r;
	put_le32(rec, (uint32_t)w->names.len);
	put_le32(rec + 4, file ? w->block_count : 0);
	put_le32(rec + 8, (uint32_t)attr->commit_s);
	put_le16(rec + 12, (uint16_t)number);
	put_le16(rec + 14, (uint16_t)attr->mode);
	put_le48(rec + 16, S_ISDIR(attr->mode) ? 0 : attr->size);
	rec[22] = (unsigned char)key->name_len;
	rec[23] = file && attr->size ? CUT_FIXED_1M : 0;
	put_le64(rec + 24, (uint64_t)attr->mtime_ns);
	(void)buf_add(&w->entries, rec, sizeof(rec));
	(void)buf_add(&w->names, key->name, key->name_len);
	if (S_ISLNK(attr->mode))
		(void)buf_add(&w->names, target, attr->size);
	return 0;
}

static int check_room(const struct catalog_writer *w)
{
	const struct buf *all[] = { &w->dirs,	&w->entries, &w->hashes,
				    &w->blocks, &w->paths,   &w->names };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (buf_error(all[i]))
			return buf_error(all[i]);
	return 0;
}

int catalog_writer_add(struct catalog_writer *w, const struct catalog_key *key,
		       const struct catalog_attr *attr, const char *target,
		       const struct block *blocks, size_t count, struct err *e)
{
	bool root = !key->name_len;
	unsigned char *dir;
	int r;

	assert(!root || !w->count);
	if (!root && !same_dir(w, key))
		add_dir(w, key);
	r = add_entry(w, key, attr, target);
	if (!r)
		r = add_blocks(w, blocks, count);
	if (!r)
		r = check_room(w);
	if (r)
		return err_set(e, r, "no room for a catalog's entry");
	if (!root) {
		dir = last_dir(w);
		put_le32(dir + 10, get_le32(dir + 10) + 1);
	}
	w->root |= root;
	w->count++;
	return 0;
}

int catalog_writer_copy(struct catalog_writer *w, const struct catalog *cat,
			uint32_t index, struct err *e)
{
	struct catalog_key key = catalog_key_at(cat, index);
	CLEANUP_FREE struct block *many = NULL;
	struct block few[4], *blocks = few;
	struct catalog_entry en;
	struct catalog_attr attr;

	catalog_entry_at(cat, index, &en);
	attr = (struct catalog_attr){
		.mode = en.mode,
		.uid = en.uid,
		.gid = en.gid,
		.size = en.size,
		.mtime_ns = en.mtime_ns,
		.commit_s = en.commit_s,
	};
	if (en.block_count > sizeof(few) / sizeof(few[0])) {
		many = calloc(en.block_count, sizeof(*many));
		if (!many)
			return err_set(e, -ENOMEM, "no memory for a catalog");
		blocks = many;
	}
	for (uint32_t i = 0; i < en.block_count; i++)
		catalog_block_at(cat, en.first_block + i, &blocks[i]);
	return catalog_writer_add(w, &key, &attr, en.target, blocks,
				  en.block_count, e);
}

/* ---- the whole ----------------------------------------------------------- */

static void add_header(struct buf *out, const struct catalog_counts *n)
{
	unsigned char to[CATALOG_HEADER_LEN];

	catalog_put_header(to, CATALOG_MAGIC, n);
	(void)buf_add(out, to, sizeof(to));
}

static void add_section(struct buf *out, const void *data, size_t len)
{
	(void)buf_add(out, len ? data : "", len); /* sticky */
}

/* Names stand behind the paths of the directories. */
static void move_names(struct catalog_writer *w)
{
	for (uint32_t i = 0; i < w->count; i++) {
		char *rec = w->entries.data + (size_t)i * CATALOG_ENTRY_LEN;

		put_le32(rec, get_le32(rec) + (uint32_t)w->paths.len);
	}
}

int catalog_writer_finish(struct catalog_writer *w, struct buf *out,
			  struct err *e)
{
	struct catalog_counts n = {
		.root = w->root,
		.entries = w->count,
		.dirs = w->dir_count,
		.owners = w->owners.count,
		.strings_len = (uint32_t)(w->paths.len + w->names.len),
		.places.block_count = w->block_count,
		.places.frame_count = w->places.frames.count,
		.places.blob_count = w->places.blobs.count,
	};

	if (catalog_size(&n) > CATALOG_MAX)
		return err_set(e, -EFBIG,
			       "catalog of %u entries is larger than the "
			       "format allows",
			       w->count);
	move_names(w);
	add_header(out, &n);
	add_section(out, w->dirs.data, w->dirs.len);
	add_section(out, w->entries.data, w->entries.len);
	add_section(out, w->hashes.data, w->hashes.len);
	add_section(out, w->blocks.data, w->blocks.len);
	add_section(out, w->places.frames.records,
		    (size_t)n.places.frame_count * PLACES_FRAME_LEN);
	add_section(out, w->places.blobs.records,
		    (size_t)n.places.blob_count * OBJECT_ID_LEN);
	add_section(out, w->owners.records,
		    (size_t)n.owners * CATALOG_OWNER_LEN);
	add_section(out, w->paths.data, w->paths.len);
	add_section(out, w->names.data, w->names.len);
	end(w);
	begin(w);
	return buf_error(out)
		       ? err_set(e, buf_error(out), "no memory for a catalog")
		       : 0;
}
