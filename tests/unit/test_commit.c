/*
 * Commits, in one object and in shards: what becomes of a tree must not depend
 * on it.
 */
#include "cache/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/names.h"
#include "cache/view.h"
#include "s3/base/clock.h"
#include "s3/file_store.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/assetfs-test-commit-XXXXXX";
static struct store *store;
static struct cache *cache; /* NULL, or one */

static _Noreturn void give_up(const char *what)
{
	printf("# %s\n", what);
	exit(1);
}

/* ---- one tree ------------------------------------------------------------ */

struct tree {
	struct tree_version version;
	struct commit_limits limits;
};

static void tree_init(struct tree *t, const char *dir, uint32_t inline_entries,
		      uint32_t shard_entries)
{
	*t = (struct tree){ .version.dir = strdup(dir),
			    .limits = { inline_entries, shard_entries } };
	if (!t->version.dir)
		give_up("out of memory");
}

static bool find(const struct tree *t, const char *path,
		 struct catalog_entry *ret_entry)
{
	struct tree_cursor c = { .store = store,
				 .cache = cache,
				 .tree = &t->version };
	struct catalog *cat;
	int r = tree_cursor_find(&c, path, strlen(path), &cat, ret_entry, NULL);

	ret_entry->name = NULL;
	ret_entry->target = NULL;
	tree_cursor_done(&c);
	if (r && r != -ENOENT)
		give_up("a part cannot be read");
	return !r;
}

struct todo {
	char path[64];
	char what; /* 'f' file, 'd' directory, 'l' link, 'r' remove */
	uint32_t number; /* of the content */
	bool blind; /* by another claim than the one that stands */
};

static int commit(struct tree *t, const struct todo *todo, size_t count,
		  struct commit *c, struct err *e)
{
	struct commit_change *changes = calloc(count, sizeof(*changes));
	struct block *blocks = calloc(count, sizeof(*blocks));
	int r;

	if (!changes || !blocks)
		give_up("out of memory");
	for (size_t i = 0; i < count; i++) {
		struct commit_change *ch = &changes[i];
		struct catalog_entry have;

		*ch = (struct commit_change){
			.path = todo[i].path,
			.path_len = strlen(todo[i].path),
			.remove = todo[i].what == 'r',
			.attr = { .mode = S_IFDIR | 0700,
				  .uid = todo[i].number % 3,
				  .mtime_ns = todo[i].number * 1000007ll,
				  .commit_s = todo[i].number },
		};
		if (todo[i].what == 'f') {
			ch->attr.mode = S_IFREG | 0640;
			ch->attr.size = 1 + todo[i].number;
			blocks[i] = (struct block){
				.len = 1 + todo[i].number,
				.frame = { .stored = 1 + todo[i].number,
					   .raw = 1 + todo[i].number },
			};
			hash_of(&blocks[i].hash, &todo[i].number,
				sizeof(todo[i].number));
			ch->blocks = &blocks[i];
			ch->block_count = 1;
		} else if (todo[i].what == 'l') {
			ch->attr.mode = S_IFLNK | 0777;
			ch->attr.size = 1 + todo[i].number % 7;
			ch->target = "target of a link";
		}
		ch->seen = find(t, todo[i].path, &have);
		if (ch->seen)
			ch->seen_commit_s = have.commit_s;
		if (todo[i].blind)
			ch->seen_commit_s += ch->seen ? 1 : 0;
		if (todo[i].blind && !ch->seen)
			ch->seen = true;
	}
	c->changes = changes;
	c->count = count;
	c->pool = "";
	c->gc_read_ms = clock_now_ms();
	c->limits = t->limits;
	random_bytes(&c->id, sizeof(c->id));
	r = commit_run(store, cache, &t->version, c, e);
	free(changes);
	free(blocks);
	return r;
}

