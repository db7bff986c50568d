/* The collector over a plain directory whose clock can be moved. */
#include "tools/gc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache/commit.h"
#include "cache/index.h"
#include "cache/names.h"
#include "s3/base/clock.h"
#include "s3/file_store.h"
#include "tests/unit/tap.h"

#define HOUR 3600
#define DAY (24 * HOUR)

/* ---- a store with a clock ------------------------------------------------ */

/*
 * Passes requests on, and tells times as if the clock had been moved forward
 * at some moments: what is older than that keeps its time.
 */
struct moved {
	struct store base;
	struct store *inner; /* borrowed */
	struct {
		int64_t at_s, by_s;
	} moves[64];
	size_t count;
	/* What shall happen to the next PUT with if_absent: */
	bool lose_answer; /* it is done, and -EEXIST is said */
	/* Made two hours older when a shard is put; NULL: nothing. */
	uint64_t *age;
	/* Versions that would have been put, again and again, for over an hour. */
	size_t endless;
	/* Called before each LIST of the lists; NULL: nothing. */
	void (*on_look)(struct moved *m);
};

struct passed {
	struct moved *m;
	void (*done)(struct store_req *req);
	void *arg;
};

static int64_t moved_time(const struct moved *m, int64_t t)
{
	int64_t by = 0;

	for (size_t i = 0; i < m->count; i++)
		if (t >= m->moves[i].at_s)
			by += m->moves[i].by_s;
	return t ? t + by : 0;
}

static void passed_done(struct store_req *req)
{
	struct passed *p = req->arg;
	struct moved *m = p->m;

	req->done = p->done;
	req->arg = p->arg;
	free(p);
	req->date_s = moved_time(m, req->date_s);
	req->object.modified_s = moved_time(m, req->object.modified_s);
	for (size_t i = 0; i < req->list.count; i++) {
		struct store_object *o = &req->list.entries[i].object;

		o->modified_s = moved_time(m, o->modified_s);
	}
	if (req->date_s)
		store_note_date(&m->base, req->date_s);
	if (req->op == STORE_PUT && req->if_absent && m->lose_answer) {
		m->lose_answer = false;
		(void)err_set(&req->err, -EEXIST, "it is there");
	}
	req->done(req);
}

static void moved_submit(struct store *s, struct store_req *req)
{
	struct moved *m = (struct moved *)s;
	struct passed *p = malloc(sizeof(*p));

	if (!p)
		abort();
	*p = (struct passed){ m, req->done, req->arg };
	if (req->op == STORE_LIST && m->on_look && strstr(req->key, "/gc/"))
		m->on_look(m);
	if (req->op == STORE_PUT && m->age && strstr(req->key, "/shard/"))
		*m->age -= 2 * HOUR * 1000;
	if (req->op == STORE_PUT && strstr(req->key, TREE_PREFIX))
		m->endless += !req->timeout_ms ||
			      req->timeout_ms > HOUR * 1000u;
	req->done = passed_done;
	req->arg = p;
	store_submit(m->inner, req);
}

static void moved_cancel(struct store *s, struct store_req *req)
{
	store_cancel(((struct moved *)s)->inner, req);
}

static const struct store_ops moved_ops = {
	.submit = moved_submit,
	.cancel = moved_cancel,
};

/* The next second begins with another time. */
static void move(struct moved *m, int64_t by_s)
{
	struct timespec wait = { .tv_nsec = 10000000 };
	int64_t now = time(NULL);

	while (time(NULL) == now)
		(void)nanosleep(&wait, NULL);
	/* File systems take their time from a coarser clock. */
	(void)nanosleep(&wait, NULL);
	(void)nanosleep(&wait, NULL);
	m->moves[m->count].at_s = time(NULL);
	m->moves[m->count++].by_s = by_s;
}

/* ---- what stands in the bucket ------------------------------------------- */

static char root[] = "/tmp/assetfs-test-gc-XXXXXX";
static struct moved m;
static struct store *s = &m.base;
static struct object_ids ids;

