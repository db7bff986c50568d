/* diff: a scan against a tree and the plain objects of its target. */
#include "tools/diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/base/cleanup.h"
#include "tests/unit/builder.h"
#include "tests/unit/tap.h"

#define COMMIT_S 1000
#define MAX 8

struct fixture {
	struct scan scan;
	struct scan_entry entries[MAX];
	struct hash hashes[MAX];
	struct tree_version base;
	struct store_list listed;
	struct notes refused;
	struct diff diff;
};

static void fixture_init(struct fixture *f, char *base_dir)
{
	memset(f, 0, sizeof(*f));
	f->scan.entries = f->entries;
	f->base.dir = base_dir;
	store_list_init(&f->listed);
	notes_init(&f->refused);
}

static void fixture_done(struct fixture *f)
{
	for (size_t i = 0; i < f->scan.count; i++)
		free(f->entries[i].path);
	diff_done(&f->diff);
	catalog_unref(f->base.cat);
	store_list_done(&f->listed);
	notes_done(&f->refused);
}

static _Noreturn void give_up(const char *what)
{
	printf("# %s\n", what);
	exit(1);
}

/* content: a file of one byte; of a link it is the target. */
static void add(struct fixture *f, const char *path, mode_t mode, char *content)
{
	struct scan_entry *entry = &f->entries[f->scan.count];

	entry->path = strdup(path);
	if (!entry->path)
		give_up("out of memory");
	entry->path_len = strlen(path);
	entry->st.st_mode = mode;
	entry->st.st_mtim.tv_sec = 5;
	if (S_ISREG(mode)) {
		entry->st.st_size = 1;
		hash_of(&f->hashes[f->scan.count], content, 1);
		entry->hashes = &f->hashes[f->scan.count];
	} else if (S_ISLNK(mode)) {
		entry->st.st_size = (off_t)strlen(content);
		entry->target = content;
	}
	f->scan.count++;
}

static void put(struct catalog_builder *b, const struct scan_entry *entry,
		const char *prefix)
{
	bool file = S_ISREG(entry->st.st_mode);
	struct block block = {
		.len = 1,
		.frame = { .stored = 1, .raw = 1, .codec = CODEC_RAW },
	};
	struct catalog_attr attr = {
		.mode = entry->st.st_mode,
		.size = (uint64_t)entry->st.st_size,
		.mtime_ns = clock_ns_of(&entry->st.st_mtim),
		.commit_s = COMMIT_S,
	};
	struct err e = { 0 };
	char path[64];

	if (file)
		block.hash = entry->hashes[0];
	(void)snprintf(path, sizeof(path), "%s%s%s", prefix,
		       *prefix && entry->path_len ? "/" : "", entry->path);
	if (catalog_builder_put(b, path, strlen(path), &attr, entry->target,
				file ? &block : NULL, file, &e))
		give_up(e.text);
}

/* The tree as a push of the scan would have made it. */
static void commit(struct fixture *f, const char *prefix)
{
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;
	struct buf out = BUF_INIT(1 << 20);
	struct err e = { 0 };
	size_t len;

	if (catalog_builder_open(&b))
		give_up("out of memory");
	for (size_t i = 0; i < f->scan.count; i++)
		put(b, &f->entries[i], prefix);
	if (catalog_builder_finish(b, &out, &e))
		give_up(e.text);
	len = out.len;
	if (catalog_parse(&f->base.cat, buf_take(&out), len, NULL, &e))
		give_up(e.text);
}

static void object(struct fixture *f, const char *key, int64_t modified_s)
{
	struct store_object o = { .size = 1, .modified_s = modified_s };

	if (store_list_add(&f->listed, key, strlen(key), false, &o))
		give_up("out of memory");
}

static struct diff_input input(const struct fixture *f, const char *dir)
{
	return (struct diff_input){
		.scan = &f->scan,
		.dir = dir,
		.base = &f->base,
		.listed = &f->listed,
	};
}

