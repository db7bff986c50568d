/*
 * fault_table SOURCE SERVER-URL PROXY-URL FAULTS-FILE reads|writes|uploads
 * [FAULT]: each scripted fault of tests/proxy, or those that begin with FAULT, on
 * each kind of request that reads, that writes, or that belongs to an upload in
 * parts. FAULTS-FILE is that of the proxy at PROXY-URL, which stands before the
 * server.
 *
 * A cell of the table says how the operation must end, and after how many
 * requests: "ok2", or the errno and the number, "EACCES1"; a "+" allows more.
 * "-" where the fault cannot be told from the truth. Afterwards what the server
 * really holds is looked at past the proxy: an operation that succeeded has
 * been done, one that failed has not, unless it says that it may have been. Who
 * is told EEXIST or ENOENT finds it so.
 *
 * Writes TAP.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/source.h"
#include "s3/store.h"
#include "tests/unit/tap.h"

enum column {
	GET,
	RANGE, /* a part of the object */
	HEAD,
	LIST,
	PUT, /* over another object */
	NEW, /* a PUT with if_absent */
	COPY,
	DEL,
	MANY,
	START,
	PART,
	FINISH,
	ABORT,
	COLUMNS
};

static const struct {
	const char *name;
	enum store_op op;
	const char *kind; /* the proxy's word */
} columns[COLUMNS] = {
	[GET] = { "GET", STORE_GET, "GET" },
	[RANGE] = { "ranged GET", STORE_GET, "GET" },
	[HEAD] = { "HEAD", STORE_HEAD, "HEAD" },
	[LIST] = { "LIST", STORE_LIST, "LIST" },
	[PUT] = { "PUT", STORE_PUT, "PUT" },
	[NEW] = { "conditional PUT", STORE_PUT, "PUT" },
	[COPY] = { "COPY", STORE_COPY, "COPY" },
	[DEL] = { "DELETE", STORE_DELETE, "DELETE" },
	[MANY] = { "DELETE_MANY", STORE_DELETE_MANY, "DELETE_MANY" },
	[START] = { "UPLOAD_START", STORE_UPLOAD_START, "MP_CREATE" },
	[PART] = { "UPLOAD_PART", STORE_UPLOAD_PART, "MP_PART" },
	[FINISH] = { "UPLOAD_FINISH", STORE_UPLOAD_FINISH, "MP_COMPLETE" },
	[ABORT] = { "UPLOAD_ABORT", STORE_UPLOAD_ABORT, "MP_ABORT" },
};

enum when {
	FRESH, /* the first request on its connection */
	KEPT, /* the one after an innocent HEAD */
	AFTER, /* an innocent one, after a HEAD with the fault */
};