static void must(int r, const struct err *e, const char *what)
{
	if (!r)
		return;
	printf("Bail out! %s: %s\n", what, e->text);
	exit(1);
}

static void put_object(const char *key, const void *data, size_t len)
{
	CLEANUP_REQ struct store_req req;
	struct err e = { 0 };

	store_req_init(&req, STORE_PUT, key);
	req.body = data;
	req.body_len = len;
	must(store_run(s, &req, &e), &e, key);
}

/* A blob of `len` bytes, and the block that stands in it. */
static struct block put_blob(const char *name, uint32_t len)
{
	CLEANUP_BUF struct buf key = BUF_INIT(1000);
	CLEANUP_FREE char *data = calloc(1, len);
	struct block b = { .len = len };

	hash_of(&b.hash, name, strlen(name));
	b.frame.blob = object_ids_next(&ids);
	b.frame.raw = len;
	b.frame.stored = len;
	(void)name_blob(&key, "", &b.frame.blob);
	put_object(key.data, data, len);
	return b;
}

static char *put_index(const struct block *blocks, size_t count)
{
	CLEANUP_BUF struct buf key = BUF_INIT(1000);
	CLEANUP_BUF struct buf data = BUF_INIT(100000);
	struct object_id id = object_ids_next(&ids);
	struct err e = { 0 };
	int64_t now = 0;

	must(index_encode(&data, blocks, count, &e), &e, "index");
	(void)store_now(s, UINT32_MAX, &now);
	(void)name_index(&key, "", now, &id);
	put_object(key.data, data.data, data.len);
	return buf_take(&key);
}

/* Commits one file made of `b`, or with NULL its removal. */
static void commit_file(const char *dir, const char *path,
			const struct block *b)
{
	CLEANUP(tree_version_done) struct tree_version t = { 0 };
	struct catalog_entry entry;
	struct err e = { 0 };
	struct commit_change ch = {
		.path = path,
		.path_len = strlen(path),
		.remove = !b,
		.fresh = true,
		.attr = { .mode = S_IFREG | 0644, .size = b ? b->len : 0 },
		.blocks = b,
		.block_count = 1,
	};
	struct commit c = {
		.changes = &ch,
		.count = 1,
		.id = object_ids_next(&ids),
		.pool = "",
		.gc_read_ms = clock_now_ms(),
	};

	must(tree_locate(s, NULL, dir, NULL, &t, &e), &e, dir);
	if (t.cat && !catalog_find(t.cat, path, strlen(path), &entry)) {
		ch.seen = true;
		ch.seen_commit_s = entry.commit_s;
	}
	must(commit_run(s, NULL, &t, &c, &e), &e, path);
}

static bool key_is_there(const char *key)
{
	CLEANUP_REQ struct store_req req;

	store_req_init(&req, STORE_HEAD, key);
	return !store_run(s, &req, NULL);
}

static bool blob_is_there(const struct block *b)
{
	CLEANUP_BUF struct buf key = BUF_INIT(1000);

	(void)name_blob(&key, "", &b->frame.blob);
	return key_is_there(key.data);
}

static void list(const char *prefix, struct store_req *req)
{
	struct err e = { 0 };

	store_req_init(req, STORE_LIST, prefix);
	must(store_run(s, req, &e), &e, prefix);
}

static size_t count_keys(const char *prefix)
{
	CLEANUP_REQ struct store_req req;

	list(prefix, &req);
	return req.list.count;
}

/* How many indexes name the block. */
static size_t indexes_with(const struct block *b)
{
	CLEANUP_REQ struct store_req all;
	size_t n = 0;

	list(".assetfs/index/", &all);
	for (size_t i = 0; i < all.list.count; i++) {
		CLEANUP_BUF struct buf data = BUF_INIT(100000);
		CLEANUP(index_freep) struct index *ix = NULL;
		CLEANUP_REQ struct store_req get;
		struct err e = { 0 };
		struct block found;

		store_req_init(&get, STORE_GET, all.list.entries[i].key);
		get.out = &data;
		must(store_run(s, &get, &e), &e, "index");
		must(index_parse(&ix, data.data, data.len, &e), &e, "index");
		n += index_find(ix, &b->hash, &found);
	}
	return n;
}

