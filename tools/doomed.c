#include "tools/doomed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "tools/keylist.h"

#define LISTING_FRESH_MS 5000u

void doomed_done(struct doomed *d)
{
	free(d->objects);
	*d = (struct doomed){ 0 };
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

static int last_first(const void *a, const void *b)
{
	const struct store_list_entry *x =
		*(const struct store_list_entry *const *)a;
	const struct store_list_entry *y =
		*(const struct store_list_entry *const *)b;

	return strcmp(y->key, x->key);
}

static int delete_some(const struct doomed *d, struct store *s, size_t first,
		       size_t count, struct err *e)
{
	CLEANUP_FREE const char **keys = calloc(count, sizeof(*keys));
	CLEANUP_REQ struct store_req req;

	store_req_init(&req, STORE_DELETE_MANY, "");
	if (!keys)
		return err_set(e, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		keys[i] = d->objects[first + i]->key;
	req.keys = keys;
	req.key_count = count;
	return store_run(s, &req, e);
}

int doomed_delete(struct doomed *d, struct store *s, const char *prefix,
		  uint64_t asked_ms, struct err *e)
{
	int r = 0;

	if (d->count && clock_now_ms() - asked_ms > LISTING_FRESH_MS)
		r = look_again(d, s, prefix, e);
	/* A directory of a plain store can only go when it is empty: what is in
	 * it comes behind it in order of keys. */
	if (d->count)
		qsort(d->objects, d->count, sizeof(*d->objects), last_first);
	for (size_t i = 0; i < d->count && !r; i += STORE_DELETE_MANY_MAX) {
		size_t left = d->count - i;

		r = delete_some(d, s, i,
				left < STORE_DELETE_MANY_MAX
					? left
					: STORE_DELETE_MANY_MAX,
				e);
	}
	return r;
}
