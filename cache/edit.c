/*
 * An operation for each path that changes, found by path and sorted by key; the
 * new version is the base merged with them (edit_merge.c). Parts of the base are
 * loaded as claims, parents and the merge ask for them, and kept until the end:
 * out of the cache they are mapped files.
 *
 * Of a directory that is a parent of something put, that it is there is proved by
 * a run of its own beside the new entry, where there is one; otherwise its entry
 * is looked for, which may mean another part.
 */
#include "cache/edit_core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/names.h"

#define CHUNK 1024 /* operations allocated at once */

struct edit_chunk {
	struct edit_chunk *next;
	size_t used;
	struct edit_op ops[CHUNK];
};

static bool op_puts_file(const struct edit_op *op)
{
	return op->kind == OP_PUT && !S_ISDIR(op->ch->attr.mode);
}

static void imply(struct edit_op *op)
{
	op->kind = OP_IMPLIED;
	op->ch = NULL;
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "commit: out of memory");
}

static bool has_base(const struct edit *ed)
{
	return tree_part_count(ed->in.base) > 0;
}

int edit_load(struct edit *ed, uint32_t part, struct err *e)
{
	struct edit_part *p = &ed->parts[part];

	if (p->cat || !has_base(ed))
		return 0;
	return tree_part(ed->in.store, ed->in.cache, ed->in.base, part, &p->cat,
			 e);
}

/* 0, -ENOENT, or an error. */
static int find_base(struct edit *ed, const char *path, size_t len,
		     const struct catalog **ret_cat,
		     struct catalog_entry *ret_entry, struct err *e)
{
	uint32_t part;
	int r;

	if (!has_base(ed))
		return -ENOENT;
	part = tree_part_of(ed->in.base, path, len);
	r = edit_load(ed, part, e);
	if (r)
		return r;
	*ret_cat = ed->parts[part].cat;
	return catalog_find(*ret_cat, path, len, ret_entry);
}

/* ---- operations ---------------------------------------------------------- */

static struct edit_op *op_find(const struct edit *ed, const char *path,
			       size_t len)
{
	struct table_item *item = table_find(&ed->by_path, path, len);

	return item ? (struct edit_op *)((char *)item -
					 offsetof(struct edit_op, item))
		    : NULL;
}

static struct edit_op *op_get(struct edit *ed, const char *path, size_t len)
{
	struct edit_op *op = op_find(ed, path, len);
	struct edit_chunk *c = ed->chunks;

	if (op)
		return op;
	if (ed->op_count == ed->op_room) {
		size_t room = ed->op_room ? 2 * ed->op_room : 256;
		struct edit_op **more =
			reallocarray(ed->ops, room, sizeof(struct edit_op *));

		if (!more)
			return NULL;
		ed->ops = more;
		ed->op_room = room;
	}
	if (!c || c->used == CHUNK) {
		c = malloc(sizeof(*c));
		if (!c)
			return NULL;
		c->used = 0;
		c->next = ed->chunks;
		ed->chunks = c;
	}
	op = &c->ops[c->used++];
	*op = (struct edit_op){
		.item = { .key = path, .key_len = len },
		.dir_len = (uint32_t)catalog_key_of(path, len).dir_len,
	};
	table_add(&ed->by_path, &op->item);
	ed->ops[ed->op_count++] = op;
	return op;
}

size_t edit_cleared_at(const struct edit *ed, const char *path, size_t len,
		       bool itself)
{
	size_t last = 0;

	if (!ed->clears)
		return 0;
	for (;;) {
		const struct edit_op *op = itself ? op_find(ed, path, len)
						  : NULL;

		if (op && op->cleared > last)
			last = op->cleared;
		if (!len)
			return last;
		len = catalog_key_of(path, len).dir_len;
		itself = true;
	}
}

/* ---- claims -------------------------------------------------------------- */

