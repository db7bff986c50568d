#include "tools/shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "tools/diff.h"

#define LISTING_FRESH_MS 5000u

struct doomed {
	const struct store_list_entry **objects; /* owned array */
	size_t count;
};

static void doomed_done(struct doomed *d)
{
	free(d->objects);
}

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

/* Leaves those that a new listing shows as they were. */
static void keep_unchanged(struct doomed *d, const struct store_list *now)
{
	size_t count = 0;

	for (size_t i = 0; i < d->count; i++) {
		const struct store_list_entry *was = d->objects[i];
		const struct store_list_entry *is =
			keylist_find(now, was->key, was->key_len);

		if (is && is->object.modified_s == was->object.modified_s &&
		    !strcmp(is->object.etag, was->object.etag))
			d->objects[count++] = was;
	}
	d->count = count;
}

static int look_again(struct doomed *d, struct store *s, const char *prefix,
		      struct err *e)
{
	CLEANUP(keylist_done) struct keylist now = { 0 };
	int r = keylist_start(&now, s, prefix, NULL, NULL, e);

	if (!r)
		r = keylist_wait(&now, e);
	if (!r)
		keep_unchanged(d, &now.all);
	return r;
}

static int delete_some(struct store *s,
		       const struct store_list_entry *const *objects,
		       size_t count, struct err *e)
{
	const char *keys[STORE_DELETE_MANY_MAX];
	struct store_req req;
	int r;

	for (size_t i = 0; i < count; i++)
		keys[i] = objects[i]->key;
	store_req_init(&req, STORE_DELETE_MANY, "");
	req.keys = keys;
	req.key_count = count;
	r = store_run(s, &req, e);
	store_req_done(&req);
	return r;
}

int shadow_delete(struct store *s, const struct scan *scan, const char *dir,
		  const char *prefix, const struct keylist *listed,
		  int64_t commit_s, const struct store_list_entry *const *more,
		  size_t more_count, size_t *ret_count, struct err *e)
{
	CLEANUP(doomed_done) struct doomed d = { 0 };
	size_t count;
	int r = 0;

	if (listed->all.count && choose(&d, &listed->all, scan, dir, commit_s))
		return err_set(e, -ENOMEM, "out of memory");
	count = d.count;
	for (size_t i = 0; i < more_count; i++)
		d.objects[d.count++] = more[i];
	if (d.count && clock_now_ms() - listed->asked_ms > LISTING_FRESH_MS)
		r = look_again(&d, s, prefix, e);
	for (size_t i = 0; i < d.count && !r; i += STORE_DELETE_MANY_MAX) {
		size_t left = d.count - i;

		r = delete_some(s, d.objects + i,
				left < STORE_DELETE_MANY_MAX
					? left
					: STORE_DELETE_MANY_MAX,
				e);
	}
	if (!r)
		*ret_count = count;
	return r;
}
