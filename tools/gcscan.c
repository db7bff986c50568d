/*
 * Pages are asked for one after the other: a page tells where the next begins.
 */
#include "tools/gcscan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/prune.h"
#include "s3/base/cleanup.h"

void gc_scan_done(struct gc_scan *scan)
{
	for (size_t i = 0; i < scan->object_count; i++)
		free(scan->objects[i].key);
	for (size_t i = 0; i < scan->version_count; i++)
		free(scan->versions[i].dir);
	free(scan->objects);
	free(scan->versions);
	free(scan->lost);
	*scan = (struct gc_scan){ 0 };
}

/* Makes room for one more; doubling from 64. */
static int grow(void *array_of_any, size_t count, size_t size)
{
	void **array = array_of_any;
	void *more;

	if (count && (count < 64 || (count & (count - 1))))
		return 0;
	more = reallocarray(*array, count ? 2 * count : 64, size);
	if (!more)
		return -ENOMEM;
	*array = more;
	return 0;
}

static int add_object(struct gc_scan *scan,
		      const struct store_list_entry *entry,
		      const struct pool_name *name)
{
	struct gc_object *o;

	if (grow(&scan->objects, scan->object_count, sizeof(*o)))
		return -ENOMEM;
	o = &scan->objects[scan->object_count];
	*o = (struct gc_object){
		.key = strdup(entry->key),
		.name = *name,
		.object = entry->object,
		.age_s = scan->now_s - entry->object.modified_s,
	};
	if (!o->key)
		return -ENOMEM;
	scan->object_count++;
	return 0;
}

static int add_version(struct gc_scan *scan,
		       const struct store_list_entry *entry, size_t dir_len,
		       uint64_t seq)
{
	struct gc_version *v;

	if (grow(&scan->versions, scan->version_count, sizeof(*v)))
		return -ENOMEM;
	v = &scan->versions[scan->version_count];
	*v = (struct gc_version){
		.dir = strndup(entry->key, dir_len),
		.seq = seq,
		.object = entry->object,
	};
	if (!v->dir)
		return -ENOMEM;
	scan->version_count++;
	return 0;
}

static int take_page(struct gc_scan *scan, const struct store_list *page,
		     const char *pool)
{
	int r = 0;

	for (size_t i = 0; i < page->count && !r; i++) {
		const struct store_list_entry *entry = &page->entries[i];
		const char *slash = memrchr(entry->key, '/', entry->key_len);
		size_t dir_len = slash ? (size_t)(slash + 1 - entry->key) : 0;
		struct pool_name name;
		uint64_t seq;

		if (name_parse_tree(entry->key + dir_len,
				    entry->key_len - dir_len, &seq))
			r = add_version(scan, entry, dir_len, seq);
		else if (name_parse_pool(pool, entry->key, entry->key_len,
					 &name))
			r = add_object(scan, entry, &name);
	}
	return r;
}

/* One page. *token: of this page, then of the next; NULL at the end. */
static int list_page(struct gc_scan *scan, struct store *s, const char *pool,
		     char **token, struct err *e)
{
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_LIST, "");
	req.continuation = *token;
	r = store_run(s, &req, e);
	if (r)
		return r;
	if (!scan->now_s)
		scan->now_s = req.date_s;
	if (!scan->now_s)
		return err_set(e, -EIO, "%s tells no time in its replies",
			       s->name);
	if (take_page(scan, &req.list, pool))
		return err_set(e, -ENOMEM, "out of memory");
	free(*token);
	*token = req.list.truncated ? TAKE_PTR(req.list.next) : NULL;
	return 0;
}

size_t gc_scan_tree_end(const struct gc_scan *scan, size_t first)
{
	size_t end = first + 1;

	while (end < scan->version_count &&
	       !strcmp(scan->versions[end].dir, scan->versions[first].dir))
		end++;
	return end;
}

/* Blobs stand together and in order of their ids, as listed. */
struct gc_object *gc_scan_blob(const struct gc_scan *scan,
			       const struct object_id *id)
{
	size_t low = 0, high = scan->object_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct gc_object *o = &scan->objects[mid];
		int c = o->name.kind != POOL_BLOB
				? 1
				: memcmp(&o->name.id, id, sizeof(*id));

		if (!c)
			return o;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

bool gc_scan_is_lost(const struct gc_scan *scan, const struct object_id *id)
{
	return bsearch(id, scan->lost, scan->lost_count, sizeof(*id),
		       object_id_compare);
}

/* Says of each version whether it is to be pruned. */
static int choose_versions(struct gc_scan *scan)
{
	CLEANUP_FREE struct prune_version *all =
		calloc(scan->version_count + 1, sizeof(*all));
	size_t first = 0;

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < scan->version_count; i++)
		all[i] = prune_version_of(&scan->versions[i].object);
	while (first < scan->version_count) {
		size_t end = gc_scan_tree_end(scan, first);

		(void)prune_choose(all + first, end - first, scan->now_s);
		for (size_t i = first; i < end; i++)
			scan->versions[i].prune = all[i].prune;
		scan->tree_count++;
		first = end;
	}
	return 0;
}

int gc_scan_run(struct gc_scan *ret_scan, struct store *s, const char *pool,
		bool (*stop)(void), struct err *e)
{
	CLEANUP(gc_scan_done) struct gc_scan scan = { 0 };
	CLEANUP_FREE char *token = NULL;
	int r;

	do {
		if (stop && stop())
			return err_set(e, -ECANCELED, "interrupted");
		r = list_page(&scan, s, pool, &token, e);
		if (r)
			return err_wrap(e, r, "listing the bucket");
	} while (token);
	if (choose_versions(&scan))
		return err_set(e, -ENOMEM, "out of memory");
	*ret_scan = scan;
	scan = (struct gc_scan){ 0 };
	return 0;
}
