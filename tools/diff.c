#include "tools/diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "tools/keylist.h"

int diff_key(struct buf *out, const char *dir, const struct scan_entry *entry)
{
	(void)buf_add_str(out, dir);
	(void)buf_add(out, entry->path, entry->path_len);
	if (S_ISDIR(entry->st.st_mode) && entry->path_len)
		(void)buf_add_char(out, '/');
	return buf_error(out);
}

/* Path of an entry in the tree, from its key. */
static size_t tree_path(const struct diff_input *in, const struct buf *key,
			const char **ret_path)
{
	size_t skip = strlen(in->base->dir);
	size_t len = key->len - skip;

	*ret_path = key->data ? key->data + skip : "";
	if (len && (*ret_path)[len - 1] == '/')
		len--;
	return len;
}

/* ---- what is refused ---------------------------------------------------- */

/* Whether the walk has something at or below the directory `dir`. */
static bool scan_reaches(const struct diff_input *in, const char *dir,
			 size_t len)
{
	size_t skip = strlen(in->dir);

	for (size_t i = 0; i < in->scan->count; i++) {
		const struct scan_entry *entry = &in->scan->entries[i];
		size_t want = len - skip - 1;

		if (entry->path_len >= want &&
		    !memcmp(entry->path, dir + skip, want) &&
		    (entry->path_len == want || entry->path[want] == '/'))
			return true;
	}
	return false;
}

void diff_other_trees(const struct diff_input *in, struct notes *refused)
{
	struct tree_listed t;
	size_t pos = 0;

	while (tree_next_below(in->listed, in->dir, &pos, &t)) {
		if (t.object->size && scan_reaches(in, t.dir, t.dir_len))
			notes_add(refused,
				  "'%.*s' is a tree of its own: push it by "
				  "itself",
				  (int)t.dir_len - 1, t.dir);
	}
}

/* Whether a key that is not reserved lies below the file name `key`. */
static bool objects_below(const struct diff_input *in, const struct buf *key)
{
	CLEANUP_FREE char *dir = NULL;
	const struct store_list *l = in->listed;
	size_t len = key->len + 1;

	if (asprintf(&dir, "%s/", key->data) < 0)
		return true; /* refused rather than hidden */
	for (size_t i = keylist_seek(l, dir, len); i < l->count; i++) {
		const struct store_list_entry *entry = &l->entries[i];
		const char *name;
		uint64_t seq;

		if (entry->key_len < len || memcmp(entry->key, dir, len))
			break;
		name = memrchr(entry->key, '/', entry->key_len);
		name++;
		if (!name_parse_tree(
			    name, entry->key_len - (size_t)(name - entry->key),
			    &seq))
			return true;
	}
	return false;
}

/*
 * The target, or a directory above it, that the tree knows as a file. Looked for
 * from below: what is in a directory proves that it is one, and all above it.
 */
static int refuse_file_above(const struct diff_input *in,
			     struct tree_cursor *cursor, struct notes *refused,
			     struct err *e)
{
	const char *path = in->dir + strlen(in->base->dir);
	size_t len = strlen(path);

	while (len && tree_part_count(in->base)) {
		struct catalog_entry entry;
		struct catalog_run run;
		struct catalog *cat;
		uint32_t first, end;
		int r;

		len--; /* its slash */
		tree_parts_in(in->base, path, len, &first, &end);
		r = tree_cursor_part(cursor, first, &cat, e);
		if (r || !catalog_find_dir(cat, path, len, &run))
			return r;
		r = tree_cursor_find(cursor, path, len, &cat, &entry, e);
		if (!r && !S_ISDIR(entry.mode))
			notes_add(refused, "'%.*s' is a file in the bucket",
				  (int)(path + len - in->dir), in->dir);
		if (r != -ENOENT)
			return r;
		len = catalog_key_of(path, len).dir_len;
		len += !!len;
	}
	return 0;
}

/* ---- comparing ---------------------------------------------------------- */

