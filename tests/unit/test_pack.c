#include "cache/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cache/names.h"
#include "s3/base/buf.h"
#include "tests/unit/tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define S 1000000000ll
#define KIB 1024u
#define MIB (1024u * KIB)

extern char **environ;

static const struct object_id pack_id = { { 1, 2, 3, 4 } };

struct file {
	const char *path;
	mode_t mode;
	uint32_t id; /* of owner and group */
	int64_t mtime_ns;
	uint32_t size;
};

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct file files[] = {
	{ "a", 0644, 0, 0, 1 },
	{ "dir/sub/b", 0600, 1000, 1600000000 * S, 511 },
	{ "dir/sub/c", 0755, 1000, 1600000000 * S + 1, 512 },
	{ "dir/d", 04755, 1000, 1600000000 * S + 999999999, 513 },
	{ "dir/e", 0400, 07777777, 1600000001 * S + 500000000, 100000 },
	{ "dir/f", 0644, 07777777 + 1, 1600000001 * S, 200000 },
	{ "dir/g", 0644, 3000000000u, 1600000001 * S + 7, 300000 },
	{ "dir/h", 0644, 1, 1600000001 * S, MIB - 1 },
	{ "dir/i", 0644, 1, 1600000001 * S, MIB },
	{ "dir/j", 0644, 1, 1600000001 * S + 120, MIB + 1 },
	{ "dir/k", 0644, 1, 1600000001 * S, 3 * MIB + 77 },
	{ "dir/l", 0644, 1, 1600000001 * S, 10 },
	{ HUNDRED, 0644, 1, 1600000001 * S, 10 },
	{ "p/" HUNDRED, 0644, 1, 1600000001 * S, 11 },
	{ "D" HUNDRED "/" TEN, 0644, 1, 1600000001 * S, 12 },
	{ HUNDRED TEN, 0644, 1, 1600000001 * S, 13 },
	{ "D" HUNDRED "/" HUNDRED "/" HUNDRED "/" HUNDRED "/x", 0644, 1,
	  1600000001 * S + 3, 14 },
	{ "caf\xc3\xa9/\xe6\x97\xa5", 0644, 1, 1600000001 * S, 15 },
	{ "latin-\xe9", 0644, 1, 1600000001 * S, 16 },
	{ HUNDRED TEN "caf\xc3\xa9", 0644, 1, 1600000001 * S, 17 },
	{ HUNDRED TEN "latin-\xe9", 0644, 1, 1600000001 * S, 17 },
	{ "E" HUNDRED TEN "/\xe9", 0644, 1, 1600000001 * S + 8, 17 },
	{ "D" HUNDRED "/\xe9" HUNDRED "/" HUNDRED, 0644, 3000000000u, 3, 17 },
	{ "-dash", 0644, 1, 1600000001 * S, 18 },
	{ "new\nline \\ \"quoted\"", 0644, 1, 1600000001 * S, 19 },
	{ "z", 0444, 1, 1500000000 * S + 1, 20 },
};

static char *content(const struct file *f)
{
	char *data = malloc(f->size);
	uint32_t x = f->size;

	if (!data)
		abort();
	for (size_t i = 0; i < f->size; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (char)(i & 512 ? x >> 24 : i >> 9);
	}
	return data;
}

static int add(struct pack_writer *w, const struct file *f, struct err *e)
{
	CLEANUP_FREE char *data = content(f);
	struct hash hashes[16];
	struct pack_member m = {
		.path = f->path,
		.path_len = strlen(f->path),
		.mode = S_IFREG | f->mode,
		.uid = f->id,
		.gid = f->id,
		.mtime_ns = f->mtime_ns,
		.size = f->size,
		.data = data,
		.hashes = hashes,
	};

	for (uint64_t i = 0; i < block_count(f->size); i++)
		hash_of(&hashes[i], data + i * BLOCK_MAX,
			block_len(f->size, i));
	return pack_writer_add(w, &m, e);
}

static void make(struct buf *out, const struct file *list, size_t count,
		 struct block **ret_blocks, size_t *ret_count)
{
	CLEANUP(pack_writer_freep) struct pack_writer *w = NULL;
	struct err e = { 0 };

	if (pack_writer_open(&w, &pack_id))
		abort();
	for (size_t i = 0; i < count; i++)
		if (add(w, &list[i], &e))
			ok(false, "add '%s': %s", list[i].path, e.text);
	if (pack_writer_finish(w, out, ret_blocks, ret_count, &e))
		ok(false, "finish: %s", e.text);
}

/* ---- blocks and frames --------------------------------------------------- */

