/*
 * The cache as its callers see it: on a sound disk, between processes, after
 * kills and damage, at its limit.
 *
 * Helper processes are this program with a verb: `cache-put DIR FIRST COUNT`
 * puts blocks and tells each number once it is in.
 */
#include "cache/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/segment.h"
#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "s3/base/log.h"
#include "tests/unit/tap.h"

#define MIB (1u << 20)
#define SIZE ((uint64_t)256 * MIB)

static char top[] = "/tmp/assetfs-test-cache-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *dir_named(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

static struct cache *open_sized(const char *dir, uint64_t size)
{
	const struct cache_options o = { .dir = dir, .size = size };
	struct cache *c = NULL;
	struct err e;

	if (cache_open(&c, &o, &e)) {
		printf("# cache_open: %s\n", e.text);
		return NULL;
	}
	return c;
}

/* Block n: its length varies from some bytes to 1 MiB, its content is random. */
static uint32_t block_make(uint32_t n, unsigned char *data, struct hash *id)
{
	static const uint32_t lens[] = { 17,	 4000,	65535,	  65536,
					 100000, 30000, 1u << 20, 1 };
	uint32_t len = lens[n % 8];
	uint64_t x = (n + 1) * 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (unsigned char)x;
	}
	if (len >= 4)
		memcpy(data, &n, 4);
	else
		data[0] = (unsigned char)n;
	hash_of(id, data, len);
	return len;
}

static int put_block(struct cache *c, uint32_t n)
{
	unsigned char *data = malloc(MIB);
	struct hash id;
	uint32_t len;
	int r;

	if (!data)
		abort();
	len = block_make(n, data, &id);
	r = cache_put(c, &id, data, len);
	free(data);
	return r;
}

/* 0: there and right; -ENOENT: a miss; -EBADMSG: wrong bytes. */
static int check_block(struct cache *c, uint32_t n)
{
	unsigned char *data = malloc(MIB), *got = malloc(MIB);
	const struct cache_ref *ref;
	struct hash id;
	uint32_t len;
	int r;

	if (!data || !got)
		abort();
	len = block_make(n, data, &id);
	r = cache_get(c, &id, &ref);
	if (!r) {
		if (ref->len != len ||
		    cache_ref_read(ref, 0, got, MIB) != (ssize_t)len ||
		    memcmp(data, got, len))
			r = -EBADMSG;
		cache_ref_put(ref);
	}
	free(data);
	free(got);
	return r;
}

/* How many of [first, first + count) are there; -1 when one is wrong. */
static int count_blocks(struct cache *c, uint32_t first, uint32_t count)
{
	int found = 0;

	for (uint32_t n = first; n < first + count; n++) {
		int r = check_block(c, n);

		if (r == -EBADMSG)
			return -1;
		found += !r;
	}
	return found;
}

/* Waits for the index to be brought up to date. */
static int count_blocks_soon(struct cache *c, uint32_t first, uint32_t count)
{
	uint64_t until_ms = clock_now_ms() + 15000;
	int found;

	do {
		found = count_blocks(c, first, count);
		if (found == (int)count)
			break;
		(void)usleep(50000);
	} while (clock_now_ms() < until_ms);
	return found;
}