/* Whether the entry says all that the change would. */
static bool says_same(const struct catalog *cat,
		      const struct catalog_entry *entry,
		      const struct commit_change *ch)
{
	const struct catalog_attr *attr = &ch->attr;

	if (ch->remove || entry->mode != attr->mode ||
	    entry->uid != attr->uid || entry->gid != attr->gid ||
	    entry->size != attr->size || entry->mtime_ns != attr->mtime_ns)
		return false;
	if (S_ISLNK(entry->mode))
		return !memcmp(entry->target, ch->target, entry->size);
	if (!S_ISREG(entry->mode))
		return true;
	if (entry->block_count != ch->block_count)
		return false;
	for (uint32_t i = 0; i < entry->block_count; i++) {
		struct block b;

		catalog_block_at(cat, entry->first_block + i, &b);
		if (!hash_equal(&b.hash, &ch->blocks[i].hash))
			return false;
	}
	return true;
}

static int apply(struct edit *ed, size_t i, bool was_dir, struct err *e)
{
	const struct commit_change *ch = &ed->in.changes[i];
	struct edit_op *op = op_get(ed, ch->path, ch->path_len);
	struct catalog_attr attr = ch->attr;

	if (!op)
		return no_memory(e);
	op->at = (uint32_t)i + 1;
	op->was_dir = was_dir;
	op->if_empty = ch->remove && ch->if_empty && was_dir;
	if (op->if_empty) {
		op->kind = OP_REMOVE;
		return 0;
	}
	if (ch->remove) {
		op->kind = OP_REMOVE;
		op->cleared = op->at;
		ed->clears = true;
		return 0;
	}
	op->kind = OP_PUT;
	op->ch = ch;
	if (ch->fresh)
		attr.commit_s = ed->in.commit_s;
	op->commit_s = (uint32_t)attr.commit_s;
	return catalog_check(ch->path, ch->path_len, &attr, ch->target,
			     ch->blocks, ch->block_count, e);
}

/* A change applies only where the claim that it saw still stands. */
static int decide(struct edit *ed, size_t i, struct err *e)
{
	const struct commit_change *ch = &ed->in.changes[i];
	const struct catalog *cat = NULL;
	struct catalog_entry now;
	bool present;
	int r = find_base(ed, ch->path, ch->path_len, &cat, &now, e);

	if (r && r != -ENOENT)
		return r;
	present = !r;
	if (present != ch->seen ||
	    (present && now.commit_s != ch->seen_commit_s)) {
		/* Two that make one directory agree; the first one's attributes
		 * stay. So do two that say the same. */
		if (!(present && !ch->remove && S_ISDIR(now.mode) &&
		      S_ISDIR(ch->attr.mode)) &&
		    !(present && says_same(cat, &now, ch)))
			ed->lost++;
		return 0;
	}
	/* What is not there may have been put by a change before. */
	if (ch->remove && !present && !op_find(ed, ch->path, ch->path_len))
		return 0;
	ed->applied++;
	return apply(ed, i, present && S_ISDIR(now.mode), e);
}

/* ---- parents ------------------------------------------------------------- */

/* The state of a directory in the base, without what is removed: 0 there,
 * -ENOENT, -ENOTDIR. child: the key of something put into it. */
static int base_dir(struct edit *ed, const char *path, size_t len,
		    const struct catalog_key *child, struct err *e)
{
	const struct catalog *cat;
	struct catalog_entry entry;
	struct catalog_run run;
	uint32_t part;
	int r;

	if (!has_base(ed) || edit_cleared_at(ed, path, len, true))
		return -ENOENT;
	part = tree_part_of(ed->in.base, child->dir,
			    (size_t)(child->name - child->dir) +
				    child->name_len);
	if (ed->parts[part].cat &&
	    !catalog_find_dir(ed->parts[part].cat, path, len, &run))
		return 0;
	r = find_base(ed, path, len, &cat, &entry, e);
	if (!r && !S_ISDIR(entry.mode))
		return -ENOTDIR;
	return r;
}