static bool same(const struct block *a, const struct block *b)
{
	return hash_equal(&a->hash, &b->hash) && a->len == b->len &&
	       a->off == b->off && a->frame.off == b->frame.off &&
	       a->frame.stored == b->frame.stored &&
	       a->frame.raw == b->frame.raw &&
	       a->frame.codec == b->frame.codec &&
	       !memcmp(&a->frame.blob, &b->frame.blob, sizeof(a->frame.blob));
}

static int read_block(const struct buf *pack, const struct block *b)
{
	CLEANUP_BUF struct buf raw = BUF_INIT(FRAME_RAW_MAX);
	int r;

	if (b->frame.off + b->frame.stored > pack->len)
		return -ERANGE;
	r = frame_decode(&raw, &b->frame, pack->data + b->frame.off,
			 b->frame.stored, NULL);
	return r ? r : block_verify(b, raw.data, raw.len, NULL);
}

static void test_blocks(const struct buf *pack, const struct block *blocks,
			size_t count)
{
	size_t wrong = 0, frames = 0, at = 0, large = 0;

	for (size_t i = 0; i < count; i++) {
		wrong += !!read_block(pack, &blocks[i]);
		frames += !i || blocks[i].frame.off != blocks[i - 1].frame.off;
		large += blocks[i].frame.raw > MIB + 16 * KIB;
	}
	is_int(wrong, 0, "all %zu blocks read back", count);
	is_int(large, 0, "no frame is larger than a block and headers");
	ok(frames < count, "%zu frames", frames);
	wrong = 0;
	for (size_t i = 0; i < COUNT(files); i++)
		for (uint64_t k = 0; k < block_count(files[i].size); k++, at++)
			wrong += blocks[at].len !=
					 block_len(files[i].size, k) ||
				 (k && blocks[at].off);
	is_int(at, count, "as many as the files have");
	is_int(wrong, 0, "in order; later ones begin their frame");
}

static void test_small_frames(void)
{
	CLEANUP(pack_writer_freep) struct pack_writer *w = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT(PACK_STORED_MAX);
	CLEANUP_FREE struct block *blocks = NULL;
	size_t count = 0, bad = 0;

	(void)pack_writer_open(&w, &pack_id);
	for (uint32_t i = 0; i < 3000; i++) {
		char name[20];
		struct file f = { name, 0644, 1, 5 * S, 1 + i % 2000 };

		(void)snprintf(name, sizeof(name), "f%04u", i);
		bad += !!add(w, &f, NULL);
	}
	ok(pack_writer_raw(w) > 4 * MIB, "plain bytes are counted");
	ok(pack_writer_stored(w) > 0, "stored ones too");
	is_int(pack_writer_finish(w, &out, &blocks, &count, NULL), 0, "finish");
	is_int(count, 3000, "a block each");
	for (size_t i = 0; i + 1 < count; i++)
		bad += blocks[i].frame.raw > MIB ||
		       (blocks[i].frame.raw < 256 * KIB &&
			blocks[i].frame.off != blocks[count - 1].frame.off);
	is_int(bad, 0, "frames of 256 KiB to 1 MiB but the last");
}

static void test_limits(void)
{
	CLEANUP(pack_writer_freep) struct pack_writer *w = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT(PACK_STORED_MAX);
	CLEANUP_FREE struct block *blocks = NULL;
	CLEANUP_FREE uint32_t *noise = malloc(PACKED_FILE_MAX);
	struct hash hashes[16] = { 0 };
	struct pack_member m = { .path = "noise",
				 .path_len = 5,
				 .mode = S_IFREG | 0644,
				 .size = PACKED_FILE_MAX,
				 .data = noise,
				 .hashes = hashes };
	struct pack_member bad;
	uint32_t x = 1;
	size_t count = 0, added = 0;
	struct err e = { 0 };
	int r;

	for (size_t i = 0; i < PACKED_FILE_MAX / 4; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		noise[i] = x * 2654435761u;
	}
	(void)pack_writer_open(&w, &pack_id);
#define BAD(change, what)                                                      \
	do {                                                                   \
		bad = m;                                                       \
		bad.change;                                                    \
		is_int(pack_writer_add(w, &bad, NULL), -EINVAL, what);         \
	} while (0)
	BAD(size = 0, "an empty file");
	BAD(size = PACKED_FILE_MAX + 1ull, "a file too large");
	BAD(mode = S_IFDIR | 0755, "a directory");
	BAD(path = "/oise", "an absolute path");
	BAD(path_len = 0, "no path");
	do
		r = pack_writer_add(w, &m, &e);
	while (!r && ++added < 10);
	is_int(r, -EFBIG, "a full pack says so: %s", e.text);
	is_int(added, 3, "after 3 files of 16 MiB that do not compress");
	m.size = 100;
	is_int(pack_writer_add(w, &m, NULL), 0, "a smaller one still fits");
	is_int(pack_writer_finish(w, &out, &blocks, &count, NULL), 0, "finish");
	ok(out.len <= PACK_STORED_MAX, "%zu bytes", out.len);
	is_int(count, 3 * 16 + 1, "all blocks");
}