/* All that the tree says, but for where blocks stand. */
static void dump(const struct tree *t, struct buf *out)
{
	uint32_t parts = tree_part_count(&t->version);

	for (uint32_t p = 0; p < parts; p++) {
		CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
		struct err e = { 0 };

		if (tree_part(store, cache, &t->version, p, &cat, &e))
			give_up(e.text);
		for (uint32_t i = 0; i < catalog_count(cat); i++) {
			struct catalog_entry en;
			struct block b = { 0 };

			catalog_entry_at(cat, i, &en);
			if (en.block_count)
				catalog_block_at(cat, en.first_block, &b);
			(void)buf_addf(out, "%o %u %llu %lld %lld %02x%02x ",
				       (unsigned int)en.mode, en.uid,
				       (unsigned long long)en.size,
				       (long long)en.mtime_ns,
				       (long long)en.commit_s, b.hash.bytes[0],
				       b.hash.bytes[1]);
			(void)catalog_path(cat, i, out);
			(void)buf_add_char(out, '\n');
		}
	}
}

/* ---- random histories ---------------------------------------------------- */

static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % sides;
}

/* Few names, of which some sort around '/'. */
static void random_path(char out[64])
{
	static const char *const names[] = { "a",  "b",	 "a-", "a.x",
					     "a0", "zz", "c",  "\xff" };
	uint32_t depth = dice(4);

	(void)snprintf(out, 64, "%s", names[dice(8)]);
	for (uint32_t i = 0; i < depth; i++) {
		strcat(out, "/");
		strcat(out, names[dice(8)]);
	}
	if (!dice(60))
		*out = '\0';
}

static void random_todo(struct todo *it, uint32_t number)
{
	static const char kinds[] = "fffffdlrr";

	random_path(it->path);
	it->what = kinds[dice(sizeof(kinds) - 1)];
	if (!*it->path && it->what != 'r')
		it->what = 'd';
	it->number = number;
	it->blind = !dice(12);
}

/* What was committed is what each of them says afterwards. */
static void test_histories(void)
{
	static const struct commit_limits limits[] = {
		{ 0, 0 },
		{ 2, 2 },
		{ 12, 6 },
	};
	enum { KINDS = sizeof(limits) / sizeof(limits[0]), LENGTH = 40 };
	uint32_t most = 0, failed = 0, differ = 0, lost = 0, number = 1;

	for (uint32_t history = 0; history < 6; history++) {
		struct tree trees[KINDS];

		for (size_t k = 0; k < KINDS; k++) {
			char dir[32];

			(void)snprintf(dir, sizeof(dir), "h%u-%zu/", history,
				       k);
			tree_init(&trees[k], dir, limits[k].inline_entries,
				  limits[k].shard_entries);
		}
		seed = history;
		for (uint32_t step = 0; step < LENGTH; step++) {
			struct todo todo[20];
			struct buf first = BUF_INIT(1 << 20);
			size_t count = 1 + dice(dice(4) ? 3 : 20);
			int r0 = 0;
			struct commit c0 = { 0 };

			for (size_t i = 0; i < count; i++)
				random_todo(&todo[i], number++);
			for (size_t k = 0; k < KINDS; k++) {
				struct buf now = BUF_INIT(1 << 20);
				struct commit c = { 0 };
				int r = commit(&trees[k], todo, count, &c,
					       NULL);
				uint32_t parts =
					tree_part_count(&trees[k].version);

				dump(&trees[k], &now);
				if (parts > most)
					most = parts;
				if (!k) {
					r0 = r;
					c0 = c;
					first = now;
					failed += r < 0;
					lost += (uint32_t)c.lost;
					continue;
				}
				if (r != r0 || c.lost != c0.lost ||
				    c.empty != c0.empty ||
				    first.len != now.len ||
				    (now.len &&
				     memcmp(first.data, now.data, now.len))) {
					if (!differ++)
						printf("# %u/%u/%zu: %d, %d\n"
						       "%s---\n%s",
						       history, step, k, r0, r,
						       first.data, now.data);
				}
				buf_done(&now);
			}
			buf_done(&first);
		}
		for (size_t k = 0; k < KINDS; k++)
			tree_version_done(&trees[k].version);
	}
	is_int(differ, 0, "shards make no difference");
	ok(most > 10 && failed > 10 && lost > 10,
	   "up to %u parts; %u refused, %u lost", most, failed, lost);
}

/* ---- what is defined ----------------------------------------------------- */

