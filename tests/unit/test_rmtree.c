/* What rm takes from a tree while others change it. */
#include "tools/rmtree.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cache/commit.h"
#include "s3/base/clock.h"
#include "s3/file_store.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/assetfs-test-rmtree-XXXXXX";
static struct store *s;
static struct object_ids ids;

static void must(int r, const struct err *e, const char *what)
{
	if (!r)
		return;
	printf("Bail out! %s: %s\n", what, e->text);
	exit(1);
}

/* Commits empty files, new ones or anew; those that begin with '-' go. Their
 * commit time counts up, so that each is another claim. */
static void commit_files(const char *dir, const char *const *paths)
{
	static int64_t clock_s = 1000;
	CLEANUP(tree_version_done) struct tree_version t = { 0 };
	struct commit_change changes[16] = { 0 };
	struct commit c = { .changes = changes, .pool = "" };
	struct err e = { 0 };

	must(tree_locate(s, NULL, dir, NULL, &t, &e), &e, dir);
	clock_s++;
	for (; paths[c.count]; c.count++) {
		struct commit_change *ch = &changes[c.count];
		struct catalog_entry entry;

		ch->path = paths[c.count];
		ch->remove = *ch->path == '-';
		ch->path += ch->remove;
		ch->path_len = strlen(ch->path);
		ch->attr.mode = S_IFREG | 0644;
		ch->attr.commit_s = clock_s;
		ch->seen = t.cat &&
			   !catalog_find(t.cat, ch->path, ch->path_len, &entry);
		ch->seen_commit_s = ch->seen ? entry.commit_s : 0;
	}
	c.id = object_ids_next(&ids);
	c.gc_read_ms = clock_now_ms();
	must(commit_run(s, NULL, &t, &c, &e), &e, dir);
}

static char *all_paths(const char *dir)
{
	CLEANUP(tree_version_done) struct tree_version t = { 0 };
	CLEANUP_BUF struct buf out = BUF_INIT(1000);
	struct store_object object;
	struct err e = { 0 };
	uint64_t seq = 0;
	bool found;

	must(tree_find_newest(s, dir, &found, &seq, &object, &e), &e, dir);
	must(tree_load(s, NULL, dir, seq, &object, &t, &e), &e, dir);
	if (!t.cat)
		return strdup("removed");
	for (uint32_t i = 1; i < catalog_count(t.cat); i++) {
		(void)catalog_path(t.cat, i, &out);
		(void)buf_add_char(&out, ' ');
	}
	return buf_take(&out);
}

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_cases(void)
{
	static const struct {
		const char *name;
		const char *path; /* removed */
		const char *meanwhile[4]; /* by somebody else */
		const char *left;
		size_t kept;
	} cases[] = {
		{ "a file", "a", { NULL }, "d d/e d/f d/e/g ", 0 },
		{ "a directory", "d", { NULL }, "a ", 0 },
		{ "all", "", { NULL }, "removed", 0 },
		{ "what is not there", "x", { NULL }, "a d d/e d/f d/e/g ", 0 },
		{ "a file, and another changed",
		  "a",
		  { "d/f" },
		  "d d/e d/f d/e/g ",
		  0 },
		{ "a file that changed",
		  "a",
		  { "a" },
		  "a d d/e d/f d/e/g ",
		  1 },
		{ "a file that went", "a", { "-a" }, "d d/e d/f d/e/g ", 0 },
		{ "a directory, and a file beside it",
		  "d",
		  { "b" },
		  "a b ",
		  0 },
		{ "a directory with a new file",
		  "d",
		  { "d/new" },
		  "a d d/new ",
		  1 },
		{ "one deep below", "d", { "d/e/new" }, "a d d/e d/e/new ", 1 },
		{ "a directory with a changed file",
		  "d",
		  { "d/f" },
		  "a d d/f ",
		  1 },
		{ "all, with a new file", "", { "d/new" }, "d d/new ", 1 },
		{ "all, of which something went", "", { "-a" }, "removed", 0 },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		CLEANUP(rmtree_done) struct rmtree t = { 0 };
		CLEANUP_FREE char *left = NULL;
		struct err e = { 0 };
		char dir[16];
		int r;

		(void)snprintf(dir, sizeof(dir), "t%zu/", i);
		commit_files(dir, NAMES("a", "d/f", "d/e/g"));
		must(tree_locate(s, NULL, dir, NULL, &t.seen, &e), &e, dir);
		must(rmtree_add(&t, cases[i].path), &e, "no memory");
		if (cases[i].meanwhile[0])
			commit_files(dir, cases[i].meanwhile);
		r = rmtree_run(&t, s, NULL, false, &e);
		is_int(r, 0, "%s: %s", cases[i].name, e.text);
		left = all_paths(dir);
		is_str(left, cases[i].left, "%s: what is left", cases[i].name);
		is_int((int)t.kept, (int)cases[i].kept, "%s: kept",
		       cases[i].name);
		ok(t.removed == !strcmp(left, "removed"), "%s: removed",
		   cases[i].name);
	}
}

int main(void)
{
	char command[100];
	struct err e = { 0 };
	char *dir = mkdtemp(root);

	must(dir ? file_store_open(&s, dir, &e) : -errno, &e, "store");
	object_ids_init(&ids);
	test_cases();
	store_free(s);
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	if (system(command))
		printf("# cannot remove %s\n", root);
	return tap_done();
}