static void compare(struct fixture *f, const char *dir)
{
	struct diff_input in = input(f, dir);
	struct err e = { 0 };

	diff_done(&f->diff);
	ok(!diff_make(&f->diff, &in, &f->refused, &e), "compared with '%s'",
	   dir);
}

static void standard(struct fixture *f)
{
	static char x[] = "x", y[] = "y", to[] = "to";

	add(f, "", S_IFDIR | 0755, NULL);
	add(f, "d", S_IFDIR | 0755, NULL);
	add(f, "f", S_IFREG | 0644, x);
	add(f, "l", S_IFLNK | 0777, to);
	add(f, "d/g", S_IFREG | 0644, y);
}

static void test_kinds(void)
{
	static char dir[] = "a/K/", other[] = "ot";
	struct fixture f;

	fixture_init(&f, dir);
	standard(&f);
	compare(&f, "a/K/");
	is_int(f.diff.changes, 5, "where there is no tree all is new");
	commit(&f, "");
	compare(&f, "a/K/");
	is_int(f.diff.changes, 0, "the same again is no change");
	is_int(f.diff.same_files, 2, "files that are the same");

	f.entries[2].st.st_mode = S_IFREG | 04755;
	f.entries[4].st.st_mtim.tv_nsec = 1;
	f.entries[1].st.st_uid = 5;
	compare(&f, "a/K/");
	ok(f.diff.items[2].kind == DIFF_ATTR &&
		   f.diff.items[4].kind == DIFF_ATTR &&
		   f.diff.items[1].kind == DIFF_ATTR && f.diff.changes == 3,
	   "mode, time and owner are attributes");
	f.entries[3].target = other;
	hash_of(f.entries[4].hashes, "z", 1);
	compare(&f, "a/K/");
	ok(f.diff.items[3].kind == DIFF_CONTENT &&
		   f.diff.items[4].kind == DIFF_CONTENT,
	   "a link's target and a file's bytes are content");
	is_int(notes_count(&f.refused), 0, "nothing is refused");
	fixture_done(&f);
}

static void test_above(void)
{
	static char dir[] = "a/";
	struct fixture f;

	fixture_init(&f, dir);
	standard(&f);
	commit(&f, "b/K");
	compare(&f, "a/b/K/");
	is_int(f.diff.changes, 0, "inside a tree further up");
	compare(&f, "a/b/L/");
	is_int(f.diff.changes, 5, "elsewhere in it");
	compare(&f, "a/b/K/f/");
	is_int(notes_count(&f.refused), 1, "below a file is refused");
	fixture_done(&f);
}

static void test_objects(void)
{
	static const struct {
		const char *key;
		int64_t modified_s;
		size_t item;
		enum diff_kind want;
	} cases[] = {
		{ "a/f", COMMIT_S + 1, 2, DIFF_CONTENT },
		{ "a/f", COMMIT_S, 2, DIFF_CONTENT },
		{ "a/f", COMMIT_S - 1, 2, DIFF_SAME },
		{ "a/d/", COMMIT_S, 1, DIFF_CONTENT },
		{ "a/d/", COMMIT_S - 1, 1, DIFF_SAME },
		{ "a/d", COMMIT_S + 1, 1, DIFF_SAME },
		{ "a/d/g", COMMIT_S + 1, 4, DIFF_CONTENT },
		{ "a/l", COMMIT_S + 1, 3, DIFF_CONTENT },
		{ "a/unrelated", COMMIT_S + 1, 2, DIFF_SAME },
	};
	static char dir[] = "a/";

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct fixture f;

		fixture_init(&f, dir);
		standard(&f);
		commit(&f, "");
		object(&f, cases[i].key, cases[i].modified_s);
		compare(&f, "a/");
		is_int(f.diff.items[cases[i].item].kind, cases[i].want,
		       "object '%s' of %d", cases[i].key,
		       (int)cases[i].modified_s);
		fixture_done(&f);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *key;
		size_t want;
	} cases[] = {
		{ "a/f/below", 1 },
		{ "a/l/below/deeper", 1 },
		{ "a/d/.assetfs-tree-fffffffffffffffe", 1 },
		{ "a/d/x/.assetfs-tree-fffffffffffffffe", 0 },
		{ "a/.assetfs-tree-fffffffffffffffe", 0 },
		{ "a/other/.assetfs-tree-fffffffffffffffe", 0 },
		{ "a/ff/below", 0 },
	};
	static char dir[] = "a/";

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct fixture f;

		fixture_init(&f, dir);
		standard(&f);
		object(&f, cases[i].key, 1);
		compare(&f, "a/");
		is_int(notes_count(&f.refused), cases[i].want, "'%s'",
		       cases[i].key);
		fixture_done(&f);
	}
}

