/* The namespace over a plain directory: claims, trees, trust, request counts. */
#include "cache/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cache/commit.h"
#include "cache/names.h"
#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "s3/file_store.h"

#include "tests/unit/builder.h"
#include "tests/unit/tap.h"

static char root[] = "/tmp/assetfs-test-view-XXXXXX";

static void put(struct store *s, const char *key, const char *body)
{
	CLEANUP_REQ struct store_req req;
	struct err e = { 0 };

	store_req_init(&req, STORE_PUT, key);
	req.body = body;
	req.body_len = strlen(body);
	if (store_run(s, &req, &e))
		printf("# %s\n", e.text);
}

struct file {
	const char *path;
	mode_t mode;
	uint64_t size;
	int64_t commit_s;
};

/* A tree whose files have one block of made-up content each. */
static void put_tree(struct store *s, const char *dir, uint64_t seq,
		     const struct file *files, size_t count)
{
	CLEANUP(catalog_builder_freep) struct catalog_builder *b = NULL;
	CLEANUP_BUF struct buf cat = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	CLEANUP_BUF struct buf key = BUF_INIT(1024);
	CLEANUP_REQ struct store_req req;
	struct tree_head head = { .seq = seq, .commit_s = 1 };
	struct err e = { 0 };
	int r = catalog_builder_open(&b);

	for (size_t i = 0; i < count && !r; i++) {
		struct catalog_attr a = { .mode = files[i].mode,
					  .size = files[i].size,
					  .mtime_ns = 1500000000123456789,
					  .commit_s = files[i].commit_s };
		struct block block = { .len = (uint32_t)files[i].size };
		bool dir_entry = S_ISDIR(files[i].mode);

		hash_of(&block.hash, files[i].path, strlen(files[i].path));
		block.frame.raw = block.len;
		block.frame.stored = block.len;
		r = catalog_builder_put(b, files[i].path, strlen(files[i].path),
					&a, NULL, dir_entry ? NULL : &block,
					!dir_entry, &e);
	}
	if (!r)
		r = catalog_builder_finish(b, &cat, &e);
	if (!r)
		r = tree_encode(&out, &head, cat.data, cat.len, NULL, 0, &e);
	if (!r)
		r = name_tree(&key, dir, seq);
	store_req_init(&req, STORE_PUT, key.data);
	req.body = out.data;
	req.body_len = out.len;
	if (!r)
		r = store_run(s, &req, &e);
	ok(!r, "tree at '%s': %s", dir, e.text);
}

static struct view *open_view(struct store *s, const char *prefix,
			      uint32_t ttl_ms)
{
	struct view_options o = { .store = s,
				  .prefix = prefix,
				  .ttl_ms = ttl_ms,
				  .uid = 7,
				  .gid = 8 };
	struct view *v = NULL;
	struct err e = { 0 };

	if (view_open(&v, &o, 5000, &e))
		printf("# view: %s\n", e.text);
	return v;
}

static uint64_t lists(struct store *s)
{
	struct store_counts c;

	store_counts(s, &c);
	return c.requests[STORE_LIST];
}

/* "-" absent, "d" directory, "p" packed, "o" object, "!" error. */
static const char *kind(struct view *v, const char *path)
{
	const struct view_node *n = NULL;
	struct err e = { 0 };
	int r = view_lookup_wait(v, path, true, &n, &e);
	const char *word = "!";

	if (r == -ENOENT)
		word = "-";
	else if (!r && !n->attrs_known)
		word = "?";
	else if (!r)
		word = n->kind == VIEW_DIR	? "d"
		       : n->kind == VIEW_PACKED ? "p"
						: "o";
	else
		printf("# %s: %s\n", path, e.text);
	view_node_unref(n);
	return word;
}

static void names(struct view *v, const char *path, char *out, size_t room)
{
	const struct view_listing *l = NULL;
	struct err e = { 0 };
	size_t at = 0;

	out[0] = '\0';
	if (view_list_wait(v, path, &l, &e)) {
		snprintf(out, room, "error %d", e.code);
		return;
	}
	for (size_t i = 0; i < l->count && at < room; i++) {
		const char *name = strrchr(l->nodes[i]->path, '/');

		at += (size_t)snprintf(out + at, room - at, "%s%s ",
				       name ? name + 1 : l->nodes[i]->path,
				       l->nodes[i]->kind == VIEW_DIR	  ? "/"
				       : l->nodes[i]->kind == VIEW_PACKED ? "*"
									  : "");
	}
	view_listing_unref(l);
}

