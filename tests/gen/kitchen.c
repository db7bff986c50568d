/*
 * Makes "K", a tree of the shape of Pixar's Kitchen_set, the public sample
 * whose slow copying is the reason for this project:
 *
 *   5 files at the top (two of 290 kB), and assets/ with 79 directories of
 *   three files each: 242 files. With assets/ and one empty directory there
 *   are 81 directories below the root. 12 MB in all; half of the bytes is
 *   text, half does not compress. Modes and times vary.
 *
 * The payload files are log-normal around 50 kB and then scaled, so that the
 * sum is the same for every seed. Same seed, same tree: contents, modes and
 * times are functions of the seed alone, never of the clock.
 *
 * Usage: kitchen DIR [--seed N]; DIR is made, or must be empty.
 */
#include <errno.h>
#include <err.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_ASSETS 79
#define TOTAL_BYTES 12000000
#define TOP_BYTES 290000
#define MEDIAN_BYTES 50000.0
#define SIGMA 1.5 /* a mean of about 140 kB, as the total needs */

static const char *const asset_names[] = {
	"Ball",		"Book",	     "Bottle",	     "Bowl",	   "BreadBag",
	"Broom",	"Cabinet",   "Canister",     "Carpet",	   "CastIron",
	"Cereal",	"Chair",     "CheerioBox",   "Clock",	   "CoatRack",
	"Colander",	"Cookie",    "Counter",	     "Crate",	   "Cup",
	"CuttingBoard", "Dish",	     "Drawer",	     "FlourJar",   "Fork",
	"Frame",	"Fridge",    "Fruit",	     "GarbageCan", "Glass",
	"Hook",		"IronBoard", "Jug",	     "Kettle",	   "Knife",
	"Ladle",	"Lamp",	     "MeasuringCup", "Milk",	   "Mitten",
	"Mug",		"Napkin",    "OilBottle",    "Oven",	   "Pan",
	"PaperTowel",	"Pepper",    "Plate",	     "Pot",	   "Rack",
};
#define N_NAMES (sizeof(asset_names) / sizeof(asset_names[0]))

