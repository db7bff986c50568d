/*
 * Requests of a store, one at a time, below a prefix of the run's own.
 *
 * Threads: one. Include it in one file only.
 */
#ifndef TESTS_CONFORM_REQUESTS_H
#define TESTS_CONFORM_REQUESTS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/source.h"
#include "s3/store.h"
#include "tests/unit/tap.h"

#define CONTENT_MAX (32u << 20)
#define MANY 40

struct conform {
	struct store *store;
	char prefix[128]; /* ends in "/" */
};

/* The full key of a name, in one of a few rotating buffers. */
static inline const char *at(const struct conform *c, const char *name)
{
	static char keys[8][2048];
	static int turn;
	char *key = keys[turn++ % 8];

	(void)snprintf(key, sizeof(keys[0]), "%s%s", c->prefix, name);
	return key;
}

static inline int run(const struct conform *c, struct store_req *req)
{
	struct err e = { .code = 0 };
	int r = store_run(c->store, req, &e);

	if (r && r != -ENOENT && r != -EEXIST && r != -ESTALE && r != -ERANGE)
		printf("# %d: %s\n", r, e.text);
	return r;
}

static inline int put(const struct conform *c, const char *name,
		      const char *body, const struct meta *m, bool if_absent,
		      char *ret_etag)
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

static inline int get_range(const struct conform *c, const char *name,
			    uint64_t offset, uint64_t length,
			    const char *if_match, struct buf *out)
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

static inline bool holds(const struct conform *c, const char *name,
			 const char *body)
{
	struct buf out = BUF_INIT(CONTENT_MAX);
	int r = get_range(c, name, 0, 0, NULL, &out);
	bool same = !r && out.len == strlen(body) &&
		    !memcmp(out.data ? out.data : "", body, out.len);

	buf_done(&out);
	return same;
}

/* HEAD; the caller does store_req_done. */
static inline int head(const struct conform *c, struct store_req *req,
		       const char *name, const char *if_match)
{
	store_req_init(req, STORE_HEAD, at(c, name));
	req->if_match = if_match;
	return run(c, req);
}

static inline int head_only(const struct conform *c, const char *name)
{
	struct store_req req;
	int r = head(c, &req, name, NULL);

	store_req_done(&req);
	return r;
}

static inline int delete (const struct conform *c, const char *name)
{
	struct store_req req;
	int r;

	store_req_init(&req, STORE_DELETE, at(c, name));
	r = run(c, &req);
	store_req_done(&req);
	return r;
}

static inline int copy(const struct conform *c, const char *from,
		       const char *to, const struct meta *m,
		       const char *if_match)
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

/* All pages; names without the run's prefix, a common prefix as "name/ P". */
static inline int list_all(const struct conform *c, const char *prefix,
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

static inline int open_source(struct conform *c, const char *text,
			      struct err *e)
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

/* For main, with its arguments: the store of the one SOURCE; ends the program
 * where there is none. */
static inline void conform_open(struct conform *c, int argc, char **argv)
{
	struct err e = { .code = 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: %s SOURCE\n", argv[0]);
		exit(2);
	}
	if (open_source(c, argv[1], &e)) {
		fprintf(stderr, "%s: %s\n", argv[0], e.text);
		exit(2);
	}
}

/* Removes what the run put. */
static inline void conform_clean(const struct conform *c)
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

#endif
