/*
 * store_conform SOURCE: whether a store does what s3/store.h promises.
 *
 * Works below a prefix of its own, which it empties at the end. Where servers
 * legitimately differ, each allowed behaviour is named beside its check.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/source.h"
#include "s3/store.h"
#include "tests/unit/tap.h"

#define CONTENT_MAX (32u << 20)
#define MANY 40

struct conform {
	struct store *store;
	char prefix[128]; /* ends in "/" */
};

/* ---- single requests --------------------------------------------------- */

/* The full key of a name, in one of a few rotating buffers. */
static const char *at(const struct conform *c, const char *name)
{
	static char keys[8][2048];
	static int turn;
	char *key = keys[turn++ % 8];

	(void)snprintf(key, sizeof(keys[0]), "%s%s", c->prefix, name);
	return key;
}

static int run(const struct conform *c, struct store_req *req)
{
	struct err e = { .code = 0 };
	int r = store_run(c->store, req, &e);

	if (r && r != -ENOENT && r != -EEXIST && r != -ESTALE && r != -ERANGE)
		printf("# %d: %s\n", r, e.text);
	return r;
}

static int put(const struct conform *c, const char *name, const char *body,
	       const struct meta *m, bool if_absent, char *ret_etag)
{
	struct store_req req;
	int r;

	store_req_init(&req, STORE_PUT, at(c, name));
	req.body = body;
	req.body_len = strlen(body);
	req.meta = m;
	req.if_absent = if_absent;
	r = run(c, &req);
	if (!r && ret_etag)
		memcpy(ret_etag, req.object.etag, STORE_ETAG_MAX);
	store_req_done(&req);
	return r;
}

static int get_range(const struct conform *c, const char *name, uint64_t offset,
		     uint64_t length, const char *if_match, struct buf *out)
{
	struct store_req req;
	int r;

	store_req_init(&req, STORE_GET, at(c, name));
	req.offset = offset;
	req.length = length;
	req.if_match = if_match;
	req.out = out;
	r = run(c, &req);
	store_req_done(&req);
	return r;
}

static bool holds(const struct conform *c, const char *name, const char *body)
{
	struct buf out = BUF_INIT(CONTENT_MAX);
	int r = get_range(c, name, 0, 0, NULL, &out);
	bool same = !r && out.len == strlen(body) &&
		    !memcmp(out.data ? out.data : "", body, out.len);

	buf_done(&out);
	return same;
}

/* HEAD; the caller does store_req_done. */
static int head(const struct conform *c, struct store_req *req,
		const char *name, const char *if_match)
{
	store_req_init(req, STORE_HEAD, at(c, name));
	req->if_match = if_match;
	return run(c, req);
}

static int head_only(const struct conform *c, const char *name)
{
	struct store_req req;
	int r = head(c, &req, name, NULL);

	store_req_done(&req);
	return r;
}

static int delete (const struct conform *c, const char *name)
{
	struct store_req req;
	int r;

	store_req_init(&req, STORE_DELETE, at(c, name));
	r = run(c, &req);
	store_req_done(&req);
	return r;
}

static int copy(const struct conform *c, const char *from, const char *to,
		const struct meta *m, const char *if_match)
{
	struct store_req req;
	int r;

	store_req_init(&req, STORE_COPY, at(c, to));
	req.source = at(c, from);
	req.meta = m;
	req.if_match = if_match;
	r = run(c, &req);
	store_req_done(&req);
	return r;
}

/* ---- listings ---------------------------------------------------------- */

/* All pages; names without the run's prefix, a common prefix as "name/ P". */
static int list_all(const struct conform *c, const char *prefix,
		    const char *delimiter, const char *start_after,
		    uint32_t max_keys, struct store_list *out)
{
	char *token = NULL;
	bool more = true;
	int r = 0;

	while (!r && more) {
		struct store_req req;

		store_req_init(&req, STORE_LIST, at(c, prefix));
		req.delimiter = delimiter;
		req.start_after = start_after ? at(c, start_after) : NULL;
		req.max_keys = max_keys;
		req.continuation = token;
		r = run(c, &req);
		for (size_t i = 0; !r && i < req.list.count; i++) {
			struct store_list_entry *entry = &req.list.entries[i];

			r = store_list_add(out, entry->key, entry->key_len,
					   entry->is_prefix, &entry->object);
		}
		if (!r && max_keys && req.list.count > max_keys)
			r = -E2BIG;
		more = req.list.truncated;
		free(token);
		token = more && req.list.next ? strdup(req.list.next) : NULL;
		if (more && !token)
			r = r ? r : -EPROTO;
		store_req_done(&req);
	}
	free(token);
	return r;
}

