/* What one listing tells of directories. */
#include "cache/page.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

struct key {
	const char *key;
	uint64_t size;
	int64_t modified_s;
};

static struct page *make(const char *dir, bool recursive,
			 const struct key *keys, size_t count)
{
	struct store_list list;

	store_list_init(&list);
	for (size_t i = 0; i < count; i++) {
		struct store_object o = { .size = keys[i].size,
					  .modified_s = keys[i].modified_s };
		size_t len = strlen(keys[i].key);
		bool prefix = !recursive && len > strlen(dir) &&
			      keys[i].key[len - 1] == '/';

		if (store_list_add(&list, keys[i].key, len, prefix, &o))
			abort();
	}
	return page_new(dir, recursive, &list);
}

static void names_of(struct page *p, const char *dir, char *out, size_t room)
{
	struct page_child *c = NULL;
	size_t count = 0, hidden = 0, at = 0;

	out[0] = '\0';
	if (page_children(p, dir, &c, &count, &hidden))
		return;
	for (size_t i = 0; i < count && at < room; i++)
		at += (size_t)snprintf(
			out + at, room - at, "%.*s%s%s%s ", (int)c[i].name_len,
			c[i].name, c[i].below || c[i].marker ? "/" : "",
			c[i].object ? "f" : "", c[i].sure ? "" : "?");
	free(c);
}

static void test_delimiter(void)
{
	static const struct key keys[] = {
		{ ".assetfs-tree-fffffffffffffffe", 10, 5 },
		{ ".assetfs/", 0, 0 },
		{ "a-b", 1, 7 },
		{ "a.txt", 2, 3 },
		{ "a/", 0, 0 },
		{ "b", 3, 3 },
		{ "b/", 0, 0 },
	};
	struct page *p = make("", false, keys, TAP_COUNT(keys));
	struct page_child c;
	struct store_object o;
	uint64_t seq = 0;
	char names[200];

	names_of(p, "", names, sizeof(names));
	is_str(names, "a/? a-bf a.txtf b/f? ",
	       "names, sorted, with both kinds");
	is_int(page_covers(p, ""), PAGE_TELLS, "tells of its own directory");
	is_int(page_covers(p, "a/"), PAGE_SILENT, "silent on a child");
	is_int(page_covers(p, "c/"), PAGE_EMPTY, "no prefix: nothing below");
	is_int(page_covers(p, "c/d/e/"), PAGE_EMPTY, "nor deeper");
	is_int(page_covers(p, "a/x/"), PAGE_SILENT, "silent on a grandchild");
	is_int(page_covers(p, "a-/"), PAGE_EMPTY, "a sibling in between");
	ok(page_tree(p, "", &seq, &o), "sees the tree");
	is_int(seq, 1, "its version");
	is_int(o.size, 10, "its size");
	ok(page_find(p, "", "b", 1, &c) && c.object && c.below && !c.sure,
	   "file and directory of one name");
	ok(!page_find(p, "", ".assetfs", 8, &c), "the pool is hidden");
	ok(!page_find(p, "", "zz", 2, &c), "absent");
	ok(!page_find(p, "", "a-", 2, &c), "a prefix of a name is no name");
	is_int(p->newest_s, 7, "latest LastModified");
	page_unref(p);
}

static void test_recursive(void)
{
	static const struct key keys[] = {
		{ "k/", 0, 1 },
		{ "k/.assetfs-tree-fffffffffffffffd", 0, 9 },
		{ "k/.assetfs-tree-fffffffffffffffe", 10, 8 },
		{ "k//x", 1, 1 },
		{ "k/../y", 1, 1 },
		{ "k/d/", 0, 1 },
		{ "k/d/e/f", 4, 1 },
		{ "k/dead/.assetfs-tree-fffffffffffffffd", 0, 9 },
		{ "k/dead/.assetfs-tree-fffffffffffffffe", 10, 9 },
		{ "k/t.usd", 5, 1 },
		{ "k/t/.assetfs-tree-fffffffffffffffe", 10, 9 },
		{ "k/u/v/.assetfs-tree-fffffffffffffffe", 10, 9 },
	};
	struct page *p = make("k/", true, keys, TAP_COUNT(keys));
	struct store_object o;
	struct page_child c;
	uint64_t seq = 0;
	char names[200];

	names_of(p, "k/", names, sizeof(names));
	is_str(names, "d/ t/ t.usdf u/ ",
	       "unsafe names and removed trees are hidden");
	is_int(p->hidden, 2, "and counted");
	names_of(p, "k/d/", names, sizeof(names));
	is_str(names, "e/ ", "a directory further down");
	names_of(p, "k/d/e/", names, sizeof(names));
	is_str(names, "ff ", "and its file");
	ok(page_marker(p, "k/") && page_marker(p, "k/d/") &&
		   !page_marker(p, "k/d/e/"),
	   "markers");
	ok(page_tree(p, "k/", &seq, &o) && seq == 2 && !o.size,
	   "the newest version is a removal");
	ok(page_below(p, "k/t/") && !page_below(p, "k/dead/") &&
		   page_below(p, "k/u/"),
	   "a standing tree makes its directories exist");
	ok(page_find(p, "k/", "d", 1, &c) && c.marker && c.below && c.sure,
	   "all is known of a child");
	ok(!page_find(p, "k/", "dead", 4, &c), "a removed tree is not there");
	is_int(page_covers(p, "k/x/y/"), PAGE_TELLS, "tells of all below");
	page_unref(p);
}

static void test_equal(void)
{
	static const struct key a[] = { { "x", 1, 1 }, { "y/", 0, 0 } };
	static const struct key b[] = { { "x", 1, 2 }, { "y/", 0, 0 } };
	struct page *p = make("", false, a, 2), *q = make("", false, a, 2);
	struct page *r = make("", false, b, 2), *s = make("", false, a, 1);

	ok(page_equal(p, q), "the same");
	ok(!page_equal(p, r), "another LastModified");
	ok(!page_equal(p, s), "one less");
	page_unref(p);
	page_unref(q);
	page_unref(r);
	page_unref(s);
}

/* Two pages of a server with an order of its own, that says a prefix twice. */
static void test_order(void)
{
	static const struct key keys[] = {
		{ "b", 3, 3 },	{ "c/", 0, 0 }, { "a", 2, 3 },
		{ "c/", 0, 0 }, { "d", 1, 3 },
	};
	struct page *p = make("", false, keys, TAP_COUNT(keys));
	struct page_child c;
	char names[100];

	names_of(p, "", names, sizeof(names));
	is_str(names, "af bf c/? df ", "each name once, in order");
	ok(page_find(p, "", "a", 1, &c) && c.object, "is found");
	is_int(page_covers(p, "c/"), PAGE_SILENT, "so is a directory");
	page_unref(p);
}

int main(void)
{
	test_delimiter();
	test_recursive();
	test_equal();
	test_order();
	return tap_done();
}
