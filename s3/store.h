/*
 * The store seam: requests to an object store, whatever is behind it.
 *
 * A request is a value: the submitter fills in what to do, submits it, and
 * finds the answer in the same structure when `done` is called. One request is
 * one operation of the S3 API; implementations repeat it as they see fit (see
 * below) and report the final outcome.
 *
 * Completion: `done` is called exactly once for each submitted request, also
 * after store_cancel, on any thread, with no lock held. It must not block on
 * the network or on another request; it may submit new ones. The submitter owns
 * the request and everything it points to, keeps all of it valid until then,
 * and may free or reuse it inside `done`.
 *
 * Keys are bytes without NUL, relative to the bucket's root, not encoded, at
 * most STORE_KEY_MAX of them.
 *
 * Errors (in err.code; the text names operation, key and the server's words):
 *   -ENOENT     no such object (a true 404, never a failed look-up) or upload
 *   -ENXIO      no such bucket, or for file:// no such directory
 *   -EACCES     the credentials or permissions do not allow it
 *   -ESTALE     if_match did not hold
 *   -EEXIST     if_absent did not hold, or an UPLOAD_FINISH with it raced. Where
 *               nobody could look (the text says so), or a server in between
 *               repeats requests, the object may be one's own.
 *   -ERANGE     the range starts beyond the object's end
 *   -ENAMETOOLONG, -EILSEQ  a key this store cannot hold
 *   -EISDIR, -ENOTDIR  only of directories as stores: a directory stands at the
 *               key, or a file above it
 *   -EFBIG      answer larger than the ceiling of `out`
 *   -ETIMEDOUT  the deadline passed; the last failure is in the text
 *   -EIO        everything else that repeating did not mend
 *   -ECANCELED  cancelled, or the store was stopped; whether it took effect is
 *               unknown
 *   -ENOSPC, -EROFS, -ENOMEM  as usual
 *
 * Repeating: GET, HEAD, LIST, plain PUT, COPY, DELETE, parts and aborts are
 * idempotent and repeated on network failures, 5xx, SlowDown and the like until
 * the deadline, with jittered back-off. So are a PUT with if_absent, a COPY with
 * if_match and STORE_UPLOAD_FINISH: when an answer was lost, and the repetition
 * is refused for what the first attempt may have done, the store looks at the
 * object and reports success where it is its own. A DELETE of an absent key is a
 * success. STORE_UPLOAD_START is repeated as well, and may leave an upload behind
 * that nobody knows the id of. A failure whose text ends in "… all the same" may
 * have taken effect.
 *
 * Threads: any thread may submit and cancel. store_free waits for running
 * requests (cancelled by it) and must not be called from `done`.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/err.h"
#include "s3/base/list.h"
#include "s3/base/lock.h"
#include "s3/creds.h"
#include "s3/meta.h"

#define STORE_KEY_MAX 1024
#define STORE_ETAG_MAX 128
#define STORE_LIST_PAGE 1000
#define STORE_PART_MIN (5u << 20) /* bytes, except the last part */
#define STORE_PARTS_MAX 10000
#define STORE_DELETE_MANY_MAX 1000

enum store_op {
	STORE_GET,
	STORE_HEAD,
	STORE_PUT,
	STORE_LIST, /* one page */
	STORE_COPY, /* within the bucket, at most 5 GiB */
	STORE_DELETE,
	STORE_DELETE_MANY, /* up to STORE_DELETE_MANY_MAX keys */
	STORE_UPLOAD_START, /* multipart: create, */
	STORE_UPLOAD_PART, /* part, */
	STORE_UPLOAD_FINISH, /* complete, */
	STORE_UPLOAD_ABORT, /* abort */
	STORE_CONFIG, /* how the bucket is set up; see s3/bucket.h */
	STORE_OP_COUNT
};

/* Upper-case word for logs and summaries: "GET", "LIST", … */
const char *store_op_name(enum store_op op);

/* Foreground goes before prefetch before background. */
enum store_priority {
	STORE_FOREGROUND,
	STORE_PREFETCH,
	STORE_BACKGROUND,
	STORE_PRIORITY_COUNT
};