static bool same_lists(const struct store_list *a, const struct store_list *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = a->entries[i].is_prefix == b->entries[i].is_prefix &&
		       !strcmp(a->entries[i].key, b->entries[i].key) &&
		       !strcmp(a->entries[i].object.etag,
			       b->entries[i].object.etag);
	if (same)
		return true;
	for (size_t i = 0; i < a->count || i < b->count; i++)
		printf("# %s | %s\n",
		       i < a->count ? a->entries[i].key : "(end)",
		       i < b->count ? b->entries[i].key : "(end)");
	return false;
}

static const struct store_list_entry *find(const struct store_list *l,
					   const char *key)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(l->entries[i].key, key))
			return &l->entries[i];
	return NULL;
}

/* What a listing must give, made from all keys below the run's prefix. */
static int model(const struct store_list *all, const char *prefix, bool flat,
		 const char *start_after, struct store_list *out)
{
	int r = 0;

	for (size_t i = 0; !r && i < all->count; i++) {
		const struct store_list_entry *entry = &all->entries[i];
		const char *slash;
		size_t len;

		if (strncmp(entry->key, prefix, strlen(prefix)) ||
		    (start_after && strcmp(entry->key, start_after) <= 0))
			continue;
		slash = strchr(entry->key + strlen(prefix), '/');
		if (!flat || !slash) {
			r = store_list_add(out, entry->key, entry->key_len,
					   false, &entry->object);
			continue;
		}
		len = (size_t)(slash - entry->key) + 1;
		if (!out->count ||
		    out->entries[out->count - 1].key_len != len ||
		    memcmp(out->entries[out->count - 1].key, entry->key, len))
			r = store_list_add(out, entry->key, len, true, NULL);
	}
	return r;
}

#define NOT_UTF8 "\377\376"
static const char *const nasty[] = {
	"a",	   "a-b",     "a.txt",	   "a0",	"d/x",
	"d/y/z",   "d-e",     "d.f",	   "d0",	"d/y/\001",
	"d/y z",   "d/+",     "d/%41",	   "d/'q'",	"d/\"q\"",
	"\001",	   "\177",    NOT_UTF8,	   "\303\251",	"sp ace",
	"t\tab",   "e&<>f",   "q?x=y#z",   "~",		"back\\slash",
	"z/1/2/3", "z/1/2-3", "z/1/2.3",   "z/10",	"p+q r/x",
	"%41/x",   "&<>/x",   "\002/\003", "as/sets/m", "assets/n"
};
#define NASTY (sizeof(nasty) / sizeof(nasty[0]))

static void check_list(const struct conform *c, const struct store_list *all,
		       const char *prefix, bool flat, const char *start_after,
		       uint32_t max_keys)
{
	struct store_list got, want;
	const char *start = start_after ? at(c, start_after) : NULL;
	int r;

	store_list_init(&got);
	store_list_init(&want);
	r = list_all(c, prefix, flat ? "/" : NULL, start_after, max_keys, &got);
	ok(!r && !model(all, at(c, prefix), flat, start, &want) &&
		   same_lists(&got, &want),
	   "list '%s'%s%s%s, %u a page", prefix, flat ? ", flat" : "",
	   start ? ", after " : "", start ? start_after : "", max_keys);
	store_list_done(&got);
	store_list_done(&want);
}

