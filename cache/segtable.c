/*
 * The table holds one reference to each open segment and keeps at most a part
 * of the process's descriptors, least recently used ones go first. With a
 * segment goes what is known of its records' CRCs; that costs only a second
 * check.
 */
#include "cache/segtable.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "s3/base/io.h"
#include "s3/base/list.h"
#include "s3/base/lock.h"
#include "s3/base/table.h"

#define OPEN_MIN 16
#define OPEN_MAX_SEGMENTS 4096
#define PAGES (SEGMENT_MAX / SEGMENT_PAGE)

struct segfile {
	struct segment_info info; /* constant */
	int fd; /* constant; read-only */
	atomic_uint refs;
	atomic_uchar checked[PAGES / 8]; /* by the page a payload begins on */

	/* guarded by the table's lock: */
	struct table_item item;
	struct list link; /* least recently used first */
};

struct segtable {
	char dir[PATH_MAX]; /* constant */
	size_t max; /* constant */

	struct lock lock; /* LOCK_RANK_CACHE */
	/* guarded by lock: */
	struct table by_number; /* of struct segfile, counted */
	struct list used;
};

struct ref {
	struct cache_ref pub;
	atomic_uint refs;
	struct segfile *seg; /* counted; NULL for memory */
	void *owned; /* memory */
};

/* ---- references ---------------------------------------------------------- */

/* The public side is constant; the count behind it is not. */
static struct ref *ref_of(const struct cache_ref *pub)
{
	return (struct ref *)((uintptr_t)pub - offsetof(struct ref, pub));
}

const struct cache_ref *cache_ref_get(const struct cache_ref *pub)
{
	atomic_fetch_add(&ref_of(pub)->refs, 1);
	return pub;
}

void cache_ref_put(const struct cache_ref *pub)
{
	struct ref *ref;

	if (!pub)
		return;
	ref = ref_of(pub);
	if (atomic_fetch_sub(&ref->refs, 1) != 1)
		return;
	segfile_put(ref->seg);
	free(ref->owned);
	free(ref);
}

/* Owns `data`, of which the record begins at `skip`. */
static const struct cache_ref *memory_ref(void *data, size_t skip, uint32_t len)
{
	struct ref *ref = calloc(1, sizeof(*ref));

	if (!ref) {
		free(data);
		return NULL;
	}
	atomic_init(&ref->refs, 1);
	ref->owned = data;
	ref->pub.data = (const char *)data + skip;
	ref->pub.fd = -1;
	ref->pub.len = len;
	return &ref->pub;
}

const struct cache_ref *cache_ref_memory(void *data, uint32_t len)
{
	return memory_ref(data, 0, len);
}

static int ref_in_file(struct segfile *seg, uint32_t off, uint32_t len,
		       const struct cache_ref **ret_ref)
{
	struct ref *ref = calloc(1, sizeof(*ref));

	if (!ref)
		return -ENOMEM;
	atomic_init(&ref->refs, 1);
	atomic_fetch_add(&seg->refs, 1);
	ref->seg = seg;
	ref->pub.fd = seg->fd;
	ref->pub.off = off;
	ref->pub.len = len;
	*ret_ref = &ref->pub;
	return 0;
}

ssize_t cache_ref_read(const struct cache_ref *ref, uint32_t off, void *out,
		       size_t len)
{
	ssize_t n;

	if (off >= ref->len)
		return 0;
	if (len > ref->len - off)
		len = ref->len - off;
	if (ref->data) {
		memcpy(out, (const char *)ref->data + off, len);
		return (ssize_t)len;
	}
	n = io_pread_full(ref->fd, out, len, ref->off + off);
	if (n >= 0 && (size_t)n != len)
		return -EIO; /* the file was cut from outside */
	return n;
}

/* ---- segments ------------------------------------------------------------ */

int segtable_open(struct segtable **ret_table, const char *dir)
{
	CLEANUP(segtable_freep) struct segtable *t = calloc(1, sizeof(*t));
	struct rlimit files;

	if (!t)
		return -ENOMEM;
	lock_init(&t->lock, LOCK_RANK_CACHE);
	table_init(&t->by_number);
	list_init(&t->used);
	if (snprintf(t->dir, sizeof(t->dir), "%s", dir) >= (int)sizeof(t->dir))
		return -ENAMETOOLONG;
	t->max = OPEN_MIN;
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur / 4 > t->max)
		t->max = files.rlim_cur / 4;
	if (t->max > OPEN_MAX_SEGMENTS)
		t->max = OPEN_MAX_SEGMENTS;
	*ret_table = TAKE_PTR(t);
	return 0;
}

