/* What store_conform cannot see: the directory behind the store. */
#include "s3/file_store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3/file_root.h"
#include "s3/file_write.h"
#include "tests/unit/tap.h"

static char dir[64];

static const char *path(const char *name)
{
	static char paths[4][512];
	static int turn;
	char *p = paths[turn++ % 4];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void fresh_dir(const char *parent)
{
	(void)snprintf(dir, sizeof(dir), "%s/assetfs-test-XXXXXX", parent);
	if (!mkdtemp(dir))
		abort();
}

static void remove_dir(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command))
		printf("# '%s' stays\n", dir);
}

static struct store *open_store(void)
{
	struct store *s = NULL;
	struct err e;

	if (file_store_open(&s, dir, &e)) {
		printf("# %s\n", e.text);
		abort();
	}
	return s;
}

static int put(struct store *s, const char *key, const char *body,
	       bool if_absent, char *ret_etag)
{
	struct store_req req;
	int r;

	store_req_init(&req, STORE_PUT, key);
	req.body = body;
	req.body_len = strlen(body);
	req.if_absent = if_absent;
	r = store_run(s, &req, NULL);
	if (!r && ret_etag)
		memcpy(ret_etag, req.object.etag, STORE_ETAG_MAX);
	if (r)
		printf("# %s\n", req.err.text);
	store_req_done(&req);
	return r;
}

/* GET as a string; NULL out: HEAD. */
static int get(struct store *s, const char *key, const char *if_match,
	       struct buf *out, char *ret_etag)
{
	struct store_req req;
	int r;

	store_req_init(&req, out ? STORE_GET : STORE_HEAD, key);
	req.if_match = if_match;
	req.out = out;
	r = store_run(s, &req, NULL);
	if (!r && ret_etag)
		memcpy(ret_etag, req.object.etag, STORE_ETAG_MAX);
	store_req_done(&req);
	return r;
}

static int simple(struct store *s, enum store_op op, const char *key)
{
	struct store_req req;
	int r;

	store_req_init(&req, op, key);
	r = store_run(s, &req, NULL);
	store_req_done(&req);
	return r;
}

/* All keys of one page, a space behind each. */
static void list(struct store *s, const char *prefix, const char *delimiter,
		 struct buf *out)
{
	struct store_req req;

	buf_reset(out);
	store_req_init(&req, STORE_LIST, prefix);
	req.delimiter = delimiter;
	if (store_run(s, &req, NULL))
		(void)buf_addf(out, "error %d", req.err.code);
	for (size_t i = 0; i < req.list.count; i++)
		(void)buf_addf(out, "%s ", req.list.entries[i].key);
	(void)buf_add_str(out, "");
	store_req_done(&req);
}

static void write_file(const char *name, const char *content, int flags)
{
	int fd = open(path(name), O_WRONLY | O_CREAT | flags, 0644);

	if (fd < 0 || write(fd, content, strlen(content)) < 0)
		abort();
	(void)close(fd);
}

static void test_open(void)
{
	struct store *s = NULL;
	struct err e;

	fresh_dir("/tmp");
	is_int(file_store_open(&s, path("missing"), &e), -ENXIO, "missing");
	ok(strstr(e.text, "check the path, or create the directory first"),
	   "says what to do: %s", e.text);
	write_file("file", "x", 0);
	is_int(file_store_open(&s, path("file"), &e), -ENXIO, "a file");
	s = open_store();
	ok(!strncmp(s->name, "file:///tmp/assetfs-test-", 25), "name %s",
	   s->name);
	is_int(get(s, "file", NULL, NULL, NULL), 0, "reads");
	ok(access(path(".assetfs"), F_OK), "reading creates nothing");
	(void)unlink(path("file"));
	(void)rmdir(dir);
	is_int(get(s, "file", NULL, NULL, NULL), -ENXIO,
	       "nothing is absent from a directory that is gone");
	is_int(simple(s, STORE_LIST, ""), -ENXIO, "nor is it empty");
	store_free(s);
}

