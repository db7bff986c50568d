/*
 * Listings are remembered in a small table without chains: a path that falls
 * onto another's slot replaces it, which costs one guess.
 *
 * A sweep belongs to a catalog. It divides the blocks into chunks of about equal
 * stored size and marks those handed out. A miss in an unmarked chunk starts a
 * window there. A read in a marked one shows that the guess was good; near the
 * end of what is marked behind it, the window doubles and goes on after the
 * marks. A miss elsewhere before any guess came true halves the window, down to
 * one chunk.
 *
 * Marks are forgotten with the sweep, SWEEP_IDLE_MS after its last miss, so that
 * what the cache evicted is guessed again.
 */
#include "fs/sweep.h"

#include <errno.h>
#include <string.h>

#include "fs/inode.h"
#include "s3/base/lock.h"

#define SLOTS 1024 /* of listed directories; a power of two */
#define SWEEPS 4 /* under way at once */
#define SWEEP_IDLE_MS 30000
#define WINDOW_MIN (SWEEP_WINDOW_MIN / SWEEP_CHUNK) /* chunks */
#define WINDOW_MAX (SWEEP_WINDOW_MAX / SWEEP_CHUNK)

struct slot {
	uint64_t path; /* inode_number */
	uint64_t at_ms; /* 0: empty */
};

struct stream {
	struct catalog *cat; /* counted; NULL: free */
	uint64_t used_ms;
	uint32_t *starts; /* first block of each chunk, and the end; owned */
	bool *marked; /* by chunk; owned */
	uint32_t chunks;
	uint32_t window; /* chunks; 0 before the first miss */
	bool good; /* something marked was read since the last range */
};

struct sweep {
	struct lock lock; /* LOCK_RANK_FS */
	/* guarded by lock: */
	struct slot slots[SLOTS];
	struct stream streams[SWEEPS];
};

static void stream_end(struct stream *st)
{
	catalog_unref(st->cat);
	free(st->starts);
	free(st->marked);
	*st = (struct stream){ 0 };
}

int sweep_open(struct sweep **ret_sweep)
{
	struct sweep *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	lock_init(&s->lock, LOCK_RANK_FS);
	*ret_sweep = s;
	return 0;
}

void sweep_free(struct sweep *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SWEEPS; i++)
		stream_end(&s->streams[i]);
	lock_done(&s->lock);
	free(s);
}

static struct slot *slot_of(struct sweep *s, uint64_t path)
{
	return &s->slots[path % SLOTS];
}

void sweep_listed(struct sweep *s, const char *dir, size_t len, uint64_t now_ms)
{
	uint64_t path = inode_number(dir, len);

	LOCK_SCOPE(&s->lock);
	*slot_of(s, path) = (struct slot){ path, now_ms };
}

static bool is_listed_locked(struct sweep *s, uint64_t path, uint64_t now_ms)
{
	const struct slot *slot = slot_of(s, path);

	return slot->at_ms && slot->path == path &&
	       now_ms - slot->at_ms < SWEEP_LISTED_MS;
}

bool sweep_expects(struct sweep *s, const char *dir, size_t len,
		   uint64_t now_ms)
{
	uint64_t path = inode_number(dir, len);

	LOCK_SCOPE(&s->lock);
	return is_listed_locked(s, path, now_ms);
}

static bool same_frame(const struct frame_place *a, const struct frame_place *b)
{
	return a->off == b->off && !memcmp(&a->blob, &b->blob, sizeof(a->blob));
}

/* Stored bytes that block i adds to those before it: its frame's, once. */
static uint32_t stored_at(const struct catalog *cat, uint32_t i,
			  struct frame_place *last)
{
	struct block b;

	catalog_block_at(cat, i, &b);
	if (i && same_frame(last, &b.frame))
		return 0;
	*last = b.frame;
	return b.frame.stored;
}