static int not_a_directory(struct err *e, const char *path, size_t len)
{
	return err_set(e, -ENOTDIR, "'%.*s' is not a directory", (int)len,
		       path);
}

/* Sees to it that all directories above the key are there. */
static int reach(struct edit *ed, const struct catalog_key *key, struct err *e)
{
	struct catalog_key child = *key;

	while (child.dir_len) {
		const char *path = child.dir;
		size_t len = child.dir_len;
		struct edit_op *op = op_find(ed, path, len);
		int r;

		if (op && op_puts_file(op))
			return not_a_directory(e, path, len);
		if (op && op->kind != OP_NONE && op->kind != OP_REMOVE)
			return 0;
		r = base_dir(ed, path, len, &child, e);
		if (r == -ENOTDIR)
			return not_a_directory(e, path, len);
		if (r && r != -ENOENT)
			return r;
		op = op_get(ed, path, len);
		if (!op)
			return no_memory(e);
		imply(op);
		if (!r) {
			op->kind = OP_KNOWN;
			return 0;
		}
		child = edit_op_key(op);
	}
	return 0;
}

static int reach_all(struct edit *ed, struct err *e)
{
	struct catalog_key last = { 0 };
	size_t count = ed->op_count; /* those added meanwhile are reached */

	for (size_t i = 0; i < count; i++) {
		struct catalog_key key = edit_op_key(ed->ops[i]);
		int r;

		if (ed->ops[i]->kind != OP_PUT)
			continue;
		if (last.dir && last.dir_len == key.dir_len &&
		    !memcmp(last.dir, key.dir, last.dir_len))
			continue;
		last = key;
		r = reach(ed, &key, e);
		if (r)
			return r;
	}
	return 0;
}

/* There is always a root. */
static int reach_root(struct edit *ed, struct err *e)
{
	struct edit_op *op;

	if (has_base(ed) && !edit_cleared_at(ed, "", 0, true))
		return 0;
	op = op_get(ed, "", 0);
	if (!op)
		return no_memory(e);
	if (op->kind == OP_PUT)
		return 0;
	imply(op);
	return 0;
}

/* ---- what is left -------------------------------------------------------- */

/* Takes back what was put before a directory above it was removed. */
static void drop_cleared(struct edit *ed)
{
	for (size_t i = 0; i < ed->op_count; i++) {
		struct edit_op *op = ed->ops[i];

		if (op->kind == OP_PUT &&
		    edit_cleared_at(ed, op->item.key, op->item.key_len, false) >
			    op->at)
			op->kind = OP_NONE;
	}
}

/* Whether all in the directory is removed one by one. */
static int is_emptied(struct edit *ed, const struct edit_op *op, bool *ret_is,
		      struct err *e)
{
	const char *path = op->item.key;
	size_t len = op->item.key_len;
	uint32_t part, end;

	*ret_is = false;
	tree_parts_in(ed->in.base, path, len, &part, &end);
	for (; part < end; part++) {
		struct catalog_run run = { 0 };
		int r = edit_load(ed, part, e);

		if (r)
			return r;
		if (catalog_find_dir(ed->parts[part].cat, path, len, &run))
			continue;
		for (uint32_t i = 0; i < run.count; i++) {
			CLEANUP_BUF struct buf at = BUF_INIT(2 * PATH_MAX_LEN);
			const struct edit_op *below;

			if (catalog_path(ed->parts[part].cat, run.first + i,
					 &at))
				return no_memory(e);
			below = op_find(ed, at.data, at.len);
			if (!below || below->kind != OP_REMOVE)
				return 0;
		}
	}
	*ret_is = true;
	return 0;
}