static void test_links(void)
{
	struct buf out = BUF_INIT(4096);
	struct store *s;
	struct stat st;

	fresh_dir("/tmp");
	(void)mkdir(path("outside"), 0755);
	write_file("outside/secret", "secret", 0);
	(void)mkdir(path("root"), 0755);
	if (symlink("../outside", path("root/evil")) ||
	    symlink("../outside/secret", path("root/leaf")))
		abort();
	(void)mkfifo(path("root/fifo"), 0644);
	strcat(dir, "/root");
	s = open_store();
	is_int(get(s, "evil/secret", NULL, NULL, NULL), -ENOENT,
	       "nothing below a symlink");
	is_int(put(s, "evil/new", "x", false, NULL), -ENOTDIR, "PUT there");
	is_int(simple(s, STORE_DELETE, "evil/secret"), 0, "DELETE there");
	ok(!stat(path("../outside/secret"), &st) &&
		   stat(path("../outside/new"), &st),
	   "nothing happens outside");
	is_int(get(s, "leaf", NULL, &out, NULL), 0, "GET of a symlink");
	is_str(out.data, "../outside/secret", "is its target");
	is_int(put(s, "leaf", "plain", false, NULL), 0, "PUT over it");
	ok(!lstat(path("leaf"), &st) && S_ISREG(st.st_mode), "replaces it");
	is_int(get(s, "fifo", NULL, &out, NULL), -ENOENT, "no fifo");
	list(s, "", NULL, &out);
	is_str(out.data, "evil leaf ", "listed");
	store_free(s);
	*strrchr(dir, '/') = '\0';
	remove_dir();
	buf_done(&out);
}

static void test_names(void)
{
	struct buf out = BUF_INIT(4096);
	struct store *s;

	fresh_dir("/tmp");
	s = open_store();
	is_int(put(s, ".assetfs/blob/b1", "x", true, NULL), 0, "a blob");
	is_int(put(s, "a/b/.assetfs-tree-00", "x", true, NULL), 0, "a tree");
	list(s, "", NULL, &out);
	is_str(out.data, ".assetfs/blob/b1 a/b/.assetfs-tree-00 ",
	       "reserved names make no directory");
	list(s, "", "/", &out);
	is_str(out.data, ".assetfs/ a/ ", "but prefixes");
	list(s, ".assetfs/", "/", &out);
	is_str(out.data, ".assetfs/blob/ ", "the store's own are hidden");
	list(s, ".assetfs/tmp/", NULL, &out);
	is_str(out.data, "", "always");
	is_int(get(s, ".assetfs/blob/", NULL, NULL, NULL), -ENOENT,
	       "the pool has no directories");
	is_int(get(s, "a/", NULL, NULL, NULL), -ENOENT, "nor a/");
	is_int(put(s, ".assetfs/tmp/x", "x", false, NULL), -EILSEQ,
	       "nor can they be written");
	is_int(put(s, ".assetfs/clock", "x", false, NULL), -EILSEQ, "any");
	(void)simple(s, STORE_DELETE, ".assetfs/blob/b1");
	list(s, "", "/", &out);
	is_str(out.data, "a/ ", "an empty pool is nothing");
	is_int(put(s, "a/c", "x", false, NULL), 0, "a plain file");
	list(s, "", NULL, &out);
	is_str(out.data, "a/ a/b/.assetfs-tree-00 a/c ",
	       "makes its directory appear");
	is_int(put(s, "a", "x", false, NULL), -EISDIR, "file over directory");
	is_int(put(s, "a", "x", true, NULL), -EISDIR, "if absent");
	is_int(put(s, "a/c/d", "x", false, NULL), -ENOTDIR, "below a file");
	is_int(get(s, "a/c/d", NULL, NULL, NULL), -ENOENT, "nothing there");
	is_int(simple(s, STORE_DELETE, "a/c/d"), 0, "DELETE of it");
	is_int(simple(s, STORE_DELETE, "a/"), 0, "DELETE of a full directory");
	is_int(simple(s, STORE_DELETE, "a"), 0, "DELETE of no object");
	is_int(get(s, "a/c", NULL, NULL, NULL), 0, "deletes nothing");
	store_free(s);
	remove_dir();
	buf_done(&out);
}

static void test_special(void)
{
	struct meta_posix p = { .has_mode = true, .mode = S_IFIFO | 0620 };
	struct store_req req;
	struct meta m;
	struct store *s;
	struct stat st;

	fresh_dir("/tmp");
	s = open_store();
	meta_init(&m);
	(void)meta_from_posix(&m, &p);
	store_req_init(&req, STORE_PUT, "fifo");
	req.meta = &m;
	is_int(store_run(s, &req, NULL), 0, "PUT of a fifo");
	store_req_done(&req);
	ok(!lstat(path("fifo"), &st) && S_ISREG(st.st_mode), "is a file");
	store_req_init(&req, STORE_HEAD, "fifo");
	is_int(store_run(s, &req, NULL), 0, "HEAD");
	meta_to_posix(&p, &req.meta_out);
	is_int(p.mode, S_IFIFO | 0620, "has its mode");
	store_req_done(&req);
	meta_done(&m);
	store_free(s);
	remove_dir();
}