/* ---- table of contents --------------------------------------------------- */

static void test_toc(const struct buf *pack, const struct block *blocks,
		     size_t count)
{
	CLEANUP(pack_toc_freep) struct pack_toc *toc = NULL;
	struct pack_toc_place at, again;
	struct err e = { 0 };
	size_t wrong = 0;

	is_int(pack_footer_parse(&at, pack->data, pack->len, pack->len, &e), 0,
	       "footer from the whole");
	is_int(pack_footer_parse(&again, pack->data + pack->len - 64, 64,
				 pack->len, &e),
	       0, "footer from the last 64 bytes");
	ok(at.off == again.off && at.stored == again.stored &&
		   !memcmp(&at.id, &pack_id, sizeof(pack_id)),
	   "names the table and the pack");
	if (pack_toc_parse(&toc, &at, pack->data + at.off, at.stored, &e)) {
		ok(false, "parse: %s", e.text);
		return;
	}
	is_int(pack_toc_member_count(toc), COUNT(files), "members");
	is_int(pack_toc_block_count(toc), count, "blocks");
	for (size_t i = 0; i < COUNT(files); i++) {
		struct pack_toc_member m;

		pack_toc_member_at(toc, i, &m);
		wrong += m.path_len != strlen(files[i].path) ||
			 memcmp(m.path, files[i].path, m.path_len) ||
			 m.mode != (S_IFREG | files[i].mode) ||
			 m.uid != files[i].id || m.gid != files[i].id ||
			 m.mtime_ns != files[i].mtime_ns ||
			 m.size != files[i].size ||
			 m.block_count != block_count(m.size);
	}
	is_int(wrong, 0, "members come back");
	for (uint32_t i = 0; i < count; i++) {
		struct block b;

		pack_toc_block_at(toc, i, &b);
		wrong += !same(&b, &blocks[i]);
	}
	is_int(wrong, 0, "blocks come back");
}

/* ---- the blob of a large file -------------------------------------------- */

/* Writes and reads the table of three blocks; the last one's frame begins
 * `gap` bytes behind the one before. */
static int large_table(uint32_t gap, uint32_t last_off, struct err *e)
{
	CLEANUP(pack_toc_freep) struct pack_toc *toc = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT(1 << 20);
	struct pack_toc_writer w;
	struct pack_toc_place at;
	struct block blocks[3] = { 0 };
	uint64_t off = 0;
	int r;

	for (uint32_t i = 0; i < 3; i++) {
		struct block *b = &blocks[i];

		hash_of(&b->hash, &i, sizeof(i));
		b->len = i < 2 ? BLOCK_MAX : 77;
		b->frame.blob = pack_id;
		b->frame.off = off + (i == 2 ? gap : 0);
		b->frame.codec = i == 1 ? CODEC_ZSTD : CODEC_RAW;
		b->frame.stored = i == 1 ? 500 : b->len;
		b->frame.raw = b->len + (i == 2 ? last_off : 0);
		b->off = i == 2 ? last_off : 0;
		off = b->frame.off + b->frame.stored;
	}
	pack_toc_writer_init(&w);
	r = pack_toc_writer_finish(&w, &out, off, &pack_id, blocks, 3);
	pack_toc_writer_done(&w);
	if (!r) /* as read from the end of the last block on */
		r = pack_footer_parse(&at, out.data, out.len, off + out.len, e);
	if (!r && at.off < off)
		r = -EINVAL;
	if (!r)
		r = pack_toc_parse(&toc, &at, out.data + (at.off - off),
				   at.stored, e);
	if (r)
		return r;
	for (uint32_t i = 0; i < 3; i++) {
		struct block b;

		pack_toc_block_at(toc, i, &b);
		r |= !same(&b, &blocks[i]);
	}
	return r || pack_toc_block_count(toc) != 3 ||
	       pack_toc_member_count(toc);
}

static void test_large(void)
{
	struct err e = { 0 };

	is_int(large_table(0, 0, &e), 0, "table of a large file: %s", e.text);
	is_int(large_table(1, 0, &e), -EBADMSG, "a gap between its frames");
	is_int(large_table(0, 1, &e), -EBADMSG, "a block that is no frame");
}