static bool same_blocks(const struct diff_input *in, const struct catalog *cat,
			const struct catalog_entry *have,
			const struct scan_entry *entry)
{
	if (have->block_count != block_count(have->size))
		return false;
	for (uint32_t i = 0; i < have->block_count; i++) {
		struct block b;

		catalog_block_at(cat, have->first_block + i, &b);
		if (!hash_equal(&b.hash, &entry->hashes[i]) ||
		    (in->inventory &&
		     inventory_gone(in->inventory, &b.frame.blob)))
			return false;
	}
	return true;
}

static bool same_content(const struct diff_input *in, const struct catalog *cat,
			 const struct catalog_entry *have,
			 const struct scan_entry *entry)
{
	if ((have->mode & S_IFMT) != (entry->st.st_mode & S_IFMT))
		return false;
	if (S_ISDIR(have->mode))
		return true;
	if (have->size != (uint64_t)entry->st.st_size)
		return false;
	if (S_ISLNK(have->mode))
		return !memcmp(have->target, entry->target, have->size);
	return same_blocks(in, cat, have, entry);
}

static bool same_attributes(const struct catalog_entry *have,
			    const struct scan_entry *entry)
{
	return have->mode == entry->st.st_mode &&
	       have->uid == entry->st.st_uid && have->gid == entry->st.st_gid &&
	       have->mtime_ns == clock_ns_of(&entry->st.st_mtim);
}

static void refuse_kind(const struct catalog_entry *have,
			const struct scan_entry *entry, struct notes *refused)
{
	if (!entry->path_len)
		return; /* refuse_file_above speaks of the target itself */
	if (S_ISDIR(have->mode) && !S_ISDIR(entry->st.st_mode))
		notes_add(refused, "'%s' is a directory in the bucket",
			  entry->path);
	else if (!S_ISDIR(have->mode) && S_ISDIR(entry->st.st_mode))
		notes_add(refused, "'%s' is a file in the bucket", entry->path);
}

static int compare(const struct diff_input *in, struct tree_cursor *cursor,
		   size_t at, const struct buf *key, struct diff_item *item,
		   struct notes *refused, struct err *e)
{
	const struct scan_entry *entry = &in->scan->entries[at];
	const struct store_list_entry *object;
	struct catalog_entry have;
	struct catalog *cat;
	const char *path;
	size_t len = tree_path(in, key, &path);
	int r;

	*item = (struct diff_item){ .kind = DIFF_CONTENT };
	if (!S_ISDIR(entry->st.st_mode) && objects_below(in, key))
		notes_add(refused, "'%s' is a directory in the bucket",
			  entry->path);
	item->part = tree_part_of(in->base, path, len);
	r = tree_cursor_find(cursor, path, len, &cat, &have, e);
	if (r)
		return r == -ENOENT ? 0 : r;
	refuse_kind(&have, entry, refused);
	item->seen = true;
	item->seen_commit_s = have.commit_s;
	item->entry = have.index;
	object = key->len ? keylist_find(in->listed, key->data, key->len)
			  : NULL;
	if (object && object->object.modified_s >= have.commit_s)
		return 0; /* a plain object is what is seen there now */
	if (!same_content(in, cat, &have, entry))
		return 0;
	item->kind = same_attributes(&have, entry) ? DIFF_SAME : DIFF_ATTR;
	return 0;
}

void diff_done(struct diff *d)
{
	free(d->items);
	free(d->order);
	free(d->parts);
	*d = (struct diff){ 0 };
}

/*
 * Sorts the walk by part of the tree, by counting: the walk goes down into each
 * directory as it meets it, the tree has one directory behind the other.
 */