static void test_basic(void)
{
	const char *dir = dir_named("made/with/parents");
	struct cache *c = open_sized(dir, SIZE), *second;
	const struct cache_ref *ref;
	struct cache_stats stats;
	unsigned char *data = malloc(MIB), part[100];
	struct hash id;
	struct stat st;
	uint32_t len;

	ok(c && !stat(dir, &st) && (st.st_mode & 07777) == 0700,
	   "opened, made with parents, mode 0700");
	if (!c || !data)
		return;
	is_str(cache_dir(c), dir, "cache_dir");
	is_int(count_blocks(c, 0, 40), 0, "empty");
	for (uint32_t n = 0; n < 40; n++)
		if (put_block(c, n))
			ok(false, "put %u", n);
	is_int(count_blocks(c, 0, 40), 40, "all there at once");
	is_int(count_blocks(c, 0, 40), 40, "again, through descriptors");
	is_int(put_block(c, 3), 0, "a second put of the same");
	cache_stats(c, &stats);
	is_int(stats.inserts, 40, "inserts");
	is_int(stats.hits, 80, "hits");
	is_int(stats.misses, 40, "misses");
	is_int(stats.limit, SIZE, "limit");
	ok(stats.used > 0 && stats.used <= stats.limit, "used");

	len = block_make(6, data, &id);
	is_int(cache_get(c, &id, &ref), 0, "a large one");
	ok(!ref->data && ref->fd >= 0 && ref->off % 4096 == 0,
	   "a checked large record comes as a page-aligned place");
	is_int(cache_ref_read(ref, len - 50, part, sizeof(part)), 50,
	       "clipped at its end");
	is_int(cache_ref_read(ref, len, part, 1), 0, "nothing behind it");
	is_int(cache_put(c, &id, data, 0), -EFBIG, "no empty records");
	is_int(cache_put(c, &id, data, MIB + 1), -EFBIG, "none above 1 MiB");
	cache_drop(c, &id);
	ok(!cache_has(c, &id), "dropped");
	is_int(cache_ref_read(ref, 0, part, sizeof(part)), 100,
	       "a reference outlives the drop");
	is_int(put_block(c, 6), 0, "put again");

	second = open_sized(dir, SIZE);
	ok(second != NULL, "opened twice");
	cache_free(second);
	cache_free(c);
	is_int(cache_ref_read(ref, 0, part, sizeof(part)), 100,
	       "and the cache");
	cache_ref_put(ref);

	c = open_sized(dir, SIZE);
	ok(c != NULL, "reopened");
	if (c)
		is_int(count_blocks(c, 0, 40), 40, "all there");
	cache_free(c);
	free(data);
}

static void test_memo(void)
{
	const uint32_t bucket[4] = { 1, 2, 3, 4 }, other[4] = { 1, 2, 3, 5 };
	struct cache *c = open_sized(dir_named("memo"), SIZE);
	CLEANUP_BUF struct buf out = BUF_INIT(1 << 20);
	struct store_object object = { .modified_s = 1000, .etag = "e1" };
	struct stat st = { .st_dev = 1, .st_ino = 2, .st_size = 3 * MIB + 1 };
	struct hash hashes[4] = { 0 }, *got = NULL;
	struct meta meta, read;
	int64_t now_s = time(NULL);
	char big[5000];

	if (!ok(c != NULL, "opened"))
		return;
	hashes[3].bytes[31] = 7;
	st.st_mtim.tv_sec = now_s - 100;
	is_int(cache_file_hashes(c, &st, &got), -ENOENT, "file unknown");
	cache_file_hashes_put(c, &st, now_s, hashes, 3);
	is_int(cache_file_hashes(c, &st, &got), -ENOENT, "wrong count refused");
	cache_file_hashes_put(c, &st, now_s, hashes, 4);
	is_int(cache_file_hashes(c, &st, &got), 0, "file known");
	ok(got && !memcmp(got, hashes, sizeof(hashes)), "its hashes");
	free(got);
	cache_sync(c);
	st.st_ctim.tv_nsec = 1;
	is_int(cache_file_hashes(c, &st, &got), -ENOENT, "other ctime");
	st.st_ctim.tv_nsec = 0;
	st.st_mtim.tv_sec = now_s - 2;
	cache_file_hashes_put(c, &st, now_s, hashes, 4);
	is_int(cache_file_hashes(c, &st, &got), -ENOENT, "too fresh to keep");
	cache_file_hashes_put(c, &st, now_s + 1, hashes, 4);
	is_int(cache_file_hashes(c, &st, &got), 0, "at rest when it was read");
	free(got);
	st.st_mtim.tv_sec = now_s - 100;
	st.st_ctim.tv_sec = now_s - 2;
	cache_file_hashes_put(c, &st, now_s, hashes, 4);
	is_int(cache_file_hashes(c, &st, &got), -ENOENT,
	       "its mtime was set back just now");

	meta_init(&meta);
	(void)meta_set(&meta, "mode", "33188");
	(void)meta_set(&meta, "mtime", "12.5");
	cache_head_put(c, bucket, "k", &object, &meta, 1002);
	is_int(cache_head(c, bucket, "k", &object, &read), -ENOENT,
	       "head within 2 s of its change is not kept");
	cache_head_put(c, bucket, "k", &object, &meta, 0);
	is_int(cache_head(c, bucket, "k", &object, &read), -ENOENT,
	       "nor one of unknown date");
	cache_head_put(c, bucket, "k", &object, &meta, 1003);
	is_int(cache_head(c, other, "k", &object, &read), -ENOENT,
	       "other bucket");
	is_int(cache_head(c, bucket, "k", &object, &read), 0, "head kept");
	is_int(read.count, 2, "both names");
	is_str(meta_get(&read, "mtime"), "12.5", "value");
	meta_done(&read);
	meta_done(&meta);
	object.modified_s++;
	is_int(cache_head(c, bucket, "k", &object, &read), -ENOENT,
	       "other LastModified");

	is_int(cache_fact(c, bucket, "conditional-put", &out), -ENOENT,
	       "fact unknown");
	cache_fact_put(c, bucket, "conditional-put", "1");
	cache_sync(c);
	is_int(cache_fact(c, bucket, "conditional-put", &out), 0, "fact");
	is_str(out.data, "1", "its value");

	memset(big, 'x', sizeof(big));
	buf_reset(&out);
	is_int(cache_object(c, bucket, "t", "e", &out), -ENOENT, "no object");
	cache_object_put(c, bucket, "t", "e", big, sizeof(big));
	is_int(cache_object(c, bucket, "t", "other", &out), -ENOENT,
	       "other ETag");
	is_int(cache_object(c, bucket, "t", "e", &out), 0, "object");
	ok(out.len == sizeof(big) && !memcmp(out.data, big, out.len),
	   "its content");
	cache_object_put(c, bucket, "empty", "e", "", 0);
	is_int(cache_object(c, bucket, "empty", "e", &out), 0, "empty object");
	cache_free(c);
}

