/*
 * Plain objects behind names that a push has just committed: deleted, so that
 * they neither hide what was pushed in the same second, nor come back when it is
 * removed one day.
 *
 * Threads: any. Blocks on the network.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "s3/store.h"
#include "tools/keylist.h"
#include "tools/scan.h"

/*
 * Deletes the objects of pushed files and links that `listed` shows, and the
 * markers of pushed directories that would win over a commit at `commit_s`; and
 * `more` of what is listed. When
 * the listing of `prefix` is older than a few seconds, it is taken again, and an
 * object that changed since is left alone.
 *
 * dir: where the scan was pushed to. ret_count: objects deleted, without `more`.
 * Errors: as store.h.
 */
int shadow_delete(struct store *s, const struct scan *scan, const char *dir,
		  const char *prefix, const struct keylist *listed,
		  int64_t commit_s, const struct store_list_entry *const *more,
		  size_t more_count, size_t *ret_count, struct err *e);