static int compare_etags(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Also on tmpfs, where inode numbers and ticks come again at once. */
static void test_etags(const char *parent)
{
	enum { VERSIONS = 100 };
	static char etags[VERSIONS][STORE_ETAG_MAX];
	struct buf out = BUF_INIT(4096);
	char now[STORE_ETAG_MAX], same = 1;
	struct store *s;
	struct stat st;

	fresh_dir(parent);
	s = open_store();
	for (int i = 0; i < VERSIONS; i++) {
		if (put(s, "k", i % 2 ? "odd!" : "even", false, etags[i]) ||
		    get(s, "k", NULL, NULL, now))
			abort();
		same = same && !strcmp(etags[i], now);
	}
	ok(same, "%s: PUT and HEAD agree", parent);
	(void)memcpy(now, etags[VERSIONS - 1], sizeof(now));
	qsort(etags, VERSIONS, sizeof(etags[0]), compare_etags);
	for (int i = 1; i < VERSIONS; i++)
		same = same && strcmp(etags[i - 1], etags[i]);
	ok(same, "no two versions share an ETag");

	(void)stat(path("k"), &st);
	(void)usleep(20000);
	write_file("k", "EVEN", 0);
	(void)utimensat(AT_FDCWD, path("k"),
			(struct timespec[2]){ st.st_atim, st.st_mtim }, 0);
	is_int(get(s, "k", now, &out, NULL), -ESTALE, "changed in place");
	is_int(get(s, "k", NULL, &out, NULL), 0, "readable anew");
	is_str(out.data, "EVEN", "as it is");
	store_free(s);
	remove_dir();
	buf_done(&out);
}

static int entries_of(const char *name)
{
	DIR *d = opendir(path(name));
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		(void)closedir(d);
	return n - 2;
}

/* As on a file system that knows no unnamed files. */
static void test_named_temporaries(void)
{
	_Atomic uint64_t in = 0, out = 0;
	struct file_root root;
	struct store_req req;
	struct err e;

	fresh_dir("/tmp");
	if (file_root_open(&root, dir, &e))
		abort();
	root.has_proc = false;
	root.bytes_in = &in;
	root.bytes_out = &out;
	for (int i = 0; i < 4; i++) {
		store_req_init(&req, STORE_PUT, "d/k");
		req.body = "abc";
		req.body_len = 3;
		req.if_absent = i % 2 == 0;
		is_int(file_put(&root, &req, &e), i == 2 ? -EEXIST : 0,
		       "PUT %d", i);
		store_req_done(&req);
	}
	is_int(entries_of(".assetfs/tmp"), 0, "no temporary file is left");
	is_int(entries_of("d"), 1, "one object");
	file_root_close(&root);
	remove_dir();
}

/* Ends when the parent kills it. */
static void write_for_ever(void)
{
	static char body[2][1 << 20];
	struct store *s = open_store();

	memset(body[0], 'a', sizeof(body[0]) - 1);
	memset(body[1], 'b', sizeof(body[1]) - 1);
	for (int i = 0;; i++)
		(void)put(s, i % 3 ? "k" : "d/k", body[i % 2], false, NULL);
}

static bool is_uniform(const struct buf *b)
{
	return b->len == (1 << 20) - 1 &&
	       !memcmp(b->data, b->data + 1, b->len - 1);
}

static void test_kill(void)
{
	struct buf out = BUF_INIT(2 << 20);
	struct store *s;
	int whole = 0, reads = 0;

	fresh_dir("/tmp");
	for (int round = 0; round < 5; round++) {
		pid_t child = fork();

		if (!child)
			write_for_ever();
		(void)usleep(60000 + 7000 * (useconds_t)round);
		/* Reads beside the writer see whole versions too. */
		s = open_store();
		for (int i = 0; i < 20; i++) {
			buf_reset(&out);
			if (i == 10) {
				(void)kill(child, SIGKILL);
				(void)waitpid(child, NULL, 0);
			}
			if (!get(s, "k", NULL, &out, NULL)) {
				reads++;
				whole += is_uniform(&out);
			}
		}
		store_free(s);
	}
	ok(reads && whole == reads, "%d of %d reads are whole", whole, reads);
	remove_dir();
	buf_done(&out);
}

/* All keys below "d/", page by page; in the midst of it `gone` is removed. */
static void list_paged(struct store *s, const char *delimiter, uint32_t max,
		       const char *gone, struct buf *out)
{
	char *token = NULL;
	bool more = true;

	buf_reset(out);
	while (more) {
		struct store_req req;

		store_req_init(&req, STORE_LIST, "d/");
		req.delimiter = delimiter;
		req.continuation = token;
		req.max_keys = max;
		if (store_run(s, &req, NULL))
			abort();
		for (size_t i = 0; i < req.list.count; i++)
			(void)buf_addf(out, "%s ", req.list.entries[i].key);
		if (gone)
			(void)unlink(path(gone));
		more = req.list.truncated;
		free(token);
		token = more ? strdup(req.list.next) : NULL;
		store_req_done(&req);
	}
}

/* Pages of any size, each going on with the walk of the one before, make the
 * listing that one page makes. */
static void test_pages(void)
{
	static const char *const delimiters[] = { NULL, "/" };
	struct buf whole = BUF_INIT(1 << 20), paged = BUF_INIT(1 << 20);
	struct store *s;
	char name[64];

	fresh_dir("/tmp");
	(void)mkdir(path("d"), 0755);
	for (unsigned int i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "d/%u", i * 7 % 12);
		(void)mkdir(path(name), 0755);
		for (unsigned int k = 0; k < i % 5; k++) {
			(void)snprintf(name, sizeof(name), "d/%u/%u.x",
				       i * 7 % 12, k);
			write_file(name, "", 0);
		}
		(void)snprintf(name, sizeof(name), "d/%u-", i);
		write_file(name, "", 0);
	}
	s = open_store();
	for (int i = 0; i < 2; i++) {
		bool same = true;

		list_paged(s, delimiters[i], 1000, NULL, &whole);
		for (uint32_t max = 1; max < 40; max++) {
			list_paged(s, delimiters[i], max, NULL, &paged);
			same = same && whole.len == paged.len &&
			       !strcmp(whole.data, paged.data);
		}
		ok(same && whole.len > 20, "pages of 1 to 39, delimiter %s",
		   delimiters[i] ? delimiters[i] : "none");
	}
	list_paged(s, "/", 3, "d/9-", &paged);
	ok(!strstr(paged.data, "d/9-") && strstr(paged.data, "d/8-"),
	   "what is removed meanwhile is not listed");
	/* Listings that are not gone on with make room for others. */
	for (uint32_t max = 1; max < 10; max++) {
		struct store_req req;

		store_req_init(&req, STORE_LIST, "d/");
		req.max_keys = max;
		is_int(store_run(s, &req, NULL), 0, "a first page of %u", max);
		store_req_done(&req);
	}
	store_free(s);
	buf_done(&whole);
	buf_done(&paged);
	remove_dir();
}