static void test_claims(struct store *s)
{
	int64_t now = clock_wall_s();
	struct file files[] = {
		{ "", S_IFDIR | 0750, 0, now - 100 },
		{ "old", S_IFREG | 0600, 3, now - 100 },
		{ "new", S_IFREG | 0600, 3, now + 100 },
		{ "only", S_IFREG | 0600, 3, now },
		{ "sub", S_IFDIR | 0700, 0, now },
		{ "sub/x", S_IFREG | 0600, 3, now },
		{ "void", S_IFDIR | 0700, 0, now },
		{ "void/gone", S_IFREG | 0600, 3, now },
	};
	struct file deep[] = { { "", S_IFDIR | 0711, 0, now },
			       { "here", S_IFREG | 0600, 3, now } };
	struct view *v;
	char text[300];

	put(s, "k/old", "plain");
	put(s, "k/new", "plain");
	put(s, "k/obj", "plain");
	put(s, "k/.assetfs/gc/0000000000000001", "of a pool");
	put_tree(s, "k/", 3, files, TAP_COUNT(files));
	put_tree(s, "k/void/", 1, deep, TAP_COUNT(deep));
	v = open_view(s, "", 60000);
	if (!v)
		return;
	is_str(kind(v, ""), "d", "the root");
	is_str(kind(v, "k"), "d", "the tree's root");
	is_str(kind(v, "k/old"), "o", "a later object wins");
	is_str(kind(v, "k/new"), "p", "a later entry wins");
	is_str(kind(v, "k/only"), "p", "an entry alone");
	is_str(kind(v, "k/obj"), "o", "an object alone");
	is_str(kind(v, "k/sub/x"), "p", "further down");
	is_str(kind(v, "k/sub/y"), "-", "absent");
	is_str(kind(v, "k/void/gone"), "-", "a deeper tree voids the entry");
	is_str(kind(v, "k/void/here"), "p", "and has its own");
	is_str(kind(v, "k/.assetfs-tree-fffffffffffffffc"), "-", "reserved");
	is_str(kind(v, ".assetfs"), "-", "the pool");
	is_str(kind(v, "k/.assetfs"), "-", "a pool elsewhere");
	is_str(kind(v, "k/../k"), "-", "unsafe");
	names(v, "k", text, sizeof(text));
	is_str(text, "new* obj old only* sub/ void/ ", "all names, sorted");
	names(v, "", text, sizeof(text));
	is_str(text, "k/ ", "the root's names");
	names(v, "k/void", text, sizeof(text));
	is_str(text, "here* ", "the deeper tree's names");
	view_free(v);

	v = open_view(s, "k/sub/", 60000);
	is_str(kind(v, "x"), "p", "a tree above SOURCE");
	names(v, "", text, sizeof(text));
	is_str(text, "x* ", "and its names");
	view_free(v);
}

static void test_counts(struct store *s)
{
	int64_t now = clock_wall_s();
	struct file files[] = {
		{ "", S_IFDIR | 0750, 0, now },
		{ "a/b/c/d", S_IFREG | 0600, 3, now },
		{ "e/f", S_IFREG | 0600, 3, now },
	};
	uint64_t before;
	struct view *v;
	char text[300];

	put_tree(s, "packed/", 1, files, TAP_COUNT(files));
	put(s, "plain/x/1", "1");
	put(s, "plain/y/2", "2");
	v = open_view(s, "", 60000);
	before = lists(s);
	is_str(kind(v, "packed/a/b/c/d"), "p", "deep in a packed tree");
	is_int(lists(s) - before, 1, "one LIST proves that nothing is below");
	names(v, "packed/a/b", text, sizeof(text));
	is_str(kind(v, "packed/e/f"), "p", "elsewhere in it");
	is_int(lists(s) - before, 1, "and no further one");
	before = lists(s);
	names(v, "plain", text, sizeof(text));
	is_str(text, "x/ y/ ", "a plain directory");
	is_str(kind(v, "plain/x/1"), "o", "below it");
	is_str(kind(v, "plain/y/2"), "o", "below it");
	is_int(lists(s) - before, 1, "one LIST answers for the subtree");
	view_free(v);

	v = open_view(s, "", 0);
	before = lists(s);
	(void)kind(v, "plain/x/1");
	(void)kind(v, "plain/x/1");
	ok(lists(s) - before >= 2, "ttl=0 asks each time");
	view_free(v);
}

