#include "s3/watch.h"

#include <stdlib.h>
#include <string.h>

void watch_done(struct watch *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->files[i].path);
	memset(w, 0, sizeof(*w));
}

static void look(struct stat *ret_st, const char *path)
{
	if (stat(path, ret_st))
		memset(ret_st, 0, sizeof(*ret_st));
}

void watch_add(struct watch *w, const char *path)
{
	struct watch_file *f = &w->files[w->count];

	/* The working directory is another one once a daemon runs. */
	if (w->count == WATCH_MAX || *path != '/')
		return;
	for (size_t i = 0; i < w->count; i++)
		if (!strcmp(w->files[i].path, path))
			return;
	f->path = strdup(path);
	if (!f->path)
		return;
	look(&f->st, path);
	w->count++;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool watch_changed(const struct watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct stat *old = &w->files[i].st;
		struct stat now;

		look(&now, w->files[i].path);
		if (now.st_dev != old->st_dev || now.st_ino != old->st_ino ||
		    now.st_size != old->st_size ||
		    !same_time(now.st_mtim, old->st_mtim) ||
		    !same_time(now.st_ctim, old->st_ctim))
			return true;
	}
	return false;
}
