/*
 * Records in segments: what a walk finds among holes, torn writes, and content
 * that was made to look like records.
 */
#include "cache/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "tests/unit/tap.h"

static struct hash id_of(unsigned int n)
{
	struct hash id;

	hash_of(&id, &n, sizeof(n));
	return id;
}

struct seen {
	struct record recs[64];
	size_t count, stop_at;
};

static int see(const struct record *rec, void *arg)
{
	struct seen *s = arg;

	s->recs[s->count++] = *rec;
	return s->count == s->stop_at ? 7 : 0;
}

static int walk(int fd, const struct segment_info *info, struct seen *s)
{
	off_t size = lseek(fd, 0, SEEK_END);

	s->count = 0;
	return segment_walk(fd, info, 0, (uint64_t)size, see, s);
}

static void test_names(void)
{
	static const struct {
		const char *name;
		int r;
	} cases[] = {
		{ "0000000000000000", 0 },
		{ "00000000deadbeef", 0 },
		{ "00000000DEADBEEF", -EINVAL },
		{ "0000000deadbeef", -EINVAL },
		{ "00000000deadbeef.tmp", -EINVAL },
		{ ".", -EINVAL },
	};
	char name[SEGMENT_NAME_MAX], path[PATH_MAX] = "", dir[PATH_MAX];
	uint64_t number = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(segment_parse_name(cases[i].name, &number), cases[i].r,
		       "name '%s'", cases[i].name);
	segment_name(name, 0x12ab);
	is_str(name, "00000000000012ab", "written name");
	is_int(segment_parse_name(name, &number), 0, "parsed back");
	is_int(number, 0x12ab, "to the same");
	is_int(segment_path(path, "/c", 0x12ab), 0, "in a directory");
	is_str(path, "/c/00000000000012ab", "path");
	memset(path, 'd', sizeof(path) - 1);
	path[PATH_MAX - 17] = '\0';
	(void)strcpy(dir, path);
	is_int(segment_path(path, dir, 1), -ENAMETOOLONG, "one too long");
	is_int(segment_path(path, dir + 1, 1), 0, "the longest");
}

static void test_place(void)
{
	static const uint32_t lens[] = { 1,	100,	    65535, 65536,
					 70000, RECORD_MAX, 3 };
	uint32_t end = SEGMENT_HEADER;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		uint32_t before = end;
		uint32_t off = segment_place(end, lens[i], &end);

		ok(off >= before + SEGMENT_HEADER && end == off + lens[i] &&
			   off % SEGMENT_HEADER == 0 &&
			   (lens[i] < SEGMENT_LARGE || off % 4096 == 0) &&
			   off - before <= 4096 + SEGMENT_HEADER,
		   "place of %u bytes", lens[i]);
	}
}

static void test_walk(void)
{
	static const uint32_t lens[] = { 10, 5000, 70000, 1, 200000, 64 };
	CLEANUP_FD int fd = memfd_create("segment", MFD_CLOEXEC);
	CLEANUP_FREE char *data = calloc(1, 1 << 20);
	CLEANUP_FREE char *got = malloc(1 << 20);
	struct segment_info info, other, again;
	uint32_t end = SEGMENT_HEADER, offs[6];
	struct seen s = { .stop_at = 0 };
	struct hash id;
	char *fake;

	if (fd < 0 || !data || !got)
		abort();
	is_int(segment_create(fd, &info, 9, QUEUE_MAIN), 0, "created");
	is_int(segment_read_info(fd, 9, &again), 0, "header read");
	ok(again.queue == QUEUE_MAIN && !memcmp(again.salt, info.salt, 16),
	   "the same");
	is_int(segment_read_info(fd, 8, &again), -EBADMSG, "other number");
	is_int(walk(fd, &info, &s), 0, "walk of an empty segment");
	is_int(s.count, 0, "finds nothing");

	/* Content that holds a record of another segment, and a copy of a true
	 * record of this one at a place where no record begins. */
	other = info;
	other.salt[0] ^= 1;
	fake = data + 64;
	for (unsigned int i = 0; i < 6; i++) {
		id = id_of(i);
		offs[i] = segment_place(end, lens[i], &end);
		is_int(segment_write(fd, &info, &id, offs[i], data, lens[i]), 0,
		       "write %u", i);
		if (i == 0) {
			(void)io_pread_full(fd, fake, SEGMENT_HEADER,
					    offs[0] - SEGMENT_HEADER);
			memcpy(fake + 8, other.salt, 16);
			memcpy(fake + 4, &(uint32_t){ crc32c(0, fake + 8, 56) },
			       4);
		}
	}
	is_int(walk(fd, &info, &s), 0, "walk");
	is_int(s.count, 6, "finds all");
	for (unsigned int i = 0; i < 6; i++) {
		id = id_of(i);
		ok(s.recs[i].off == offs[i] && s.recs[i].len == lens[i] &&
			   hash_equal(&s.recs[i].id, &id) &&
			   !segment_read_payload(fd, &s.recs[i], got) &&
			   !segment_read(fd, &info, &id, offs[i], lens[i], got),
		   "record %u", i);
	}
	id = id_of(1);
	is_int(segment_read(fd, &info, &id, offs[0], lens[0], got), -EBADMSG,
	       "another id");
	id = id_of(0);
	is_int(segment_read(fd, &other, &id, offs[0], lens[0], got), -EBADMSG,
	       "another salt");
	is_int(segment_read(fd, &info, &id, offs[0], lens[0] + 1, got),
	       -EBADMSG, "another length");
	is_int(segment_read(fd, &info, &id, 7, 1, got), -EBADMSG, "no place");
	s.stop_at = 2;
	is_int(walk(fd, &info, &s), 7, "a walk is ended by its callback");
	s.stop_at = 0;

	/* A header that never came: its payload, with the fake, is searched. */
	(void)memset(got, 0, SEGMENT_HEADER);
	(void)io_pwrite_full(fd, got, SEGMENT_HEADER, offs[1] - SEGMENT_HEADER);
	is_int(walk(fd, &info, &s), 0, "walk over a hole");
	is_int(s.count, 5, "finds the others and no fake");
	if (ftruncate(fd, offs[4] + 1000))
		abort();
	is_int(walk(fd, &info, &s), 0, "walk of a cut segment");
	is_int(s.count, 3, "finds what is whole");
	(void)io_pwrite_full(fd, "x", 1, offs[2] + 69999);
	is_int(segment_read_payload(fd, &s.recs[1], got), -EBADMSG,
	       "a payload of other bytes");
	(void)io_pread_full(fd, got, 1, 30); /* in the salt, which is random */
	got[0] ^= 1;
	(void)io_pwrite_full(fd, got, 1, 30);
	is_int(segment_read_info(fd, 9, &again), -EBADMSG, "damaged header");
}

int main(void)
{
	test_names();
	test_place();
	test_walk();
	return tap_done();
}