/* One word for each column, in their order; a single one is for all. */
static const struct row {
	const char *nth; /* which requests of the kind */
	const char *fault;
	enum when when;
	const char *reads; /* GET to LIST */
	const char *writes; /* PUT to ABORT */
} rows[] = {
	{ "1", "status 500 InternalError", FRESH, "ok2", "ok2" },
	{ "1", "status 502 BadGateway", FRESH, "ok2", "ok2" },
	{ "1", "status 503 SlowDown", FRESH, "ok2", "ok2" },
	{ "1", "status 429 TooManyRequests", FRESH, "ok2", "ok2" },
	/* A bare 400 may mean anything. */
	{ "1", "status 400 RequestTimeout", FRESH, "ok2 ok2 EIO1 ok2", "ok2" },
	{ "1", "status 400 IncompleteBody", FRESH, "ok2 ok2 EIO1 ok2", "ok2" },
	{ "1", "status 409 OperationAborted", FRESH, "ok2", "ok2" },
	{ "1", "status 409 InvalidBucketState", FRESH, "EIO1 EIO1 ok2 EIO1",
	  "EIO1" },
	{ "1", "403", FRESH, "EACCES1", "EACCES1" },
	{ "1", "ok-error InternalError", FRESH, "ok2", "ok2" },
	{ "1", "ok-error SlowDown", FRESH, "ok2", "ok2" },
	{ "1", "key-error InternalError", FRESH, "-", "- - - - ok2 - - - -" },
	{ "1", "key-error AccessDenied", FRESH, "-",
	  "- - - - EACCES1 - - - -" },
	{ "1", "ok-error AccessDenied", FRESH, "EACCES1 EACCES1 ok2 EACCES1",
	  "EACCES1" },
	{ "1", "cut-before", FRESH, "ok2", "ok2" },
	{ "1", "cut-before", KEPT, "ok1", "ok1" },
	/* One more is a look at who stands there. This server takes the end of
	 * an upload a second time. */
	{ "1", "lose-answer", FRESH, "ok2",
	  "ok2 ok3 ok2 ok2 ok2 ok2 ok2 ok2 ok2" },
	/* curl sends by itself again what a kept connection ends on. */
	{ "1", "lose-answer", KEPT, "ok1",
	  "ok1 ok2 ok1 ok1 ok1 ok1 ok1 ok1 ok1" },
	{ "1-2", "lose-answer", FRESH, "ok3",
	  "ok3 ok4 ok3 ok3 ok3 ok3 ok3 ok3 ok3" },
	{ "*", "lose-answer", FRESH, "ETIMEDOUT2+", "ETIMEDOUT2+" },
	/* Answers without a body cannot be cut or stalled within it. */
	{ "1", "cut 0", FRESH, "ok2 ok2 ok1 ok2",
	  "ok1 ok1 ok2 ok1 ok2 ok2 ok1 ok2 ok1" },
	{ "1", "cut 20", FRESH, "ok2 ok2 ok1 ok2",
	  "ok1 ok1 ok2 ok1 ok2 ok2 ok1 ok2 ok1" },
	{ "1", "stall-body 10", FRESH, "ETIMEDOUT1 ETIMEDOUT1 ok1 ETIMEDOUT1",
	  "ok1 ok1 ETIMEDOUT1 ok1 ETIMEDOUT1 ETIMEDOUT1 ok1 ETIMEDOUT1 ok1" },
	/* Reads are raced by a second one. */
	{ "1", "stall", FRESH, "ok2", "ETIMEDOUT1" },
	/* Of answers in chunks none can be short in silence. */
	{ "1", "short", FRESH, "ok2 ok2 ok1 -",
	  "ok1 ok1 - ok1 - ok2 ok1 ok2 ok1" },
	{ "*", "short", FRESH, "EIO4 EIO4 ok1 -",
	  "ok1 ok1 - ok1 - EIO4 ok1 EIO4 ok1" },
	{ "1", "flip 0", FRESH, "ok2 - ok1 ok2",
	  "ok1 ok1 ok2 ok1 ok2 ok2 ok1 ok2 ok1" },
	{ "*", "flip 0", FRESH, "EIO4 - ok1 EIO4",
	  "ok1 ok1 EIO4 ok1 EIO4 EIO4 ok1 EIO4 ok1" },
	/* What has no body cannot be damaged on the way up. */
	{ "1", "flip-up 0", FRESH, "ok1",
	  "ok2 ok2 ok1 ok1 ok2 ok1 ok2 ok2 ok1" },
	/* Slow is no fault; what changes something is never raced. */
	{ "1", "delay 300", FRESH, "ok1", "ok1" },
	{ "1", "delay 2300", FRESH, "ok2", "ok1" },
	/* Repeated by a server in between: that it was ours, what stands there
	 * or is gone, is for the caller to see. */
	{ "1", "twice", FRESH, "ok1",
	  "ok1 EEXIST1 ok1 ok1 ok1 ok1 ok1 ok1 ENOENT1" },
	{ "1", "away 400", FRESH, "ok2+", "ok2+" },
	{ "1", "close-keepalive", AFTER, "ok1", "ok1" },
	{ "1", "repeat-answer", AFTER, "ok2",
	  "ok2 ok3 ok2 ok2 ok2 ok2 ok2 ok2 ok2" },
	{ "*", "status 500 InternalError", FRESH, "ETIMEDOUT2+",
	  "ETIMEDOUT2+" },
	{ "*", "status 503 SlowDown", FRESH, "ETIMEDOUT2+", "ETIMEDOUT2+" },
	{ "*", "cut-before", FRESH, "ETIMEDOUT2+", "ETIMEDOUT2+" },
};