static void test_list(const struct conform *c)
{
	static const char *const prefixes[] = {
		"", "a", "d", "d/", "d/y", "z/", "z/1/", "nothing/"
	};
	/* Starts inside of a common prefix are left out: AWS lists that prefix
	 * again, others skip it. */
	static const char *const starts[] = { "a", "a.txt", "d-e", "d0",
					      "zzz" };
	struct store_list all;
	bool sorted = true, there = true, known = true;
	bool held[NASTY];

	store_list_init(&all);
	for (size_t i = 0; i < NASTY; i++) {
		int r = put(c, nasty[i], nasty[i], NULL, false, NULL);

		/* S3 keys are UTF-8. */
		held[i] = r != -EILSEQ || strcmp(nasty[i], NOT_UTF8);
		there = (!r || !held[i]) && there;
	}
	ok(there, "put nasty names");
	for (size_t i = 0; i < NASTY; i++)
		there = (!held[i] || holds(c, nasty[i], nasty[i])) && there;
	ok(there, "get nasty names");
	is_int(list_all(c, "", NULL, NULL, 0, &all), 0, "list all");
	for (size_t i = 0; i + 1 < all.count; i++)
		sorted = sorted &&
			 strcmp(all.entries[i].key, all.entries[i + 1].key) < 0;
	ok(sorted, "in order of bytes, each once");
	for (size_t i = 0; i < NASTY; i++) {
		const struct store_list_entry *e = find(&all, at(c, nasty[i]));

		there = there && (!held[i] ||
				  (e && e->object.size == strlen(nasty[i]) &&
				   e->object.modified_s && e->object.etag[0]));
	}
	ok(there, "all of them, with size, date and ETag");
	/* A directory is a marker in a file:// store. */
	for (size_t i = 0; i < all.count; i++) {
		const char *key = all.entries[i].key;

		known = known && key[strlen(key) - 1] == '/';
		for (size_t j = 0; !known && j < NASTY; j++)
			known = !strcmp(key, at(c, nasty[j]));
	}
	ok(known, "and nothing else");
	for (size_t p = 0; p < sizeof(prefixes) / sizeof(prefixes[0]); p++) {
		for (uint32_t n = 0; n <= 7; n++)
			check_list(c, &all, prefixes[p], n % 2, NULL, n);
		for (uint32_t n = 1; n <= 2; n++)
			check_list(c, &all, prefixes[p], n % 2 == 0, NULL, n);
	}
	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
		check_list(c, &all, "", true, starts[s], 3);
		check_list(c, &all, "", false, starts[s], 3);
		check_list(c, &all, "d", false, starts[s], 0);
	}
	store_list_done(&all);
}

/* ---- the other operations ---------------------------------------------- */

static void test_basics(const struct conform *c)
{
	struct store_counts before, after;
	char etag[STORE_ETAG_MAX] = "", other[STORE_ETAG_MAX] = "";
	struct store_req req;
	int64_t now = 0;

	store_counts(c->store, &before);
	is_int(head_only(c, "basic"), -ENOENT, "HEAD of nothing");
	is_int(put(c, "basic", "hello", NULL, false, etag), 0, "PUT");
	ok(etag[0], "yields an ETag");
	is_int(head(c, &req, "basic", NULL), 0, "HEAD");
	is_int(req.object.size, 5, "its size");
	is_str(req.object.etag, etag, "the ETag of the PUT");
	ok(req.date_s && llabs(req.date_s - req.object.modified_s) < 10,
	   "LastModified is of the store's clock");
	store_req_done(&req);
	is_int(store_now(c->store, 10000, &now), 0, "the clock is known");
	ok(holds(c, "basic", "hello"), "GET");
	is_int(put(c, "basic", "HELLO", NULL, false, other), 0, "overwrite");
	ok(strcmp(etag, other), "the ETag has changed");
	ok(holds(c, "basic", "HELLO"), "GET again");
	is_int(head(c, &req, "basic", etag), -ESTALE, "HEAD if old ETag");
	store_req_done(&req);
	is_int(head(c, &req, "basic", other), 0, "HEAD if new ETag");
	store_req_done(&req);
	is_int(put(c, "basic", "third", NULL, true, NULL), -EEXIST,
	       "PUT if absent");
	ok(holds(c, "basic", "HELLO"), "changes nothing");
	is_int(delete (c, "basic"), 0, "DELETE");
	is_int(head_only(c, "basic"), -ENOENT, "gone");
	is_int(delete (c, "basic"), 0, "DELETE of nothing");
	is_int(put(c, "basic", "again", NULL, true, NULL), 0,
	       "PUT if absent, of a deleted key");
	is_int(put(c, "empty", "", NULL, false, NULL), 0, "PUT nothing");
	ok(holds(c, "empty", ""), "GET nothing");
	store_counts(c->store, &after);
	ok(after.requests[STORE_PUT] >= before.requests[STORE_PUT] + 5 &&
		   after.requests[STORE_GET] >=
			   before.requests[STORE_GET] + 3 &&
		   after.bytes_out >= before.bytes_out + 15 &&
		   after.bytes_in >= before.bytes_in + 15,
	   "all of it was counted");
}

