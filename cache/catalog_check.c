/*
 * Everything is walked once, in the order of the bytes, so that what begins
 * where the one before ended needs no look-up. Paths of directories are checked
 * for themselves, since in a part of a tree the entry of a directory, or of one
 * above it, may stand elsewhere; where it has to stand in this catalog, it is
 * looked for, when the order that look-ups rely on has been checked.
 */
#include "cache/catalog_core.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/names.h"
#include "s3/base/span.h"

struct check {
	uint64_t strings; /* where the next string must begin */
	uint64_t blocks; /* the next file's first block */
	uint32_t owners; /* seen so far */
};

static int bad_entry(struct err *e, uint32_t i, const char *what)
{
	return err_set(e, -EBADMSG, "catalog entry %u: %s", i, what);
}

int catalog_take_header(struct span *s, const char magic[8],
			struct catalog_counts *ret_counts, struct err *e)
{
	const char *mark = span_take(s, 8);
	uint32_t version = span_u32(s);
	struct catalog_counts n;

	n.entries = span_u32(s);
	n.dirs = span_u32(s);
	n.places.block_count = span_u32(s);
	n.places.frame_count = span_u32(s);
	n.places.blob_count = span_u32(s);
	n.owners = span_u32(s);
	n.strings_len = span_u32(s);
	n.root = span_u32(s);
	if (s->bad || !mark || memcmp(mark, magic, 8))
		return err_set(e, -EBADMSG, "not a catalog");
	if (version != CATALOG_VERSION)
		return err_set(e, -EBADMSG,
			       "catalog of format %u, written by a later "
			       "version of assetfs",
			       version);
	if (!n.entries || !n.owners || n.owners > CATALOG_OWNERS_MAX ||
	    n.root > 1 || catalog_size(&n) > CATALOG_MAX)
		return err_set(e, -EBADMSG, "catalog of impossible counts");
	*ret_counts = n;
	return 0;
}

static int check_header(struct catalog *cat, struct err *e)
{
	struct span s = span_of(cat->data, cat->len);
	struct catalog_counts *n = &cat->n;
	int r = catalog_take_header(&s, CATALOG_MAGIC, n, e);

	if (r)
		return r;
	if (catalog_size(n) != cat->len)
		return err_set(e, -EBADMSG,
			       "catalog of %zu bytes does not have the length "
			       "of its parts",
			       cat->len);
	/* The lengths add up: nothing below can fail. */
	cat->dirs = span_take(&s, (size_t)n->dirs * CATALOG_DIR_LEN);
	cat->entries = span_take(&s, (size_t)n->entries * CATALOG_ENTRY_LEN);
	cat->places = n->places;
	if (places_parse(&cat->places, &s, e))
		return err_wrap(e, -EBADMSG, "catalog");
	cat->owners = span_take(&s, (size_t)n->owners * CATALOG_OWNER_LEN);
	cat->strings = span_take(&s, n->strings_len);
	assert(!s.bad && !s.left);
	return 0;
}

static int check_dirs(const struct catalog *cat, struct check *c, struct err *e)
{
	struct catalog_run prev = { 0 }, run;
	uint64_t next = cat->n.root;

	for (uint32_t i = 0; i < cat->n.dirs; i++) {
		const unsigned char *rec = catalog_dir_rec(cat, i);
		uint16_t len = get_le16(rec + 4);

		if (get_le32(rec) != c->strings || len > PATH_MAX_LEN ||
		    len > cat->n.strings_len - c->strings)
			return err_set(e, -EBADMSG,
				       "catalog directory %u: path out of "
				       "place",
				       i);
		c->strings += len;
		catalog_dir_at(cat, i, &run);
		if (i && catalog_compare(prev.path, prev.path_len, run.path,
					 len) >= 0)
			return err_set(e, -EBADMSG,
				       "catalog directory %u: out of order", i);
		if (len && !path_is_safe(run.path, len))
			return err_set(e, -EBADMSG,
				       "catalog directory %u: unsafe path", i);
		if (run.first != next || !run.count)
			return err_set(e, -EBADMSG,
				       "catalog directory %u: its run does not "
				       "follow the one before",
				       i);
		next += run.count;
		prev = run;
	}
	if (next != cat->n.entries)
		return err_set(e, -EBADMSG,
			       "catalog of %u entries has runs for %llu",
			       cat->n.entries, (unsigned long long)next);
	return 0;
}

static int check_file(const struct catalog *cat, struct check *c,
		      const struct catalog_entry *en, uint8_t cut,
		      struct err *e)
{
	uint64_t count = block_count(en->size);

	if (cut != (en->size ? CUT_FIXED_1M : 0))
		return bad_entry(e, en->index,
				 "cut by a rule that this version of assetfs "
				 "does not know");
	if (en->first_block != c->blocks ||
	    count > cat->places.block_count - c->blocks)
		return bad_entry(e, en->index, "blocks out of place");
	for (uint32_t i = 0; i < count; i++)
		if (places_len(&cat->places, en->first_block + i) !=
		    block_len(en->size, i))
			return bad_entry(e, en->index,
					 "blocks do not match its size");
	c->blocks += count;
	return 0;
}

