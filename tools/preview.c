#include "tools/preview.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache/names.h"
#include "tools/quote.h"

static void line(const char *what, const char *path, size_t len, bool is_dir)
{
	CLEANUP_BUF struct buf out = BUF_INIT(8 * PATH_MAX_LEN);

	if (isatty(STDOUT_FILENO))
		(void)quote_terminal(&out, path, len);
	else
		(void)buf_add(&out, path, len);
	if (!buf_error(&out)) /* main looks at stdout's errors at the end */
		(void)printf("%-12s %.*s%s\n", what, (int)out.len,
			     out.data ? out.data : "",
			     is_dir && len && path[len - 1] != '/' ? "/" : "");
}

static const char *what_of(const struct diff_item *item)
{
	if (item->kind == DIFF_ATTR)
		return "attributes";
	return item->seen ? "changed" : "new";
}

void preview_entry(const char *what, const struct scan_entry *entry)
{
	line(what, entry->path_len ? entry->path : "./",
	     entry->path_len ? entry->path_len : 2, S_ISDIR(entry->st.st_mode));
}

void preview_print(const struct scan *scan, const struct diff *diff,
		   const struct extras *x, const char *dir, size_t skip)
{
	size_t top = strlen(dir);

	for (size_t i = 0; diff && i < scan->count; i++) {
		if (diff->items[i].kind != DIFF_SAME)
			preview_entry(what_of(&diff->items[i]),
				      &scan->entries[i]);
	}
	for (size_t i = 0; i < x->count; i++)
		line("removed", x->changes[i].path + (top - skip),
		     x->changes[i].path_len - (top - skip),
		     x->changes[i].if_empty);
	for (size_t i = 0; i < x->object_count; i++)
		line("removed", x->objects[i]->key + top,
		     x->objects[i]->key_len - top, false);
}
