/*
 * File: magic[8] "assetobj", length u64, CRC32C u32 of the content, CRC32C u32
 * of the 20 bytes before, content. Written without fsync: what a crash left of
 * it does not fit its CRC and is a miss.
 *
 * The time of last reading is the file's mtime, renewed at most once an hour.
 */
#include "cache/catfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "s3/base/span.h"

#define MAGIC "assetobj"
#define HEADER 24u
#define RENEW_S 3600
#define TEMP_MAX_S 3600 /* a temporary file older than this has no writer */

struct catfiles {
	char dir[PATH_MAX]; /* constant */
	_Atomic uint64_t bytes;
};

struct entry {
	char name[HASH_HEX];
	uint64_t size;
	int64_t read_s;
};

struct entries {
	struct entry *list;
	size_t count, room;
	uint64_t bytes;
};

static void close_dirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int entries_add(struct entries *all, const char *name,
		       const struct stat *st)
{
	struct entry *e;

	if (all->count == all->room) {
		size_t room = all->room ? 2 * all->room : 64;

		e = reallocarray(all->list, room, sizeof(*e));
		if (!e)
			return -ENOMEM;
		all->list = e;
		all->room = room;
	}
	e = &all->list[all->count++];
	memcpy(e->name, name, sizeof(e->name));
	e->size = (uint64_t)st->st_blocks * 512;
	e->read_s = st->st_mtim.tv_sec;
	all->bytes += e->size;
	return 0;
}

/* Lists what is there and removes what a dead writer left. */
static int scan(const struct catfiles *f, struct entries *all)
{
	CLEANUP(close_dirp) DIR *dir = opendir(f->dir);
	const struct dirent *d;
	int r = 0;

	if (!dir)
		return -errno;
	while (!r && (d = readdir(dir))) {
		struct hash name;
		struct stat st;

		if (fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		if (!hex_decode(name.bytes, HASH_LEN, d->d_name,
				strlen(d->d_name)))
			r = entries_add(all, d->d_name, &st);
		else if (clock_wall_s() - st.st_mtim.tv_sec > TEMP_MAX_S)
			(void)unlinkat(dirfd(dir), d->d_name, 0); /* litter */
	}
	return r;
}

static int by_age(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->read_s > y->read_s) - (x->read_s < y->read_s);
}

/* Removes the least recently read until all take `max` bytes at most. */
static void shrink(struct catfiles *f, uint64_t max)
{
	struct entries all = { 0 };

	if (!scan(f, &all)) {
		if (all.bytes > max)
			qsort(all.list, all.count, sizeof(*all.list), by_age);
		for (size_t i = 0; i < all.count && all.bytes > max; i++) {
			char path[PATH_MAX];
			int n = snprintf(path, sizeof(path), "%s/%s", f->dir,
					 all.list[i].name);

			if (n > 0 && n < (int)sizeof(path) && !unlink(path))
				all.bytes -= all.list[i].size;
		}
		atomic_store(&f->bytes, all.bytes);
	}
	free(all.list);
}

int catfiles_open(struct catfiles **ret_files, const char *dir)
{
	CLEANUP(catfiles_freep) struct catfiles *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	if (snprintf(f->dir, sizeof(f->dir), "%s", dir) >= (int)sizeof(f->dir))
		return -ENAMETOOLONG;
	shrink(f, UINT64_MAX);
	*ret_files = TAKE_PTR(f);
	return 0;
}

void catfiles_free(struct catfiles *f)
{
	free(f);
}