static void test_objects_damaged(void)
{
	const uint32_t bucket[4] = { 0 };
	const char *dir = dir_named("objects");
	struct cache *c = open_sized(dir, (uint64_t)10 * MIB);
	CLEANUP_BUF struct buf out = BUF_INIT(4 * MIB);
	char *big = calloc(1, 400000), path[600], key[16];
	struct cache_stats stats;
	int there = 0, fd;
	struct dirent *d;
	DIR *files;

	if (!ok(c && big, "opened"))
		return;
	cache_object_put(c, bucket, "k", "e", big, 400000);
	(void)snprintf(path, sizeof(path), "%s/catalogs", dir);
	files = opendir(path);
	while (files && (d = readdir(files)))
		if (d->d_name[0] != '.')
			(void)snprintf(path, sizeof(path), "%s/catalogs/%s",
				       dir, d->d_name);
	if (files)
		(void)closedir(files);
	fd = open(path, O_WRONLY);
	ok(fd >= 0 && pwrite(fd, "!", 1, 200000) == 1, "object damaged");
	(void)close(fd);
	is_int(cache_object(c, bucket, "k", "e", &out), -ENOENT,
	       "a damaged object is a miss");
	ok(access(path, F_OK), "and removed");
	for (int i = 0; i < 10; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		cache_object_put(c, bucket, key, "e", big, 400000);
	}
	for (int i = 0; i < 10; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		buf_reset(&out);
		there += !cache_object(c, bucket, key, "e", &out);
	}
	is_int(there, 2, "a tenth of the cache is kept");
	is_int(cache_object(c, bucket, "k9", "e", &out), 0, "the newest");
	cache_stats(c, &stats);
	ok(stats.used < 2 * MIB, "used tells (%llu)",
	   (unsigned long long)stats.used);
	cache_free(c);
	free(big);
}