static void test_types(void)
{
	static char dir[] = "a/", x[] = "x";
	struct fixture f;

	fixture_init(&f, dir);
	standard(&f);
	commit(&f, "");
	f.entries[1].st.st_mode = S_IFREG | 0644;
	f.entries[1].st.st_size = 1;
	f.entries[1].hashes = f.entries[2].hashes;
	compare(&f, "a/");
	is_int(notes_count(&f.refused), 1, "a file over a directory");
	f.entries[1].st.st_mode = S_IFDIR | 0755;
	f.entries[2].st.st_mode = S_IFDIR | 0755;
	compare(&f, "a/");
	is_int(notes_count(&f.refused), 2, "a directory over a file");
	f.entries[2].st.st_mode = S_IFLNK | 0777;
	f.entries[2].target = x;
	compare(&f, "a/");
	ok(notes_count(&f.refused) == 2 && f.diff.items[2].kind == DIFF_CONTENT,
	   "a link over a file is a change");
	fixture_done(&f);
}

static void test_changes(void)
{
	static char dir[] = "a/";
	struct diff_changes c = { 0 };
	struct block b = { .len = 1, .frame.blob.bytes[0] = 9 };
	struct diff_input in;
	struct err e = { 0 };
	struct fixture f;
	struct plan plan;

	fixture_init(&f, dir);
	standard(&f);
	commit(&f, "K");
	hash_of(f.entries[2].hashes, "n", 1);
	f.entries[4].st.st_mode = S_IFREG | 0600;
	compare(&f, "a/K/");
	in = input(&f, "a/K/");
	plan_init(&plan);
	ok(!plan_file(&plan, &f.entries[2]), "planned");
	is_int(diff_changes_make(&c, &f.diff, &in, &plan, &e), -EAGAIN,
	       "no change without a place");
	b.hash = f.entries[2].hashes[0];
	ok(!plan_place(&plan, &b), "placed");
	ok(!diff_changes_make(&c, &f.diff, &in, &plan, &e) && c.count == 2,
	   "two changes");
	is_str(c.changes[0].path, "K/f", "path in the tree");
	ok(c.changes[0].fresh && c.changes[0].seen &&
		   c.changes[0].seen_commit_s == COMMIT_S &&
		   c.changes[0].blocks[0].frame.blob.bytes[0] == 9,
	   "new content is fresh, with its new place");
	ok(!c.changes[1].fresh && c.changes[1].attr.commit_s == COMMIT_S &&
		   c.changes[1].attr.mode == (S_IFREG | 0600) &&
		   c.changes[1].block_count == 1 &&
		   hash_equal(&c.changes[1].blocks[0].hash,
			      f.entries[4].hashes),
	   "attributes alone keep commit time and place");
	diff_changes_done(&c);
	plan_done(&plan);
	fixture_done(&f);
}

int main(void)
{
	test_kinds();
	test_above();
	test_objects();
	test_refused();
	test_types();
	test_changes();
	return tap_done();
}
