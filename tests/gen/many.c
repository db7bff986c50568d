/*
 * Generates a tree of many small files, as caches and simulations leave them:
 * DIR/shots/sh0000/cache/geo.0000.usd and so on, a hundred in each directory.
 *
 * Usage: many DIR COUNT
 *
 * The same count gives the same bytes, modes and times.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define EACH 100u /* files of a directory */

static void make_dir(const char *path)
{
	if (mkdir(path, 0755))
		err(1, "%s", path);
}

static void set_time(const char *path, unsigned int i)
{
	const struct timespec ts = { 1600000000 + i, i * 4999 };
	const struct timespec times[2] = { ts, ts };

	if (utimensat(AT_FDCWD, path, times, 0))
		err(1, "%s", path);
}

static void make_file(const char *path, unsigned int i)
{
	FILE *f = fopen(path, "wbe");

	if (!f)
		err(1, "%s", path);
	for (unsigned int k = 0; k <= i % 4; k++)
		fprintf(f, "file %u of many, line %u\n", i, k);
	if (fclose(f))
		err(1, "%s", path);
	if (chmod(path, i % 3 ? 0644 : 0640))
		err(1, "%s", path);
	set_time(path, i);
}

int main(int argc, char **argv)
{
	unsigned int count;
	char path[4096];

	if (argc != 3)
		errx(2, "usage: many DIR COUNT");
	count = (unsigned int)strtoul(argv[2], NULL, 10);
	make_dir(argv[1]);
	snprintf(path, sizeof(path), "%s/shots", argv[1]);
	make_dir(path);
	for (unsigned int i = 0; i < count; i++) {
		int n = snprintf(path, sizeof(path), "%s/shots/sh%04u", argv[1],
				 i / EACH);

		if (!(i % EACH)) {
			make_dir(path);
			snprintf(path + n, sizeof(path) - (size_t)n, "/cache");
			make_dir(path);
		}
		snprintf(path + n, sizeof(path) - (size_t)n,
			 "/cache/geo.%04u.usd", i % EACH);
		make_file(path, i);
	}
	return 0;
}
