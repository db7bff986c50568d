/*
 * A segment is read under the lock on its file, so that no two processes read it
 * and none appends. One whose lock is taken has a living owner: its records come
 * into the index by themselves. A file that is missing is forgotten unless it
 * was listed so lately that its creator may be about to make it.
 */
#include "cache/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cache/segindex.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"

#define BATCH 1024 /* records put at once */
#define BIRTH_MAX_S 60 /* from listing to the file's creation */

static void close_dirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static int list_file(struct cachedb *db, int dir_fd, const char *name)
{
	struct segment_entry s = { .state = SEGMENT_FULL };
	struct segment_info info;
	CLEANUP_FD int fd = -1;
	struct stat st;

	if (segment_parse_name(name, &s.number))
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	if (segment_read_info(fd, s.number, &info)) {
		/* Never got its header, or damaged: counts, and goes first. */
		info.queue = QUEUE_PROBATION;
		s.indexed = true;
	}
	s.queue = info.queue;
	s.size = st.st_size > SEGMENT_MAX ? SEGMENT_MAX : (uint32_t)st.st_size;
	s.room = s.size;
	return segindex_found(db, &s);
}

int recover_list(struct cachedb *db, const char *path, struct err *e)
{
	CLEANUP(close_dirp) DIR *dir = opendir(path);
	const struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set(e, -errno, "cache '%s': %m", path);
	while (!r && (errno = 0, entry = readdir(dir)))
		r = list_file(db, dirfd(dir), entry->d_name);
	if (!r && errno)
		r = -errno;
	return r ? err_set(e, r, "cache '%s': %s", path, strerror(-r)) : 0;
}

struct batch {
	struct cachedb *db;
	uint64_t segment;
	struct record recs[BATCH];
	size_t count;
};

static int batch_flush(struct batch *b)
{
	int r = segindex_blocks_found(b->db, b->segment, b->recs, b->count);

	b->count = 0;
	return r;
}

static int batch_add(const struct record *rec, void *arg)
{
	struct batch *b = arg;

	b->recs[b->count++] = *rec;
	return b->count == BATCH ? batch_flush(b) : 0;
}

static int index_records(struct cachedb *db, int fd, struct segment_entry *s)
{
	CLEANUP_FREE struct batch *b = calloc(1, sizeof(*b));
	struct segment_info info;
	struct stat st;
	int r;

	if (!b)
		return -ENOMEM;
	if (fstat(fd, &st))
		return -errno;
	b->db = db;
	b->segment = s->number;
	r = segment_read_info(fd, s->number, &info);
	if (!r)
		r = segment_walk(fd, &info, 0, (uint64_t)st.st_size, batch_add,
				 b);
	if (!r)
		r = batch_flush(b);
	if (r == -EBADMSG)
		s->state = SEGMENT_FULL; /* never begun; waits for eviction */
	else if (r)
		return r;
	s->size = st.st_size > SEGMENT_MAX ? SEGMENT_MAX : (uint32_t)st.st_size;
	s->indexed = true;
	r = segindex_update(db, s);
	return r == -ESTALE ? 0 : r;
}

/* As recover_step, of this segment; 0: not ours to do. */
static int recover_one(struct cachedb *db, const char *dir,
		       const struct segment_entry *listed)
{
	struct segment_entry s = *listed;
	char path[PATH_MAX];
	CLEANUP_FD int fd = -1;
	int64_t age_s = clock_wall_s() - s.born_s;
	int r;

	if (segment_path(path, dir, s.number))
		return 0;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		if (s.boot == segindex_boot() && age_s >= 0 &&
		    age_s < BIRTH_MAX_S)
			return 0;
		r = segindex_remove(db, s.number);
		return r ? r : 1;
	}
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	r = index_records(db, fd, &s);
	/* A segment that cannot be read now is left for another time. */
	if (r == -EIO && !cachedb_is_broken(db))
		return 0;
	return r ? r : 1;
}

int recover_step(struct cachedb *db, const char *dir)
{
	CLEANUP_FREE struct segment_entry *list = NULL;
	size_t count = 0;
	int r = segindex_list(db, &list, &count);

	for (size_t i = 0; !r && i < count; i++)
		if (!list[i].indexed && list[i].state != SEGMENT_DYING)
			r = recover_one(db, dir, &list[i]);
	return r;
}
