#include "tools/shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "tools/diff.h"
#include "tools/doomed.h"

static const struct store_list_entry *find(const struct store_list *l,
					   const struct scan_entry *entry,
					   const struct buf *key,
					   int64_t commit_s)
{
	const struct store_list_entry *object;

	object = key->len ? keylist_find(l, key->data, key->len) : NULL;
	/* A marker that loses is what other tools know the directory by. */
	if (object && S_ISDIR(entry->st.st_mode) &&
	    object->object.modified_s < commit_s)
		return NULL;
	return object;
}

static int choose(struct doomed *d, const struct store_list *l,
		  const struct scan *scan, const char *dir, int64_t commit_s)
{
	CLEANUP_BUF struct buf key = BUF_INIT(2 * PATH_MAX_LEN + STORE_KEY_MAX);

	d->objects = calloc(2 * l->count, sizeof(*d->objects));
	if (!d->objects)
		return -ENOMEM;
	for (size_t i = 0; i < scan->count; i++) {
		const struct store_list_entry *object;

		buf_reset(&key);
		if (diff_key(&key, dir, &scan->entries[i]))
			return -ENOMEM;
		object = find(l, &scan->entries[i], &key, commit_s);
		if (object)
			d->objects[d->count++] = object;
	}
	return 0;
}

int shadow_delete(struct store *s, const struct scan *scan, const char *dir,
		  const char *prefix, const struct keylist *listed,
		  int64_t commit_s, const struct store_list_entry *const *more,
		  size_t more_count, size_t *ret_count, struct err *e)
{
	CLEANUP(doomed_done) struct doomed d = { 0 };
	size_t count;
	int r;

	if (listed->all.count && choose(&d, &listed->all, scan, dir, commit_s))
		return err_set(e, -ENOMEM, "out of memory");
	count = d.count;
	for (size_t i = 0; i < more_count; i++)
		d.objects[d.count++] = more[i];
	r = doomed_delete(&d, s, prefix, listed->asked_ms, e);
	if (!r)
		*ret_count = count;
	return r;
}
