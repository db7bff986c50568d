/*
 * Space in the open segment is taken under the lock, the write is done without
 * it. `rolling` is set by the one thread that changes segments, which does so
 * without the lock too; others wait for it. A segment is counted by each write
 * under way, so that its descriptor (and with it the lock on the file) outlives
 * them.
 *
 * A segment is left to others as open and indexed with its true size. After a
 * crash it is open and not indexed: whoever walks it (recover.c) makes it so.
 */
#include "cache/appender.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "s3/base/clock.h"
#include "s3/base/lock.h"

#define PAUSE_MS 5000 /* after the disk failed */
#define TRIES 8 /* segments that others take before us */

struct open_segment {
	struct segment_entry entry; /* constant but for what is guarded */
	struct segment_info info; /* constant */
	int fd; /* constant; holds the lock */
	atomic_uint refs;
	/* guarded by the appender's lock: */
	uint32_t end; /* bytes taken */
};

struct appender {
	struct appender_options o; /* constant */
	char dir[PATH_MAX]; /* constant */

	struct lock lock; /* LOCK_RANK_CACHE */
	/* guarded by lock: */
	struct open_segment *seg; /* counted; NULL: none yet */
	bool rolling;
	pthread_cond_t rolled;
	uint64_t pause_until_ms;
	int pause_error;
};

int appender_open(struct appender **ret_appender,
		  const struct appender_options *o)
{
	struct appender *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->o = *o;
	if (snprintf(a->dir, sizeof(a->dir), "%s", o->dir) >=
	    (int)sizeof(a->dir)) {
		free(a);
		return -ENAMETOOLONG;
	}
	lock_init(&a->lock, LOCK_RANK_CACHE);
	cond_init(&a->rolled);
	*ret_appender = a;
	return 0;
}

static void open_segment_put(struct open_segment *seg)
{
	if (!seg || atomic_fetch_sub(&seg->refs, 1) != 1)
		return;
	if (seg->fd >= 0)
		(void)close(seg->fd); /* records bear CRCs */
	free(seg);
}
DEFINE_CLEANUP(struct open_segment *, open_segment_put)

/* What was written is in the index or queued for it. */
static void seal(struct appender *a, const struct open_segment *seg,
		 uint32_t end, enum segment_state state)
{
	struct segment_entry entry = seg->entry;

	entry.state = state;
	entry.size = end;
	entry.indexed = true;
	/* Should it fail, it is walked as after a crash. */
	(void)segindex_update(a->o.db, &entry);
}

void appender_free(struct appender *a)
{
	if (!a)
		return;
	if (a->seg)
		seal(a, a->seg, a->seg->end, SEGMENT_OPEN);
	open_segment_put(a->seg);
	(void)pthread_cond_destroy(&a->rolled);
	lock_done(&a->lock);
	free(a);
}

static uint64_t limit_now(struct appender *a, uint64_t spare)
{
	uint64_t limit = a->o.limit(a->o.arg);

	return limit > spare ? limit - spare : 0;
}