void segfile_put(struct segfile *seg)
{
	if (!seg || atomic_fetch_sub(&seg->refs, 1) != 1)
		return;
	if (seg->fd >= 0)
		(void)close(seg->fd); /* read-only */
	free(seg);
}

static void remove_locked(struct segtable *t, struct segfile *seg)
{
	lock_assert_held(&t->lock);
	table_remove(&t->by_number, &seg->item);
	list_remove(&seg->link);
	segfile_put(seg);
}

void segtable_free(struct segtable *t)
{
	if (!t)
		return;
	lock_take(&t->lock);
	while (!list_empty(&t->used))
		remove_locked(t,
			      container_of(t->used.next, struct segfile, link));
	lock_drop(&t->lock);
	table_done(&t->by_number);
	lock_done(&t->lock);
	free(t);
}

static int file_open(const struct segtable *t, uint64_t number,
		     struct segfile **ret_seg)
{
	CLEANUP(segfile_putp) struct segfile *seg = calloc(1, sizeof(*seg));
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (!seg)
		return -ENOMEM;
	atomic_init(&seg->refs, 1);
	seg->fd = -1;
	r = segment_path(path, t->dir, number);
	if (r)
		return r;
	seg->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (seg->fd < 0)
		return -errno;
	if (fstat(seg->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	r = segment_read_info(seg->fd, number, &seg->info);
	if (r)
		return r;
	seg->item.key = &seg->info.number;
	seg->item.key_len = sizeof(seg->info.number);
	list_init(&seg->link);
	*ret_seg = TAKE_PTR(seg);
	return 0;
}

static struct segfile *find_locked(struct segtable *t, uint64_t number)
{
	struct table_item *item =
		table_find(&t->by_number, &number, sizeof(number));
	struct segfile *seg;

	lock_assert_held(&t->lock);
	if (!item)
		return NULL;
	seg = container_of(item, struct segfile, item);
	list_remove(&seg->link);
	list_add_tail(&t->used, &seg->link);
	atomic_fetch_add(&seg->refs, 1);
	return seg;
}

int segtable_get(struct segtable *t, uint64_t number, struct segfile **ret_seg)
{
	struct segfile *seg, *other;
	int r;

	lock_take(&t->lock);
	seg = find_locked(t, number);
	lock_drop(&t->lock);
	if (!seg) {
		r = file_open(t, number, &seg);
		if (r)
			return r;
		lock_take(&t->lock);
		other = find_locked(t, number);
		if (!other) {
			atomic_fetch_add(&seg->refs, 1);
			table_add(&t->by_number, &seg->item);
			list_add_tail(&t->used, &seg->link);
		}
		while (t->by_number.count > t->max)
			remove_locked(t, container_of(t->used.next,
						      struct segfile, link));
		lock_drop(&t->lock);
		if (other) {
			segfile_put(seg);
			seg = other;
		}
	}
	*ret_seg = seg;
	return 0;
}

void segtable_sweep(struct segtable *t)
{
	LOCK_SCOPE(&t->lock);
	list_for_each_safe (link, &t->used) {
		struct segfile *seg = container_of(link, struct segfile, link);
		struct stat st;

		if (!fstat(seg->fd, &st) && !st.st_nlink)
			remove_locked(t, seg);
	}
}

/* ---- records ------------------------------------------------------------- */

static bool is_checked(struct segfile *seg, uint32_t off)
{
	uint32_t page = off / SEGMENT_PAGE;

	return atomic_load(&seg->checked[page / 8]) & 1u << page % 8;
}

static void note_checked(struct segfile *seg, uint32_t off)
{
	uint32_t page = off / SEGMENT_PAGE;

	atomic_fetch_or(&seg->checked[page / 8],
			(unsigned char)(1u << page % 8));
}

int segfile_ref(struct segfile *seg, const struct hash *id, uint32_t off,
		uint32_t len, const struct cache_ref **ret_ref)
{
	const bool large = len >= SEGMENT_LARGE;
	const struct cache_ref *ref;
	CLEANUP_FREE void *data = NULL;
	int r;

	if (off >= SEGMENT_MAX)
		return -EBADMSG;
	if (large && is_checked(seg, off))
		return ref_in_file(seg, off, len, ret_ref);
	data = malloc(SEGMENT_HEADER + (size_t)len);
	if (!data)
		return -ENOMEM;
	r = segment_read(seg->fd, &seg->info, id, off, len, data);
	if (r)
		return r;
	if (large && off % SEGMENT_PAGE == 0)
		note_checked(seg, off);
	/* Just read and checked: better than reading it once more. */
	ref = memory_ref(TAKE_PTR(data), SEGMENT_HEADER, len);
	if (!ref)
		return -ENOMEM;
	*ret_ref = ref;
	return 0;
}