/* 0: the same table came out. */
static int read_toc(const struct buf *pack, size_t members)
{
	CLEANUP(pack_toc_freep) struct pack_toc *toc = NULL;
	struct pack_toc_place at;
	int r;

	r = pack_footer_parse(&at, pack->data, pack->len, pack->len, NULL);
	if (!r)
		r = pack_toc_parse(&toc, &at, pack->data + at.off, at.stored,
				   NULL);
	return r ? r : pack_toc_member_count(toc) != members;
}

static void test_damage(void)
{
	CLEANUP_BUF struct buf pack = BUF_INIT(PACK_STORED_MAX);
	CLEANUP_FREE struct block *blocks = NULL;
	struct pack_toc_place at = { 0 };
	size_t count, refused = 0, bits = 0, wrong = 0;

	make(&pack, files, 4, &blocks, &count);
	is_int(read_toc(&pack, 4), 0, "a good pack");
	(void)pack_footer_parse(&at, pack.data, pack.len, pack.len, NULL);
	for (size_t bit = 8 * at.off; bit < 8 * pack.len; bit++) {
		size_t byte = bit / 8;

		/* The headers of skippable frames are for other readers. */
		if (byte >= at.off + at.stored &&
		    byte < pack.len - PACK_FOOTER_LEN)
			continue;
		bits++;
		pack.data[byte] ^= (char)(1 << bit % 8);
		refused += read_toc(&pack, 4) == -EBADMSG;
		pack.data[byte] ^= (char)(1 << bit % 8);
	}
	is_int(refused, bits,
	       "each flipped bit of table and footer is refused");
	for (size_t bit = 0; bit < 8 * at.off; bit++) {
		pack.data[bit / 8] ^= (char)(1 << bit % 8);
		for (size_t i = 0; i < count; i++) {
			int r = read_block(&pack, &blocks[i]);

			wrong += r && r != -EBADMSG;
		}
		pack.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	is_int(wrong, 0, "flips before it give the content or -EBADMSG");
	is_int(pack_footer_parse(&at, pack.data, 63, pack.len, NULL), -EBADMSG,
	       "too short a tail");
	is_int(pack_footer_parse(&at, pack.data, pack.len, pack.len + 1, NULL),
	       -EBADMSG, "another length");
	is_int(pack_footer_parse(&at, pack.data, pack.len, pack.len - 1, NULL),
	       -EBADMSG, "a tail longer than the object");
}

/* The longest headers: neither ustar nor PAX can say this path. */
static void test_longest(void)
{
	CLEANUP_BUF struct buf pack = BUF_INIT(PACK_STORED_MAX);
	CLEANUP_FREE struct block *blocks = NULL;
	char path[PATH_MAX_LEN + 1];
	struct file f = { path, 07777, 3000000000u, -1, MIB };
	size_t count = 0;

	for (int last = 0; last < 2; last++) {
		memset(path, last ? 0xe9 : 'n', PATH_MAX_LEN);
		for (size_t i = 200; i < PATH_MAX_LEN; i += 200)
			path[i] = '/';
		path[PATH_MAX_LEN] = '\0';
		buf_reset(&pack);
		free(blocks);
		blocks = NULL;
		make(&pack, &f, 1, &blocks, &count);
		is_int(count, 1, "a path of %d bytes", PATH_MAX_LEN);
		is_int(read_block(&pack, blocks), 0, "its block reads back");
		is_int(read_toc(&pack, 1), 0, "and the table");
	}
}

static void test_empty(void)
{
	CLEANUP_BUF struct buf pack = BUF_INIT(PACK_STORED_MAX);
	CLEANUP_FREE struct block *blocks = NULL;
	size_t count = 1;

	make(&pack, NULL, 0, &blocks, &count);
	is_int(count, 0, "a pack of nothing");
	is_int(read_toc(&pack, 0), 0, "reads back");
}

/* ---- other programs ------------------------------------------------------ */

/* Runs with stdout and stderr to `log`; the exit status, -1 if not there. */
static int run(char *const *argv, const char *log)
{
	posix_spawn_file_actions_t fa;
	pid_t pid;
	int status = -1, r;

	(void)posix_spawn_file_actions_init(&fa);
	(void)posix_spawn_file_actions_addopen(
		&fa, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	(void)posix_spawn_file_actions_adddup2(&fa, 1, 2);
	r = posix_spawnp(&pid, argv[0], &fa, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&fa);
	if (r || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) == 127)
		return -1;
	return WEXITSTATUS(status);
}

static size_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 9999 : (size_t)st.st_size;
}