static int path_of(const struct catfiles *f, const struct hash *name,
		   char out[PATH_MAX])
{
	char hex[HASH_HEX];
	int n;

	hex_encode(hex, name->bytes, HASH_LEN);
	n = snprintf(out, PATH_MAX, "%s/%s", f->dir, hex);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Length and CRC of the content: 0 or -EBADMSG. */
static int read_head(int fd, uint64_t *ret_len, uint32_t *ret_crc)
{
	uint8_t head[HEADER];
	struct span s = span_of(head, sizeof(head));
	struct stat st;
	ssize_t n = io_pread_full(fd, head, sizeof(head), 0);

	if (n < 0 || fstat(fd, &st))
		return n < 0 ? (int)n : -errno;
	if (n != HEADER || memcmp(span_take(&s, 8), MAGIC, 8))
		return -EBADMSG;
	*ret_len = span_u64(&s);
	*ret_crc = span_u32(&s);
	if (span_u32(&s) != crc32c(0, head, HEADER - 4) ||
	    *ret_len != (uint64_t)st.st_size - HEADER)
		return -EBADMSG;
	return 0;
}

/* -EBADMSG for a damaged one; `out` as it was then. */
static int read_content(int fd, struct buf *out)
{
	uint64_t len;
	uint32_t crc;
	int r = read_head(fd, &len, &crc);
	void *room;
	ssize_t n;

	if (r)
		return r;
	room = buf_reserve(out, len);
	if (!room)
		return buf_error(out);
	n = io_pread_full(fd, room, len, HEADER);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n != len || crc32c(0, room, len) != crc)
		return -EBADMSG;
	out->len += len;
	return 0;
}

static int map_content(int fd, struct catfile *ret_file)
{
	struct catfile f;
	uint64_t len;
	uint32_t crc;
	int r = read_head(fd, &len, &crc);

	if (r)
		return r;
	f.len = len;
	f.map_len = len + HEADER;
	f.map = mmap(NULL, f.map_len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd,
		     0);
	if (f.map == MAP_FAILED)
		return -errno;
	f.data = (const uint8_t *)f.map + HEADER;
	if (crc32c(0, f.data, f.len) != crc) {
		(void)munmap(f.map, f.map_len); /* cannot fail */
		return -EBADMSG;
	}
	*ret_file = f;
	return 0;
}

static void renew(int fd)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
					   { .tv_nsec = UTIME_NOW } };
	struct stat st;

	if (!fstat(fd, &st) && clock_wall_s() - st.st_mtim.tv_sec > RENEW_S)
		(void)futimens(fd, times); /* only the order of removal */
}

/* Reads into `out`, or maps, where `out` is NULL. */
static int get(struct catfiles *f, const struct hash *name, struct buf *out,
	       struct catfile *ret_file)
{
	CLEANUP_FD int fd = -1;
	char path[PATH_MAX];
	int r = path_of(f, name, path);

	if (r)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	r = out ? read_content(fd, out) : map_content(fd, ret_file);
	if (!r)
		renew(fd);
	if (r != -EBADMSG)
		return r;
	(void)unlink(path); /* met again otherwise */
	return -ENOENT;
}

int catfiles_get(struct catfiles *f, const struct hash *name, struct buf *out)
{
	return get(f, name, out, NULL);
}

int catfiles_map(struct catfiles *f, const struct hash *name,
		 struct catfile *ret_file)
{
	return get(f, name, NULL, ret_file);
}

void catfiles_drop(struct catfiles *f, const struct hash *name)
{
	char path[PATH_MAX];

	if (!path_of(f, name, path))
		(void)unlink(path); /* met again otherwise */
}

static void put_le(uint8_t *out, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static int write_new(const char *path, const void *data, size_t len)
{
	CLEANUP_FD int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	uint8_t head[HEADER];
	int r;

	if (fd < 0)
		return -errno;
	memcpy(head, MAGIC, 8);
	put_le(head + 8, len, 8);
	put_le(head + 16, crc32c(0, data, len), 4);
	put_le(head + 20, crc32c(0, head, HEADER - 4), 4);
	r = io_write_full(fd, head, sizeof(head));
	return r ? r : io_write_full(fd, data, len);
}

int catfiles_put(struct catfiles *f, const struct hash *name, const void *data,
		 size_t len, uint64_t max)
{
	char path[PATH_MAX], temp[PATH_MAX];
	uint64_t id;
	int n, r = path_of(f, name, path);

	if (r)
		return r;
	if (len > max || len + HEADER > max)
		return -EFBIG;
	random_bytes(&id, sizeof(id));
	n = snprintf(temp, sizeof(temp), "%s.%016llx", path,
		     (unsigned long long)id);
	if (n < 0 || n >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	shrink(f, max - len - HEADER);
	r = write_new(temp, data, len);
	if (!r && rename(temp, path))
		r = -errno;
	if (r)
		(void)unlink(temp); /* may not have been made */
	else
		atomic_fetch_add(&f->bytes, len + HEADER);
	return r;
}

uint64_t catfiles_bytes(struct catfiles *f)
{
	return atomic_load(&f->bytes);
}
