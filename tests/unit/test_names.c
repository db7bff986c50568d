#include "cache/names.h"

#include "tests/unit/tap.h"

static void test_build(void)
{
	CLEANUP_BUF struct buf b = BUF_INIT(1000);
	struct object_id id = { { 0x0a, [11] = 0xff, [15] = 7 } };

	(void)name_tree(&b, "a/b/", 1);
	is_str(b.data, "a/b/.assetfs-tree-fffffffffffffffe", "tree");
	buf_reset(&b);
	(void)name_blob(&b, "", &id);
	is_str(b.data, ".assetfs/blob/0a00000000000000000000ff00000007",
	       "blob");
	buf_reset(&b);
	(void)name_shard(&b, "x/", &id);
	is_str(b.data, "x/.assetfs/shard/0a00000000000000000000ff00000007",
	       "shard");
	buf_reset(&b);
	(void)name_index(&b, "", 0x65, &id);
	is_str(b.data,
	       ".assetfs/index/0000000000000065-"
	       "0a00000000000000000000ff00000007",
	       "index");
}

static void test_parse_tree(void)
{
	static const struct {
		const char *name;
		bool good;
		uint64_t seq;
	} cases[] = {
		{ ".assetfs-tree-fffffffffffffffe", true, 1 },
		{ ".assetfs-tree-0000000000000000", true, UINT64_MAX },
		{ ".assetfs-tree-ffffffffffffff00", true, 255 },
		{ ".assetfs-tree-ffffffffffffffff", false, 0 },
		{ ".assetfs-tree-FFFFFFFFFFFFFFFE", false, 0 },
		{ ".assetfs-tree-fffffffffffffff", false, 0 },
		{ ".assetfs-tree-fffffffffffffffe0", false, 0 },
		{ ".assetfs-tree-fffffffffffffffg", false, 0 },
		{ "xassetfs-tree-fffffffffffffffe", false, 0 },
		{ ".assetfs-tree-", false, 0 },
		{ "", false, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t seq = 0;

		is_int(name_parse_tree(cases[i].name, strlen(cases[i].name),
				       &seq),
		       cases[i].good, "parse '%s'", cases[i].name);
		ok(seq == cases[i].seq, "sequence of '%s'", cases[i].name);
	}
}

static void test_parse_pool(void)
{
#define ID "0a00000000000000000000ff00000007"
	static const struct {
		const char *pool, *key;
		int kind; /* -1: none */
	} cases[] = {
		{ "", ".assetfs/blob/" ID, POOL_BLOB },
		{ "", ".assetfs/shard/" ID, POOL_SHARD },
		{ "", ".assetfs/index/0000000000000065-" ID, POOL_INDEX },
		{ "", ".assetfs/gc/0000000000000065", POOL_GCLIST },
		{ "a/b/", "a/b/.assetfs/blob/" ID, POOL_BLOB },
		{ "a/", ".assetfs/blob/" ID, -1 },
		{ "", "a/.assetfs/blob/" ID, -1 },
		{ "", ".assetfs/blob/" ID "0", -1 },
		{ "", ".assetfs/blob/0A00000000000000000000FF00000007", -1 },
		{ "", ".assetfs/blob/x/" ID, -1 },
		{ "", ".assetfs/index/" ID, -1 },
		{ "", ".assetfs/index/0000000000000065_" ID, -1 },
		{ "", ".assetfs/index/8000000000000000-" ID, -1 },
		{ "", ".assetfs/gc/0000000000000000", -1 },
		{ "", ".assetfs/gc/65", -1 },
		{ "", ".assetfs/gc/00000000000000650", -1 },
		{ "", ".assetfs/tmp/" ID, -1 },
		{ "", ".assetfs/", -1 },
		{ "", "", -1 },
	};
	static const struct object_id id = { { 0x0a, [11] = 0xff, [15] = 7 } };

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct pool_name n = { .kind = 99 };
		bool good = name_parse_pool(cases[i].pool, cases[i].key,
					    strlen(cases[i].key), &n);

		ok(good == (cases[i].kind >= 0), "parse '%s'", cases[i].key);
		if (!good)
			continue;
		is_int((int)n.kind, cases[i].kind, "kind of '%s'",
		       cases[i].key);
		ok(n.kind == POOL_GCLIST || !memcmp(&n.id, &id, sizeof(id)),
		   "its id");
		ok(n.kind != POOL_GCLIST || n.n == 0x65, "its number");
		ok(n.kind != POOL_INDEX || n.time_s == 0x65, "its time");
	}
#undef ID
}

static void test_reserved_path(void)
{
	static const struct {
		const char *path;
		bool reserved;
	} cases[] = {
		{ "", false },
		{ "a/b", false },
		{ ".assetfs", true },
		{ ".assetfs/gc/1", true },
		{ "a/.assetfs", true },
		{ "a/.assetfs/b", true },
		{ "a/.assetfsx", false },
		{ "a/b.assetfs/c", false },
		{ "a/.assetfs-tree-1", true },
		{ ".assetfs-tree-1/b", true },
		{ "a/.assetfs-tre", false },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++)
		ok(path_is_reserved(cases[i].path) == cases[i].reserved, "'%s'",
		   cases[i].path);
}

static void test_order(void)
{
	CLEANUP_BUF struct buf a = BUF_INIT(100);
	CLEANUP_BUF struct buf b = BUF_INIT(100);

	(void)name_tree(&a, "", 41);
	(void)name_tree(&b, "", 42);
	ok(strcmp(b.data, a.data) < 0, "the newest version lists first");
	buf_reset(&a);
	buf_reset(&b);
	(void)name_gclist(&a, "", 9);
	(void)name_gclist(&b, "", 10);
	ok(strcmp(b.data, a.data) > 0, "the newest list lists last");
}

static void test_safe(void)
{
	static const struct {
		const char *path;
		size_t len;
		bool name, path_ok;
	} cases[] = {
		{ "a", 1, true, true },	     { "...", 3, true, true },
		{ ".a", 2, true, true },     { "\xff\x01", 2, true, true },
		{ "", 0, false, false },     { ".", 1, false, false },
		{ "..", 2, false, false },   { "a/b", 3, false, true },
		{ "/a", 2, false, false },   { "a/", 2, false, false },
		{ "a//b", 4, false, false }, { "a/../b", 6, false, false },
		{ "a/.", 3, false, false },  { "./a", 3, false, false },
		{ "a\0b", 3, false, false }, { "a/b\0", 4, false, false },
	};
	static char big[PATH_MAX_LEN + 2];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		is_int(name_is_safe(cases[i].path, cases[i].len), cases[i].name,
		       "name '%s' (%zu)", cases[i].path, cases[i].len);
		is_int(path_is_safe(cases[i].path, cases[i].len),
		       cases[i].path_ok, "path '%s' (%zu)", cases[i].path,
		       cases[i].len);
	}
	memset(big, 'n', sizeof(big));
	ok(name_is_safe(big, 255) && !name_is_safe(big, 256),
	   "names of up to 255 bytes");
	for (size_t i = 200; i < sizeof(big); i += 200)
		big[i] = '/';
	ok(path_is_safe(big, PATH_MAX_LEN) &&
		   !path_is_safe(big, PATH_MAX_LEN + 1),
	   "paths of up to %d bytes", PATH_MAX_LEN);
}

int main(void)
{
	test_build();
	test_parse_tree();
	test_parse_pool();
	test_reserved_path();
	test_order();
	test_safe();
	return tap_done();
}
