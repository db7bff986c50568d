/*
 * The entries of the base and the operations, both in order of keys, merged: an
 * operation takes the place of the entry of its key.
 */
#include "cache/edit_core.h"

#include <sys/stat.h>

/* Walks the entries of a catalog, skipping what is removed with a directory. */
struct base_walk {
	const struct catalog *cat; /* NULL: nothing */
	uint32_t at; /* entry */
	uint32_t dir; /* number of the run it is in */
	struct catalog_run run; /* that one */
	bool skip; /* all of the run */
};

static void enter_run(const struct edit *ed, struct base_walk *w)
{
	catalog_dir_at(w->cat, w->dir, &w->run);
	w->skip = edit_cleared_at(ed, w->run.path, w->run.path_len, true);
	if (w->skip)
		w->at = w->run.first + w->run.count;
}

static void base_begin(const struct edit *ed, struct base_walk *w,
		       const struct catalog *cat)
{
	struct catalog_key first;

	*w = (struct base_walk){ .cat = cat };
	if (!cat || !catalog_dir_count(cat))
		return;
	first = catalog_key_at(cat, 0);
	if (first.name_len)
		enter_run(ed, w);
	else
		w->dir = UINT32_MAX; /* the root's entry is in no run */
}

/* Goes on to the next run where this one is over. False at the end. */
static bool base_settle(const struct edit *ed, struct base_walk *w)
{
	while (w->cat && w->at < catalog_count(w->cat) &&
	       (w->dir == UINT32_MAX ? w->at > 0
				     : w->at == w->run.first + w->run.count)) {
		w->dir++;
		enter_run(ed, w);
	}
	return w->cat && w->at < catalog_count(w->cat);
}

static struct catalog_key base_key(const struct base_walk *w)
{
	struct catalog_entry entry;

	catalog_entry_at(w->cat, w->at, &entry);
	if (!entry.name_len)
		return (struct catalog_key){ "", 0, "", 0 };
	return (struct catalog_key){ w->run.path, w->run.path_len, entry.name,
				     entry.name_len };
}

int edit_walk(struct edit *ed, uint32_t part,
	      int (*emit)(void *arg, const struct edit_entry *entry,
			  struct err *e),
	      void *arg, struct err *e)
{
	struct edit_part *p = &ed->parts[part];
	size_t op = p->first_op;
	struct base_walk base;
	int r = 0;

	if (!p->cleared)
		r = edit_load(ed, part, e);
	if (r)
		return r;
	base_begin(ed, &base, p->cleared ? NULL : p->cat);
	while (!r) {
		bool more = base_settle(ed, &base);
		const struct edit_op *next = op < p->end_op ? ed->ops[op]
							    : NULL;
		struct edit_entry entry = { .cat = base.cat, .index = base.at };
		int order = more ? -1 : 1;

		if (!more && !next)
			break;
		if (more && next) {
			const struct catalog_key key = base_key(&base);
			const struct catalog_key other = edit_op_key(next);

			order = catalog_key_compare(&key, &other);
		}
		base.at += order <= 0;
		op += order >= 0;
		if (order >= 0 && next->kind == OP_REMOVE)
			continue;
		if (order >= 0)
			entry = (struct edit_entry){ .op = next };
		r = emit(arg, &entry, e);
	}
	return r;
}

struct catalog_key edit_key(const struct edit_entry *entry)
{
	return entry->op ? edit_op_key(entry->op)
			 : catalog_key_at(entry->cat, entry->index);
}

uint64_t edit_weight(const struct edit_entry *entry)
{
	const uint64_t each = 32, block = 48;
	struct catalog_entry en;

	if (entry->op) {
		const struct commit_change *ch = entry->op->ch;

		return each + edit_op_key(entry->op).name_len +
		       (ch && S_ISLNK(ch->attr.mode) ? ch->attr.size : 0) +
		       block * (ch ? ch->block_count : 0);
	}
	catalog_entry_at(entry->cat, entry->index, &en);
	return each + en.name_len + (en.target ? en.size : 0) +
	       block * en.block_count;
}

int edit_write(struct catalog_writer *w, const struct edit_entry *entry,
	       struct err *e)
{
	const struct commit_change none = { 0 }, *ch;
	struct catalog_attr attr;
	struct catalog_key key;

	if (!entry->op)
		return catalog_writer_copy(w, entry->cat, entry->index, e);
	key = edit_op_key(entry->op);
	attr = edit_op_attr(entry->op);
	ch = entry->op->ch ? entry->op->ch : &none;
	return catalog_writer_add(w, &key, &attr, ch->target, ch->blocks,
				  ch->block_count, e);
}