struct store_object {
	uint64_t size; /* bytes of the whole object */
	int64_t modified_s; /* LastModified, epoch seconds */
	char etag[STORE_ETAG_MAX]; /* without quotes; opaque */
};

struct store_list_entry {
	char *key; /* owned by the list; NUL-terminated */
	size_t key_len; /* bytes */
	bool is_prefix; /* a CommonPrefix: only key counts */
	struct store_object object;
};

/* One page; objects and common prefixes merged, in byte order of keys. */
struct store_list {
	struct store_list_entry *entries; /* owned */
	size_t count;
	bool truncated;
	char *next; /* continuation token if truncated; owned */
};

void store_list_init(struct store_list *l);
void store_list_done(struct store_list *l);
/* Appends a copy; for implementations. -ENOMEM. */
int store_list_add(struct store_list *l, const char *key, size_t key_len,
		   bool is_prefix, const struct store_object *object);

struct store_part {
	uint32_t number; /* 1 … STORE_PARTS_MAX */
	char etag[STORE_ETAG_MAX];
};

struct store_req {
	/* Filled in by the submitter; zero means absent. */
	enum store_op op;
	enum store_priority priority;
	const char *key; /* LIST: the prefix; CONFIG: "versioning" or
			    "lifecycle" */
	/* In all, with repetitions; at most, and with 0, the store's, which
	 * does not count while this process is stopped or the machine
	 * suspended. */
	uint32_t timeout_ms;
	bool tidies; /* clears up after what was broken off: store_stop lets it
			be; wants a short timeout_ms */
	void (*done)(struct store_req *req);
	void *arg; /* the submitter's */

	/* GET: [offset, offset + length), length 0 for all from offset on. A
	 * range that reaches past the end yields what is there. */
	uint64_t offset;
	uint64_t length;
	struct buf *
		out; /* GET, CONFIG: content is appended; its ceiling holds; left as it
			    was on failure */
	const char
		*if_match; /* GET, HEAD, COPY (the source): ETag, no quotes */

	/* PUT, UPLOAD_PART */
	const void *body;
	size_t body_len;
	/* So many bytes of the body have left this machine; back to fewer where
	 * it is sent anew. About once a second, on a thread of the store that must
	 * not be held up; never after `done`. NULL: nobody cares; a store
	 * without a network never calls it. */
	void (*moved)(struct store_req *req, size_t bytes);
	/* PUT, COPY, UPLOAD_START: metadata to store; COPY without it keeps the
	 * source's */
	const struct meta *meta;
	const char *content_type;
	/* PUT, UPLOAD_FINISH: only if no object stands there */
	bool if_absent;

	const char *source; /* COPY: source key */

	/* LIST */
	const char *delimiter; /* "/" or NULL */
	const char *start_after; /* NULL or a key */
	const char *continuation; /* token of the page before, or NULL */
	uint32_t max_keys; /* 0: STORE_LIST_PAGE */

	/* DELETE_MANY */
	const char *const *keys;
	size_t key_count;
	/* On partial failure err tells of the first; the rest may be gone. */

	/* UPLOAD_* */
	const char *upload_id;
	uint32_t part_number;
	const struct store_part *parts;
	size_t part_count;

	/* Filled in by the store. */
	struct err err; /* err.code 0: success */
	struct store_object object; /* GET, HEAD, PUT (etag), UPLOAD_FINISH,
				       UPLOAD_PART (etag) */
	struct meta meta_out; /* GET, HEAD; freed by store_req_done */
	struct store_list list; /* LIST; freed by store_req_done */
	char *upload_id_out; /* UPLOAD_START; freed by store_req_done */
	int64_t date_s; /* the store's clock at the reply; 0 unknown */
	bool versioned; /* the reply bore a version id */

	/* Private to the store. */
	struct list link;
	void *impl;
};