static void step(struct tree *t, char what, const char *path, uint32_t number,
		 int expected)
{
	struct todo todo = { .what = what, .number = number };
	struct commit c = { 0 };
	struct err e = { 0 };

	(void)snprintf(todo.path, sizeof(todo.path), "%s", path);
	is_int(commit(t, &todo, 1, &c, &e), expected, "%c %s %s", what, path,
	       e.text);
}

static void test_rules(uint32_t inline_entries, uint32_t shard_entries,
		       const char *dir)
{
	struct catalog_entry en;
	struct tree t;

	tree_init(&t, dir, inline_entries, shard_entries);
	step(&t, 'f', "x/y/b", 50, 0);
	ok(find(&t, "x/y", &en) && en.mode == (S_IFDIR | 0755) &&
		   en.commit_s == 50 && en.mtime_ns == 50 * 1000007ll,
	   "parents are made like their first child");
	ok(find(&t, "", &en) && en.commit_s == 50, "the root, too");
	step(&t, 'f', "x/y/a", 40, 0);
	ok(find(&t, "x/y", &en) && en.commit_s == 50, "and stay");
	step(&t, 'f', "x/y", 41, -ENOTDIR);
	step(&t, 'f', "x/y/a/c", 41, -ENOTDIR);
	step(&t, 'r', "x/y/a", 0, 0);
	step(&t, 'r', "x/y/b", 0, 0);
	ok(find(&t, "x/y", &en), "an empty directory stays");
	step(&t, 'f', "x/y", 42, 0);
	ok(find(&t, "x/y", &en) && S_ISREG(en.mode), "a file takes its place");
	step(&t, 'd', "x", 43, 0);
	step(&t, 'f', "x-1", 44, 0);
	step(&t, 'f', "x.1/q", 44, 0);
	step(&t, 'r', "x", 0, 0);
	ok(!find(&t, "x", &en) && !find(&t, "x/y", &en), "all below is gone");
	ok(find(&t, "x-1", &en) && find(&t, "x.1/q", &en),
	   "what stands between is not");
	step(&t, 'r', "", 0, 0);
	ok(find(&t, "", &en) && !en.commit_s && !find(&t, "x-1", &en),
	   "removing the root leaves a root");
	tree_version_done(&t.version);
}

/* Two who start from one version; the slower one does its work again. */
static void test_race(void)
{
	struct tree a, b;
	struct todo todo = { .path = "d5/f5", .what = 'f', .number = 3 };
	struct commit c = { 0 };
	struct catalog_entry en;

	tree_init(&a, "race/", 10, 8);
	for (uint32_t i = 0; i < 40; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "d%u/f%u", i % 10, i);
		todo = (struct todo){ .what = 'f', .number = i + 1 };
		strcpy(todo.path, path);
		if (commit(&a, &todo, 1, &c, NULL))
			give_up("cannot commit");
	}
	tree_init(&b, "race/", 10, 8);
	tree_version_done(&b.version);
	if (tree_locate(store, cache, "race/", NULL, &b.version, NULL))
		give_up("cannot read");
	ok(tree_part_count(&b.version) > 3, "%u parts",
	   tree_part_count(&b.version));
	step(&a, 'f', "d1/new", 7, 0);
	step(&a, 'f', "d9/new", 7, 0);
	todo = (struct todo){ .path = "d2/new", .what = 'f', .number = 8 };
	c = (struct commit){ 0 };
	is_int(commit(&b, &todo, 1, &c, NULL), 0, "from an old version");
	ok(c.redone >= 1, "done again");
	ok(find(&b, "d1/new", &en) && find(&b, "d2/new", &en) &&
		   find(&b, "d9/new", &en),
	   "nothing is lost");
	tree_version_done(&a.version);
	tree_version_done(&b.version);
}

/* ---- requests, and shards that are not what they should be --------------- */

static uint64_t requests(enum store_op op)
{
	struct store_counts c;

	store_counts(store, &c);
	return c.requests[op];
}