static void test_big_directory(void)
{
	enum { FILES = 5000 };
	char last[64] = "", name[64];
	struct store *s;
	char *token = NULL;
	int count = 0, pages = 0;
	bool sorted = true, more = true;

	fresh_dir("/tmp");
	(void)mkdir(path("d"), 0755);
	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "d/%u",
			       (unsigned int)i * 2654435761u);
		write_file(name, "", 0);
	}
	s = open_store();
	while (more) {
		struct store_req req;

		store_req_init(&req, STORE_LIST, "d/");
		req.delimiter = pages % 2 ? "/" : NULL;
		req.continuation = token;
		if (store_run(s, &req, NULL))
			abort();
		for (size_t i = 0; i < req.list.count; i++) {
			sorted = sorted &&
				 strcmp(last, req.list.entries[i].key) < 0;
			(void)snprintf(last, sizeof(last), "%s",
				       req.list.entries[i].key);
		}
		count += (int)req.list.count;
		pages++;
		more = req.list.truncated;
		free(token);
		token = more ? strdup(req.list.next) : NULL;
		store_req_done(&req);
	}
	is_int(count, FILES + 1, "every name and the directory");
	is_int(pages, 6, "in pages of 1000");
	ok(sorted, "in order");
	store_free(s);
	remove_dir();
}

struct race {
	struct store *store;
	atomic_bool stop;
};

static void *remove_dirs(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->stop)) {
		(void)simple(race->store, STORE_DELETE, "r/s/k");
		(void)simple(race->store, STORE_DELETE, "r/s/");
		(void)simple(race->store, STORE_DELETE, "r/");
	}
	return NULL;
}