/* splitmix64: one multiplication away from any seed. */
static uint64_t rng_next(uint64_t *rng)
{
	uint64_t z = (*rng += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Uniform in (0, 1), both ends excluded. */
static double rng_unit(uint64_t *rng)
{
	return ((double)(rng_next(rng) >> 12) + 0.5) / 4503599627370496.0;
}

/* Cut at 2.2 deviations: one freak file must not be a third of the tree. */
static double rng_normal(uint64_t *rng)
{
	double radius = sqrt(-2.0 * log(rng_unit(rng)));

	return fmax(-2.2, fmin(2.2, radius * cos(2.0 * M_PI * rng_unit(rng))));
}

static size_t rng_range(uint64_t *rng, size_t low, size_t high)
{
	return low + rng_next(rng) % (high - low);
}

/* Fills data with usda-like lines; the last one is cut where the room ends. */
static void fill_text(uint64_t *rng, char *data, size_t len, const char *name)
{
	size_t pos = 0;

	while (pos < len) {
		char line[160];
		size_t line_len;
		uint64_t r = rng_next(rng);

		switch (r % 8) {
		case 0:
			snprintf(line, sizeof(line),
				 "    def Mesh \"%s_geo_%u\"\n    {\n", name,
				 (unsigned int)(r >> 32) % 1000);
			break;
		case 1:
			snprintf(line, sizeof(line),
				 "        uniform token subdivisionScheme = "
				 "\"catmullClark\"\n    }\n");
			break;
		default:
			snprintf(line, sizeof(line),
				 "        (%.4f, %.4f, %.4f),\n",
				 (double)(r >> 44) / 1e4,
				 (double)((r >> 24) & 0xfffff) / 1e4,
				 (double)((r >> 4) & 0xfffff) / 1e4);
		}
		line_len = strlen(line);
		if (line_len > len - pos)
			line_len = len - pos;
		memcpy(data + pos, line, line_len);
		pos += line_len;
	}
}

static void fill_noise(uint64_t *rng, char *data, size_t len)
{
	for (size_t pos = 0; pos < len; pos += sizeof(uint64_t)) {
		uint64_t r = rng_next(rng);

		memcpy(data + pos, &r,
		       len - pos < sizeof(r) ? len - pos : sizeof(r));
	}
}

/* A time in 2014 or 2015, with nanoseconds that are not zero. */
static void set_attributes(uint64_t *rng, int fd, const char *path,
			   const mode_t modes[4])
{
	struct timespec times[2];

	times[0].tv_sec = 1400000000 + (time_t)(rng_next(rng) % 40000000);
	times[0].tv_nsec = (long)(1 + rng_next(rng) % 999999998);
	times[1] = times[0];
	if (fchmod(fd, modes[rng_next(rng) % 4]) < 0 || futimens(fd, times) < 0)
		err(1, "%s", path);
}

static void make_file(uint64_t *rng, int dirfd, const char *path, size_t text,
		      size_t noise, const char *name)
{
	static const mode_t modes[4] = { 0644, 0640, 0755, 0600 };
	char *data = malloc(text + noise);
	int fd;

	if (!data)
		errx(1, "out of memory");
	fill_text(rng, data, text, name);
	if (text > 10)
		memcpy(data, "#usda 1.0\n", 10);
	fill_noise(rng, data + text, noise);

	fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		err(1, "%s", path);
	for (size_t done = 0; done < text + noise;) {
		ssize_t n = write(fd, data + done, text + noise - done);

		if (n < 0)
			err(1, "%s", path);
		done += (size_t)n;
	}
	set_attributes(rng, fd, path, modes);
	close(fd);
	free(data);
}

/* Directories get their times last: making an entry in one changes it. */
static void finish_dir(uint64_t *rng, int dirfd, const char *path)
{
	static const mode_t modes[4] = { 0755, 0750, 0775, 0700 };
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		err(1, "%s", path);
	set_attributes(rng, fd, path, modes);
	close(fd);
}

static void make_dir(int dirfd, const char *path)
{
	if (mkdirat(dirfd, path, 0700) < 0)
		err(1, "%s", path);
}

/* Names are used in turn: Bowl, then BowlB once all were used once. */
static void asset_name(size_t i, char *name, size_t size)
{
	snprintf(name, size, "%s%s", asset_names[i % N_NAMES],
		 i < N_NAMES ? "" : "B");
}

struct plan {
	size_t top[5];
	size_t model[N_ASSETS];
	size_t geom[N_ASSETS];
	size_t payload[N_ASSETS];
	double text_share; /* of a payload file's bytes */
};

static void plan_sizes(struct plan *plan, uint64_t *rng)
{
	double payload[N_ASSETS], sum = 0, scale;
	size_t small = 0;

	plan->top[0] = TOP_BYTES;
	plan->top[1] = TOP_BYTES;
	for (size_t i = 2; i < 5; i++)
		plan->top[i] = rng_range(rng, 1500, 6000);
	for (size_t i = 0; i < 5; i++)
		small += plan->top[i];
	for (size_t i = 0; i < N_ASSETS; i++) {
		plan->model[i] = rng_range(rng, 900, 1200);
		plan->geom[i] = rng_range(rng, 2600, 3500);
		small += plan->model[i] + plan->geom[i];
		payload[i] = MEDIAN_BYTES * exp(SIGMA * rng_normal(rng));
		sum += payload[i];
	}
	scale = (TOTAL_BYTES - (double)small) / sum;
	for (size_t i = 0; i < N_ASSETS; i++)
		plan->payload[i] = (size_t)(payload[i] * scale);
	plan->text_share = (TOTAL_BYTES / 2.0 - (double)small) /
			   (TOTAL_BYTES - (double)small);
}

static void make_asset(uint64_t *rng, int dirfd, const struct plan *plan,
		       size_t i)
{
	size_t text = (size_t)((double)plan->payload[i] * plan->text_share);
	char name[32], path[160];

	asset_name(i, name, sizeof(name));
	snprintf(path, sizeof(path), "assets/%s", name);
	make_dir(dirfd, path);
	snprintf(path, sizeof(path), "assets/%s/%s.usd", name, name);
	make_file(rng, dirfd, path, plan->model[i], 0, name);
	snprintf(path, sizeof(path), "assets/%s/%s_payload.usd", name, name);
	make_file(rng, dirfd, path, plan->geom[i], 0, name);
	snprintf(path, sizeof(path), "assets/%s/%s.geom.usd", name, name);
	make_file(rng, dirfd, path, text, plan->payload[i] - text, name);
	snprintf(path, sizeof(path), "assets/%s", name);
	finish_dir(rng, dirfd, path);
}

static void make_tree(uint64_t *rng, int dirfd)
{
	static const char *const top[5] = {
		"Kitchen_set.usd", "Kitchen_set_instanced.usd", "LICENSE.txt",
		"README.txt",	   "Kitchen_set.session.usda",
	};
	struct plan plan;

	plan_sizes(&plan, rng);
	for (size_t i = 0; i < 5; i++)
		make_file(rng, dirfd, top[i], plan.top[i], 0, "Kitchen_set");
	make_dir(dirfd, "renders");
	finish_dir(rng, dirfd, "renders");
	make_dir(dirfd, "assets");
	for (size_t i = 0; i < N_ASSETS; i++)
		make_asset(rng, dirfd, &plan, i);
	finish_dir(rng, dirfd, "assets");
	finish_dir(rng, dirfd, ".");
}

int main(int argc, char **argv)
{
	uint64_t seed = 1;
	int dirfd;

	if (argc == 4 && !strcmp(argv[2], "--seed"))
		seed = strtoull(argv[3], NULL, 10);
	else if (argc != 2 || argv[1][0] == '-')
		errx(2, "usage: kitchen DIR [--seed N]");

	if (mkdir(argv[1], 0755) < 0 && errno != EEXIST)
		err(1, "%s", argv[1]);
	dirfd = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (dirfd < 0)
		err(1, "%s", argv[1]);
	make_tree(&seed, dirfd);
	close(dirfd);
	return 0;
}