static void make_large(struct tree *t, const char *dir)
{
	struct todo *todo = calloc(500, sizeof(*todo));
	struct commit c = { 0 };
	struct err e = { 0 };

	if (!todo)
		give_up("out of memory");
	tree_init(t, dir, 64, 32);
	for (uint32_t i = 0; i < 500; i++) {
		todo[i].what = 'f';
		todo[i].number = i;
		(void)snprintf(todo[i].path, sizeof(todo[i].path),
			       "d%02u/f%03u", i / 20, i);
	}
	if (commit(t, todo, 500, &c, &e))
		give_up(e.text);
	free(todo);
}

static void test_copy_on_write(void)
{
	struct tree t;
	struct tree_version old = { 0 };
	uint64_t puts, gets;
	uint32_t same = 0, count;

	make_large(&t, "cow/");
	count = tree_part_count(&t.version);
	ok(count > 10, "%u parts", count);
	old.table = shard_table_ref(t.version.table);
	puts = requests(STORE_PUT);
	gets = requests(STORE_GET);
	step(&t, 'f', "d07/new", 9, 0);
	/* The bucket is proven, or each version is put twice. */
	ok(requests(STORE_PUT) - puts <= 3, "one shard and the tree are put");
	ok(requests(STORE_GET) - gets <= 2, "and hardly more is read");
	for (uint32_t i = 0; i < old.table->count; i++)
		for (uint32_t k = 0; k < t.version.table->count; k++)
			same += !memcmp(&old.table->shards[i].id,
					&t.version.table->shards[k].id,
					sizeof(struct object_id));
	is_int(same, count - 2, "the other shards stay");
	shard_table_unref(old.table);
	tree_version_done(&t.version);
}

static void shard_path(const struct tree *t, uint32_t part, struct buf *out)
{
	struct object_id id;

	if (!tree_part_id(&t->version, part, &id))
		give_up("no shard");
	(void)buf_addf(out, "%s/", root);
	(void)name_shard(out, "", &id);
}

static void overwrite(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "wbe");

	if (!f || fwrite(data, 1, len, f) != len || fclose(f))
		give_up("cannot write");
}

static void read_whole(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rbe");
	size_t n;

	if (!f || !buf_reserve(out, 1 << 20))
		give_up("cannot read");
	n = fread(out->data, 1, 1 << 20, f);
	out->len = n;
	(void)fclose(f);
}

static int look_up(const char *path)
{
	struct view_options o = { .store = store, .prefix = "bad/" };
	CLEANUP(view_freep) struct view *v = NULL;
	const struct view_node *n = NULL;
	struct err e = { 0 };
	int r;

	if (view_open(&v, &o, 5000, &e))
		give_up(e.text);
	r = view_lookup_wait(v, path, true, &n, &e);
	if (r)
		printf("# %d %s\n", r, e.text);
	view_node_unref(n);
	return r;
}

static int read_part(const struct tree *t, uint32_t part)
{
	CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
	struct err e = { 0 };
	int r = tree_part(store, NULL, &t->version, part, &cat, &e);

	if (r)
		printf("# %d %s\n", r, e.text);
	return r;
}

static void test_bad_shards(void)
{
	CLEANUP_BUF struct buf a = BUF_INIT(4096), b = BUF_INIT(4096);
	CLEANUP_BUF struct buf was = BUF_INIT(2 << 20), is = BUF_INIT(2 << 20);
	struct tree t;
	uint32_t part;

	make_large(&t, "bad/");
	part = tree_part_of(&t.version, "d12/f250", 8);
	shard_path(&t, part, &a);
	shard_path(&t, part + 1, &b);
	read_whole(a.data, &was);
	read_whole(b.data, &is);
	is_int(look_up("d12/f250"), 0, "a sound one");
	overwrite(a.data, is.data, is.len);
	is_int(read_part(&t, part), -EBADMSG, "another shard in its place");
	is_int(look_up("d12/f250"), -EBADMSG, "is not looked into");
	is_int(look_up("d12/none"), -EBADMSG, "for what is not there either");
	is_int(look_up("d20/f400"), 0, "others are");
	overwrite(a.data, was.data, was.len - 1);
	is_int(read_part(&t, part), -EBADMSG, "one cut short");
	overwrite(a.data, "", 0);
	is_int(read_part(&t, part), -EBADMSG, "an empty one");
	was.data[was.len / 2] ^= 1;
	overwrite(a.data, was.data, was.len);
	is_int(read_part(&t, part), -EBADMSG, "a flipped bit");
	was.data[was.len / 2] ^= 1;
	(void)unlink(a.data);
	is_int(read_part(&t, part), -ESTALE, "one that is gone");
	is_int(look_up("d12/f250"), -EIO, "makes no file absent");
	step(&t, 'f', "d20/new", 3, 0);
	{
		struct todo todo = { .path = "d12/new", .what = 'f' };
		struct commit c = { 0 };

		overwrite(a.data, was.data, was.len);
		is_int(commit(&t, &todo, 1, &c, NULL), 0,
		       "there again, it is changed");
	}
	tree_version_done(&t.version);
}