static struct gc_result run(bool yes, bool dry, int want, const char *name)
{
	const struct gc_options o = { .pool = "", .yes = yes, .dry_run = dry };
	struct gc_result res = { 0 };
	struct err e = { 0 };
	int r = gc_run(&res, s, &o, &e);

	is_int(r, want, "%s: %s", name, e.text);
	return res;
}

static void begin(void)
{
	struct err e = { 0 };
	char *dir = mkdtemp(root);

	m = (struct moved){ .base = { .ops = &moved_ops, .name = root } };
	must(dir ? file_store_open(&m.inner, dir, &e) : -errno, &e, "store");
	object_ids_init(&ids);
}

static void end(void)
{
	char command[100];

	store_free(m.inner);
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	if (system(command))
		printf("# cannot remove %s\n", root);
	strcpy(root, "/tmp/assetfs-test-gc-XXXXXX");
}

/* ---- tests --------------------------------------------------------------- */

static void test_life(void)
{
	struct block kept, dead, both[2];
	struct gc_result res;
	char *index;

	begin();
	kept = put_blob("kept", 5000);
	dead = put_blob("dead", 3000);
	both[0] = kept;
	both[1] = dead;
	index = put_index(both, 2);
	commit_file("tree/", "file", &kept);
	put_object("plain", "x", 1);

	res = run(true, false, 0, "a young bucket");
	ok(!res.run && !res.condemned.objects && !res.deleted.objects,
	   "nothing is condemned before its week is over");
	is_int((int)count_keys(".assetfs/gc/"), 0, "nor a list made");

	move(&m, 8 * DAY);
	res = run(true, true, 0, "dry run");
	is_int((int)res.condemned.objects, 2, "would condemn blob and index");
	is_int((int)count_keys(".assetfs/gc/"), 0, "and makes no list");
	is_int((int)count_keys(".assetfs/index/"), 1, "and no index");

	m.lose_answer = true;
	res = run(true, false, 0, "the list is known by its run's id");
	ok(res.run == 1 && res.condemned.objects == 2 && !res.deleted.objects,
	   "condemned, not deleted");
	is_int((int)count_keys(".assetfs/index/"), 2, "the index put anew");
	is_int((int)indexes_with(&dead), 1, "without the blob");
	is_int((int)indexes_with(&kept), 2, "with the other");

	res = run(true, false, 0, "at once again");
	ok(res.run == 2 && res.condemned.objects == 2 && !res.deleted.objects &&
		   !res.indexes_made,
	   "nothing more");

	move(&m, DAY + HOUR);
	res = run(false, false, 0, "a day later");
	ok(res.refused && res.deleted.objects == 2, "needs a yes");
	ok(blob_is_there(&dead) && key_is_there(index), "and deletes nothing");
	res = run(true, false, 0, "with a yes");
	ok(!res.refused && res.deleted.objects == 2, "deletes");
	ok(!blob_is_there(&dead) && !key_is_there(index), "both have gone");
	ok(blob_is_there(&kept) && indexes_with(&kept) == 1 &&
		   !indexes_with(&dead),
	   "all else stands");
	ok(key_is_there("plain"), "also what is none of ours");
	res = run(true, false, 0, "after that");
	ok(!res.condemned.objects && !res.deleted.objects && res.run,
	   "an empty list says that nothing is condemned");
	res = run(true, false, 0, "and again");
	ok(!res.run, "no further one is needed");
	move(&m, 2 * DAY);
	put_blob("more", 10);
	move(&m, 8 * DAY);
	(void)run(true, false, 0, "ten days later");
	is_int((int)count_keys(".assetfs/gc/"), 2, "old lists have gone");
	free(index);
	end();
}

