/* Node ids by path and version, and their counts. */
#include "fs/inode.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/node.h"
#include "tests/unit/tap.h"

/* What stands at a path: an object of this ETag; a directory without one. */
static const struct view_node *make(const char *path, const char *etag)
{
	const struct view_options o = { .uid = 1, .gid = 2 };
	struct store_object object = { .size = 1025, .modified_s = 1000 };
	struct claims c = { .path = path, .key = path, .sure = true };
	int rc = 0;

	if (etag) {
		(void)snprintf(object.etag, sizeof(object.etag), "%s", etag);
		c.object = &object;
	} else {
		c.below = true;
	}
	return node_of_claims(&c, &o, &rc);
}

/* Tells the kernel of what stands there; the id. */
static uint64_t enter(struct inode_table *t, const char *path, const char *etag,
		      uint32_t ttl_ms)
{
	const struct view_node *n = make(path, etag);
	uint64_t id = 0;

	is_int(inode_enter(t, n, ttl_ms, &id), 0, "enter '%s'", path);
	view_node_unref(n);
	return id;
}

static struct inode_table *new_table(void)
{
	const struct view_node *root = make("", NULL);
	struct inode_table *t = NULL;

	is_int(inode_table_open(&t, root), 0, "open");
	view_node_unref(root);
	return t;
}

static void test_versions(void)
{
	struct inode_table *t = new_table();
	uint64_t a, again, b, back;
	const struct view_node *n;
	struct inode *ino;

	a = enter(t, "f", "1", 10);
	again = enter(t, "f", "1", 10);
	ok(a == again && a != INODE_ROOT, "one version, one node");
	b = enter(t, "f", "2", 10);
	ok(b != a, "another version, another node");
	back = enter(t, "f", "1", 10);
	ok(back != a && back != b,
	   "an old version back gets a node of its own");

	ino = inode_get(t, a);
	ok(ino, "an outdated node is still there");
	n = inode_view(t, ino);
	is_str(n->object.etag, "1", "and is what it was");
	view_node_unref(n);
	inode_put(t, ino);
	is_int(inode_count(t), 4, "three nodes and the root");

	inode_forget(t, a, 1);
	is_int(inode_count(t), 4, "one look-up of two is forgotten");
	inode_forget(t, a, 1);
	is_int(inode_count(t), 3, "both are");
	ok(!inode_get(t, a), "gone");
	inode_forget(t, b, 100);
	inode_forget(t, back, 1);
	inode_forget(t, 4711, 1);
	is_int(inode_count(t), 1, "the root remains");
	inode_table_free(t);
}

static void test_directories(void)
{
	struct inode_table *t = new_table();
	uint64_t d = enter(t, "d", NULL, 10), f;

	is_int(enter(t, "d", NULL, 10), d, "a directory keeps its node");
	is_int(enter(t, "", NULL, 10), INODE_ROOT, "so does the root");
	f = enter(t, "d", "1", 10);
	ok(f != d, "a file in its place is another");
	ok(enter(t, "d", NULL, 10) != d, "and a directory after that");
	inode_forget(t, INODE_ROOT, 1);
	ok(inode_count(t) > 1, "the root cannot be forgotten");
	inode_table_free(t);
}

static void test_references(void)
{
	struct inode_table *t = new_table();
	uint64_t id = enter(t, "a/b", "1", 0);
	struct inode *ino = inode_get(t, id);

	ok(inode_just_looked_up(t, ino), "without trust");
	is_int(enter(t, "a/b", "1", 5), id, "looked up again");
	ok(!inode_just_looked_up(t, ino), "with some");
	is_str(inode_path(ino), "a/b", "path");
	inode_forget(t, id, 2);
	is_int(inode_count(t), 2, "a reference keeps it");
	is_int(enter(t, "a/b", "1", 5), id, "and its id");
	inode_put(t, ino);
	is_int(inode_count(t), 2, "look-ups do as well");
	inode_forget(t, id, 1);
	is_int(inode_count(t), 1, "neither");
	inode_table_free(t);
}

static void test_stat(void)
{
	const struct view_node *n = make("f", "1");
	struct view_node early = *n;
	struct stat st;

	inode_stat(n, &st);
	ok(st.st_ino == inode_number("f", 1) && st.st_size == 1025 &&
		   st.st_blocks == 3 && st.st_nlink == 1 && S_ISREG(st.st_mode),
	   "what stat(2) tells");
	is_int(st.st_mtim.tv_sec, 1000, "mtime");
	early.mtime_ns = -1;
	inode_stat(&early, &st);
	ok(st.st_mtim.tv_sec == -1 && st.st_mtim.tv_nsec == 999999999,
	   "before the epoch");
	view_node_unref(n);

	is_int(inode_number("", 0), 1, "number of the root");
	/* Pinned: it is to be the same in every mount, of every version. */
	ok(inode_number("a/b", 3) == UINT64_C(0xf2a5b2f60b006aec),
	   "number of a path: %#llx",
	   (unsigned long long)inode_number("a/b", 3));
}

int main(void)
{
	test_versions();
	test_directories();
	test_references();
	test_stat();
	return tap_done();
}