static void test_changes(struct store *s)
{
	struct view *v;
	char text[300];

	put(s, "live/one", "1");
	v = open_view(s, "", 1000);
	names(v, "live", text, sizeof(text));
	is_str(text, "one ", "before");
	is_str(kind(v, "live/two"), "-", "not there yet");
	put(s, "live/two", "2");
	nanosleep(&(struct timespec){ 1, 100000000 }, NULL);
	is_str(kind(v, "live/two"), "o", "seen after the ttl");
	view_free(v);
}

/* Size and version of a path, without asking for metadata. */
static uint64_t listed_size(struct view *v, const char *path,
			    struct hash *ret_version)
{
	CLEANUP(view_node_unrefp) const struct view_node *n = NULL;
	struct err e = { 0 };

	if (view_lookup_wait(v, path, false, &n, &e))
		return UINT64_MAX;
	*ret_version = n->version;
	return n->size;
}

static void test_outdated(struct store *s)
{
	CLEANUP(view_node_unrefp) const struct view_node *n = NULL;
	struct hash version;
	struct err e = { 0 };
	struct view *v;
	char text[300];

	put(s, "out/a", "1");
	put(s, "out/b", "1");
	v = open_view(s, "", 60000);
	names(v, "out", text, sizeof(text));
	put(s, "out/a", "22");
	is_int(view_lookup_wait(v, "out/a", true, &n, &e), 0, "%s", e.text);
	is_int(n->size, 2, "metadata are those of the new object");
	is_int(listed_size(v, "out/a", &version), 2,
	       "after which the old listing tells no more");
	ok(hash_equal(&version, &n->version), "both tell of one version");

	names(v, "out", text, sizeof(text));
	put(s, "out/b", "22");
	is_int(listed_size(v, "out/b", &version), 1, "trusted");
	view_outdated(v, "out/b");
	is_int(listed_size(v, "out/b", &version), 2, "found to be old");
	view_free(v);
}

/* The listing builds each child's key in a buffer that grows. */
static void test_lengths(struct store *s)
{
	CLEANUP(view_listing_unrefp) const struct view_listing *l = NULL;
	struct err e = { 0 };
	struct view *v;
	char key[300];
	size_t good = 0;

	for (int n = 1; n < 150; n++) {
		(void)snprintf(key, sizeof(key), "len/%0*d/f", n, 0);
		put(s, key, "1");
	}
	v = open_view(s, "", 60000);
	is_int(view_list_wait(v, "len", &l, &e), 0, "%s", e.text);
	for (size_t i = 0; i < l->count; i++)
		good += strlen(l->nodes[i]->path) == i + 5;
	is_int(good, 149, "directories of all lengths");
	view_free(v);
}

static void test_failures(struct store *s)
{
	const struct view_node *n = NULL;
	const struct view_listing *l = NULL;
	struct err e = { 0 };
	struct view *v;

	put(s, "bad/.assetfs-tree-fffffffffffffffe", "this is no tree");
	put(s, "live/one", "1");
	v = open_view(s, "", 60000);
	is_int(view_lookup_wait(v, "bad/x", false, &n, &e), -EBADMSG,
	       "a damaged tree is an error, not an absence: %s", e.text);
	is_int(view_list_wait(v, "live/one", &l, &e), -ENOTDIR,
	       "a file is no directory");
	view_free(v);
}

static void count_announced(void *arg, const char *dir)
{
	size_t *count = arg;

	(void)dir;
	(*count)++;
}