static void test_back_in_use(void)
{
	struct block b;
	struct gc_result res;

	begin();
	b = put_blob("b", 100);
	move(&m, 8 * DAY);
	res = run(true, false, 0, "condemned");
	is_int((int)res.condemned.objects, 1, "one");
	/* By one who read no list, within his hour. */
	commit_file("", "file", &b);
	move(&m, DAY + HOUR);
	res = run(true, false, 0, "in use again");
	ok(!res.condemned.objects && !res.deleted.objects && blob_is_there(&b),
	   "is not deleted");
	commit_file("", "file", NULL);
	ok(count_keys(".assetfs-tree-") == 2, "two versions");
	end();
}

static void test_named_by_index(void)
{
	struct block dead;
	struct gc_result res;
	char *late;

	begin();
	dead = put_blob("dead", 100);
	move(&m, 8 * DAY);
	(void)run(true, false, 0, "condemned");
	late = put_index(&dead, 1);
	move(&m, DAY + HOUR);
	res = run(true, false, 0, "an index names it");
	ok(!res.deleted.objects && blob_is_there(&dead),
	   "not deleted while an index names it");
	ok(key_is_there(late), "which is condemned first");
	move(&m, DAY + HOUR);
	res = run(true, false, 0, "a day later");
	ok(!key_is_there(late) && !blob_is_there(&dead), "then both go");
	free(late);
	end();
}

static void test_failures(void)
{
	CLEANUP_REQ struct store_req del;
	struct block used, dead;

	begin();
	used = put_blob("used", 10);
	dead = put_blob("dead", 10);
	commit_file("tree/", "file", &used);
	move(&m, 8 * DAY);
	(void)run(true, false, 0, "condemned");
	move(&m, DAY + HOUR);
	put_object("far/away/.assetfs-tree-fffffffffffffff0", "damaged", 7);
	(void)run(true, false, -EBADMSG, "a damaged tree");
	ok(blob_is_there(&dead), "stops the run with nothing deleted");
	is_int((int)count_keys(".assetfs/gc/"), 1, "and no list made");
	store_req_init(&del, STORE_DELETE,
		       "far/away/.assetfs-tree-fffffffffffffff0");
	(void)store_run(s, &del, NULL);

	put_object(".assetfs/index/0000000000000001-"
		   "0a00000000000000000000ff00000007",
		   "damaged", 7);
	(void)run(true, false, -EBADMSG, "a damaged index");
	ok(blob_is_there(&dead), "too");
	store_req_done(&del);
	store_req_init(&del, STORE_DELETE,
		       ".assetfs/index/0000000000000001-"
		       "0a00000000000000000000ff00000007");
	(void)store_run(s, &del, NULL);

	put_object(".assetfs/gc/0000000000000002", "damaged", 7);
	(void)run(true, false, -EBADMSG, "a damaged list");
	ok(blob_is_there(&dead), "too");
	end();
}

static void begin_other_run(struct moved *mv)
{
	CLEANUP_BUF struct buf data = BUF_INIT(1000);
	struct err e = { 0 };

	mv->on_look = NULL;
	must(gclist_encode(&data, NULL, 0, 5, &e), &e, "list");
	put_object(".assetfs/gc/0000000000000003", data.data, data.len);
}

static void test_two_collectors(void)
{
	CLEANUP_BUF struct buf data = BUF_INIT(1000);
	struct block dead;
	struct gc_result res;
	struct err e = { 0 };

	begin();
	dead = put_blob("dead", 10);
	move(&m, 8 * DAY);
	(void)run(true, false, 0, "condemned");
	move(&m, DAY + HOUR);
	m.on_look = begin_other_run;
	(void)run(true, false, -EBUSY, "another run begins");
	ok(blob_is_there(&dead), "this one deletes nothing");
	res = run(true, false, 0, "its list does not name the blob");
	ok(!res.deleted.objects && blob_is_there(&dead),
	   "which is spared again");
	move(&m, DAY + HOUR);

	/* A list is missing: what it said is not known. */
	must(gclist_encode(&data, NULL, 0, 5, &e), &e, "list");
	put_object(".assetfs/gc/0000000000000006", data.data, data.len);
	res = run(true, false, 0, "a gap in the lists");
	ok(!res.deleted.objects && blob_is_there(&dead), "nothing is deleted");
	move(&m, DAY + HOUR);
	(void)run(true, false, 0, "a day behind the gap");
	ok(!blob_is_there(&dead), "the lists behind it count");
	end();
}