#define TEXT "forty bytes of content, and not one more"
#define OLD "what stood there before"
#define RANGE_AT 7
#define RANGE_LEN 25
#define LONG_MS 20000
#define SHORT_MS 600 /* where no success can come */

static const char *source_text, *server_url, *proxy_url, *faults_file;
static struct source direct;

/* One pair of the table. */
struct trial {
	enum column col;
	char dir[32], key[48], other[48];
	char *upload_id; /* owned; begun past the proxy */
	struct store_part part;
	struct store_req req;
	struct buf out;
	struct err e;
	const char *keys[2];
};

static void open_source(struct source *s, const char *url)
{
	struct source_options o;
	struct err e = { .code = 0 };

	source_options_init(&o);
	o.endpoint = strdup(url);
	if (source_open(s, source_text, &o, &e)) {
		printf("Bail out! %s\n", e.text);
		exit(1);
	}
	source_options_done(&o);
}

/* Replaces the proxy's rules in one step. */
static void set_rule(const char *kind, const char *nth, const char *fault)
{
	char name[4096];
	FILE *f;

	(void)snprintf(name, sizeof(name), "%s.new", faults_file);
	f = fopen(name, "we");
	if (!f || (fault && fprintf(f, "%s * %s %s\n", kind, nth, fault) < 0) ||
	    fclose(f) || rename(name, faults_file)) {
		printf("Bail out! cannot write the rules\n");
		exit(1);
	}
}

/* ---- past the proxy -------------------------------------------------------- */

static int put(const char *key, const char *text)
{
	CLEANUP_REQ struct store_req req;

	store_req_init(&req, STORE_PUT, key);
	req.body = text;
	req.body_len = strlen(text);
	return store_run(direct.store, &req, NULL);
}

/* Whether the object holds this; NULL: whether there is none. */
static bool holds(const char *key, const char *text)
{
	CLEANUP_REQ struct store_req req;
	CLEANUP_BUF struct buf out = BUF_INIT(1 << 20);
	int r;

	store_req_init(&req, STORE_GET, key);
	req.out = &out;
	r = store_run(direct.store, &req, NULL);
	if (!text)
		return r == -ENOENT;
	return !r && out.len == strlen(text) &&
	       !memcmp(out.data, text, out.len);
}

static int upload_part(struct trial *t, const char *id)
{
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_UPLOAD_PART, t->key);
	req.upload_id = id;
	req.part_number = 1;
	req.body = TEXT;
	req.body_len = strlen(TEXT);
	r = store_run(direct.store, &req, NULL);
	t->part.number = 1;
	if (!r)
		memcpy(t->part.etag, req.object.etag, STORE_ETAG_MAX);
	return r;
}

static int upload_end(struct trial *t, enum store_op op, const char *id)
{
	CLEANUP_REQ struct store_req req;

	store_req_init(&req, op, t->key);
	req.upload_id = id;
	req.parts = &t->part;
	req.part_count = 1;
	return store_run(direct.store, &req, NULL);
}

/* What the operation finds. */
static void set_up(struct trial *t)
{
	CLEANUP_REQ struct store_req req;
	int r = 0;

	if (t->col == PUT)
		r = put(t->key, OLD);
	else if (t->col != NEW && t->col < START)
		r = put(t->key, TEXT);
	if (!r && (t->col == LIST || t->col == MANY))
		r = put(t->other, TEXT);
	store_req_init(&req, STORE_UPLOAD_START, t->key);
	if (!r && t->col > START) {
		r = store_run(direct.store, &req, NULL);
		t->upload_id = TAKE_PTR(req.upload_id_out);
	}
	if (!r && (t->col == FINISH || t->col == ABORT))
		r = upload_part(t, t->upload_id);
	if (r) {
		printf("Bail out! setting up: %s\n", strerror(-r));
		exit(1);
	}
}

/* ---- through it ------------------------------------------------------------ */