static int lock_file(struct open_segment *seg, const char *path, int flags)
{
	seg->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
	if (seg->fd < 0)
		return -errno;
	if (flock(seg->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return 0;
}

static struct open_segment *open_segment_new(void)
{
	struct open_segment *seg = calloc(1, sizeof(*seg));

	if (!seg)
		return NULL;
	seg->fd = -1;
	atomic_init(&seg->refs, 1);
	return seg;
}

/* Begins behind whatever an earlier owner may have written. */
static int adopt(struct appender *a, const struct segment_entry *entry,
		 uint64_t spare, struct open_segment **ret_seg)
{
	CLEANUP(open_segment_putp) struct open_segment *seg = NULL;
	char path[PATH_MAX];
	struct stat st;
	uint64_t end;
	int r;

	seg = open_segment_new();
	if (!seg)
		return -ENOMEM;
	r = segment_path(path, a->dir, entry->number);
	if (!r)
		r = lock_file(seg, path, 0);
	if (!r)
		r = segment_read_info(seg->fd, entry->number, &seg->info);
	if (r)
		return r;
	if (seg->info.queue != a->o.queue || fstat(seg->fd, &st))
		return -ESTALE;
	end = (uint64_t)st.st_size;
	if (end < entry->size)
		end = entry->size;
	end = (end + SEGMENT_PAGE - 1) / SEGMENT_PAGE * SEGMENT_PAGE;
	if (end >= entry->room)
		return -ESTALE;
	r = segindex_adopt(a->o.db, entry->number, (uint32_t)end,
			   limit_now(a, spare), &seg->entry);
	if (r)
		return r;
	seg->end = (uint32_t)end;
	*ret_seg = TAKE_PTR(seg);
	return 0;
}

static int adopt_any(struct appender *a, uint64_t spare,
		     struct open_segment **ret_seg)
{
	CLEANUP_FREE struct segment_entry *list = NULL;
	size_t count = 0;
	int r = segindex_list(a->o.db, &list, &count);

	if (r)
		return r;
	for (size_t i = 0; i < count; i++) {
		const struct segment_entry *s = &list[i];

		/* Nearly full ones are not worth a change of segments. */
		if (s->state != SEGMENT_OPEN || !s->indexed ||
		    s->queue != a->o.queue || s->room < s->size ||
		    s->room - s->size < s->room / 4)
			continue;
		if (!adopt(a, s, spare, ret_seg))
			return 0;
	}
	return -ENOENT;
}

static int create(struct appender *a, uint64_t spare,
		  struct open_segment **ret_seg)
{
	CLEANUP(open_segment_putp) struct open_segment *seg = NULL;
	char path[PATH_MAX];
	int r;

	seg = open_segment_new();
	if (!seg)
		return -ENOMEM;
	r = segindex_create(a->o.db, a->o.queue, a->o.segment_size,
			    limit_now(a, spare), &seg->entry);
	if (r)
		return r;
	r = segment_path(path, a->dir, seg->entry.number);
	if (!r)
		r = lock_file(seg, path, O_CREAT | O_EXCL);
	if (!r)
		r = segment_create(seg->fd, &seg->info, seg->entry.number,
				   a->o.queue);
	/* A file that is there belongs to an index that was lost, or to who
	 * took our new one for an old one: the next number then. */
	if (r == -EEXIST || r == -EAGAIN)
		return -EAGAIN;
	if (r) {
		if (seg->fd >= 0)
			(void)unlink(path); /* empty; unlisted next */
		(void)segindex_remove(a->o.db, seg->entry.number);
		return r;
	}
	seg->end = SEGMENT_HEADER;
	*ret_seg = TAKE_PTR(seg);
	return 0;
}

static int next_segment(struct appender *a, uint64_t spare,
			struct open_segment **ret_seg)
{
	int r = adopt_any(a, spare, ret_seg);

	for (int i = 0; r == -ENOENT || r == -EAGAIN; i++) {
		if (i == TRIES)
			return -EBUSY;
		r = create(a, spare, ret_seg);
	}
	return r;
}

/* With `rolling` set by the caller. */
static int roll_locked(struct appender *a, uint64_t spare)
{
	struct open_segment *old = a->seg, *seg = NULL;
	uint32_t end = old ? old->end : 0;
	int r;

	lock_assert_held(&a->lock);
	a->seg = NULL;
	lock_drop(&a->lock);
	if (old)
		seal(a, old, end, SEGMENT_FULL);
	open_segment_put(old);
	r = next_segment(a, spare, &seg);
	lock_take(&a->lock);
	a->seg = seg;
	a->rolling = false;
	pthread_cond_broadcast(&a->rolled);
	return r;
}

/* Finds room for a record, and counts the segment for the write. */
static int take_space(struct appender *a, uint32_t len, uint64_t spare,
		      struct open_segment **ret_seg, uint32_t *ret_off)
{
	LOCK_SCOPE(&a->lock);
	for (;;) {
		struct open_segment *seg = a->seg;
		int r;

		if (a->pause_until_ms > clock_now_ms())
			return a->pause_error;
		if (a->rolling) {
			cond_wait(&a->rolled, &a->lock);
			continue;
		}
		if (seg) {
			uint32_t end, off = segment_place(seg->end, len, &end);

			if (end <= seg->entry.room) {
				seg->end = end;
				atomic_fetch_add(&seg->refs, 1);
				*ret_seg = seg;
				*ret_off = off;
				return 0;
			}
		}
		a->rolling = true;
		r = roll_locked(a, spare);
		if (r)
			return r;
	}
}

static void pause_after(struct appender *a, int error)
{
	LOCK_SCOPE(&a->lock);
	a->pause_until_ms = clock_now_ms() + PAUSE_MS;
	a->pause_error = error;
}

int appender_add(struct appender *a, const struct hash *id, const void *data,
		 uint32_t len, uint64_t spare, struct block_place *ret_place)
{
	CLEANUP(open_segment_putp) struct open_segment *seg = NULL;
	uint32_t off;
	int r;

	if (!len || len > RECORD_MAX)
		return -EFBIG;
	r = take_space(a, len, spare, &seg, &off);
	if (r)
		return r;
	assert(seg);
	r = segment_write(seg->fd, &seg->info, id, off, data, len);
	if (r) {
		pause_after(a, r);
		return r;
	}
	*ret_place = (struct block_place){
		.segment = seg->entry.number,
		.off = off,
		.len = len,
	};
	return 0;
}