/* The version that was read is pruned; the view looks for the newest one. */
static void test_pruned(void)
{
	struct view_options o = { .store = store,
				  .prefix = "pruned/",
				  .ttl_ms = 60000 };
	CLEANUP(view_freep) struct view *v = NULL;
	CLEANUP_BUF struct buf path = BUF_INIT(4096);
	const struct view_node *n = NULL;
	struct err e = { 0 };
	struct tree t;
	uint32_t part;

	make_large(&t, "pruned/");
	if (view_open(&v, &o, 5000, &e))
		give_up(e.text);
	part = tree_part_of(&t.version, "d12/f250", 8);
	shard_path(&t, part, &path);
	step(&t, 'f', "d12/new", 9, 0);
	(void)unlink(path.data);
	is_int(view_lookup_wait(v, "d12/f250", true, &n, &e), 0,
	       "the newest version has it: %s", e.text);
	view_node_unref(n);
	tree_version_done(&t.version);
}

/* Directories that lie in several shards. */
static void test_listing(void)
{
	struct view_options o = { .store = store, .prefix = "wide/" };
	CLEANUP(view_freep) struct view *v = NULL;
	const struct view_listing *l = NULL;
	struct todo *todo = calloc(300, sizeof(*todo));
	struct commit c = { 0 };
	struct err e = { 0 };
	uint32_t wrong = 0;
	struct tree t;

	if (!todo)
		give_up("out of memory");
	tree_init(&t, "wide/", 16, 16);
	for (uint32_t i = 0; i < 300; i++) {
		todo[i].what = 'f';
		todo[i].number = i;
		(void)snprintf(todo[i].path, sizeof(todo[i].path), "d/f%03u",
			       i);
	}
	if (commit(&t, todo, 300, &c, &e) || view_open(&v, &o, 5000, &e))
		give_up(e.text);
	is_int(view_list_wait(v, "d", &l, &e), 0, "listed %s", e.text);
	is_int(l->count, 300, "all names");
	for (size_t i = 0; i < l->count; i++)
		wrong += strcmp(l->nodes[i]->path, todo[i].path) != 0 ||
			 l->nodes[i]->size != i + 1;
	is_int(wrong, 0, "in order");
	view_listing_unref(l);
	is_int(view_list_wait(v, "", &l, &e), 0, "the root");
	is_int(l->count, 1, "has one name");
	view_listing_unref(l);
	free(todo);
	tree_version_done(&t.version);
}

int main(void)
{
	struct cache_options co = { 0 };
	char dir[80], line[160];
	struct err e = { 0 };

	if (!mkdtemp(root) || file_store_open(&store, root, &e))
		give_up("no store");
	test_rules(0, 0, "rules-whole/");
	test_rules(1, 1, "rules-one/");
	test_rules(4, 2, "rules-two/");
	test_race();
	test_bad_shards();
	test_pruned();
	test_listing();
	(void)snprintf(dir, sizeof(dir), "%s-cache", root);
	co.dir = dir;
	if (cache_open(&cache, &co, &e))
		give_up(e.text);
	test_copy_on_write();
	test_histories();
	cache_free(cache);
	store_free(store);
	(void)snprintf(line, sizeof(line), "rm -rf '%s' '%s'", root, dir);
	ok(!system(line), "cleaned up");
	return tap_done();
}