static void fill(struct trial *t)
{
	struct store_req *req = &t->req;
	enum column col = t->col;

	store_req_init(req, columns[col].op,
		       col == COPY   ? t->other
		       : col == LIST ? t->dir
				     : t->key);
	req->out = col == GET || col == RANGE ? &t->out : NULL;
	req->offset = col == RANGE ? RANGE_AT : 0;
	req->length = col == RANGE ? RANGE_LEN : 0;
	req->body = TEXT;
	req->body_len = strlen(TEXT);
	req->if_absent = col == NEW;
	req->source = t->key;
	t->keys[0] = t->key;
	t->keys[1] = t->other;
	req->keys = t->keys;
	req->key_count = 2;
	req->upload_id = t->upload_id;
	req->part_number = 1;
	req->parts = &t->part;
	req->part_count = 1;
}

static uint64_t all_requests(const struct store *s)
{
	struct store_counts c;
	uint64_t n = 0;

	store_counts(s, &c);
	for (int op = 0; op < STORE_OP_COUNT; op++)
		n += c.requests[op];
	return n;
}

/* ---- judging --------------------------------------------------------------- */

/* Whether it was done, as far as the server holds and the caller was told. */
static bool is_done(struct trial *t)
{
	const struct store_req *req = &t->req;

	switch (t->col) {
	case GET:
		return t->out.len == strlen(TEXT) &&
		       !memcmp(t->out.data, TEXT, t->out.len);
	case RANGE:
		return t->out.len == RANGE_LEN &&
		       !memcmp(t->out.data, &TEXT[RANGE_AT], RANGE_LEN);
	case HEAD:
		return req->object.size == strlen(TEXT);
	case LIST:
		return req->list.count == 2 && !req->list.truncated &&
		       !strcmp(req->list.entries[0].key, t->key) &&
		       !strcmp(req->list.entries[1].key, t->other);
	case PUT:
	case NEW:
		return holds(t->key, TEXT);
	case COPY:
		return holds(t->other, TEXT);
	case DEL:
		return holds(t->key, NULL);
	case MANY:
		return holds(t->key, NULL) && holds(t->other, NULL);
	case START:
		return !upload_part(t, req->upload_id_out) &&
		       !upload_end(t, STORE_UPLOAD_FINISH,
				   req->upload_id_out) &&
		       holds(t->key, TEXT);
	case PART:
		memcpy(t->part.etag, req->object.etag, STORE_ETAG_MAX);
		t->part.number = 1;
		return !upload_end(t, STORE_UPLOAD_FINISH, t->upload_id) &&
		       holds(t->key, TEXT);
	case FINISH:
		return holds(t->key, TEXT);
	case ABORT:
		return upload_part(t, t->upload_id) == -ENOENT;
	default:
		return false;
	}
}

/* Whether nothing was done. Of a part nothing can be seen before the end. */
static bool is_undone(struct trial *t)
{
	switch (t->col) {
	case GET:
	case RANGE:
		return !t->out.len;
	case LIST:
		return !t->req.list.count;
	case PUT:
		return holds(t->key, OLD);
	case NEW:
		return holds(t->key, NULL);
	case COPY:
		return holds(t->other, NULL);
	case DEL:
		return holds(t->key, TEXT);
	case MANY:
		return holds(t->key, TEXT) && holds(t->other, TEXT);
	case START:
		return !t->req.upload_id_out;
	case FINISH:
		return holds(t->key, NULL) &&
		       !upload_end(t, STORE_UPLOAD_FINISH, t->upload_id);
	case ABORT:
		return !upload_part(t, t->upload_id);
	default:
		return true;
	}
}

static bool says_maybe(const struct err *e)
{
	return strstr(e->text, "all the same") ||
	       strstr(e->text, "some may have been") ||
	       strstr(e->text, "may have been begun");
}

static int code_of(const char *cell, size_t len)
{
	static const struct {
		const char *word;
		int code;
	} words[] = { { "ok", 0 },	     { "EIO", -EIO },
		      { "EACCES", -EACCES }, { "EEXIST", -EEXIST },
		      { "ENOENT", -ENOENT }, { "ETIMEDOUT", -ETIMEDOUT } };

	for (size_t i = 0; i < TAP_COUNT(words); i++)
		if (strlen(words[i].word) == len &&
		    !strncmp(words[i].word, cell, len))
			return words[i].code;
	printf("Bail out! no such outcome: %s\n", cell);
	exit(1);
}

