#include "tools/target.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "s3/base/io.h"
#include "tests/unit/tap.h"

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
	int fd, r = target_temp(t, dir, name, 5, temp, &fd, e);

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
		int r = target_open(&t, cases[i].dest, cases[i].source, false,
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

	is_int(target_open(&t, "later/", "K", true, &name, NULL), 0,
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
	is_int(target_open(&t, "dir", "K", false, &name, NULL), 0, "open");
	files(&t);
	links(&t);
	dirs(&t);
	planted(&t);
	target_done(&t);
	free(name);
	(void)nftw(home, look_for_temp, 16, FTW_PHYS);
	is_int(leftovers, 0, "no temporary file is left");
	(void)nftw(home, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return tap_done();
}
