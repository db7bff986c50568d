/*
 * store_conform SOURCE: whether a store does what s3/store.h promises, one
 * request after the other.
 *
 * Works below a prefix of its own, which it empties at the end. Where servers
 * legitimately differ, each allowed behaviour is named beside its check.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/clock.h"
#include "tests/conform/requests.h"

/* ---- listings ---------------------------------------------------------- */

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

int main(int argc, char **argv)
{
	struct conform c = { .store = NULL };

	conform_open(&c, argc, argv);
	test_list(&c);
	test_basics(&c);
	test_ranges(&c);
	test_meta(&c);
	test_reserved(&c);
	test_bad_keys(&c);
	test_delete_many(&c);
	test_upload(&c);
	conform_clean(&c);
	store_free(c.store);
	return tap_done();
}
