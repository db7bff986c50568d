/*
 * Replays files into a fuzz target: the main of a build without libFuzzer.
 *
 * Usage: fuzz_NAME FILE-OR-DIRECTORY ...
 *
 * Directories are read one level deep, in any order. Each input is in a heap
 * block of exactly its size, so that a sanitizer sees reads past its end. The
 * empty input is always run; with no file at all the exit code is 1, because
 * a test that ran on nothing must not pass.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void run_file(const char *path, size_t size)
{
	uint8_t *data = malloc(size ? size : 1);
	FILE *in = fopen(path, "rbe");

	if (!data || !in)
		err(1, "%s", path);
	if (fread(data, 1, size, in) != size)
		err(1, "%s: short read", path);
	fclose(in);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

/* Returns the number of inputs run. */
static size_t run_path(const char *path, int depth)
{
	struct dirent *entry;
	struct stat st;
	size_t n = 0;
	DIR *dir;

	if (stat(path, &st) < 0)
		err(1, "%s", path);
	if (S_ISREG(st.st_mode)) {
		run_file(path, (size_t)st.st_size);
		return 1;
	}
	if (!S_ISDIR(st.st_mode) || depth > 0)
		return 0;
	dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	while ((entry = readdir(dir))) {
		char *below;

		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
			errx(1, "out of memory");
		n += run_path(below, depth + 1);
		free(below);
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	size_t n = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		n += run_path(argv[i], 0);
	printf("%zu inputs\n", n);
	return n ? 0 : 1;
}