static int check_symlink(const struct catalog *cat, struct check *c,
			 const struct catalog_entry *en, struct err *e)
{
	if (!en->size || en->size > CATALOG_TARGET_MAX ||
	    en->size > cat->n.strings_len - c->strings ||
	    memchr(en->target, '\0', en->size))
		return bad_entry(e, en->index, "impossible symlink");
	c->strings += en->size;
	return 0;
}

/* parent: the run it stands in, NULL for the root. */
static int check_entry(const struct catalog *cat, struct check *c,
		       const struct catalog_run *parent, uint32_t i,
		       struct err *e)
{
	const unsigned char *rec = catalog_entry_rec(cat, i);
	uint16_t owner = get_le16(rec + 12);
	uint32_t first = get_le32(rec + 4);
	struct catalog_entry en;

	if (get_le32(rec) != c->strings ||
	    rec[22] > cat->n.strings_len - c->strings)
		return bad_entry(e, i, "name out of place");
	if (owner > c->owners || owner >= cat->n.owners)
		return bad_entry(e, i, "owner out of turn");
	c->owners += owner == c->owners;
	catalog_entry_at(cat, i, &en);
	c->strings += en.name_len;
	if (parent ? !name_is_safe(en.name, en.name_len) : en.name_len)
		return bad_entry(e, i, "unsafe name");
	if (parent && parent->path_len + 1 + en.name_len > PATH_MAX_LEN)
		return bad_entry(e, i, "path too long");
	if (!parent && !S_ISDIR(en.mode))
		return bad_entry(e, i, "the root is not a directory");
	if (S_ISREG(en.mode))
		return check_file(cat, c, &en, rec[23], e);
	if (rec[23])
		return bad_entry(e, i, "cut, but not a regular file");
	if (S_ISLNK(en.mode))
		return first ? bad_entry(e, i, "symlink with blocks")
			     : check_symlink(cat, c, &en, e);
	if (!S_ISDIR(en.mode))
		return bad_entry(e, i, "of no type that is kept here");
	return en.size || first ? bad_entry(e, i, "a directory with content")
				: 0;
}

static int check_run(const struct catalog *cat, struct check *c, uint32_t dir,
		     struct err *e)
{
	struct catalog_run run;
	uint32_t end;

	catalog_dir_at(cat, dir, &run);
	end = run.first + run.count;
	for (uint32_t i = run.first; i < end; i++) {
		const unsigned char *rec = catalog_entry_rec(cat, i);
		const unsigned char *prev = rec - CATALOG_ENTRY_LEN;
		int r = check_entry(cat, c, &run, i, e);

		if (r)
			return r;
		if (i > run.first &&
		    catalog_compare(cat->strings + get_le32(prev), prev[22],
				    cat->strings + get_le32(rec), rec[22]) >= 0)
			return bad_entry(e, i, "out of order");
	}
	return 0;
}

static bool in_range(const struct catalog_range *range,
		     const struct catalog_key *key)
{
	return catalog_key_compare(key, range->first) >= 0 &&
	       (!range->end || catalog_key_compare(key, range->end) < 0);
}

/* Does it begin and end where it shall? What is between is sorted. */
static int check_range(const struct catalog *cat,
		       const struct catalog_range *range, struct err *e)
{
	struct catalog_key first = catalog_key_at(cat, 0);
	struct catalog_key last = catalog_key_at(cat, cat->n.entries - 1);

	if (!range)
		return cat->n.root
			       ? 0
			       : err_set(e, -EBADMSG, "catalog without a root");
	if (catalog_key_compare(&first, range->first) ||
	    !in_range(range, &last))
		return err_set(e, -EBADMSG,
			       "catalog has entries outside its range");
	return 0;
}

/* Every directory has an entry, where that has to be here. */
static int check_parents(const struct catalog *cat,
			 const struct catalog_range *range, struct err *e)
{
	for (uint32_t i = 0; i < cat->n.dirs; i++) {
		struct catalog_entry en;
		struct catalog_key key;
		struct catalog_run run;

		catalog_dir_at(cat, i, &run);
		key = catalog_key_of(run.path, run.path_len);
		if (range && !in_range(range, &key))
			continue;
		if (catalog_find(cat, run.path, run.path_len, &en) ||
		    !S_ISDIR(en.mode))
			return err_set(e, -EBADMSG,
				       "catalog directory %u: has no entry", i);
	}
	return 0;
}

int catalog_check_bytes(struct catalog *cat, const struct catalog_range *range,
			struct err *e)
{
	struct check c = { 0 };
	int r;

	r = check_header(cat, e);
	if (!r)
		r = check_dirs(cat, &c, e);
	if (!r && cat->n.root)
		r = check_entry(cat, &c, NULL, 0, e);
	for (uint32_t i = 0; !r && i < cat->n.dirs; i++)
		r = check_run(cat, &c, i, e);
	if (!r)
		r = check_range(cat, range, e);
	if (!r)
		r = check_parents(cat, range, e);
	if (r)
		return r;
	if (c.owners != cat->n.owners || c.blocks != cat->places.block_count ||
	    c.strings != cat->n.strings_len)
		return err_set(e, -EBADMSG,
			       "catalog has parts that no entry uses");
	return 0;
}