static void test_merge(void)
{
	struct block b[20];
	struct gc_result res;

	begin();
	for (int i = 0; i < 20; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "b%d", i);
		b[i] = put_blob(name, 10);
		free(put_index(&b[i], 1));
		commit_file("", name, &b[i]);
	}
	res = run(true, false, 0, "twenty small indexes");
	is_int((int)res.indexes_made, 1, "become one");
	is_int((int)count_keys(".assetfs/index/"), 21, "beside them");
	for (int i = 0; i < 20; i++)
		is_int((int)indexes_with(&b[i]), 2, "all is in it: %d", i);
	res = run(true, false, 0, "at once again");
	is_int((int)res.indexes_made, 0, "not once more");
	move(&m, DAY + HOUR);
	res = run(true, false, 0, "a day later");
	is_int((int)count_keys(".assetfs/index/"), 1, "the old ones have gone");
	for (int i = 0; i < 20; i++)
		is_int((int)indexes_with(&b[i]), 1, "nothing is lost: %d", i);
	end();
}

static void test_prune(void)
{
	struct block b[15];
	struct gc_result res;

	begin();
	for (int i = 0; i < 15; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "p%d", i);
		b[i] = put_blob(name, 10);
		commit_file("deep/tree/", "file", &b[i]);
	}
	(void)run(true, false, 0, "young versions");
	is_int((int)count_keys("deep/tree/.assetfs-tree-"), 15, "stay");
	move(&m, 8 * DAY);
	res = run(true, false, 0, "a week later");
	is_int((int)res.pruned.objects, 5, "five are pruned");
	is_int((int)count_keys("deep/tree/.assetfs-tree-"), 10, "ten stay");
	is_int((int)res.condemned.objects, 5, "and five blobs are condemned");
	move(&m, DAY + HOUR);
	(void)run(true, false, 0, "the run after that");
	for (int i = 0; i < 15; i++)
		ok(blob_is_there(&b[i]) == (i >= 5), "blob %d", i);
	end();
}

/* A commit whose shards take so long that a collector may have run. */
static void test_slow_commit(void)
{
	CLEANUP(tree_version_done) struct tree_version t = { 0 };
	struct commit_change changes[3] = { 0 };
	struct err e = { 0 };
	struct commit c = {
		.changes = changes,
		.count = TAP_COUNT(changes),
		.pool = "",
		.gc_read_ms = clock_now_ms(),
		.limits = { .inline_entries = 1, .shard_entries = 1 },
	};

	begin();
	changes[0].path = "a";
	changes[1].path = "b";
	changes[2].path = "c";
	for (size_t i = 0; i < TAP_COUNT(changes); i++) {
		changes[i].path_len = 1;
		changes[i].attr.mode = S_IFREG | 0644;
	}
	c.id = object_ids_next(&ids);
	must(tree_locate(s, NULL, "t/", NULL, &t, &e), &e, "t/");
	m.age = &c.gc_read_ms;
	is_int(commit_run(s, NULL, &t, &c, &e), -ETIME, "%s", e.text);
	is_int((int)count_keys("t/.assetfs-tree-"), 0, "nothing is committed");
	m.age = NULL;
	c.gc_read_ms = clock_now_ms();
	is_int(commit_run(s, NULL, &t, &c, &e), 0, "in time it is");
	ok(count_keys(".assetfs/shard/") > 1, "in shards");
	is_int((int)m.endless, 0, "no version is put for longer than that");
	end();
}

int main(void)
{
	test_life();
	test_back_in_use();
	test_named_by_index();
	test_failures();
	test_two_collectors();
	test_merge();
	test_prune();
	test_slow_commit();
	return tap_done();
}