/* ---- processes ----------------------------------------------------------- */

static pid_t start(const char *dir, uint32_t first, uint32_t count, int *ret_fd)
{
	char a[16], b[16];
	int fds[2];
	pid_t pid;

	(void)snprintf(a, sizeof(a), "%u", first);
	(void)snprintf(b, sizeof(b), "%u", count);
	if (pipe2(fds, O_CLOEXEC))
		abort();
	pid = fork();
	if (!pid) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)execl("/proc/self/exe", "test_cache", "cache-put", dir, a,
			    b, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static int child_main(char **argv)
{
	uint32_t first = (uint32_t)atoi(argv[3]), count;
	struct cache *c = open_sized(argv[2], SIZE);

	count = (uint32_t)atoi(argv[4]);
	if (!c)
		return 2;
	for (uint32_t n = first; n < first + count; n++) {
		if (put_block(c, n) || check_block(c, n) ||
		    write(STDOUT_FILENO, ".", 1) != 1)
			return 3;
		if (check_block(c, first + (n - first) / 2))
			return 4;
	}
	cache_free(c);
	return 0;
}

/* Reads up to `count` bytes; how many came. */
static uint32_t read_dots(int fd, uint32_t count)
{
	uint32_t got = 0;
	char dot;

	while (got < count && read(fd, &dot, 1) == 1)
		got++;
	return got;
}

static int wait_for(pid_t pid)
{
	int status = 0;

	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_processes(void)
{
	const char *dir = dir_named("processes");
	struct cache *c;
	int a_fd, b_fd;
	pid_t a = start(dir, 0, 100, &a_fd), b = start(dir, 50, 100, &b_fd);

	(void)read_dots(a_fd, 1000);
	(void)read_dots(b_fd, 1000);
	is_int(wait_for(a), 0, "first process");
	is_int(wait_for(b), 0, "second process");
	(void)close(a_fd);
	(void)close(b_fd);
	c = open_sized(dir, SIZE);
	if (ok(c != NULL, "opened after both"))
		is_int(count_blocks(c, 0, 150), 150, "all blocks of both");
	cache_free(c);
}

static void test_kill(void)
{
	const char *dir = dir_named("kill");
	struct cache *c;
	uint32_t done;
	int fd;
	pid_t pid = start(dir, 0, 1000000, &fd);

	done = read_dots(fd, 30);
	(void)kill(pid, SIGKILL);
	(void)wait_for(pid);
	done += read_dots(fd, 1000000);
	(void)close(fd);
	ok(done >= 30, "killed after %u blocks", done);
	c = open_sized(dir, SIZE);
	if (!ok(c != NULL, "opened after the kill"))
		return;
	is_int(count_blocks_soon(c, 0, done), done,
	       "all that was put is found");
	is_int(put_block(c, 900000), 0, "put behind the torn end");
	is_int(check_block(c, 900000), 0, "and got");
	cache_free(c);
}

/* ---- damage -------------------------------------------------------------- */

/* The first segment file in order of names. */
static void find_segment(const char *dir, char *out, size_t room)
{
	char path[300];
	struct dirent **names = NULL;
	int n;

	(void)snprintf(path, sizeof(path), "%s/segments", dir);
	n = scandir(path, &names, NULL, alphasort);
	if (n < 3)
		abort();
	(void)snprintf(out, room, "%s/%s", path, names[2]->d_name);
	while (n > 0)
		free(names[--n]);
	free(names);
}

enum damage { FLIP, CUT, DELETE, HEADER, ZERO };

static void damage_segment(const char *path, enum damage how)
{
	int fd = open(path, O_RDWR);
	char zero[8192] = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		abort();
	switch (how) {
	case FLIP:
		/* Into each block: the largest stretch without a payload is
		 * under 4 KiB. */
		for (off_t at = 100; at < st.st_size; at += 20)
			if (pwrite(fd, "\x5a", 1, at) != 1)
				abort();
		break;
	case CUT:
		if (ftruncate(fd, st.st_size / 2))
			abort();
		break;
	case DELETE:
		if (unlink(path))
			abort();
		break;
	case HEADER:
		if (pwrite(fd, zero, 64, 0) != 64)
			abort();
		break;
	case ZERO:
		for (off_t at = 64; at < st.st_size; at += sizeof(zero))
			if (pwrite(fd, zero, sizeof(zero), at) < 0)
				abort();
		break;
	}
	(void)close(fd);
}

static void test_damaged_segment(void)
{
	static const struct {
		const char *name;
		enum damage how;
	} cases[] = { { "flipped bytes", FLIP },
		      { "cut", CUT },
		      { "deleted", DELETE },
		      { "header zeroed", HEADER },
		      { "zeroed", ZERO } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *dir = dir_named(cases[i].name);
		struct cache *c = open_sized(dir, SIZE);
		struct cache_stats stats;
		char path[600];
		int left;

		for (uint32_t n = 0; c && n < 16; n++)
			(void)put_block(c, n);
		cache_free(c);
		find_segment(dir, path, sizeof(path));
		damage_segment(path, cases[i].how);
		c = open_sized(dir, SIZE);
		if (!ok(c != NULL, "%s: opened", cases[i].name))
			continue;
		left = count_blocks(c, 0, 16);
		ok(left >= 0, "%s: no wrong bytes", cases[i].name);
		ok(left < 16, "%s: misses", cases[i].name);
		cache_stats(c, &stats);
		if (cases[i].how == FLIP)
			ok(stats.bad_records > 0, "%s: counted", cases[i].name);
		for (uint32_t n = 0; n < 16; n++)
			(void)put_block(c, n);
		is_int(count_blocks(c, 0, 16), 16, "%s: put anew",
		       cases[i].name);
		cache_free(c);
	}
}

/* How many indexes were set aside. */
static int count_bad(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	int count = 0;

	while (d && (entry = readdir(d)))
		count += !strncmp(entry->d_name, "index.bad-", 10);
	if (d)
		(void)closedir(d);
	return count;
}

static void test_damaged_index(void)
{
	static const struct {
		const char *name;
		off_t keep; /* percent of data.mdb; 100: damage pages */
	} cases[] = { { "cut to half", 50 },
		      { "cut to nothing", 0 },
		      { "garbage in each page", 100 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *dir = dir_named(cases[i].name);
		struct cache *c = open_sized(dir, SIZE);
		char path[600];
		struct stat st;
		int fd;

		for (uint32_t n = 0; c && n < 200; n++)
			(void)put_block(c, n);
		cache_free(c);
		(void)snprintf(path, sizeof(path), "%s/index/data.mdb", dir);
		fd = open(path, O_RDWR);
		if (fd < 0 || fstat(fd, &st))
			abort();
		if (cases[i].keep < 100 &&
		    ftruncate(fd, st.st_size * cases[i].keep / 100))
			abort();
		for (off_t at = 0; cases[i].keep == 100 && at < st.st_size;
		     at += 64)
			if (pwrite(fd, "\xff\xfe\x3d", 3, at + 21) != 3)
				abort();
		(void)close(fd);
		c = open_sized(dir, SIZE);
		if (!ok(c != NULL, "index %s: opened", cases[i].name))
			continue;
		is_int(count_blocks_soon(c, 0, 200), 200, "index %s: rebuilt",
		       cases[i].name);
		is_int(count_bad(dir), 1, "index %s: set aside", cases[i].name);
		is_int(put_block(c, 1000), 0, "index %s: usable",
		       cases[i].name);
		cache_free(c);
		c = open_sized(dir, SIZE);
		is_int(c ? count_blocks(c, 0, 200) : -1, 200,
		       "index %s: whole after reopening", cases[i].name);
		cache_free(c);
	}
}

/* An unclean stop without damage must not cost the index. */
static void test_unclean(void)
{
	const char *dir = dir_named("unclean");
	struct cache *c = open_sized(dir, SIZE);
	char path[600];

	for (uint32_t n = 0; c && n < 50; n++)
		(void)put_block(c, n);
	cache_free(c);
	(void)snprintf(path, sizeof(path), "%s/index/clean", dir);
	is_int(unlink(path), 0, "a clean end leaves its mark");
	c = open_sized(dir, SIZE);
	if (ok(c != NULL, "opened without the mark"))
		is_int(count_blocks(c, 0, 50), 50, "all there");
	cache_free(c);
	is_int(count_bad(dir), 0, "the index was kept");
}

/* ---- limits -------------------------------------------------------------- */

static int add_blocks(const char *path, const struct stat *st, int type,
		      struct FTW *ftw);
static uint64_t tree_bytes;

static int add_blocks(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)path;
	(void)type;
	(void)ftw;
	tree_bytes += (uint64_t)st->st_blocks * 512;
	return 0;
}

/* Cheap blocks of 256 KiB, for quantity. */
static int put_bulk(struct cache *c, uint64_t n)
{
	static unsigned char data[256 << 10];
	struct hash id;

	for (size_t i = 0; i < sizeof(data); i += 4096)
		memcpy(data + i, &n, sizeof(n));
	hash_of(&id, &n, sizeof(n));
	return cache_put(c, &id, data, sizeof(data));
}

static void test_scan(void)
{
	const char *dir = dir_named("scan");
	const uint64_t size = (uint64_t)64 * MIB;
	struct cache *c = open_sized(dir, size);
	struct cache_stats stats;
	uint64_t most = 0;
	int failed = 0;

	if (!ok(c != NULL, "opened"))
		return;
	for (uint32_t n = 0; n < 24; n++)
		(void)put_block(c, n);
	(void)put_block(c, 100);
	cache_sync(c);
	is_int(count_blocks(c, 0, 24), 24, "first use of the working set");
	(void)usleep(2200000);
	is_int(count_blocks(c, 0, 24), 24, "second use");
	for (uint64_t n = 0; n < 10 * size / (256 << 10); n++) {
		failed += !!put_bulk(c, n);
		if (n % 32)
			continue;
		cache_stats(c, &stats);
		if (stats.used > most)
			most = stats.used;
	}
	ok(failed < 100, "insertions go on (%d failed)", failed);
	ok(most <= size, "the limit holds (%llu)", (unsigned long long)most);
	(void)nftw(dir, add_blocks, 16, FTW_PHYS);
	ok(tree_bytes <= size, "on disk as well (%llu)",
	   (unsigned long long)tree_bytes);
	cache_stats(c, &stats);
	ok(stats.evicted_bytes > 8 * size, "evicted %llu bytes",
	   (unsigned long long)stats.evicted_bytes);
	is_int(count_blocks(c, 0, 24), 24, "the working set survived the scan");
	is_int(check_block(c, 100), -ENOENT, "what was not used did not");
	(void)put_block(c, 100);
	for (uint64_t n = 0; n < 2 * size / (256 << 10); n++)
		(void)put_bulk(c, n + 1000000);
	is_int(check_block(c, 100), 0, "what comes back is spared probation");
	cache_free(c);
	c = open_sized(dir, size);
	is_int(c ? count_blocks(c, 0, 24) : -1, 24, "also after reopening");
	cache_free(c);
}

static void test_full_disk(void)
{
	const char *dir = dir_named("full");
	struct cache *c;
	char filler[300];
	int fd, good = 0, bad = 0;
	static char zero[MIB];

	if (mkdir(dir, 0700) ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=48m,mode=0700")) {
		ok(true, "# SKIP full disk: mounting needs root");
		return;
	}
	c = open_sized(dir, (uint64_t)1024 * MIB);
	for (uint32_t n = 0; c && n < 20; n++)
		(void)put_block(c, n);
	(void)snprintf(filler, sizeof(filler), "%s/filler", dir);
	fd = open(filler, O_WRONLY | O_CREAT, 0600);
	while (write(fd, zero, sizeof(zero)) > 0)
		;
	(void)close(fd);
	for (uint32_t n = 100; c && n < 140; n++) {
		if (put_block(c, n))
			bad++;
		else
			good++;
	}
	ok(c && bad > 0, "a full disk refuses (%d refused, %d kept)", bad,
	   good);
	ok(c && count_blocks(c, 0, 140) >= 0, "no wrong bytes");
	(void)unlink(filler);
	(void)usleep(5500000);
	is_int(c ? put_block(c, 500) : -1, 0, "recovers by itself");
	is_int(c ? check_block(c, 500) : -1, 0, "and keeps again");
	cache_free(c);
	is_int(umount(dir), 0, "unmounted");
}

/* ---- refusals ------------------------------------------------------------ */

static int try_open(const char *dir)
{
	const struct cache_options o = { .dir = dir, .size = SIZE };
	struct cache *c = NULL;
	struct err e = { 0 };
	int r = cache_open(&c, &o, &e);

	if (r)
		printf("# %s\n", e.text);
	cache_free(c);
	return r;
}

static void test_refusals(void)
{
	const char *dir = dir_named("refused");
	char link[300];
	int fd;

	(void)mkdir(dir, 0700);
	(void)chmod(dir, 0750);
	is_int(try_open(dir), -EACCES, "open to a group");
	(void)chmod(dir, 0700);
	is_int(try_open(dir), 0, "its owner's alone");
	(void)snprintf(link, sizeof(link), "%s-link", dir);
	is_int(symlink(dir, link), 0, "link made");
	is_int(try_open(link), 0, "a link of one's own is followed");
	if (!geteuid()) {
		is_int(lchown(link, 65534, 65534), 0, "link given away");
		is_int(try_open(link), -EACCES, "somebody else's is not");
		is_int(chown(dir, 65534, 65534), 0, "directory given away");
		is_int(try_open(dir), -EACCES, "somebody else's directory");
	}
	dir = dir_named("file");
	fd = open(dir, O_WRONLY | O_CREAT, 0700);
	(void)close(fd);
	is_int(try_open(dir), -ENOTDIR, "a file");
	is_int(try_open("/proc/assetfs"), -ENOENT, "where nothing can be made");
}

/* ---- threads ------------------------------------------------------------- */

struct worker {
	struct cache *c;
	uint32_t seed;
	int wrong, missing;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (uint32_t i = 0; i < 60; i++) {
		uint32_t n = (w->seed * 7 + i * 13) % 64;
		int r = check_block(w->c, n);

		if (r == -ENOENT)
			r = put_block(w->c, n);
		if (!r)
			r = check_block(w->c, n);
		w->wrong += r == -EBADMSG;
		w->missing += r == -ENOENT;
		if (i % 20 == 19 && w->seed % 4 == 0) {
			unsigned char *data = malloc(MIB);
			struct hash id;

			if (!data)
				abort();
			(void)block_make(n, data, &id);
			cache_drop(w->c, &id);
			free(data);
		}
	}
	return NULL;
}

static void test_threads(void)
{
	struct worker workers[16];
	pthread_t threads[16];
	struct cache *c = open_sized(dir_named("threads"), (uint64_t)24 * MIB);
	int wrong = 0;

	if (!ok(c != NULL, "opened"))
		return;
	for (uint32_t i = 0; i < 16; i++) {
		workers[i] = (struct worker){ .c = c, .seed = i };
		if (pthread_create(&threads[i], NULL, work, &workers[i]))
			abort();
	}
	for (uint32_t i = 0; i < 16; i++) {
		(void)pthread_join(threads[i], NULL);
		wrong += workers[i].wrong;
	}
	is_int(wrong, 0, "16 threads, no wrong bytes");
	cache_free(c);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "cache-put"))
		return child_main(argv);
	log_level_set(LOG_LEVEL_ERROR);
	if (!mkdtemp(top))
		return 1;
	test_basic();
	test_memo();
	test_objects_damaged();
	test_processes();
	test_kill();
	test_damaged_segment();
	test_damaged_index();
	test_unclean();
	test_scan();
	test_full_disk();
	test_refusals();
	test_threads();
	remove_tree(top);
	return tap_done();
}
