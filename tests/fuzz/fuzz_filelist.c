/*
 * Lists of files to push, by lines and by NULs: what is accepted lies below the
 * base, each path once and in order.
 */
#include "tools/filelist.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void check(const struct filelist *l)
{
	for (size_t i = 0; i < l->count; i++) {
		const char *path = l->items[i].path;

		if (*path == '/' || strstr(path, "//") || !strcmp(path, "..") ||
		    !strncmp(path, "../", 3) || strstr(path, "/../"))
			abort();
		if (i && strcmp(l->items[i - 1].path, path) >= 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const bases[] = { "/base", "" };

	for (size_t i = 0; i < 4; i++) {
		struct filelist l = { 0 };
		struct notes failed;

		notes_init(&failed);
		if (filelist_parse(&l, (const char *)data, size, i & 1,
				   &bases[i / 2], 1, &failed, NULL))
			abort();
		check(&l);
		filelist_done(&l);
		notes_done(&failed);
	}
	return 0;
}
