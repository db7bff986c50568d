#include "s3/base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"

static char dir[] = "/tmp/assetfs-test-XXXXXX";

static const char *path(const char *name)
{
	static char paths[4][256];
	static int turn;
	char *p = paths[turn++ % 4];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void test_files(void)
{
	struct buf b = BUF_INIT(100), small = BUF_INIT(3);
	struct err e;
	struct stat st;
	DIR *d;
	int n = 0;

	is_int(io_replace_file(path("f"), "hello", 5, 0600, &e), 0, "create");
	is_int(io_replace_file(path("f"), "world!", 6, 0600, &e), 0, "replace");
	is_int(io_read_file(path("f"), &b, &e), 0, "read");
	is_str(b.data, "world!", "the new content");
	ok(!stat(path("f"), &st) && (st.st_mode & 0777) == 0600, "its mode");
	is_int(io_read_file(path("f"), &small, &e), -EFBIG, "above a ceiling");
	is_int(io_read_file(path("none"), &b, &e), -ENOENT, "absent");
	ok(strstr(e.text, "none': No such file"), "told: %s", e.text);
	is_int(io_replace_file(path("no/f"), "x", 1, 0600, &e), -ENOENT,
	       "no such folder");
	(void)mkdir(path("f.d"), 0755);
	is_int(io_replace_file(path("f.d"), "x", 1, 0600, &e), -EISDIR,
	       "over a folder");
	d = opendir(dir);
	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	is_int(n, 4, "no temporary file is left");
	buf_done(&b);
	buf_done(&small);
}

static void test_dirs(void)
{
	struct err e;
	struct stat st;

	is_int(io_make_dirs(path("a/b//c/"), 0755, &e), 0, "make");
	ok(!stat(path("a/b/c"), &st) && S_ISDIR(st.st_mode), "there");
	is_int(io_make_dirs(path("a/b/c"), 0755, &e), 0, "again");
	is_int(io_make_dirs("/", 0755, &e), 0, "the root");
	is_int(io_make_dirs(path("f"), 0755, &e), -ENOTDIR, "a file");
	is_int(io_make_dirs(path("f/x"), 0755, &e), -ENOTDIR, "below a file");
	is_int(io_make_dirs("", 0755, &e), -ENAMETOOLONG, "nothing");
}

static void test_whole(void)
{
	int fd = open(path("w"), O_RDWR | O_CREAT, 0600);
	char data[16] = "";

	is_int(io_write_full(fd, "0123456789", 10), 0, "write");
	is_int(io_pwrite_full(fd, "xy", 2, 9), 0, "pwrite");
	is_int(io_pread_full(fd, data, sizeof(data), 0), 11, "to the end");
	is_str(data, "012345678xy", "content");
	is_int(io_pread_full(fd, data, 3, 11), 0, "behind it");
	is_int(io_pread_full(-1, data, 3, 0), -EBADF, "no file");
	(void)close(fd);
}

/* In a child: the streams of this one are needed. Its exit status: how many of
 * the three can be used. */
static int use_closed(void)
{
	char c = 'x';
	int used = 0;

	for (int fd = 0; fd < 3; fd++)
		(void)close(fd);
	io_hold_std();
	if (open(path("w"), O_RDWR) != 3)
		return 99;
	used += read(0, &c, 1) >= 0;
	used += write(1, &c, 1) >= 0;
	used += write(2, &c, 1) >= 0;
	return used;
}

static void test_std(void)
{
	pid_t child = fork();
	int status = -1;

	if (!child)
		_exit(use_closed());
	ok(waitpid(child, &status, 0) == child && WIFEXITED(status), "ends");
	is_int(WEXITSTATUS(status), 0, "closed streams stay of no use");
}

int main(void)
{
	char command[64];

	if (!mkdtemp(dir))
		abort();
	test_files();
	test_dirs();
	test_whole();
	test_std();
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command))
		printf("# '%s' stays\n", dir);
	return tap_done();
}
