/* What is fetched ahead of sequential and of random readers. */
#include "fs/ahead.h"

#include "tests/unit/tap.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Reads all of a file in order; returns what was fetched ahead. */
static uint64_t read_through(struct ahead *a, uint64_t size, uint64_t step,
			     bool *ret_gap)
{
	struct ahead_range r;
	uint64_t total = 0, last = 0;

	*ret_gap = false;
	for (uint64_t off = 0; off < size; off += step) {
		uint64_t len = size - off < step ? size - off : step;

		if (!ahead_read(a, off, len, size, &r))
			continue;
		*ret_gap |= !r.len || r.off + r.len > size || r.off < last ||
			    (last && r.off > last && r.off > off + len);
		last = r.off + r.len;
		total += r.len;
	}
	return total;
}

static void test_sequential(void)
{
	struct ahead a = { 0 };
	bool gap;
	uint64_t total = read_through(&a, GIB, 128 * KIB, &gap);

	ok(!gap, "ranges follow one another, within the file");
	ok(total > GIB - 2 * MIB && total < GIB, "nearly all of it, once");
	is_int(a.window, AHEAD_MAX, "the window has grown to its limit");
	ok(ahead_in_row(&a), "in a row");
}

static void test_disorder(void)
{
	struct ahead a = { 0 };
	struct ahead_range r;
	uint64_t total = 0;

	/* As the kernel sends them: the second of each pair first. */
	for (uint64_t off = 0; off < 64 * MIB; off += 256 * KIB) {
		if (ahead_read(&a, off + 128 * KIB, 128 * KIB, GIB, &r))
			total += r.len;
		if (ahead_read(&a, off, 128 * KIB, GIB, &r))
			total += r.len;
	}
	ok(ahead_in_row(&a) && total >= 64 * MIB,
	   "requests in disorder are still in a row");
}

static void test_random(void)
{
	struct ahead a = { 0 };
	struct ahead_range r;
	uint64_t state = 1;
	int fetched = 0, rows = 0;

	for (int i = 0; i < 1000; i++) {
		uint64_t off;

		state = state * UINT64_C(6364136223846793005) + 1;
		off = (state >> 20) % (4 * GIB) & ~(4 * KIB - 1);
		/* 256 KiB come as requests of 128 KiB, and one more. */
		for (int k = 0; k < 3; k++) {
			fetched += ahead_read(&a, off + k * 128 * KIB,
					      128 * KIB, 5 * GIB, &r);
			rows += ahead_in_row(&a);
		}
	}
	ok(fetched <= 2 && rows <= 3, "nothing ahead of random reads (%d, %d)",
	   fetched, rows);
}

static void test_start_only(void)
{
	struct ahead a = { 0 };
	struct ahead_range r;

	ok(!ahead_read(&a, 0, 128 * KIB, GIB, &r),
	   "one read of a file's head fetches no more");
	ok(ahead_read(&a, 128 * KIB, 128 * KIB, GIB, &r) &&
		   r.off == 256 * KIB && r.len == AHEAD_MIN,
	   "a second one does");
	ok(!ahead_read(&a, 900 * MIB, 4 * KIB, GIB, &r), "a jump ends it");
	ok(!ahead_in_row(&a), "and small pieces pay again");
}

static void test_end(void)
{
	struct ahead a = { 0 };
	struct ahead_range r;

	(void)ahead_read(&a, 0, 128 * KIB, 300 * KIB, &r);
	ok(ahead_read(&a, 128 * KIB, 128 * KIB, 300 * KIB, &r) &&
		   r.off + r.len == 300 * KIB,
	   "clipped at the end of the file");
	ok(!ahead_read(&a, 256 * KIB, 44 * KIB, 300 * KIB, &r),
	   "nothing behind it");
}

int main(void)
{
	test_sequential();
	test_disorder();
	test_random();
	test_start_only();
	test_end();
	return tap_done();
}