static void test_ranges(const struct conform *c)
{
	static const struct {
		uint64_t offset, length;
		int code;
		const char *want;
	} cases[] = {
		{ 0, 0, 0, "0123456789" },
		{ 0, 10, 0, "0123456789" },
		{ 0, 3, 0, "012" },
		{ 4, 3, 0, "456" },
		{ 9, 1, 0, "9" },
		{ 7, 100, 0, "789" },
		{ 0, 100, 0, "0123456789" },
		{ 4, 0, 0, "456789" },
		{ 9, 0, 0, "9" },
		{ 10, 0, -ERANGE, "" },
		{ 10, 1, -ERANGE, "" },
		{ 100, 1, -ERANGE, "" },
	};
	struct buf out = BUF_INIT(8);
	char etag[STORE_ETAG_MAX] = "";

	is_int(put(c, "range", "0123456789", NULL, false, etag), 0, "PUT");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b = BUF_INIT(100);
		int r;

		(void)buf_add_str(&b, "<");
		r = get_range(c, "range", cases[i].offset, cases[i].length,
			      etag, &b);
		ok(r == cases[i].code && !strcmp(b.data + 1, cases[i].want),
		   "range %d+%d: %d '%s'", (int)cases[i].offset,
		   (int)cases[i].length, r, b.data);
		buf_done(&b);
	}
	is_int(get_range(c, "range", 2, 3, "0123456789abcdef", &out), -ESTALE,
	       "of another version");
	(void)buf_add_str(&out, "ab");
	is_int(get_range(c, "range", 0, 0, NULL, &out), -EFBIG,
	       "above the ceiling");
	ok(out.len == 2 && !memcmp(out.data, "ab", 2), "what was there stays");
	is_int(get_range(c, "range", 0, 6, NULL, &out), 0, "up to it");
	is_int(out.len, 8, "appended");
	buf_done(&out);
}

static bool has_mtime(const struct conform *c, const char *name, int64_t ns,
		      mode_t mode, const char *custom)
{
	struct store_req req;
	struct meta_posix p;
	const char *value;
	bool good;

	if (head(c, &req, name, NULL)) {
		store_req_done(&req);
		return false;
	}
	meta_to_posix(&p, &req.meta_out);
	value = meta_get(&req.meta_out, "custom");
	good = p.has_mtime && p.mtime_ns == ns && p.has_mode &&
	       p.mode == mode && p.has_uid && p.uid == getuid() &&
	       (custom ? value && !strcmp(value, custom) : !value);
	store_req_done(&req);
	return good;
}