/* Files that take the place of directories. */
static int check_replaced(struct edit *ed, struct err *e)
{
	for (size_t i = 0; i < ed->op_count; i++) {
		const struct edit_op *op = ed->ops[i];
		bool emptied;
		int r;

		if (!op_puts_file(op) || !op->was_dir ||
		    edit_cleared_at(ed, op->item.key, op->item.key_len, true))
			continue;
		r = is_emptied(ed, op, &emptied, e);
		if (r)
			return r;
		if (!emptied)
			return err_set(e, -ENOTDIR,
				       "'%.*s' is a directory that is not "
				       "empty",
				       (int)op->item.key_len,
				       (const char *)op->item.key);
	}
	return 0;
}

static int deepest_first(const void *a, const void *b)
{
	const struct edit_op *x = *(struct edit_op *const *)a;
	const struct edit_op *y = *(struct edit_op *const *)b;

	return (x->item.key_len < y->item.key_len) -
	       (x->item.key_len > y->item.key_len);
}

/* Takes back removals of directories that are not empty. Where something is put
 * into one, reach_all has done so. */
static int keep_filled(struct edit *ed, struct err *e)
{
	CLEANUP_FREE struct edit_op **dirs = NULL;
	size_t count = 0;
	int r = 0;

	dirs = calloc(ed->op_count + 1, sizeof(*dirs));
	if (!dirs)
		return no_memory(e);
	for (size_t i = 0; i < ed->op_count; i++) {
		if (ed->ops[i]->kind == OP_REMOVE && ed->ops[i]->if_empty)
			dirs[count++] = ed->ops[i];
	}
	qsort(dirs, count, sizeof(*dirs), deepest_first);
	for (size_t i = 0; i < count && !r; i++) {
		bool emptied;

		r = is_emptied(ed, dirs[i], &emptied, e);
		if (r || emptied)
			continue;
		dirs[i]->kind = OP_NONE;
		ed->applied--;
	}
	return r;
}

static int compare_ops(const void *a, const void *b)
{
	const struct catalog_key x = edit_op_key(*(struct edit_op *const *)a);
	const struct catalog_key y = edit_op_key(*(struct edit_op *const *)b);

	return catalog_key_compare(&x, &y);
}

/* Keeps those with an effect, in order. */
static void sort_ops(struct edit *ed)
{
	size_t count = 0;

	for (size_t i = 0; i < ed->op_count; i++)
		if (ed->ops[i]->kind != OP_NONE && ed->ops[i]->kind != OP_KNOWN)
			ed->ops[count++] = ed->ops[i];
	ed->op_count = count;
	if (count)
		qsort(ed->ops, count, sizeof(struct edit_op *), compare_ops);
}

/*
 * From the last to the first, as a directory's entry stands before all that is
 * below it, and so the first child comes last. All that is in an implied
 * directory was put just now.
 */
static void settle_implied(struct edit *ed)
{
	for (size_t i = ed->op_count; i-- > 0;) {
		const struct edit_op *op = ed->ops[i];
		struct catalog_attr attr;
		struct edit_op *dir;

		if (op->kind == OP_REMOVE || !op->item.key_len)
			continue;
		dir = op_find(ed, op->item.key, op->dir_len);
		if (!dir || dir->kind != OP_IMPLIED)
			continue;
		attr = edit_op_attr(op);
		dir->commit_s = op->commit_s;
		dir->mtime_ns = attr.mtime_ns;
		dir->uid = attr.uid;
		dir->gid = attr.gid;
	}
}

/* ---- parts --------------------------------------------------------------- */

static uint32_t part_of_key(const struct edit *ed,
			    const struct catalog_key *key)
{
	const struct shard_table *t = ed->in.base->table;

	return t ? shard_part_of(t, key) : 0;
}

/* A name that sorts behind all names. */
static const char above_names[NAME_MAX_LEN + 1] = {
	[0 ... NAME_MAX_LEN] = '\xff',
};

