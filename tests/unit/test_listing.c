#include "tools/listing.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "tests/unit/tap.h"

static char path[] = "d/x";

static const struct view_node file = {
	.path = path,
	.kind = VIEW_PACKED,
	.attrs_known = true,
	.mode = S_IFREG | 04751,
	.uid = 1000,
	.gid = 100,
	.size = 12345,
	.mtime_ns = INT64_C(981173106000000789),
};

static const struct view_node old = {
	.path = path,
	.kind = VIEW_PLAIN,
	.attrs_known = true,
	.mode = S_IFREG | 0600,
	.mtime_ns = -1,
};

static const struct view_node link_node = {
	.path = path,
	.kind = VIEW_PACKED,
	.attrs_known = true,
	.mode = S_IFLNK | 0777,
	.size = 3,
	.mtime_ns = 5000000000,
};

static const struct view_node dir = {
	.path = path,
	.kind = VIEW_DIR,
	.attrs_known = true,
	.mode = S_IFDIR | 01777,
};

static const struct view_node unknown = {
	.path = path,
	.kind = VIEW_PLAIN,
	.mode = S_IFREG | 0644,
	.size = 7,
	.mtime_ns = 1000000000,
};

static const struct {
	enum listing_format format;
	bool terminal;
	const struct view_node *node;
	const char *name;
	const char *target;
	const char *line;
} cases[] = {
	{ LISTING_NAMES, false, &file, "a\nb", NULL, "a\nb\n" },
	{ LISTING_NAMES, true, &file, "a\nb", NULL, "a\\012b\n" },
	{ LISTING_LONG, false, &file, "x", NULL,
	  "-rwsr-x--x  1000   100        12345 2001-02-03T04:05:06 packed "
	  "x\n" },
	{ LISTING_LONG, true, &link_node, "l", "a\tb",
	  "lrwxrwxrwx     0     0            3 1970-01-01T00:00:05 packed l -> "
	  "a\\011b\n" },
	{ LISTING_LONG, false, &dir, "d", NULL,
	  "drwxrwxrwt     0     0            0 1970-01-01T00:00:00 -      "
	  "d\n" },
	{ LISTING_MTREE, true, &file, "d/x y", NULL,
	  "./d/x\\040y type=file mode=4751 uid=1000 gid=100 size=12345 "
	  "time=981173106.000000789\n" },
	{ LISTING_MTREE, false, &old, "o", NULL,
	  "./o type=file mode=0600 uid=0 gid=0 size=0 time=-1.999999999\n" },
	{ LISTING_MTREE, false, &link_node, "l", "a b",
	  "./l type=link mode=0777 uid=0 gid=0 time=5.000000000 "
	  "link=a\\040b\n" },
	{ LISTING_MTREE, false, &dir, "", NULL,
	  ". type=dir mode=1777 uid=0 gid=0\n" },
	{ LISTING_JSON, false, &file, "x\"\n", NULL,
	  "{\"name\":\"x\\\"\\n\",\"type\":\"file\",\"size\":12345,"
	  "\"mtime_ns\":981173106000000789,\"packed\":true,\"mode\":\"4751\","
	  "\"uid\":1000,\"gid\":100}" },
	{ LISTING_JSON, false, &unknown, "x\377", NULL,
	  "{\"name_quoted\":\"x\\\\377\",\"type\":\"file\",\"size\":7,"
	  "\"mtime_ns\":1000000000,\"packed\":false}" },
	{ LISTING_JSON, false, &link_node, "l", "\377",
	  "{\"name\":\"l\",\"type\":\"symlink\",\"size\":3,"
	  "\"mtime_ns\":5000000000,\"packed\":true,\"mode\":\"0777\","
	  "\"uid\":0,\"gid\":0,\"target_quoted\":\"\\\\377\"}" },
};

int main(void)
{
	(void)setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct listing_style style = {
			.format = cases[i].format,
			.terminal = cases[i].terminal,
		};
		struct buf out = BUF_INIT(1000);

		is_int(listing_add(&out, &style, cases[i].node, cases[i].name,
				   cases[i].target),
		       0, "line %zu", i);
		is_str(out.data, cases[i].line, "line %zu: text", i);
		buf_done(&out);
	}
	return tap_done();
}