static void test_meta(const struct conform *c)
{
	struct meta_posix p = { .has_mode = true,
				.mode = S_IFREG | 0640,
				.has_uid = true,
				.uid = getuid(),
				.has_gid = true,
				.gid = getgid(),
				.has_mtime = true,
				.mtime_ns = 1234567890123456789 };
	struct meta m, other;
	struct store_req req;

	meta_init(&m);
	meta_init(&other);
	(void)meta_from_posix(&m, &p);
	(void)meta_set(&m, "custom", "some value");
	is_int(put(c, "meta", "content", &m, false, NULL), 0, "PUT with meta");
	ok(has_mtime(c, "meta", p.mtime_ns, p.mode, "some value"),
	   "HEAD returns all of it");
	is_int(copy(c, "meta", "meta-copy", NULL, NULL), 0, "COPY");
	ok(has_mtime(c, "meta-copy", p.mtime_ns, p.mode, "some value"),
	   "keeps it");
	ok(holds(c, "meta-copy", "content"), "and the content");
	p.mode = S_IFREG | 0600;
	p.mtime_ns = -1500000000;
	(void)meta_from_posix(&other, &p);
	is_int(copy(c, "meta", "meta-copy", &other, NULL), 0, "COPY with meta");
	ok(has_mtime(c, "meta-copy", p.mtime_ns, p.mode, NULL), "replaces it");
	is_int(copy(c, "meta", "meta", &other, NULL), 0, "COPY onto itself");
	ok(has_mtime(c, "meta", p.mtime_ns, p.mode, NULL), "replaces it");
	ok(holds(c, "meta", "content"), "and keeps the content");
	is_int(copy(c, "meta", "meta-copy", NULL, "0123456789abcdef"), -ESTALE,
	       "COPY of another version");
	is_int(copy(c, "nothing", "meta-copy", NULL, NULL), -ENOENT,
	       "COPY of nothing");

	meta_done(&other);
	p.mode = S_IFDIR | 0750;
	(void)meta_from_posix(&other, &p);
	is_int(put(c, "dir/", "", &other, false, NULL), 0, "PUT of dir/");
	ok(has_mtime(c, "dir/", p.mtime_ns, p.mode, NULL), "has its meta");
	is_int(head_only(c, "dir"), -ENOENT, "dir is another key");
	is_int(delete (c, "dir/"), 0, "DELETE of dir/");
	is_int(head_only(c, "dir/"), -ENOENT, "gone");

	meta_done(&other);
	p.mode = S_IFLNK | 0777;
	(void)meta_from_posix(&other, &p);
	is_int(put(c, "link", "../some/target", &other, false, NULL), 0,
	       "PUT of a symlink");
	ok(has_mtime(c, "link", p.mtime_ns, p.mode, NULL), "has its meta");
	ok(holds(c, "link", "../some/target"), "is its target");
	is_int(head(c, &req, "link", NULL), 0, "HEAD of it");
	is_int(req.object.size, 14, "of its length");
	store_req_done(&req);
	is_int(copy(c, "link", "link2", NULL, NULL), 0, "COPY of it");
	ok(has_mtime(c, "link2", p.mtime_ns, p.mode, NULL), "is a symlink");
	meta_done(&other);
	meta_done(&m);
}

static void test_reserved(const struct conform *c)
{
	struct store_list l;
	struct store_req req;

	store_list_init(&l);
	is_int(put(c, "res/.assetfs-tree-0123456789abcdef", "t", NULL, true,
		   NULL),
	       0, "PUT of a reserved name");
	is_int(head(c, &req, "res/", NULL), -ENOENT, "makes no directory");
	store_req_done(&req);
	is_int(list_all(c, "res", NULL, NULL, 0, &l), 0, "list it");
	ok(l.count == 1 &&
		   find(&l, at(c, "res/.assetfs-tree-0123456789abcdef")),
	   "is a key, and the only one");
	store_list_done(&l);
	is_int(list_all(c, "res", "/", NULL, 0, &l), 0, "list flat");
	ok(l.count == 1 && l.entries[0].is_prefix, "as a prefix");
	store_list_done(&l);
	is_int(put(c, "res/file", "f", NULL, false, NULL), 0, "PUT beside it");
	is_int(head(c, &req, "res/", NULL), -ENOENT, "makes no object either");
	store_req_done(&req);
}

/* Keys that a tree of files has no room for: taken and kept, or refused. */
static void test_bad_keys(const struct conform *c)
{
	static const char *const keys[] = { "x//y",   "./x",   "../x",
					    "x/../y", "x/./y", "/x" };
	char long_name[400], long_key[1100];
	int r;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		r = put(c, keys[i], "bad", NULL, false, NULL);
		ok(r == -EILSEQ || (!r && holds(c, keys[i], "bad")),
		   "key '%s': %d", keys[i], r);
		if (!r)
			(void)delete (c, keys[i]);
	}
	memset(long_name, 'n', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	r = put(c, long_name, "long", NULL, false, NULL);
	ok(r == -ENAMETOOLONG || (!r && holds(c, long_name, "long")),
	   "a name of 399 bytes: %d", r);
	memset(long_key, 'k', sizeof(long_key));
	for (size_t i = 100; i < sizeof(long_key); i += 100)
		long_key[i] = '/';
	long_key[sizeof(long_key) - 1] = '\0';
	is_int(put(c, long_key, "long", NULL, false, NULL), -ENAMETOOLONG,
	       "a key of more than 1024 bytes");
}

