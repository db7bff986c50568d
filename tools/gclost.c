/*
 * A tree that was read names only what had been uploaded before it, and no blob is
 * deleted that a tree names: a listing that began after the reading decides.
 */
#include "tools/gclost.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "tools/keylist.h"

struct search {
	struct gc_scan *scan;
	bool no_memory;
};

static bool note_missing(void *arg, const struct object_id *id)
{
	struct search *s = arg;
	struct gc_scan *scan = s->scan;
	size_t n = scan->lost_count;

	if (gc_scan_blob(scan, id))
		return false;
	if (!(n & (n - 1))) { /* 0, or a power of two: full */
		struct object_id *more =
			reallocarray(scan->lost, 2 * n + 1, sizeof(*more));

		s->no_memory = !more;
		if (!more)
			return true;
		scan->lost = more;
	}
	scan->lost[scan->lost_count++] = *id;
	return false;
}

static int drop_found(struct gc_scan *scan, const struct store_list *listed,
		      const char *pool, struct err *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < scan->lost_count; i++) {
		CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);

		if (name_blob(&key, pool, &scan->lost[i]))
			return err_set(e, buf_error(&key), "'%s': too long",
				       pool);
		if (!keylist_find(listed, key.data, key.len))
			scan->lost[kept++] = scan->lost[i];
	}
	scan->lost_count = kept;
	return 0;
}

static int look_again(struct gc_scan *scan, struct store *s, const char *pool,
		      struct err *e)
{
	CLEANUP(keylist_done) struct keylist now = { 0 };
	CLEANUP_BUF struct buf prefix = BUF_INIT(STORE_KEY_MAX);
	int r;

	if (buf_addf(&prefix, "%s" POOL_DIR "blob/", pool))
		return err_set(e, buf_error(&prefix), "'%s': too long", pool);
	r = keylist_start(&now, s, prefix.data, NULL, NULL, e);
	if (!r)
		r = keylist_wait(&now, e);
	return r ? r : drop_found(scan, &now.all, pool, e);
}

int gc_find_lost(struct gc_scan *scan, const struct mark *marked,
		 struct store *s, const char *pool, struct err *e)
{
	struct search all = { .scan = scan };
	int r = 0;

	(void)mark_any_blob(marked, note_missing, &all);
	if (all.no_memory)
		return err_set(e, -ENOMEM, "out of memory");
	if (scan->lost_count)
		r = look_again(scan, s, pool, e);
	if (!r && scan->lost_count)
		qsort(scan->lost, scan->lost_count, sizeof(*scan->lost),
		      object_id_compare);
	return r;
}
