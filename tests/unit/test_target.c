#include "tools/target.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "s3/base/io.h"
#include "tests/unit/tap.h"
#include "tools/surplus.h"

#define MTIME INT64_C(981173106123456789)

static const struct target_attr attr = {
	.mode = 0640,
	.uid = 1234,
	.gid = 4321,
	.has_mtime = true,
	.mtime_ns = MTIME,
};

static int put(const struct target *t, const char *dir, const char *name,
	       const char *content, struct err *e)
{
	char temp[TARGET_TEMP_MAX];
	int fd, r = target_temp(t, dir, name, 5, false, temp, &fd, e);

	if (r)
		return r;
	r = io_pwrite_full(fd, content, strlen(content), 0);
	if (!r)
		r = target_commit(t, dir, temp, fd, name, &attr, e);
	if (r)
		target_drop(t, dir, temp);
	(void)close(fd);
	return r;
}

static bool holds(const char *path, const char *content)
{
	struct buf b = BUF_INIT(100);
	bool same = !io_read_file(path, &b, NULL) && b.data &&
		    !strcmp(b.data, content);

	buf_done(&b);
	return same;
}

static void where(void)
{
	static const struct {
		const char *dest;
		const char *source;
		int r;
		const char *shown;
		const char *name;
	} cases[] = {
		{ "dir", "K", 0, "dir", "K" },
		{ "dir/", "K", 0, "dir", "K" },
		{ "dir/K2", "K", 0, "dir", "K2" },
		{ "new", "K", 0, ".", "new" },
		{ "made/", "K", 0, "made", "K" },
		{ ".", "K", 0, ".", "K" },
		{ "to-dir", "K", 0, "to-dir", "K" },
		{ "none/new", "K", -ENOENT, NULL, NULL },
		{ "none/new/", "K", -ENOENT, NULL, NULL },
		{ "file/new", "K", -ENOTDIR, NULL, NULL },
		{ "", "K", -EINVAL, NULL, NULL },
		{ "dir", "", -EINVAL, NULL, NULL },
		{ "dir", "..", -EINVAL, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target t;
		char *name = NULL;
		struct err e = { 0 };
		int r = target_open(&t, cases[i].dest, cases[i].source, 0,
				    &name, &e);

		is_int(r, cases[i].r, "'%s' to '%s'", cases[i].source,
		       cases[i].dest);
		if (r) {
			ok(e.code && !name, "  told why");
			continue;
		}
		is_str(t.shown, cases[i].shown, "  root");
		is_str(name, cases[i].name, "  name");
		target_done(&t);
		free(name);
	}
}

static void dry(void)
{
	struct target t;
	struct stat st;
	char *name = NULL;

	is_int(target_open(&t, "later/", "K", TARGET_DRY_RUN, &name, NULL), 0,
	       "a dry run to a directory that is not there");
	is_int(target_stat(&t, "", "K", &st, NULL), -ENOENT, "finds nothing");
	ok(access("later", F_OK), "and makes nothing");
	target_done(&t);
	free(name);
}

static void files(const struct target *t)
{
	struct stat st;

	is_int(put(t, "", "a", "hello", NULL), 0, "a file");
	ok(holds("dir/a", "hello"), "its content");
	is_int(stat("dir/a", &st), 0, "is there");
	is_int(st.st_mode, S_IFREG | 0640, "its mode");
	is_int(st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec, MTIME,
	       "its time");
	is_int(st.st_uid, t->owner ? 1234 : getuid(), "its owner");
	is_int(put(t, "", "a", "again", NULL), 0, "replaced");
	ok(holds("dir/a", "again"), "its new content");
	is_int(put(t, "", "sub", "x", NULL), -EISDIR, "not over a directory");
}

static void links(const struct target *t)
{
	struct stat st;
	char to[100] = "";

	is_int(target_link(t, "", "l", "a/../b", &attr, NULL), 0, "a link");
	is_int(readlink("dir/l", to, sizeof(to)), 6, "its length");
	is_str(to, "a/../b", "its target");
	is_int(lstat("dir/l", &st), 0, "is there");
	is_int(st.st_mtim.tv_nsec, MTIME % 1000000000, "its time");
	ok(target_link_is(t, "", "l", "a/../b"), "recognised");
	ok(!target_link_is(t, "", "l", "a/../bb"), "not another");
	ok(!target_link_is(t, "", "a", "again"), "nor a file");
	is_int(target_link(t, "", "l", "c", &attr, NULL), 0, "replaced");
	ok(target_link_is(t, "", "l", "c"), "by the new one");
}

static void dirs(const struct target *t)
{
	struct stat st;

	is_int(target_make_dir(t, "d", NULL), 0, "a directory");
	is_int(target_make_dir(t, "d/e", NULL), 0, "below it");
	is_int(put(t, "d/e", "f", "deep", NULL), 0, "a file in it");
	is_int(target_finish_dir(t, "d/e", &attr, NULL), 0, "finished");
	is_int(stat("dir/d/e", &st), 0, "is there");
	is_int(st.st_mode, S_IFDIR | 0640, "its mode");
	is_int(st.st_mtim.tv_nsec, MTIME % 1000000000, "its time");
	is_int(chown("dir/d/e", geteuid(), getegid()), 0, "ours");
	is_int(chmod("dir/d/e", 0050), 0, "without rights");
	is_int(target_make_dir(t, "d/e", NULL), 0, "is made usable");
	is_int(stat("dir/d/e", &st), 0, "is there");
	is_int(st.st_mode, S_IFDIR | 0750, "  with rights added");
	is_int(target_make_dir(t, "a", NULL), -ENOTDIR, "a file is in the way");
	is_int(target_make_dir(t, "none/d", NULL), -ENOENT, "no parent");
}

/* What stands in the target must not lead out of it. */
static void planted(const struct target *t)
{
	struct err e = { 0 };
	struct stat st;

	is_int(target_make_dir(t, "out", &e), -ELOOP, "a link to a directory");
	ok(strstr(e.text, "symbolic link"), "  named: %s", e.text);
	is_int(target_make_dir(t, "out/d", NULL), -ELOOP, "  below it");
	is_int(put(t, "out", "f", "x", NULL), -ELOOP, "  a file");
	is_int(target_link(t, "out", "f", "x", &attr, NULL), -ELOOP,
	       "  a link");
	is_int(target_finish_dir(t, "out", &attr, NULL), -ELOOP,
	       "  attributes");
	is_int(target_stat(t, "out", "f", &st, NULL), -ELOOP, "  a look");
	is_int(put(t, "..", "f", "x", NULL), -EXDEV, "the parent");
	is_int(put(t, "/tmp", "f", "x", NULL), -EXDEV, "an absolute path");
	is_int(put(t, "", "evil", "inside", NULL), 0, "a link to a file");
	ok(holds("outside/victim", "precious"), "  is not followed");
	ok(holds("dir/evil", "inside"), "  but replaced");
	is_int(access("outside/f", F_OK), -1, "nothing came out");
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int leftovers;

static int look_for_temp(const char *path, const struct stat *st, int type,
			 struct FTW *at)
{
	(void)st;
	(void)type;
	leftovers += !strncmp(path + at->base, ".assetctl-", 10);
	return 0;
}

static void whole(void)
{
	static const struct {
		const char *dest;
		unsigned int flags;
		const char *shown, *name;
		bool made;
	} cases[] = {
		{ "dir", TARGET_CONTENTS, "dir", "", false },
		{ "whole", TARGET_CONTENTS, "whole", "", true },
		{ "whole", TARGET_INTO, "whole", "K", false },
		{ "into", TARGET_INTO, "into", "K", true },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct target t;
		char *own = NULL;

		is_int(target_open(&t, cases[i].dest, "K", cases[i].flags, &own,
				   NULL),
		       0, "'%s' as a directory", cases[i].dest);
		is_str(t.shown, cases[i].shown, "  root");
		is_str(own, cases[i].name, "  name");
		is_int(t.made, cases[i].made, "  made");
		target_done(&t);
		free(own);
	}
}

static void mended(const struct target *t)
{
	struct stat st;
	char temp[TARGET_TEMP_MAX];
	int fd = -1;

	is_int(put(t, "", "m", "hello", NULL), 0, "a file");
	(void)chmod("dir/m", 0777);
	is_int(target_set_attrs(t, "", "m", &attr, NULL), 0, "mended");
	is_int(stat("dir/m", &st), 0, "is there");
	is_int(st.st_mode, S_IFREG | 0640, "its mode");
	is_int(target_set_attrs(t, "out", "victim", &attr, NULL), -ELOOP,
	       "not through a link");
	is_int(target_temp(t, "", "s", 1 << 20, true, temp, &fd, NULL), 0,
	       "a sparse one");
	is_int(fstat(fd, &st), 0, "has");
	is_int(st.st_size, 1 << 20, "its length");
	is_int(st.st_blocks, 0, "and no blocks");
	(void)close(fd);
	target_drop(t, "", temp);
}

static bool keep_a(void *arg, const char *name, bool is_dir)
{
	(void)arg;
	return !strcmp(name, "a") && !is_dir;
}

static void test_surplus(const struct target *t)
{
	struct surplus p = { 0 };
	struct err e = { 0 };
	uint64_t removed = 0;

	is_int(mkdir("dir/p", 0755) | mkdir("dir/p/d", 0755) |
		       symlink("../../outside", "dir/p/d/l") |
		       io_replace_file("dir/p/a", "x", 1, 0600, NULL) |
		       io_replace_file("dir/p/d/x", "x", 1, 0600, NULL),
	       0, "clutter");
	is_int(surplus_note(&p, t, "p", keep_a, NULL, &e), 0, "looked through");
	is_int(p.count, 1, "one is not wanted");
	is_int(surplus_note(&p, t, "none", keep_a, NULL, &e), 0,
	       "a directory that is not there");
	is_int(surplus_note(&p, t, "out", keep_a, NULL, &e), -ELOOP, "a link");
	is_int(p.count, 1, "brings none");
	is_int(surplus_remove(t, &p.items[0], &removed, &e), 0, "removed");
	is_int(removed, 3, "with what is in it");
	ok(access("dir/p/d", F_OK) && !access("dir/p/a", F_OK), "and no more");
	ok(holds("outside/victim", "precious"), "a link is not followed");
	is_int(surplus_remove(t, &p.items[0], &removed, &e), 0,
	       "what is gone is no failure");
	surplus_done(&p);
}

int main(void)
{
	char home[] = "/tmp/test_target.XXXXXX";
	struct target t;
	char *name = NULL;

	if (!mkdtemp(home) || chdir(home) || mkdir("dir", 0755) ||
	    mkdir("dir/sub", 0755) || mkdir("outside", 0755) ||
	    symlink("dir", "to-dir") || symlink("../outside", "dir/out") ||
	    symlink("../outside/victim", "dir/evil") ||
	    io_replace_file("file", "x", 1, 0600, NULL) ||
	    io_replace_file("outside/victim", "precious", 8, 0600, NULL))
		return 1;
	where();
	dry();
	whole();
	is_int(target_open(&t, "dir", "K", 0, &name, NULL), 0, "open");
	files(&t);
	links(&t);
	dirs(&t);
	planted(&t);
	mended(&t);
	test_surplus(&t);
	target_done(&t);
	free(name);
	(void)nftw(home, look_for_temp, 16, FTW_PHYS);
	is_int(leftovers, 0, "no temporary file is left");
	(void)nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