/* ---- many at once ------------------------------------------------------ */

struct crowd {
	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	pthread_cond_t wake;
	int waiting;
	int codes[MANY];
	int completions[MANY];
	struct store_req reqs[MANY];
};

static void crowd_done(struct store_req *req)
{
	struct crowd *w = req->arg;
	size_t i = (size_t)(req - w->reqs);

	LOCK_SCOPE(&w->lock);
	w->codes[i] = req->err.code;
	w->completions[i]++;
	w->waiting--;
	pthread_cond_signal(&w->wake);
}

static struct crowd *crowd_open(int count)
{
	struct crowd *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	lock_init(&w->lock, LOCK_RANK_BASE);
	cond_init(&w->wake);
	w->waiting = count;
	return w;
}

static void crowd_wait(struct crowd *w)
{
	LOCK_SCOPE(&w->lock);
	while (w->waiting > 0)
		cond_wait(&w->wake, &w->lock);
}

static void crowd_free(struct crowd *w, int count)
{
	for (int i = 0; i < count; i++)
		store_req_done(&w->reqs[i]);
	(void)pthread_cond_destroy(&w->wake);
	lock_done(&w->lock);
	free(w);
}

static void test_race(const struct conform *c)
{
	char key[256], bodies[16][24];

	for (int round = 0; round < 5; round++) {
		struct crowd *w = crowd_open(16);
		int winners = 0, losers = 0, winner = 0;

		(void)snprintf(key, sizeof(key), "%srace%d", c->prefix, round);
		for (int i = 0; i < 16; i++) {
			struct store_req *req = &w->reqs[i];

			(void)snprintf(bodies[i], sizeof(bodies[i]), "body %d",
				       i);
			store_req_init(req, STORE_PUT, key);
			req->body = bodies[i];
			req->body_len = strlen(bodies[i]);
			req->if_absent = true;
			req->done = crowd_done;
			req->arg = w;
			store_submit(c->store, req);
		}
		crowd_wait(w);
		for (int i = 0; i < 16; i++) {
			winners += !w->codes[i];
			losers += w->codes[i] == -EEXIST;
			winner = w->codes[i] ? winner : i;
		}
		ok(winners == 1 && losers == 15 &&
			   holds(c, key + strlen(c->prefix), bodies[winner]),
		   "round %d: one of 16 wins (%d, %d lost)", round, winners,
		   losers);
		crowd_free(w, 16);
	}
}

static void test_cancel(const struct conform *c)
{
	struct crowd *w = crowd_open(MANY);
	static char body[1 << 16];
	char keys[MANY][256];
	bool good = true;
	int cancelled = 0;

	for (int i = 0; i < MANY; i++) {
		struct store_req *req = &w->reqs[i];

		(void)snprintf(keys[i], sizeof(keys[i]), "%scancel%d",
			       c->prefix, i);
		store_req_init(req, STORE_PUT, keys[i]);
		req->priority = (enum store_priority)(i % 3);
		req->body = body;
		req->body_len = sizeof(body);
		req->done = crowd_done;
		req->arg = w;
		store_submit(c->store, req);
	}
	for (int i = MANY - 1; i >= 0; i -= 2)
		store_cancel(c->store, &w->reqs[i]);
	crowd_wait(w);
	for (int i = 0; i < MANY; i++) {
		good = good && w->completions[i] == 1 &&
		       (!w->codes[i] || (i % 2 && w->codes[i] == -ECANCELED));
		cancelled += w->codes[i] == -ECANCELED;
	}
	ok(good, "each completes once, as asked (%d cancelled)", cancelled);
	crowd_free(w, MANY);
}