static bool file_matches(const char *dir, const struct file *f)
{
	CLEANUP_FREE char *want = content(f), *got = malloc(f->size + 1ul);
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FD int fd = -1;
	struct stat st;

	if (asprintf(&path, "%s/%s", dir, f->path) < 0)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return false;
	if (!geteuid() && (st.st_uid != f->id || st.st_gid != f->id))
		return false;
	return (st.st_mode & 07777) == f->mode &&
	       st.st_mtim.tv_sec * S + st.st_mtim.tv_nsec == f->mtime_ns &&
	       read(fd, got, f->size + 1ul) == (ssize_t)f->size &&
	       !memcmp(got, want, f->size);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void test_extract(const char *top, const char *what, char *const *argv)
{
	char dir[250], log[250];
	int r;

	(void)snprintf(dir, sizeof(dir), "%s/%s", top, what);
	(void)snprintf(log, sizeof(log), "%s/%s.log", top, what);
	(void)mkdir(dir, 0700);
	r = run(argv, log);
	if (r < 0) {
		ok(true, "# SKIP %s is not there", argv[0]);
		return;
	}
	is_int(r, 0, "%s extracts", what);
	is_int(file_size(log), 0, "%s prints nothing", what);
	for (size_t i = 0; i < COUNT(files); i++)
		ok(file_matches(dir, &files[i]),
		   "%s: file %zu: content, mode, "
		   "owner, mtime",
		   what, i);
}

static void test_tools(const struct buf *pack)
{
	char top[200], path[250], log[250];
	char gnu[250], bsd[250], gnu_c[250], bsd_c[250];
	const char *root = getenv("TEST_ROOT");
	char *const zstd[] = { (char[]){ "zstd" }, (char[]){ "-tq" }, path,
			       NULL };
	int fd, r;

	(void)snprintf(top, sizeof(top), "%s/test_pack.XXXXXX",
		       root ? root : "/tmp");
	if (!mkdtemp(top)) {
		ok(false, "mkdtemp: %d", errno);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/p.tar.zst", top);
	(void)snprintf(log, sizeof(log), "%s/log", top);
	(void)snprintf(gnu, sizeof(gnu), "%s/gnu", top);
	(void)snprintf(bsd, sizeof(bsd), "%s/bsd", top);
	(void)snprintf(gnu_c, sizeof(gnu_c), "%s/gnu-C", top);
	(void)snprintf(bsd_c, sizeof(bsd_c), "%s/bsd-C", top);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ok(fd >= 0 && write(fd, pack->data, pack->len) == (ssize_t)pack->len,
	   "a pack of %zu bytes", pack->len);
	(void)close(fd);
	r = run(zstd, log);
	if (r < 0)
		ok(true, "# SKIP zstd is not there");
	else
		ok(!r && !file_size(log), "zstd -t");

	(void)setenv("LC_ALL", "C.UTF-8", 1);
	test_extract(top, "gnu",
		     (char *[]){ (char[]){ "tar" }, (char[]){ "--zstd" },
				 (char[]){ "-C" }, gnu, (char[]){ "-xpf" },
				 path, NULL });
	test_extract(top, "bsd",
		     (char *[]){ (char[]){ "bsdtar" }, (char[]){ "-C" }, bsd,
				 (char[]){ "-xpf" }, path, NULL });
	(void)setenv("LC_ALL", "C", 1);
	test_extract(top, "gnu-C",
		     (char *[]){ (char[]){ "tar" }, (char[]){ "--zstd" },
				 (char[]){ "-C" }, gnu_c, (char[]){ "-xpf" },
				 path, NULL });
	test_extract(top, "bsd-C",
		     (char *[]){ (char[]){ "bsdtar" }, (char[]){ "-C" }, bsd_c,
				 (char[]){ "-xpf" }, path, NULL });
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	CLEANUP_BUF struct buf a = BUF_INIT(PACK_STORED_MAX);
	CLEANUP_BUF struct buf b = BUF_INIT(PACK_STORED_MAX);
	CLEANUP_FREE struct block *blocks = NULL;
	CLEANUP_FREE struct block *again = NULL;
	size_t count = 0, again_count = 0;

	make(&a, files, COUNT(files), &blocks, &count);
	make(&b, files, COUNT(files), &again, &again_count);
	ok(a.len == b.len && !memcmp(a.data, b.data, a.len),
	   "the same members give the same bytes");
	test_blocks(&a, blocks, count);
	test_toc(&a, blocks, count);
	test_tools(&a);
	test_small_frames();
	test_limits();
	test_damage();
	test_longest();
	test_empty();
	test_large();
	return tap_done();
}
