/* scan: order, links, what is skipped, files opened again. */
#include "tools/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/io.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/test_scan.XXXXXX";

static _Noreturn void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static bool never(void)
{
	return false;
}

static bool at_once(void)
{
	return true;
}

static const char *at(const char *name)
{
	static char path[4][512];
	static unsigned int turn;
	char *p = path[turn++ % 4];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", root, name);
	return p;
}

static void make_file(const char *name, const char *text)
{
	struct err e = { 0 };

	if (io_replace_file(at(name), text, strlen(text), 0640, &e))
		give_up(e.text);
}

static void make_tree(void)
{
	if (!mkdtemp(root) || mkdir(at("b"), 0700) || mkdir(at("a"), 0755) ||
	    mkdir(at("a/x"), 0755) || mkdir(at("a-b"), 0755) ||
	    mkdir(at("a/empty"), 0711) || symlink("../b", at("a/link")) ||
	    symlink("nowhere", at("z")) || mkfifo(at("pipe"), 0600))
		give_up("making a tree");
	make_file("b/1", "one");
	make_file("a/x/2", "");
	make_file("a/3", "three");
	make_file("a-b/4", "four");
	make_file("B", "five");
}

static int scan_all(struct scan *s, struct notes *failed, struct notes *skipped,
		    bool (*stop)(void), struct err *e)
{
	const struct exclude none = { 0 };
	const struct scan_options o = { failed, skipped, &none, stop };
	int r = scan_dir(s, root, "", &o, e);

	scan_sort(s, failed);
	return r;
}

static void test_order(void)
{
	/* (directory, name): all of "" before "a", "a" before "a-b" before
	 * "a/x". */
	static const char *const want[] = {
		"",	   "B",	     "a",   "a-b",   "b",     "z",   "a/3",
		"a/empty", "a/link", "a/x", "a-b/4", "a/x/2", "b/1",
	};
	struct notes failed, skipped;
	struct err e = { 0 };
	struct scan s;
	bool same;

	scan_init(&s);
	notes_init(&failed);
	notes_init(&skipped);
	ok(!scan_all(&s, &failed, &skipped, never, &e), "scanned");
	same = s.count == TAP_COUNT(want);
	for (size_t i = 0; same && i < s.count; i++) {
		same = !strcmp(s.entries[i].path, want[i]) &&
		       s.entries[i].path_len == strlen(want[i]);
		if (!same)
			printf("# entry %zu is '%s', not '%s'\n", i,
			       s.entries[i].path, want[i]);
	}
	ok(same, "in the order of catalogs");
	ok(s.files == 5 && s.dirs == 6 && s.symlinks == 2 && s.bytes == 16,
	   "counted");
	ok(notes_count(&failed) == 0 && notes_count(&skipped) == 1,
	   "a pipe is skipped with a note");
	ok(s.entries[8].target && !strcmp(s.entries[8].target, "../b") &&
		   s.entries[8].st.st_size == 4,
	   "a link is read, not followed");
	scan_done(&s);

	e.code = scan_all(&s, &failed, &skipped, at_once, &e);
	ok(e.code == -ECANCELED, "ends when it is told to stop");
	scan_done(&s);
	notes_done(&failed);
	notes_done(&skipped);
}

static int open_named(const struct scan *s, const char *path)
{
	for (size_t i = 0; i < s->count; i++) {
		if (!strcmp(s->entries[i].path, path))
			return scan_open_file(s, &s->entries[i]);
	}
	return -ENODATA;
}

static void test_planted(void)
{
	struct notes failed, skipped;
	struct err e = { 0 };
	struct scan s;
	char byte = 0;
	int fd;

	scan_init(&s);
	notes_init(&failed);
	notes_init(&skipped);
	ok(!scan_all(&s, &failed, &skipped, never, &e), "scanned");
	fd = open_named(&s, "b/1");
	ok(fd >= 0 && read(fd, &byte, 1) == 1 && byte == 'o', "file opened");
	if (fd >= 0)
		(void)close(fd);

	if (rename(at("b"), at("moved")) || symlink("moved", at("b")))
		give_up("planting a link");
	fd = open_named(&s, "b/1");
	ok(fd == -ENOTDIR || fd == -ELOOP,
	   "a link planted as a directory is not followed");
	if (unlink(at("B")) || symlink("moved/1", at("B")))
		give_up("planting a link");
	fd = open_named(&s, "B");
	ok(fd == -ELOOP, "a link planted as a file is not followed");
	scan_done(&s);
	notes_done(&failed);
	notes_done(&skipped);
}

static void test_file(void)
{
	const struct exclude none = { 0 };
	const struct scan_options o = { .exclude = &none };
	struct err e = { 0 };
	struct scan s;
	int fd;

	scan_init(&s);
	ok(!scan_file(&s, at("a/3"), "name", &o, &e) && s.count == 1 &&
		   !strcmp(s.entries[0].path, "name") && s.bytes == 5,
	   "a single file under another name");
	fd = scan_open_file(&s, &s.entries[0]);
	ok(fd >= 0, "and opened");
	if (fd >= 0)
		(void)close(fd);
	scan_done(&s);
	ok(scan_file(&s, at("pipe"), "name", &o, &e) == -EINVAL,
	   "a pipe is no file");
	scan_done(&s);
	ok(scan_dir(&s, at("absent"), "", &o, &e) == -ENOENT,
	   "a directory that is not there");
	scan_done(&s);
}

static void test_compare(void)
{
	static const struct {
		const char *less, *more;
	} cases[] = {
		{ "", "a" },
		{ "a", "b" },
		{ "b", "a/c" },
		{ "a/c", "a-b/c" },
		{ "a-b/c", "a/b/c" },
		{ "a/b", "a/bc" },
		{ "a/\x7f", "a/\x80" },
		{ "ab", "abc" },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		const char *a = cases[i].less, *b = cases[i].more;

		ok(scan_compare(a, strlen(a), b, strlen(b)) < 0 &&
			   scan_compare(b, strlen(b), a, strlen(a)) > 0 &&
			   !scan_compare(a, strlen(a), a, strlen(a)),
		   "'%s' before '%s'", a, b);
	}
}

int main(void)
{
	char command[64];

	make_tree();
	test_compare();
	test_order();
	test_file();
	test_planted();
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
	if (system(command))
		printf("# left %s\n", root);
	return tap_done();
}