/* Whether what was told is what stands there. */
static bool is_true(struct trial *t, int result)
{
	if (!result || result == -EEXIST || result == -ENOENT)
		return is_done(t);
	return says_maybe(&t->e) || is_undone(t);
}

static void try_cell(const struct row *row, enum column col, const char *cell)
{
	static const char *const whens[] = {
		[FRESH] = "",
		[KEPT] = ", on a kept connection",
		[AFTER] = ", to the HEAD before",
	};
	static int serial;
	struct trial t = { .col = col, .out = BUF_INIT(1 << 20) };
	size_t word = strcspn(cell, "0123456789");
	int code = code_of(cell, word);
	unsigned long want = strtoul(cell + word, NULL, 10);
	bool more = strchr(cell, '+') != NULL, right;
	uint64_t n = 0, began_ms, took_ms;
	struct source via;
	int r;

	(void)snprintf(t.dir, sizeof(t.dir), "t%d/", ++serial);
	(void)snprintf(t.key, sizeof(t.key), "%sa", t.dir);
	(void)snprintf(t.other, sizeof(t.other), "%sb", t.dir);
	set_up(&t);
	open_source(&via, proxy_url);
	if (row->when == AFTER)
		set_rule("HEAD", row->nth, row->fault);
	if (row->when != FRESH) {
		CLEANUP_REQ struct store_req head;

		store_req_init(&head, STORE_HEAD, "absent");
		(void)store_run(via.store, &head, NULL);
		n = all_requests(via.store);
	}
	if (row->when != AFTER)
		set_rule(columns[col].kind, row->nth, row->fault);
	fill(&t);
	t.req.timeout_ms = code == -ETIMEDOUT ? SHORT_MS : LONG_MS;
	began_ms = clock_now_ms();
	r = store_run(via.store, &t.req, &t.e);
	took_ms = clock_now_ms() - began_ms;
	n = all_requests(via.store) - n;
	set_rule("*", "*", NULL);
	right = r == code && (more ? n >= want : n == want) &&
		took_ms < LONG_MS && is_true(&t, r);
	ok(right, "%s: %s %s%s: %s", columns[col].name, row->nth, row->fault,
	   whens[row->when], cell);
	if (!right)
		printf("# %d after %d, %d ms: %s\n", r, (int)n, (int)took_ms,
		       t.e.text);
	store_req_done(&t.req);
	buf_done(&t.out);
	free(t.upload_id);
	source_done(&via);
}

/* The n-th word, or the only one. Cut off at 31 bytes. */
static void get_cell(char out[32], const char *words, int n)
{
	for (; n && strchr(words, ' '); n--)
		words = strchr(words, ' ') + 1;
	(void)snprintf(out, 32, "%.*s", (int)strcspn(words, " "), words);
}

/* Columns, by what they are for. */
static const struct group {
	const char *name;
	enum column first, end;
} groups[] = {
	{ "reads", GET, PUT },
	{ "writes", PUT, START },
	{ "uploads", START, COLUMNS },
};

static void try_row(const struct row *row, const struct group *g)
{
	for (enum column col = g->first; col < g->end; col++) {
		bool reads = col < PUT;
		char cell[32];

		get_cell(cell, reads ? row->reads : row->writes,
			 (int)(reads ? col - GET : col - PUT));
		if (strcmp(cell, "-") != 0)
			try_cell(row, col, cell);
	}
}

int main(int argc, char **argv)
{
	const struct group *g = NULL;

	for (size_t i = 0; i < TAP_COUNT(groups) && argc > 5; i++)
		if (!strcmp(groups[i].name, argv[5]))
			g = &groups[i];
	if (!g || argc > 7) {
		fprintf(stderr,
			"usage: fault_table SOURCE SERVER-URL PROXY-URL "
			"FAULTS-FILE reads|writes|uploads [FAULT]\n");
		return 2;
	}
	source_text = argv[1];
	server_url = argv[2];
	proxy_url = argv[3];
	faults_file = argv[4];
	open_source(&direct, server_url);
	for (size_t i = 0; i < TAP_COUNT(rows); i++)
		if (argc == 6 ||
		    !strncmp(rows[i].fault, argv[6], strlen(argv[6])))
			try_row(&rows[i], g);
	source_done(&direct);
	return tap_done();
}