/* The last test of a store. */
static void test_stop(const struct conform *c)
{
	struct crowd *w = crowd_open(MANY);
	struct store_req req;
	char keys[MANY][256];
	bool good = true;

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "%sstop%d", c->prefix,
			       i);
		store_req_init(&w->reqs[i], STORE_DELETE, keys[i]);
		w->reqs[i].tidies = i % 2;
		w->reqs[i].done = crowd_done;
		w->reqs[i].arg = w;
		store_submit(c->store, &w->reqs[i]);
	}
	store_stop(c->store);
	crowd_wait(w);
	for (int i = 0; i < MANY; i++)
		good = good && w->completions[i] == 1 &&
		       (!w->codes[i] ||
			(w->codes[i] == -ECANCELED && i % 2 == 0));
	ok(good, "each completes once; what tidies, well");
	crowd_free(w, MANY);
	is_int(head_only(c, "stop"), -ECANCELED, "nothing is asked any more");
	store_req_init(&req, STORE_DELETE, at(c, "stop"));
	req.tidies = true;
	is_int(run(c, &req), 0, "but to tidy up");
	store_req_done(&req);
}

static void test_delete_many(const struct conform *c)
{
	const char *keys[MANY];
	char names[MANY][256];
	struct store_req req;
	struct store_list l;
	bool good = true;

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%smany/&<%d>",
			       c->prefix, i);
		keys[i] = names[i];
		if (i % 4)
			good = !put(c, names[i] + strlen(c->prefix), "x", NULL,
				    false, NULL) &&
			       good;
	}
	ok(good, "PUT many");
	store_req_init(&req, STORE_DELETE_MANY, "");
	req.keys = keys;
	req.key_count = MANY;
	is_int(run(c, &req), 0, "DELETE many, some of them absent");
	store_req_done(&req);
	store_list_init(&l);
	is_int(list_all(c, "many/&", NULL, NULL, 0, &l), 0, "list");
	is_int(l.count, 0, "none is left");
	store_list_done(&l);
}

/* ---- multipart --------------------------------------------------------- */

static char *upload_start(const struct conform *c, const char *name,
			  const struct meta *m)
{
	struct store_req req;
	char *id = NULL;

	store_req_init(&req, STORE_UPLOAD_START, at(c, name));
	req.meta = m;
	if (!run(c, &req) && req.upload_id_out)
		id = strdup(req.upload_id_out);
	store_req_done(&req);
	return id;
}

static int upload_part(const struct conform *c, const char *name,
		       const char *id, uint32_t number, const void *body,
		       size_t len, struct store_part *part)
{
	struct store_req req;
	int r;

	store_req_init(&req, STORE_UPLOAD_PART, at(c, name));
	req.upload_id = id;
	req.part_number = number;
	req.body = body;
	req.body_len = len;
	r = run(c, &req);
	part->number = number;
	memcpy(part->etag, req.object.etag, sizeof(part->etag));
	store_req_done(&req);
	return r;
}

static int upload_end(const struct conform *c, enum store_op op,
		      const char *name, const char *id,
		      const struct store_part *parts, size_t count,
		      bool if_absent)
{
	struct store_req req;
	int r;

	store_req_init(&req, op, at(c, name));
	req.upload_id = id;
	req.parts = parts;
	req.part_count = count;
	req.if_absent = if_absent;
	r = run(c, &req);
	store_req_done(&req);
	return r;
}