static void test_commit(struct store *s)
{
	struct tree_version base = { 0 }, other = { 0 };
	struct err e = { 0 };
	struct commit_change ch = { .path = "x",
				    .path_len = 1,
				    .fresh = true,
				    .attr = { .mode = S_IFDIR | 0755 } };
	struct commit c = { .changes = &ch,
			    .count = 1,
			    .pool = "",
			    .gc_read_ms = clock_now_ms() };
	struct object_ids ids;
	uint64_t seq;
	bool found;
	size_t announced = 0;

	object_ids_init(&ids);
	is_int(tree_locate(s, NULL, "found/", NULL, &base, &e), 0, "%s",
	       e.text);
	is_int(base.head.seq, 0, "no tree yet");
	is_int(tree_locate(s, NULL, "found/", NULL, &other, &e), 0, "%s",
	       e.text);
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "first: %s", e.text);
	is_int(c.seq, 1, "version 1");
	is_int(c.redone, 0, "at once");
	ok(c.founded, "the tree is founded");
	ch.path = "y";
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &other, &c, &e), 0, "late: %s", e.text);
	is_int(c.seq, 2, "version 2, on top of the other's");
	is_int(c.redone, 1, "redone once");
	ok(!c.founded, "not by the second");
	is_int(commit_unfound(s, &base, &e), -EEXIST,
	       "what others have added to is not taken back: %s", e.text);
	err_clear(&e);
	is_int(catalog_count(other.cat), 3, "both directories and the root");
	seq = c.seq;
	ch.path = "x";
	ch.attr.mode = S_IFREG | 0644;
	ch.attr.size = 0;
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "lost: %s", e.text);
	ok(c.empty && c.lost == 1 && base.head.seq == seq - 1,
	   "a claim that changed is left alone");
	ch.path = "f";
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &other, &c, &e), 0, "file: %s", e.text);
	seq = c.seq;
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "same: %s", e.text);
	ok(c.empty && c.lost == 0 && c.seq == seq,
	   "nothing is lost where the other one put the same");
	ch.attr.mtime_ns = 1;
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "other: %s", e.text);
	ok(c.empty && c.lost == 1, "but it is where a time differs");
	c.gc_read_ms = clock_now_ms() - 3601 * 1000;
	is_int(commit_run(s, NULL, &base, &c, &e), -ETIME,
	       "too old to rely on: %s", e.text);
	tree_version_done(&base);
	tree_version_done(&other);
	is_int(tree_locate(s, NULL, "found/y/", NULL, &base, &e), 0, "%s",
	       e.text);
	is_str(base.dir, "found/", "the tree above");
	tree_version_done(&base);

	c.gc_read_ms = clock_now_ms();
	is_int(tree_locate(s, NULL, "back/", NULL, &base, &e), 0, "%s", e.text);
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "%s", e.text);
	is_int(commit_unfound(s, &base, &e), 0, "taken back: %s", e.text);
	is_int(commit_unfound(s, &base, &e), 0, "twice: %s", e.text);
	is_int(tree_above(s, "back/y/", count_announced, &announced, &found,
			  &e),
	       0, "%s", e.text);
	ok(!found, "a tree that was taken back is none");
	is_int(tree_above(s, "found/y/", count_announced, &announced, &found,
			  &e),
	       0, "%s", e.text);
	ok(found, "another one is");
	tree_version_done(&base);
	ok(!announced, "neither is announced");
}

/* Of three who announce a tree at one place, or contest it, each is told right. */
static void test_announced(struct store *s)
{
	struct tree_version base = { 0 };
	struct commit_change ch = {
		.path = "f",
		.path_len = 1,
		.fresh = true,
		.attr = { .mode = S_IFREG | 0644 },
	};
	struct commit c = { .changes = &ch, .count = 1, .pool = "" };
	struct object_ids ids;
	struct err e = { 0 };
	size_t announced = 0;
	bool found;

	object_ids_init(&ids);
	c.gc_read_ms = clock_now_ms();
	c.id = object_ids_next(&ids);
	is_int(commit_announce(s, NULL, "new/", false, &e), 0, "%s", e.text);
	is_int(commit_announce(s, NULL, "new/", false, &e), -EEXIST,
	       "announced twice: %s", e.text);
	is_int(tree_above(s, "new/y/", count_announced, &announced, &found, &e),
	       0, "%s", e.text);
	ok(!found && announced == 1, "it is announced, not there");
	is_int(tree_locate(s, NULL, "new/y/", NULL, &base, &e), 0, "%s",
	       e.text);
	ok(base.contested && !base.head.seq, "who founds below is told");
	tree_version_done(&base);
	is_int(tree_locate(s, NULL, "new/", NULL, &base, &e), 0, "%s", e.text);
	is_int((int)base.head.seq, 1, "who founds there goes on counting");
	is_int(commit_contest(s, "new/", &e), 0, "contested: %s", e.text);
	is_int(commit_contest(s, "new/", &e), 0, "again: %s", e.text);
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "%s", e.text);
	is_int((int)c.redone, 1, "the one who announced it is told");
	ok(c.founded && base.head.seq == 3, "and has founded it");
	announced = 0;
	is_int(tree_above(s, "new/y/", count_announced, &announced, &found, &e),
	       0, "%s", e.text);
	ok(found && !announced, "then it is there");
	is_int(commit_contest(s, "new/", &e), 0, "%s", e.text);
	tree_version_done(&base);
	is_int(tree_locate(s, NULL, "new/", NULL, &base, &e), 0, "%s", e.text);
	ok(base.cat && base.head.seq == 3, "which no contest removes");
	tree_version_done(&base);
}

