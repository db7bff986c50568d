/*
 * Uses are gathered in a small table of fixed size, by id, newest wins: a use
 * that falls out of it before it was merged is a use not counted.
 *
 * An eviction: marked dying; copies made of what is kept; the index switched to
 * the copies, block by block only where it still means the old place; file
 * unlinked; entry removed. Interrupted at any point, the next evictor finds the
 * segment dying and does it again. Readers that hold the file keep it.
 *
 * Of a main segment at most three quarters are kept, so that each eviction
 * frees something, whatever is in use.
 */
#include "cache/evict.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cache/segindex.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"

#define SLOTS 4096 /* of the table of uses; a power of two */
#define CHUNK 4096 /* blocks in one transaction */
#define PROBATION_PART 10 /* a tenth of the limit */
#define USES_TO_LEAVE_PROBATION 2 /* the first read, and another */

struct use {
	struct hash id;
	uint64_t last_ms; /* when the last use began; 0: empty */
	bool counted; /* merged into the index */
};

struct evict {
	struct evict_options o; /* constant */
	char dir[PATH_MAX]; /* of segments; constant */
	char lock_path[PATH_MAX]; /* constant */

	struct lock lock; /* LOCK_RANK_CACHE */
	/* guarded by lock: */
	struct use uses[SLOTS];
	size_t uncounted;
};

int evict_open(struct evict **ret_evict, const struct evict_options *o)
{
	struct evict *ev = calloc(1, sizeof(*ev));

	if (!ev)
		return -ENOMEM;
	ev->o = *o;
	if (snprintf(ev->dir, sizeof(ev->dir), "%s/segments", o->dir) >=
		    (int)sizeof(ev->dir) ||
	    snprintf(ev->lock_path, sizeof(ev->lock_path), "%s/evict.lock",
		     o->dir) >= (int)sizeof(ev->lock_path)) {
		free(ev);
		return -ENAMETOOLONG;
	}
	lock_init(&ev->lock, LOCK_RANK_CACHE);
	*ret_evict = ev;
	return 0;
}

void evict_free(struct evict *ev)
{
	if (!ev)
		return;
	lock_done(&ev->lock);
	free(ev);
}

/* ---- uses ---------------------------------------------------------------- */

void evict_note_use(struct evict *ev, const struct hash *id)
{
	uint64_t now_ms = clock_now_ms();
	struct use *use;
	uint32_t slot;

	memcpy(&slot, id->bytes, sizeof(slot)); /* ids are hashes */
	LOCK_SCOPE(&ev->lock);
	use = &ev->uses[slot % SLOTS];
	if (use->last_ms && hash_equal(&use->id, id)) {
		if (!use->counted || now_ms - use->last_ms < USE_BURST_MS)
			return;
	} else {
		ev->uncounted -= use->last_ms && !use->counted;
		use->id = *id;
	}
	use->last_ms = now_ms;
	use->counted = false;
	ev->uncounted++;
}

static size_t take_uses(struct evict *ev, struct hash **ret_ids)
{
	struct hash *ids;
	size_t count = 0;

	LOCK_SCOPE(&ev->lock);
	if (!ev->uncounted)
		return 0;
	ids = calloc(ev->uncounted, sizeof(*ids));
	if (!ids)
		return 0;
	for (size_t i = 0; i < SLOTS && count < ev->uncounted; i++)
		if (ev->uses[i].last_ms && !ev->uses[i].counted) {
			ids[count++] = ev->uses[i].id;
			ev->uses[i].counted = true;
		}
	ev->uncounted = 0;
	*ret_ids = ids;
	return count;
}

void evict_merge_uses(struct evict *ev)
{
	CLEANUP_FREE struct hash *ids = NULL;
	size_t count = take_uses(ev, &ids);

	/* Uses that cannot be written are not counted. */
	(void)segindex_blocks_used(ev->o.db, ids, count);
}

/* ---- one segment --------------------------------------------------------- */

struct victim {
	struct evict *ev;
	struct segment_entry entry;
	struct segment_info info;
	int fd;
	struct block_move *moves;
	uint32_t *crcs; /* of the moves' payloads */
	size_t count, room;
};

static void victim_done(struct victim *v)
{
	if (v->fd >= 0)
		(void)close(v->fd); /* read-only */
	free(v->moves);
	free(v->crcs);
}

static int add_record(const struct record *rec, void *arg)
{
	struct victim *v = arg;

	if (v->count == v->room) {
		size_t room = v->room ? 2 * v->room : 1024;
		struct block_move *moves =
			reallocarray(v->moves, room, sizeof(*moves));
		uint32_t *crcs;

		if (!moves)
			return -ENOMEM;
		v->moves = moves;
		crcs = reallocarray(v->crcs, room, sizeof(*crcs));
		if (!crcs)
			return -ENOMEM;
		v->crcs = crcs;
		v->room = room;
	}
	v->moves[v->count] = (struct block_move){
		.id = rec->id,
		.from = { .segment = v->entry.number,
			  .off = rec->off,
			  .len = rec->len },
	};
	v->crcs[v->count++] = rec->crc;
	return 0;
}

static int copy_forward(struct victim *v, size_t i)
{
	struct block_move *move = &v->moves[i];
	const struct record rec = { .id = move->id,
				    .off = move->from.off,
				    .len = move->from.len,
				    .crc = v->crcs[i] };
	CLEANUP_FREE void *data = malloc(rec.len);
	int r;

	if (!data)
		return -ENOMEM;
	r = segment_read_payload(v->fd, &rec, data);
	return r ? r
		 : appender_add(v->ev->o.main, &move->id, data, rec.len, 0,
				&move->to);
}