static void test_upload(const struct conform *c)
{
	struct meta_posix p = { .has_mode = true,
				.mode = S_IFREG | 0604,
				.has_uid = true,
				.uid = getuid(),
				.has_mtime = true,
				.mtime_ns = 77000000001 };
	size_t len = STORE_PART_MIN;
	char *body = malloc(2 * len);
	struct buf out = BUF_INIT(CONTENT_MAX);
	struct store_part parts[3], bad;
	struct meta m;
	char *id, *second;
	bool good;

	if (!body)
		abort();
	random_bytes(body, 2 * len);
	meta_init(&m);
	(void)meta_from_posix(&m, &p);
	id = upload_start(c, "mp/big", &m);
	ok(id && *id, "start");
	/* Out of order, and one of them twice: the last one counts. */
	good = !upload_part(c, "mp/big", id, 9, "!", 1, &parts[2]) &&
	       !upload_part(c, "mp/big", id, 4, body, len, &parts[1]) &&
	       !upload_part(c, "mp/big", id, 1, body, len, &parts[0]) &&
	       !upload_part(c, "mp/big", id, 4, body + len, len, &parts[1]);
	ok(good, "parts");
	is_int(head_only(c, "mp/big"), -ENOENT, "nothing is visible");
	bad = parts[1];
	parts[1].etag[0] = parts[1].etag[0] == '0' ? '1' : '0';
	ok(upload_end(c, STORE_UPLOAD_FINISH, "mp/big", id, parts, 3, false),
	   "finish with a wrong ETag");
	parts[1] = bad;
	is_int(upload_end(c, STORE_UPLOAD_FINISH, "mp/big", id, parts, 3, true),
	       0, "finish, if absent");
	is_int(get_range(c, "mp/big", 0, 0, NULL, &out), 0, "GET");
	ok(out.len == 2 * len + 1 && !memcmp(out.data, body, 2 * len) &&
		   out.data[2 * len] == '!',
	   "all bytes");
	ok(has_mtime(c, "mp/big", p.mtime_ns, p.mode, NULL), "its meta");
	second = upload_start(c, "mp/big", NULL);
	good = second &&
	       !upload_part(c, "mp/big", second, 1, "small", 5, &parts[0]);
	ok(good, "another upload of the key");
	/* Some servers do not look at the condition here. */
	good = upload_end(c, STORE_UPLOAD_FINISH, "mp/big", second, parts, 1,
			  true) == -EEXIST;
	if (!good)
		printf("# the server ignores if_absent when finishing\n");
	if (good)
		is_int(upload_end(c, STORE_UPLOAD_FINISH, "mp/big", second,
				  parts, 1, false),
		       0, "finish over the first");
	ok(holds(c, "mp/big", "small"), "is there");
	free(second);
	second = upload_start(c, "mp/other", NULL);
	is_int(upload_end(c, STORE_UPLOAD_ABORT, "mp/other", second, NULL, 0,
			  false),
	       0, "abort");
	is_int(upload_part(c, "mp/other", second, 1, "x", 1, &bad), -ENOENT,
	       "a part of an aborted one");
	is_int(head_only(c, "mp/other"), -ENOENT, "made nothing");
	free(second);
	free(id);
	free(body);
	meta_done(&m);
	buf_done(&out);
}

/* ---- main -------------------------------------------------------------- */

static void clean(const struct conform *c)
{
	/* Backwards, so that directories are empty when their turn comes; again
	 * for those that only then count as keys. */
	for (int i = 0; i < 3; i++) {
		struct store_list l;

		store_list_init(&l);
		(void)list_all(c, "", NULL, NULL, 0, &l);
		for (size_t k = l.count; k-- > 0;)
			(void)delete (c, l.entries[k].key + strlen(c->prefix));
		store_list_done(&l);
	}
}

static int open_source(struct conform *c, const char *text, struct err *e)
{
	struct source_options o;
	struct source s;
	uint64_t id;
	int r;

	random_bytes(&id, sizeof(id));
	source_options_init(&o);
	r = source_open(&s, text, &o, e);
	source_options_done(&o);
	if (r)
		return r;
	(void)snprintf(c->prefix, sizeof(c->prefix), "%.80sconform-%016llx/",
		       s.prefix, (unsigned long long)id);
	free(s.prefix);
	c->store = s.store;
	return 0;
}

int main(int argc, char **argv)
{
	struct conform c = { .store = NULL };
	struct err e = { .code = 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: store_conform SOURCE\n");
		return 2;
	}
	if (open_source(&c, argv[1], &e)) {
		fprintf(stderr, "store_conform: %s\n", e.text);
		return 2;
	}
	test_list(&c);
	test_basics(&c);
	test_ranges(&c);
	test_meta(&c);
	test_reserved(&c);
	test_bad_keys(&c);
	test_race(&c);
	test_cancel(&c);
	test_delete_many(&c);
	test_upload(&c);
	clean(&c);
	test_stop(&c);
	store_free(c.store);
	return tap_done();
}
