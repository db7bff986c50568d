#include "tools/sources.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/store.h"
#include "tools/filelist.h"

int sources_dest(const struct sources *s, const char *dest, const char *prefix,
		 struct dest *ret_dest, struct err *e)
{
	struct stat st;

	if (s->count > 1 || s->files_from)
		return dest_make_several(ret_dest, prefix, e);
	if (stat(*s->srcs, &st) < 0)
		return err_set(e, -errno, "'%s': %m", *s->srcs);
	return dest_make(ret_dest, *s->srcs, S_ISDIR(st.st_mode), dest, prefix,
			 e);
}

/* ---- listing ------------------------------------------------------------ */

static int scan_one(struct scan *scan, const char *src,
		    const struct scan_options *o, struct err *e)
{
	CLEANUP_FREE char *at = NULL;
	struct stat st;

	if (stat(src, &st) < 0) {
		notes_add(o->failed, "'%s': %m", src);
		return 0;
	}
	at = dest_at(src, S_ISDIR(st.st_mode));
	if (!at)
		return err_set(e, -ENOMEM, "out of memory");
	return S_ISDIR(st.st_mode) ? scan_dir(scan, src, at, o, e)
				   : scan_file(scan, src, at, o, e);
}

static int scan_all(const struct sources *s, const struct dest *dest,
		    struct scan *scan, const struct scan_options *o,
		    struct err *e)
{
	CLEANUP(filelist_done) struct filelist list = { 0 };
	int r = 0;

	if (s->files_from) {
		r = filelist_read(&list, s->files_from, s->from0, *s->srcs,
				  o->failed, e);
		return r ? r : scan_list(scan, *s->srcs, &list, o, e);
	}
	if (dest->name)
		return scan_file(scan, *s->srcs, dest->name, o, e);
	if (s->count == 1)
		return scan_dir(scan, *s->srcs, "", o, e);
	for (size_t i = 0; i < s->count && !r; i++)
		r = scan_one(scan, s->srcs[i], o, e);
	return r;
}

/* ---- what cannot be pushed ---------------------------------------------- */

/* Names that would be taken for something else in the bucket. */
static void check_name(const struct scan_entry *entry, struct notes *failed)
{
	const char *name = strrchr(entry->path, '/');

	name = name ? name + 1 : entry->path;
	if (name_is_reserved(name, strlen(name)))
		notes_add(failed, "'%s': the name is reserved", entry->path);
	else if (!path_is_safe(entry->path, entry->path_len))
		notes_add(failed, "'%s': the path is too long", entry->path);
}

/* All that cannot be read is named at once. */
static void check_readable(const struct scan *scan, struct notes *failed)
{
	for (size_t i = 0; i < scan->count; i++) {
		const struct scan_entry *entry = &scan->entries[i];
		int fd;

		if (!S_ISREG(entry->st.st_mode))
			continue;
		fd = scan_open_file(scan, entry);
		if (fd >= 0)
			(void)close(fd); /* only looked at */
		else
			notes_add(failed, "'%s': %s", entry->path,
				  strerror(-fd));
	}
}

int sources_scan(const struct sources *s, const struct dest *dest,
		 struct scan *scan, struct notes *failed, struct notes *skipped,
		 bool (*stop)(void), struct err *e)
{
	const struct scan_options o = {
		.failed = failed,
		.skipped = skipped,
		.exclude = &s->exclude,
		.stop = stop,
	};
	int r = scan_all(s, dest, scan, &o, e);

	if (r)
		return r;
	scan_sort(scan, failed);
	for (size_t i = 0; i < scan->count; i++) {
		if (scan->entries[i].path_len)
			check_name(&scan->entries[i], failed);
	}
	if (notes_count(failed))
		check_readable(scan, failed);
	return 0;
}
