/*
 * The list is in byte order of keys, so all keys below a prefix are one run,
 * found by binary search. Names in a directory are not in the order of keys
 * ("a-b" < "a/" < "a.txt"), hence the sort in page_children.
 */
#include "cache/page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"

static int compare_bytes(const char *a, size_t a_len, const char *b,
			 size_t b_len)
{
	int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

	if (r)
		return r;
	return a_len < b_len ? -1 : a_len > b_len;
}

static const struct store_list_entry *entry_at(const struct page *p, size_t i)
{
	return &p->list.entries[i];
}

/* Position of the first key >= (prefix, with `past`: past all keys that begin
 * with it). */
static size_t bound(const struct page *p, const char *prefix, size_t len,
		    bool past)
{
	size_t low = 0, high = p->list.count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct store_list_entry *e = entry_at(p, mid);
		bool before;

		if (past && e->key_len >= len && !memcmp(e->key, prefix, len))
			before = true;
		else
			before = compare_bytes(e->key, e->key_len, prefix,
					       len) < 0;
		if (before)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The name of the component behind the directory; "a/" counts as "a". */
static size_t component_len(const char *rest, size_t len)
{
	const char *slash = memchr(rest, '/', len);

	return slash ? (size_t)(slash - rest) : len;
}

static bool hidden_name(const char *name, size_t len)
{
	return !name_is_safe(name, len) || name_is_reserved(name, len);
}

static int compare_entries(const void *a, const void *b)
{
	const struct store_list_entry *x = a, *y = b;

	return compare_bytes(x->key, x->key_len, y->key, y->key_len);
}

/* Each page of a list is in order, and so are those of S3 behind each other; a
 * server that orders keys in some other way must not make them unfindable. */
static void put_in_order(struct store_list *list)
{
	for (size_t i = 1; i < list->count; i++)
		if (compare_entries(&list->entries[i - 1], &list->entries[i]) >
		    0) {
			qsort(list->entries, list->count,
			      sizeof(list->entries[0]), compare_entries);
			return;
		}
}

struct page *page_new(const char *dir, bool recursive, struct store_list *list)
{
	struct page *p = calloc(1, sizeof(*p));
	size_t len = strlen(dir);

	if (!p)
		return NULL;
	p->dir = strdup(dir);
	if (!p->dir) {
		free(p);
		return NULL;
	}
	p->recursive = recursive;
	p->list = *list;
	store_list_init(list);
	put_in_order(&p->list);
	atomic_init(&p->refs, 1);
	for (size_t i = 0; i < p->list.count; i++) {
		const struct store_list_entry *e = entry_at(p, i);
		const char *rest = e->key + len;
		size_t rest_len = e->key_len - len;

		if (!e->is_prefix && e->object.modified_s > p->newest_s)
			p->newest_s = e->object.modified_s;
		if (rest_len &&
		    !name_is_safe(rest, component_len(rest, rest_len)))
			p->hidden++;
	}
	return p;
}

struct page *page_ref(struct page *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void page_unref(struct page *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	store_list_done(&p->list);
	free(p->dir);
	free(p);
}

enum page_answer page_covers(const struct page *p, const char *dir)
{
	size_t own = strlen(p->dir), len = strlen(dir);
	size_t at, child;

	if (p->recursive || own == len)
		return PAGE_TELLS;
	/* With delimiter: a child that has no common prefix has no keys. */
	child = own + component_len(dir + own, len - own) + 1;
	at = bound(p, dir, child, false);
	if (at < p->list.count && entry_at(p, at)->key_len == child &&
	    !memcmp(entry_at(p, at)->key, dir, child))
		return PAGE_SILENT;
	return PAGE_EMPTY;
}

/* A key below a directory counts if it is not reserved, or if it is the newest
 * version of a tree that stands. rest: the key behind `dir`. */
static bool key_counts(const struct page *p, size_t i, size_t dir_len)
{
	const struct store_list_entry *e = entry_at(p, i);
	const char *name = e->key + dir_len, *end = e->key + e->key_len;
	uint64_t seq;

	while (name < end) {
		size_t len = component_len(name, (size_t)(end - name));
		const struct store_list_entry *before = i ? entry_at(p, i - 1)
							  : NULL;
		size_t head = (size_t)(name - e->key);

		if (!len)
			return false;
		if (name + len == end && name_parse_tree(name, len, &seq))
			return e->object.size &&
			       !(before && before->key_len == e->key_len &&
				 !memcmp(before->key, e->key, head) &&
				 name_parse_tree(before->key + head, len,
						 &seq));
		if (hidden_name(name, len))
			return false;
		name += len + 1;
	}
	return true;
}

static bool run_counts(const struct page *p, const char *dir, size_t dir_len)
{
	size_t i = bound(p, dir, dir_len, false);
	size_t end = bound(p, dir, dir_len, true);

	for (; i < end; i++)
		if (entry_at(p, i)->key_len > dir_len &&
		    key_counts(p, i, dir_len))
			return true;
	return false;
}

/* Describes the child whose keys are at [i, …) and returns the position behind
 * them. */
static size_t child_at(const struct page *p, size_t i, size_t dir_len,
		       struct page_child *c)
{
	const struct store_list_entry *e = entry_at(p, i);
	const char *rest = e->key + dir_len;
	size_t rest_len = e->key_len - dir_len;
	size_t len = component_len(rest, rest_len);
	size_t own = dir_len + len + 1, end;

	memset(c, 0, sizeof(*c));
	c->name = rest;
	c->name_len = len;
	c->sure = true;
	if (len == rest_len) {
		c->object = &e->object;
		return i + 1;
	}
	if (e->is_prefix) {
		c->below = true;
		c->sure = false;
		return i + 1;
	}
	end = bound(p, e->key, own, true);
	if (e->key_len == own)
		c->marker = &e->object;
	c->below = run_counts(p, e->key, own);
	return end;
}

static void merge_child(struct page_child *into, const struct page_child *from)
{
	if (from->object)
		into->object = from->object;
	if (from->marker)
		into->marker = from->marker;
	into->below |= from->below;
	into->sure &= from->sure;
}

bool page_find(const struct page *p, const char *dir, const char *name,
	       size_t name_len, struct page_child *ret_child)
{
	size_t dir_len = strlen(dir);
	char key[STORE_KEY_MAX + 2];
	struct page_child found = { 0 }, part;
	bool any = false;
	size_t i;

	if (hidden_name(name, name_len) || dir_len + name_len > STORE_KEY_MAX)
		return false;
	memcpy(key, dir, dir_len);
	memcpy(key + dir_len, name, name_len);
	key[dir_len + name_len] = '/';
	i = bound(p, key, dir_len + name_len, false);
	if (i < p->list.count &&
	    entry_at(p, i)->key_len == dir_len + name_len &&
	    !memcmp(entry_at(p, i)->key, key, dir_len + name_len)) {
		(void)child_at(p, i, dir_len, &found);
		any = true;
	}
	i = bound(p, key, dir_len + name_len + 1, false);
	if (i < p->list.count &&
	    entry_at(p, i)->key_len >= dir_len + name_len + 1 &&
	    !memcmp(entry_at(p, i)->key, key, dir_len + name_len + 1)) {
		(void)child_at(p, i, dir_len, &part);
		if (any)
			merge_child(&found, &part);
		else
			found = part;
		any = true;
	}
	if (!any || (!found.object && !found.marker && !found.below))
		return false;
	*ret_child = found;
	return true;
}

static int compare_children(const void *a, const void *b)
{
	const struct page_child *x = a, *y = b;

	return compare_bytes(x->name, x->name_len, y->name, y->name_len);
}

int page_children(const struct page *p, const char *dir,
		  struct page_child **ret_children, size_t *ret_count,
		  size_t *ret_hidden)
{
	size_t dir_len = strlen(dir), count = 0, kept = 0, hidden = 0;
	size_t i = bound(p, dir, dir_len, false);
	size_t end = bound(p, dir, dir_len, true);
	struct page_child *all = calloc(end - i + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	while (i < end) {
		if (entry_at(p, i)->key_len == dir_len) {
			i++; /* the marker of `dir` itself */
			continue;
		}
		i = child_at(p, i, dir_len, &all[count]);
		if (!hidden_name(all[count].name, all[count].name_len))
			count++;
		else
			hidden += !name_is_safe(all[count].name,
						all[count].name_len);
	}
	qsort(all, count, sizeof(*all), compare_children);
	for (i = 0; i < count; i++) {
		if (kept && !compare_children(&all[kept - 1], &all[i]))
			merge_child(&all[kept - 1], &all[i]);
		else
			all[kept++] = all[i];
	}
	for (i = 0, count = kept, kept = 0; i < count; i++)
		if (all[i].object || all[i].marker || all[i].below)
			all[kept++] = all[i];
	*ret_children = all;
	*ret_count = kept;
	*ret_hidden = hidden;
	return 0;
}

const struct store_object *page_marker(const struct page *p, const char *dir)
{
	size_t len = strlen(dir);
	size_t i = bound(p, dir, len, false);

	if (len && i < p->list.count && entry_at(p, i)->key_len == len &&
	    !memcmp(entry_at(p, i)->key, dir, len) &&
	    !entry_at(p, i)->is_prefix)
		return &entry_at(p, i)->object;
	return NULL;
}

bool page_below(const struct page *p, const char *dir)
{
	return run_counts(p, dir, strlen(dir));
}

bool page_tree(const struct page *p, const char *dir, uint64_t *ret_seq,
	       struct store_object *ret_object)
{
	size_t dir_len = strlen(dir), prefix_len = strlen(TREE_PREFIX), i;
	char prefix[STORE_KEY_MAX + sizeof(TREE_PREFIX)];
	const struct store_list_entry *e;

	if (dir_len > STORE_KEY_MAX)
		return false;
	memcpy(prefix, dir, dir_len);
	memcpy(prefix + dir_len, TREE_PREFIX, prefix_len);
	i = bound(p, prefix, dir_len + prefix_len, false);
	/* The first valid one is the newest. */
	for (; i < p->list.count; i++) {
		e = entry_at(p, i);
		if (e->key_len < dir_len + prefix_len ||
		    memcmp(e->key, prefix, dir_len + prefix_len))
			return false;
		if (e->is_prefix ||
		    !name_parse_tree(e->key + dir_len, e->key_len - dir_len,
				     ret_seq))
			continue;
		*ret_object = e->object;
		return true;
	}
	return false;
}

bool page_equal(const struct page *a, const struct page *b)
{
	if (a->list.count != b->list.count || a->recursive != b->recursive)
		return false;
	for (size_t i = 0; i < a->list.count; i++) {
		const struct store_list_entry *x = entry_at(a, i);
		const struct store_list_entry *y = entry_at(b, i);

		if (x->key_len != y->key_len ||
		    memcmp(x->key, y->key, x->key_len) ||
		    x->is_prefix != y->is_prefix)
			return false;
		if (!x->is_prefix &&
		    (x->object.size != y->object.size ||
		     x->object.modified_s != y->object.modified_s ||
		     strcmp(x->object.etag, y->object.etag)))
			return false;
	}
	return true;
}
