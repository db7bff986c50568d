/* What a push may rely on when a long time has passed. */
#include "tools/content.h"

#include <errno.h>
#include <stdlib.h>

#include "s3/base/clock.h"
#include "s3/base/pool.h"
#include "s3/file_store.h"
#include "tests/unit/tap.h"

#define DAY_MS (24ull * 3600 * 1000)

static void test_age(void)
{
	static const struct {
		const char *name;
		uint64_t days;
		int want;
	} cases[] = {
		{ "just uploaded", 0, 0 },
		{ "five days ago", 5, 0 },
		{ "six days ago", 6, -ETIME },
		{ "a week ago", 7, -ETIME },
	};

	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct content c;
		struct err e = { 0 };

		content_init(&c);
		c.began_ms = clock_now_ms() - cases[i].days * DAY_MS;
		is_int(content_index_begin(&c, 0, &e), cases[i].want, "%s: %s",
		       cases[i].name, e.text);
		(void)content_index_end(&c, NULL);
		content_done(&c);
	}
}

static bool stop(void)
{
	return true;
}

/* A place in the pool, known since a listing so many hours ago; the pool that is
 * listed anew has neither an index nor a list. */
static void test_listing(void)
{
	static const struct {
		const char *name;
		uint64_t hours;
		bool own; /* uploaded by this push */
		bool kept;
	} cases[] = {
		{ "listed just now", 0, false, true },
		{ "two hours ago", 2, false, true },
		{ "two days ago", 48, false, false },
		{ "two days ago, its own", 48, true, true },
	};
	char root[] = "/tmp/assetfs-test-content-XXXXXX";
	struct store *s = NULL;
	struct pool *pool = NULL;
	struct err e = { 0 };
	char command[100];

	if (!mkdtemp(root) || file_store_open(&s, root, &e) ||
	    pool_open(&pool, 2, &e)) {
		printf("Bail out! %s\n", e.text);
		exit(1);
	}
	for (size_t i = 0; i < TAP_COUNT(cases); i++) {
		struct object_ids ids;
		struct block block = { .len = 5, .frame.stored = 5 };
		struct scan_entry file = { .path = (char[]){ "file" },
					   .path_len = 4,
					   .st = { .st_mode = S_IFREG | 0644,
						   .st_size = 5 },
					   .hashes = &block.hash };
		struct scan scan = { .entries = &file, .count = 1 };
		struct hashing hashing = { .scan = &scan, .pool = pool };
		struct content c;
		int r;

		object_ids_init(&ids);
		content_init(&c);
		c.store = s;
		c.pool = pool;
		c.ids = &ids;
		c.hashing = &hashing;
		c.quiet = true;
		c.stop = stop;
		hash_of(&block.hash, "hello", 5);
		if (cases[i].own)
			block.frame.blob = object_ids_next(&ids);
		is_int(content_open_pool(&c, "", &e), 0, "%s", e.text);
		is_int(plan_file(&c.plan, &file), 0, "planned");
		plan_offer(&c.plan, &block);
		c.listed_ms -= cases[i].hours * 3600 * 1000;
		r = content_upload(&c, &e);
		ok(cases[i].kept == !r, "%s: %s", cases[i].name,
		   cases[i].kept ? "reused" : "to be sent");
		is_int((int)c.plan.pack_count, !cases[i].kept, "packs");
		err_clear(&e);
		content_done(&c);
	}
	pool_free(pool);
	store_free(s);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
	is_int(system(command), 0, "cleaned up");
}

int main(void)
{
	test_listing();
	test_age();
	return tap_done();
}