static void test_parents_race(void)
{
	struct race race = { .stop = false };
	pthread_t thread;
	int failed = 0;

	fresh_dir("/tmp");
	race.store = open_store();
	if (pthread_create(&thread, NULL, remove_dirs, &race))
		abort();
	for (int i = 0; i < 200; i++)
		failed += put(race.store, "r/s/k", "x", i % 2, NULL) != 0;
	atomic_store(&race.stop, true);
	(void)pthread_join(thread, NULL);
	/* With if_absent, the one before may still stand. */
	ok(failed <= 100, "PUT beside DELETE of its parents (%d)", failed);
	failed = 0;
	if (pthread_create(&thread, NULL, remove_dirs,
			   (atomic_store(&race.stop, false), &race)))
		abort();
	for (int i = 0; i < 200; i++)
		failed += put(race.store, "r/s/k", "x", false, NULL) != 0;
	atomic_store(&race.stop, true);
	(void)pthread_join(thread, NULL);
	is_int(failed, 0, "none fails");
	store_free(race.store);
	remove_dir();
}

struct count {
	atomic_int done, cancelled;
};

static void count_done(struct store_req *req)
{
	struct count *count = req->arg;

	atomic_fetch_add(&count->cancelled, req->err.code == -ECANCELED);
	atomic_fetch_add(&count->done, 1);
}

static void test_queues(void)
{
	enum { REQS = 300 };
	static struct store_req reqs[REQS];
	static char body[1 << 16];
	struct count count = { .done = 0 };
	struct store *s;
	int before;

	fresh_dir("/tmp");
	s = open_store();
	for (int i = 0; i < REQS; i++) {
		store_req_init(&reqs[i], STORE_PUT, "background");
		reqs[i].priority = STORE_BACKGROUND;
		reqs[i].body = body;
		reqs[i].body_len = sizeof(body);
		reqs[i].done = count_done;
		reqs[i].arg = &count;
		store_submit(s, &reqs[i]);
	}
	is_int(put(s, "foreground", "x", false, NULL), 0, "PUT");
	before = atomic_load(&count.done);
	ok(before < REQS / 2, "foreground goes first (behind %d)", before);
	store_free(s);
	is_int(atomic_load(&count.done), REQS, "free completes all");
	ok(atomic_load(&count.cancelled) > 0, "most of them cancelled");
	for (int i = 0; i < REQS; i++)
		store_req_done(&reqs[i]);
	remove_dir();
}

/* A full and a read-only file system, where this process may mount one. */
static void test_mounts(void)
{
	static char big[1 << 20];
	struct buf out = BUF_INIT(4096);
	struct store *s;

	fresh_dir("/tmp");
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", 0, "size=256k")) {
		printf("# no right to mount: full and read-only not tested\n");
		remove_dir();
		return;
	}
	s = open_store();
	is_int(put(s, "d/k", "hello", false, NULL), 0, "PUT");
	memset(big, 'x', sizeof(big) - 1);
	is_int(put(s, "d/k", big, false, NULL), -ENOSPC, "a full one");
	is_int(put(s, "d/new", big, true, NULL), -ENOSPC, "for new keys");
	list(s, "d/", NULL, &out);
	is_str(out.data, "d/ d/k ", "nothing has appeared");
	buf_reset(&out);
	is_int(get(s, "d/k", NULL, &out, NULL), 0, "GET");
	is_str(out.data, "hello", "the old content");
	store_free(s);
	if (mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL))
		abort();
	s = open_store();
	is_int(get(s, "d/k", NULL, NULL, NULL), 0, "a read-only one is read");
	list(s, "", "/", &out);
	is_str(out.data, "d/ ", "listed");
	is_int(put(s, "d/k", "x", false, NULL), -EROFS, "not written");
	is_int(put(s, "e/k", "x", true, NULL), -EROFS, "anywhere");
	is_int(simple(s, STORE_DELETE, "d/k"), -EROFS, "nor emptied");
	store_free(s);
	(void)umount(dir);
	remove_dir();
	buf_done(&out);
}

int main(void)
{
	test_open();
	test_links();
	test_names();
	test_special();
	test_etags("/tmp");
	if (!access("/dev/shm", W_OK))
		test_etags("/dev/shm");
	test_named_temporaries();
	test_kill();
	test_pages();
	test_big_directory();
	test_parents_race();
	test_queues();
	test_mounts();
	return tap_done();
}