/* Zeroes, and readies the answer fields. */
void store_req_init(struct store_req *req, enum store_op op, const char *key);
/* Frees the answer fields; the request can be initialised again. */
void store_req_done(struct store_req *req);
#define CLEANUP_REQ __attribute__((cleanup(store_req_done)))

/* What was asked of the store so far; every attempt counts, as it is billed. What
 * curl sends by itself again, when a kept connection turns out to be dead, is one
 * with the first. */
struct store_counts {
	uint64_t requests[STORE_OP_COUNT];
	uint64_t bytes_in; /* content received */
	uint64_t bytes_out; /* content sent */
	uint64_t retries;
};

/* What there is to tell people of an S3 server. */
struct store_about {
	char endpoint
		[256]; /* "https://host:port" that the bucket is asked at */
	char region[64]; /* that is signed for, as learned by now */
	bool anonymous;
	struct creds_about keys; /* unless anonymous */
};

struct store;

struct store_ops {
	void (*submit)(struct store *s, struct store_req *req);
	/* Asks that the request complete soon; harmless if it has. The caller
	 * makes sure that it has not been freed. */
	void (*cancel)(struct store *s, struct store_req *req);
	/* As store_stop. */
	void (*stop)(struct store *s);
	/* May be NULL. */
	void (*expect)(struct store *s, unsigned int count);
	/* NULL where there is nothing to tell. */
	void (*about)(struct store *s, struct store_about *ret_about);
	void (*free)(struct store *s);
};

/* The head of each implementation's structure. */
struct store {
	const struct store_ops *ops;
	char *name; /* for messages: "s3://bucket at http://…"; owned */
	uint32_t bucket_id[4]; /* hash of endpoint and bucket: names what is
				  remembered per bucket; set at open */
	bool utf8_keys; /* it holds no key that is not UTF-8; set at open */
	/* Written by implementations, atomically. */
	_Atomic uint64_t requests[STORE_OP_COUNT];
	_Atomic uint64_t bytes_in, bytes_out, retries;
	/* The store's clock, from the last reply; see store_note_date. */
	_Atomic int64_t date_offset_ms; /* its Date minus clock_now_ms */
	_Atomic uint64_t date_at_ms; /* clock_now_ms when it came; 0: never */
};

void store_submit(struct store *s, struct store_req *req);
void store_cancel(struct store *s, struct store_req *req);
/*
 * Nobody wants to wait any more: what is under way ends soon as -ECANCELED, and
 * so does all that is submitted from now on, but for what `tidies`. Threads:
 * any.
 */
void store_stop(struct store *s);
/* A hint that about `count` requests will come at once, after an answer that is
 * awaited now: their connections may be opened meanwhile. Asks nothing of the
 * server. */
void store_expect(struct store *s, unsigned int count);
/* One who waits for a request. */
struct store_wait {
	struct lock lock; /* LOCK_RANK_BASE */
	/* guarded by lock: */
	pthread_cond_t wake;
	bool finished;
};
/*
 * Submits a request that will be waited for; req->done and arg are used by it.
 * store_await has to follow; it returns err.code and copies the error to `e`.
 * Not from a completion.
 */
void store_begin(struct store *s, struct store_req *req, struct store_wait *w);
int store_await(struct store_req *req, struct store_wait *w, struct err *e);
/* Both. */
int store_run(struct store *s, struct store_req *req, struct err *e);
void store_counts(const struct store *s, struct store_counts *out);
/* Adds what was asked of another store. */
void store_counts_add(struct store_counts *to, const struct store_counts *from);
/*
 * The store's clock in epoch seconds: the Date of its last reply plus the time
 * passed since. -EAGAIN when no reply is younger than max_age_ms: make a
 * request and ask again.
 */
int store_now(const struct store *s, uint32_t max_age_ms, int64_t *ret_s);
/* False, and nothing told, for a store that is no server. */
bool store_about(struct store *s, struct store_about *ret_about);
/* For implementations: notes the Date of a reply that just came. */
void store_note_date(struct store *s, int64_t date_s);
void store_free(struct store *s); /* NULL is accepted */
DEFINE_CLEANUP(struct store *, store_free)