static int sort_by_part(struct diff *d, const struct diff_input *in)
{
	CLEANUP_BUF struct buf key = BUF_INIT(2 * PATH_MAX_LEN + STORE_KEY_MAX);
	uint32_t parts = tree_part_count(in->base);
	CLEANUP_FREE uint32_t *starts = calloc(parts + 2ul, sizeof(*starts));
	CLEANUP_FREE uint32_t *part =
		calloc(in->scan->count + 1, sizeof(*part));

	if (!starts || !part)
		return -ENOMEM;
	for (size_t i = 0; i < in->scan->count; i++) {
		const char *path;
		size_t len;

		buf_reset(&key);
		if (diff_key(&key, in->dir, &in->scan->entries[i]))
			return -ENOMEM;
		len = tree_path(in, &key, &path);
		part[i] = tree_part_of(in->base, path, len);
		starts[part[i] + 1]++;
	}
	for (uint32_t i = 0; i < parts; i++)
		starts[i + 1] += starts[i];
	for (size_t i = 0; i < in->scan->count; i++)
		d->order[starts[part[i]]++] = (uint32_t)i;
	return 0;
}

static int compare_all(struct diff *d, const struct diff_input *in,
		       struct tree_cursor *cursor, struct notes *refused,
		       struct err *e)
{
	CLEANUP_BUF struct buf key = BUF_INIT(2 * PATH_MAX_LEN + STORE_KEY_MAX);

	for (size_t n = 0; n < in->scan->count; n++) {
		uint32_t i = d->order[n];
		const struct scan_entry *entry = &in->scan->entries[i];
		const struct diff_item *item = &d->items[i];
		int r;

		buf_reset(&key);
		if (diff_key(&key, in->dir, entry))
			return err_set(e, -ENOMEM, "comparing: out of memory");
		r = compare(in, cursor, i, &key, &d->items[i], refused, e);
		if (r)
			return r;
		if (item->kind != DIFF_SAME) {
			d->changes++;
		} else if (S_ISREG(entry->st.st_mode)) {
			d->same_files++;
			d->same_bytes += (uint64_t)entry->st.st_size;
		}
		if (item->kind == DIFF_CONTENT && tree_part_count(in->base) &&
		    (!d->part_count ||
		     d->parts[d->part_count - 1] != item->part))
			d->parts[d->part_count++] = item->part;
	}
	return 0;
}

int diff_make(struct diff *ret_diff, const struct diff_input *in,
	      struct notes *refused, struct err *e)
{
	CLEANUP(diff_done) struct diff d = { 0 };
	CLEANUP(tree_cursor_done)
	struct tree_cursor cursor = {
		.store = in->store,
		.cache = in->cache,
		.tree = in->base,
	};
	int r;

	d.items = calloc(in->scan->count + 1, sizeof(*d.items));
	d.order = calloc(in->scan->count + 1, sizeof(*d.order));
	d.parts = calloc(tree_part_count(in->base) + 1ul, sizeof(*d.parts));
	if (!d.items || !d.order || !d.parts || sort_by_part(&d, in))
		return err_set(e, -ENOMEM, "comparing: out of memory");
	r = refuse_file_above(in, &cursor, refused, e);
	if (r)
		return r;
	diff_other_trees(in, refused);
	r = compare_all(&d, in, &cursor, refused, e);
	if (r)
		return r;
	*ret_diff = d;
	d = (struct diff){ 0 };
	return 0;
}

/* ---- changes ------------------------------------------------------------ */

void diff_changes_done(struct diff_changes *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->paths[i]);
	free(c->paths);
	free(c->changes);
	free(c->blocks);
	*c = (struct diff_changes){ 0 };
}

static void set_attr(struct catalog_attr *attr, const struct scan_entry *entry)
{
	*attr = (struct catalog_attr){
		.mode = entry->st.st_mode,
		.uid = entry->st.st_uid,
		.gid = entry->st.st_gid,
		.size = S_ISDIR(entry->st.st_mode)
				? 0
				: (uint64_t)entry->st.st_size,
		.mtime_ns = clock_ns_of(&entry->st.st_mtim),
	};
}

static int set_blocks(struct tree_cursor *cursor, const struct diff_item *item,
		      const struct scan_entry *entry, const struct plan *plan,
		      struct block *blocks, struct err *e)
{
	struct catalog_entry have;
	struct catalog *cat;
	int r;