/* Decides and copies. What cannot be copied goes. Returns the bytes kept. */
static uint64_t keep_used(struct victim *v)
{
	const bool main = v->entry.queue == QUEUE_MAIN;
	uint64_t kept = 0, most = (uint64_t)v->entry.size * 3 / 4;

	for (size_t i = 0; i < v->count; i++) {
		struct block_move *move = &v->moves[i];
		const uint8_t uses = move->from.uses;

		if (!move->live)
			continue;
		move->keep = uses >= (main ? 1 : USES_TO_LEAVE_PROBATION) &&
			     (!main || kept + move->from.len <= most) &&
			     !copy_forward(v, i);
		move->ghost = !main && !move->keep;
		if (move->keep) {
			move->to.uses = main ? (uint8_t)(uses - 1) : 0;
			kept += move->from.len;
		}
	}
	return kept;
}

/* 0 with fd -1 when the file is gone or no segment. */
static int victim_read(struct victim *v, const char *path)
{
	struct stat st;
	int r;

	v->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (v->fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(v->fd, &st))
		return -errno;
	r = segment_read_info(v->fd, v->entry.number, &v->info);
	if (!r)
		r = segment_walk(v->fd, &v->info, 0, (uint64_t)st.st_size,
				 add_record, v);
	/* What cannot be read cannot be kept either. */
	return r == -ENOMEM ? r : 0;
}

static size_t chunk_of(size_t left)
{
	return left < CHUNK ? left : CHUNK;
}

static int evict_segment(struct evict *ev, const struct segment_entry *entry,
			 uint64_t *freed)
{
	CLEANUP(victim_done)
	struct victim v = { .ev = ev, .entry = *entry, .fd = -1 };
	char path[PATH_MAX];
	uint64_t kept;
	int r = segment_path(path, ev->dir, entry->number);

	v.entry.state = SEGMENT_DYING;
	if (!r)
		r = segindex_update(ev->o.db, &v.entry);
	if (!r)
		r = victim_read(&v, path);
	for (size_t i = 0; !r && i < v.count; i += CHUNK)
		r = segindex_blocks_live(ev->o.db, v.moves + i,
					 chunk_of(v.count - i));
	if (r)
		return r;
	kept = keep_used(&v);
	for (size_t i = 0; !r && i < v.count; i += CHUNK)
		r = segindex_blocks_move(ev->o.db, v.moves + i,
					 chunk_of(v.count - i));
	if (r)
		return r;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	if (entry->size > kept)
		*freed += entry->size - kept;
	return segindex_remove(ev->o.db, entry->number);
}

/* ---- choice -------------------------------------------------------------- */

/* Whether nobody appends to it: full, or open without an owner. */
static bool is_free(const struct evict *ev, const struct segment_entry *s)
{
	char path[PATH_MAX];
	CLEANUP_FD int fd = -1;

	if (s->state != SEGMENT_OPEN)
		return true;
	if (!s->indexed || segment_path(path, ev->dir, s->number))
		return false;
	/* The lock is let go at once: who takes it before the segment is marked
	 * dying is refused by the index, or writes into a file that goes. */
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 || !flock(fd, LOCK_EX | LOCK_NB);
}

static const struct segment_entry *oldest(const struct evict *ev,
					  const struct segment_entry *list,
					  size_t count, int queue)
{
	for (size_t i = 0; i < count; i++)
		if ((int)list[i].queue == queue && is_free(ev, &list[i]))
			return &list[i];
	return NULL;
}

static const struct segment_entry *choose(const struct evict *ev,
					  const struct segment_entry *list,
					  size_t count, uint64_t limit)
{
	const struct segment_entry *s = NULL;
	uint64_t probation = 0;
	int first, second;

	for (size_t i = 0; i < count; i++) {
		if (list[i].state == SEGMENT_DYING)
			return &list[i];
		if (list[i].queue == QUEUE_PROBATION)
			probation += segindex_counted(&list[i]);
	}
	first = probation > limit / PROBATION_PART ? QUEUE_PROBATION
						   : QUEUE_MAIN;
	second = first == QUEUE_MAIN ? QUEUE_PROBATION : QUEUE_MAIN;
	s = oldest(ev, list, count, first);
	return s ? s : oldest(ev, list, count, second);
}

/* One segment. 1: goes on, 0: at the target. */
static int evict_one(struct evict *ev, uint64_t target, uint64_t limit,
		     uint64_t *freed)
{
	CLEANUP_FREE struct segment_entry *list = NULL;
	const struct segment_entry *s;
	uint64_t used = 0;
	size_t count = 0;
	int r = segindex_list(ev->o.db, &list, &count);

	if (r)
		return r;
	for (size_t i = 0; i < count; i++)
		used += segindex_counted(&list[i]);
	if (used <= target)
		return 0;
	s = choose(ev, list, count, limit);
	if (!s)
		return -ENOSPC;
	r = evict_segment(ev, s, freed);
	return r ? r : 1;
}

int evict_run(struct evict *ev, uint64_t target, uint64_t limit,
	      uint64_t *ret_freed)
{
	CLEANUP_FD int fd = open(
		ev->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	*ret_freed = 0;
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	evict_merge_uses(ev);
	do
		r = evict_one(ev, target, limit, ret_freed);
	while (r > 0);
	return r;
}