/* Cuts the catalog into chunks; one for all of it where that is small. */
static int stream_cut(struct stream *st, struct catalog *cat)
{
	uint32_t total = catalog_total_blocks(cat), count = 0, room = 0;
	struct frame_place last = { 0 };
	uint64_t chunk = 0, all = 0;

	for (uint32_t i = 0; i < total; i++) {
		uint32_t stored = stored_at(cat, i, &last);

		all += stored;
		chunk += stored;
		if (count + 2 > room) {
			uint32_t *more;

			room = room ? 2 * room : 64;
			more = reallocarray(st->starts, room, sizeof(*more));
			if (!more)
				return -ENOMEM;
			st->starts = more;
		}
		if (!i || (stored && chunk > SWEEP_CHUNK)) {
			st->starts[count++] = i;
			chunk = stored;
		}
	}
	if (!count)
		return -ENOENT;
	if (all <= SWEEP_WHOLE_MAX)
		count = 1;
	st->starts[count] = total;
	st->marked = calloc(count, sizeof(*st->marked));
	if (!st->marked)
		return -ENOMEM;
	st->chunks = count;
	st->cat = catalog_ref(cat);
	return 0;
}

/* The sweep of this catalog; NULL if there is none and it cannot or shall not
 * begin. */
static struct stream *stream_of_locked(struct sweep *s, struct catalog *cat,
				       bool begin, uint64_t now_ms)
{
	struct stream *oldest = &s->streams[0];

	for (size_t i = 0; i < SWEEPS; i++) {
		struct stream *st = &s->streams[i];

		if (st->cat && now_ms - st->used_ms >= SWEEP_IDLE_MS)
			stream_end(st);
		if (st->cat == cat)
			return st;
		if (!st->cat || (oldest->cat && st->used_ms < oldest->used_ms))
			oldest = st;
	}
	if (!begin)
		return NULL;
	stream_end(oldest);
	if (stream_cut(oldest, cat)) {
		stream_end(oldest);
		return NULL;
	}
	return oldest;
}

static uint32_t chunk_of(const struct stream *st, uint32_t block)
{
	uint32_t lo = 0, hi = st->chunks;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (st->starts[mid] <= block)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Marks up to `window` unmarked chunks from `from` on. */
static bool hand_out(struct stream *st, uint32_t from,
		     struct sweep_range *ret_range)
{
	uint32_t to = from;

	while (to < st->chunks && to - from < st->window && !st->marked[to])
		st->marked[to++] = true;
	if (to == from)
		return false;
	*ret_range = (struct sweep_range){
		.first = st->starts[from],
		.count = st->starts[to] - st->starts[from],
	};
	return true;
}

bool sweep_read(struct sweep *s, struct catalog *cat, uint32_t block,
		bool missing, const char *dir, size_t len, uint64_t now_ms,
		struct sweep_range *ret_range)
{
	uint64_t path = inode_number(dir, len);
	uint32_t chunk, next;
	struct stream *st;

	LOCK_SCOPE(&s->lock);
	if (!is_listed_locked(s, path, now_ms))
		return false;
	st = stream_of_locked(s, cat, missing, now_ms);
	if (!st || block >= st->starts[st->chunks])
		return false;
	st->used_ms = now_ms;
	chunk = chunk_of(st, block);

	if (st->marked[chunk]) {
		/* Foretold: the reading goes on. */
		slot_of(s, path)->at_ms = now_ms;
		st->good = true;
		next = chunk;
		while (next < st->chunks && st->marked[next])
			next++;
		if (next == st->chunks || next - chunk > st->window / 2)
			return false;
		if (st->window < WINDOW_MAX)
			st->window *= 2;
		return hand_out(st, next, ret_range);
	}
	if (!missing)
		return false;
	if (!st->window)
		st->window = WINDOW_MIN;
	else if (!st->good && st->window > 1)
		st->window /= 2;
	st->good = false;
	return hand_out(st, chunk, ret_range);
}