	if (item->kind == DIFF_CONTENT)
		return plan_blocks(plan, entry, blocks)
			       ? 0
			       : err_set(e, -EAGAIN,
					 "'%s' keeps changing while it is "
					 "pushed",
					 entry->path);
	r = tree_cursor_part(cursor, item->part, &cat, e);
	if (r)
		return r;
	catalog_entry_at(cat, item->entry, &have);
	for (uint32_t i = 0; i < have.block_count; i++)
		catalog_block_at(cat, have.first_block + i, &blocks[i]);
	return 0;
}

static char *entry_path(const struct diff_input *in,
			const struct scan_entry *entry, size_t *ret_len)
{
	CLEANUP_BUF struct buf key = BUF_INIT(2 * PATH_MAX_LEN + STORE_KEY_MAX);
	const char *path;

	if (diff_key(&key, in->dir, entry))
		return NULL;
	*ret_len = tree_path(in, &key, &path);
	return strndup(path, *ret_len);
}

/* Appends the change of one entry; its blocks are put at `blocks`. */
static int add_change(struct diff_changes *c, const struct diff_input *in,
		      struct tree_cursor *cursor, const struct diff_item *item,
		      const struct scan_entry *entry, const struct plan *plan,
		      struct block *blocks, struct err *e)
{
	struct commit_change *ch = &c->changes[c->count];
	int r;

	*ch = (struct commit_change){
		.fresh = item->kind == DIFF_CONTENT,
		.target = entry->target,
		.seen = item->seen,
		.seen_commit_s = item->seen_commit_s,
	};
	set_attr(&ch->attr, entry);
	ch->attr.commit_s = item->seen_commit_s;
	if (S_ISREG(entry->st.st_mode)) {
		ch->blocks = blocks;
		ch->block_count = block_count(ch->attr.size);
		r = set_blocks(cursor, item, entry, plan, blocks, e);
		if (r)
			return r;
	}
	c->paths[c->count] = entry_path(in, entry, &ch->path_len);
	if (!c->paths[c->count])
		return err_set(e, -ENOMEM, "commit: out of memory");
	ch->path = c->paths[c->count++];
	return 0;
}

int diff_changes_make(struct diff_changes *ret_changes, const struct diff *d,
		      const struct diff_input *in, const struct plan *plan,
		      struct err *e)
{
	CLEANUP(diff_changes_done) struct diff_changes c = { 0 };
	CLEANUP(tree_cursor_done)
	struct tree_cursor cursor = {
		.store = in->store,
		.cache = in->cache,
		.tree = in->base,
	};
	size_t count = 0, used = 0;
	uint64_t blocks = 0;

	for (size_t i = 0; i < in->scan->count; i++) {
		const struct scan_entry *entry = &in->scan->entries[i];

		if (d->items[i].kind == DIFF_SAME)
			continue;
		count++;
		if (S_ISREG(entry->st.st_mode))
			blocks += block_count((uint64_t)entry->st.st_size);
	}
	c.changes = calloc(count ? count : 1, sizeof(*c.changes));
	c.paths = calloc(count ? count : 1, sizeof(*c.paths));
	c.blocks = calloc(blocks ? blocks : 1, sizeof(*c.blocks));
	if (!c.changes || !c.paths || !c.blocks)
		return err_set(e, -ENOMEM, "commit: out of memory");
	for (size_t n = 0; n < in->scan->count; n++) {
		uint32_t i = d->order[n];
		int r;

		if (d->items[i].kind == DIFF_SAME)
			continue;
		r = add_change(&c, in, &cursor, &d->items[i],
			       &in->scan->entries[i], plan, c.blocks + used, e);
		if (r)
			return r;
		used += c.changes[c.count - 1].block_count;
	}
	*ret_changes = c;
	c = (struct diff_changes){ 0 };
	return 0;
}