static void delete_version(struct store *s, const char *dir, uint64_t seq)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	CLEANUP_REQ struct store_req req;

	is_int(name_tree(&key, dir, seq), 0, "its key");
	store_req_init(&req, STORE_DELETE, key.data);
	is_int(store_run(s, &req, NULL), 0, "version %d is pruned", (int)seq);
}

/* Whoever has listed a tree hours ago looks again: what he takes for the next
 * version may have come and gone. */
static void test_late(struct store *s)
{
	const uint64_t hours_ms = 2 * 3601 * 1000;
	struct tree_version base = { 0 }, other = { 0 }, third = { 0 };
	struct store_list none = { 0 };
	const struct tree_listing old = { &none, clock_now_ms() - hours_ms };
	struct commit_change ch = { .path = "f",
				    .path_len = 1,
				    .fresh = true,
				    .attr = { .mode = S_IFREG | 0644 } };
	struct commit c = { .changes = &ch, .count = 1, .pool = "" };
	struct object_ids ids;
	struct err e = { 0 };

	object_ids_init(&ids);
	c.gc_read_ms = clock_now_ms();
	is_int(tree_locate(s, NULL, "late/", &old, &base, &e), 0, "%s", e.text);
	ok(base.read_ms == old.asked_ms, "as old as the listing");
	is_int(tree_locate(s, NULL, "late/", NULL, &other, &e), 0, "%s",
	       e.text);
	ok(other.read_ms > old.asked_ms, "or new");
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = { "a", "b", "c" };

		ch.path = names[i];
		c.id = object_ids_next(&ids);
		is_int(commit_run(s, NULL, &other, &c, &e), 0, "%s", e.text);
	}
	delete_version(s, "late/", 1);
	ch.path = "f";
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "%s", e.text);
	is_int((int)c.seq, 4, "on top of the newest one");
	ok(c.redone && !c.founded, "which is told");
	is_int(catalog_count(base.cat), 5, "nothing is lost");

	/* The same where a version stood. */
	is_int(tree_locate(s, NULL, "late/", NULL, &third, &e), 0, "%s",
	       e.text);
	for (int i = 0; i < 2; i++) {
		ch.path = i ? "e" : "d";
		c.id = object_ids_next(&ids);
		is_int(commit_run(s, NULL, &base, &c, &e), 0, "%s", e.text);
	}
	delete_version(s, "late/", 5);
	third.read_ms -= hours_ms;
	ch.path = "g";
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &third, &c, &e), 0, "%s", e.text);
	is_int((int)c.seq, 7, "on top of the newest one");
	tree_version_done(&base);
	tree_version_done(&other);
	tree_version_done(&third);

	/* Nobody was there. */
	is_int(tree_locate(s, NULL, "slow/", &old, &base, &e), 0, "%s", e.text);
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "%s", e.text);
	ok(c.seq == 1 && c.founded && !c.redone, "it is founded late");
	tree_version_done(&base);

	/* An announcement that was contested during a long upload. */
	is_int(commit_announce(s, NULL, "long/", false, &e), 0, "%s", e.text);
	is_int(tree_locate(s, NULL, "long/", NULL, &base, &e), 0, "%s", e.text);
	base.read_ms -= hours_ms;
	is_int(commit_contest(s, "long/", &e), 0, "%s", e.text);
	c.id = object_ids_next(&ids);
	is_int(commit_run(s, NULL, &base, &c, &e), 0, "%s", e.text);
	ok(c.seq == 3 && c.founded && c.redone, "is told as well");
	tree_version_done(&base);
}

int main(void)
{
	struct store *s = NULL;
	struct err e = { 0 };
	char command[100];

	if (!mkdtemp(root) || file_store_open(&s, root, &e)) {
		printf("# %s\n", e.text);
		return 1;
	}
	test_claims(s);
	test_counts(s);
	test_changes(s);
	test_outdated(s);
	test_lengths(s);
	test_failures(s);
	test_commit(s);
	test_announced(s);
	test_late(s);
	store_free(s);
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command) || tap_done();
}