/* Parts that have something of [low, high]; those between wholly. */
static void clear_parts(struct edit *ed, const struct catalog_key *low,
			const struct catalog_key *high)
{
	uint32_t first = part_of_key(ed, low), last = part_of_key(ed, high);

	for (uint32_t i = first; i <= last; i++) {
		ed->parts[i].touched = true;
		ed->parts[i].cleared |= i > first && i < last;
	}
}

/* What is in a directory, and what is in those below it, are two ranges: names
 * such as "dir-a" and "dir.b" stand between. */
static int clear_dir(struct edit *ed, const struct edit_op *op, struct err *e)
{
	const char *dir = op->item.key;
	size_t len = op->item.key_len;
	CLEANUP_FREE char *text = malloc(2 * (len + 1));
	struct catalog_key low = { dir, len, "", 0 },
			   high = { dir, len, "", 0 };

	if (!text)
		return no_memory(e);
	if (!len) {
		for (uint32_t i = 0; i < ed->part_count; i++)
			ed->parts[i].touched = ed->parts[i].cleared = true;
		return 0;
	}
	high.name = above_names;
	high.name_len = sizeof(above_names);
	clear_parts(ed, &low, &high);
	low.dir = memcpy(text, dir, len);
	high.dir = memcpy(text + len + 1, dir, len);
	text[len] = '/';
	text[2 * len + 1] = '/' + 1;
	low.dir_len = high.dir_len = len + 1;
	high.name_len = 0;
	clear_parts(ed, &low, &high);
	return 0;
}

/* Which parts change, and which operations lie in each. */
static int touch_parts(struct edit *ed, struct err *e)
{
	uint32_t part = 0;

	for (size_t i = 0; i < ed->op_count; i++) {
		struct edit_op *op = ed->ops[i];
		const struct catalog_key key = edit_op_key(op);
		uint32_t at = part_of_key(ed, &key);

		for (; part < at; part++) {
			ed->parts[part].end_op = i;
			ed->parts[part + 1].first_op = i;
		}
		ed->parts[at].touched = true;
		if (op->cleared && op->was_dir && has_base(ed)) {
			int r = clear_dir(ed, op, e);

			if (r)
				return r;
		}
	}
	for (; part < ed->part_count; part++) {
		ed->parts[part].end_op = ed->op_count;
		if (part + 1 < ed->part_count)
			ed->parts[part + 1].first_op = ed->op_count;
	}
	return 0;
}

/* ---- as a whole ---------------------------------------------------------- */

int edit_make(struct edit *ed, const struct edit_input *in, struct err *e)
{
	int r = 0;

	*ed = (struct edit){ .in = *in };
	table_init(&ed->by_path);
	ed->part_count = has_base(ed) ? tree_part_count(in->base) : 1;
	ed->parts = calloc(ed->part_count, sizeof(*ed->parts));
	if (!ed->parts)
		return no_memory(e);
	for (size_t i = 0; i < in->count && !r; i++) {
		r = decide(ed, i, e);
		if (r)
			(void)err_wrap(e, r, "'%.*s'",
				       (int)in->changes[i].path_len,
				       in->changes[i].path);
	}
	if (r || !ed->applied)
		return r;
	if (ed->clears)
		drop_cleared(ed);
	r = reach_all(ed, e);
	if (!r)
		r = reach_root(ed, e);
	if (!r)
		r = keep_filled(ed, e);
	if (!r)
		r = check_replaced(ed, e);
	if (r)
		return r;
	sort_ops(ed);
	settle_implied(ed);
	return touch_parts(ed, e);
}

void edit_done(struct edit *ed)
{
	for (uint32_t i = 0; ed->parts && i < ed->part_count; i++)
		catalog_unref(ed->parts[i].cat);
	free(ed->parts);
	table_done(&ed->by_path);
	while (ed->chunks) {
		struct edit_chunk *next = ed->chunks->next;

		free(ed->chunks);
		ed->chunks = next;
	}
	free(ed->ops);
	*ed = (struct edit){ 0 };
}
