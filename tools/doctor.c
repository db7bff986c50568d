/*
 * The bucket is asked one thing after the other, as each answer decides what is
 * worth asking next: without an address nothing is, without a bucket its rights
 * are not.
 *
 * What is put goes by a name below .assetfs/ that is new each time, so that it
 * can meet nobody's; the second put of it, on condition that there is none,
 * tells whether the server keeps two writers apart.
 */
#include "tools/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/hash.h"
#include "s3/bucket.h"

#define TIMEOUT_MS 10000 /* for each request */
#define CLOCK_OFF_S 60
#define ABORT_DAYS_MIN 2 /* a large push may take a day */

struct patient {
	struct doctor *d;
	struct source source;
	bool is_server;
	struct store_about about;
	char key[STORE_KEY_MAX + 1]; /* of what is put */
	char pool[STORE_KEY_MAX + 1]; /* "…/.assetfs/" */
	bool versioned;
};

/* ---- findings ------------------------------------------------------------ */

const char *doctor_status_name(enum doctor_status status)
{
	static const char *const names[] = { "ok", "warn", "fail" };

	return names[status];
}

void doctor_note(struct doctor *d, enum doctor_status status, const char *check,
		 const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (session_interrupted()) /* what failed, failed because of that */
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->warned += status == DOCTOR_WARN;
	d->failed += status == DOCTOR_FAIL;
	d->found(d, status, check, text);
}

/* ---- requests ------------------------------------------------------------ */

/* took_ns: how long it took, kept if it was the shortest; or NULL. */
static int run(struct patient *p, struct store_req *req, uint64_t *took_ns,
	       struct err *e)
{
	uint64_t start_ns = clock_now_ns();
	int r;

	req->timeout_ms = TIMEOUT_MS;
	r = store_run(p->source.store, req, e);
	start_ns = clock_now_ns() - start_ns;
	if (took_ns && start_ns < *took_ns)
		*took_ns = start_ns;
	return r;
}

static int list_one(struct patient *p, uint64_t *took_ns, struct err *e)
{
	CLEANUP_REQ struct store_req req;

	store_req_init(&req, STORE_LIST, p->source.prefix);
	req.max_keys = 1;
	return run(p, &req, took_ns, e);
}

static int put(struct patient *p, const char *text, bool if_absent,
	       struct err *e)
{
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_PUT, p->key);
	req.body = text;
	req.body_len = strlen(text);
	req.if_absent = if_absent;
	r = run(p, &req, NULL, e);
	p->versioned |= !r && req.versioned;
	return r;
}

/* ---- address ------------------------------------------------------------- */

static bool is_answer(int r)
{
	return !r || r == -ENXIO || r == -EACCES || r == -ENOENT;
}

static void note_tls(struct patient *p)
{
	const struct source_options *o = &p->d->options->source;

	if (strncmp(p->about.endpoint, "https:", 6) != 0)
		doctor_note(p->d,
			    p->about.region[0] && !o->endpoint ? DOCTOR_WARN
							       : DOCTOR_OK,
			    "tls",
			    "not used: requests are signed, but what is read "
			    "and written can be seen on its way");
	else if (o->no_check_certificate)
		doctor_note(p->d, DOCTOR_WARN, "tls",
			    "no_check_certificate: anybody on the way can play "
			    "the server; name its authority with ca_bundle "
			    "instead");
	else
		doctor_note(p->d, DOCTOR_OK, "tls", "the certificate is good");
}

static void note_clock(struct patient *p)
{
	int64_t now_s = 0, off_s;

	if (store_now(p->source.store, 10000, &now_s)) {
		doctor_note(p->d, DOCTOR_FAIL, "clock",
			    "replies bear no Date, by which trees are told "
			    "from objects: is a proxy between?");
		return;
	}
	off_s = clock_wall_s() - now_s;
	if (llabs((long long)off_s) < CLOCK_OFF_S)
		doctor_note(p->d, DOCTOR_OK, "clock",
			    "this machine's and the server's agree to %lld s",
			    llabs((long long)off_s) + 1);
	else
		doctor_note(p->d, DOCTOR_WARN, "clock",
			    "this machine's is %lld s %s: requests are signed "
			    "with the server's, but set it (NTP), or times of "
			    "files will be wrong",
			    llabs((long long)off_s),
			    off_s > 0 ? "fast" : "slow");
}

/* The server's words where it is the keys that it does not take. */
static bool blames_keys(const char *text)
{
	static const char *const words[] = { "InvalidAccessKeyId",
					     "SignatureDoesNotMatch",
					     "ExpiredToken", "InvalidToken" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}

/* refused: what the server says of them, or NULL. */
static void note_keys(struct patient *p, const char *refused)
{
	const struct store_about *a = &p->about;
	char until[80] = "";

	if (refused) {
		doctor_note(p->d, DOCTOR_FAIL, "credentials",
			    "key '%s' from %s: %s", a->keys.access,
			    a->keys.source, refused);
		return;
	}

	if (a->anonymous) {
		doctor_note(p->d, DOCTOR_OK, "credentials",
			    "none: requests are not signed");
		return;
	}
	if (a->keys.expires_s)
		(void)snprintf(until, sizeof(until),
			       ", good for %" PRId64 " min",
			       (a->keys.expires_s - clock_wall_s()) / 60);
	doctor_note(p->d, a->keys.trouble[0] ? DOCTOR_WARN : DOCTOR_OK,
		    "credentials", "key '%s' from %s%s%s%s", a->keys.access,
		    a->keys.source, until, a->keys.trouble[0] ? "; " : "",
		    a->keys.trouble);
}

static void note_region(struct patient *p, const char *before)
{
	const char *now = p->about.region;

	if (strcmp(now, before) != 0)
		doctor_note(p->d, DOCTOR_WARN, "region",
			    "the bucket is in %s, not %s: say region=%s, to "
			    "save a request at each start",
			    now, before, now);
	else
		doctor_note(p->d, DOCTOR_OK, "region", "%s", now);
}

/* False where there is no use in going on. */
static bool look_at_address(struct patient *p)
{
	struct doctor *d = p->d;
	struct store_about before = p->about;
	uint64_t first_ns = UINT64_MAX, took_ns = UINT64_MAX;
	struct err e = { 0 };
	int r = list_one(p, &first_ns, &e);
	bool blamed;

	if (!is_answer(r)) {
		doctor_note(d, DOCTOR_FAIL, "endpoint", "%s: %s",
			    before.endpoint, e.text);
		return false;
	}
	/* The second and third go by a connection that is there. */
	for (int i = 0; i < 2; i++)
		(void)list_one(p, &took_ns, NULL); /* only its time counts */
	(void)store_about(p->source.store, &p->about);
	doctor_note(d, DOCTOR_OK, "endpoint",
		    "%s answers in %.1f ms, at first in %.1f ms",
		    p->about.endpoint, (double)took_ns / 1e6,
		    (double)first_ns / 1e6);
	note_tls(p);
	note_clock(p);
	blamed = r == -EACCES && blames_keys(e.text);
	note_keys(p, blamed ? e.text : NULL);
	note_region(p, before.region);
	if (blamed)
		return false;
	if (r == -ENXIO) {
		doctor_note(d, DOCTOR_FAIL, "bucket", "%s", e.text);
		return false;
	}
	if (r)
		doctor_note(d, DOCTOR_FAIL, "list",
			    "%s: grant s3:ListBucket on the bucket", e.text);
	else
		doctor_note(d, DOCTOR_OK, "list",
			    "the bucket is there and can be listed");
	return true;
}

/* ---- set-up of the bucket ------------------------------------------------ */

static void look_at_versions(struct patient *p)
{
	enum bucket_versions v = BUCKET_VERSIONS_NEVER;
	struct err e = { 0 };
	int r = bucket_ask_versions(p->source.store, TIMEOUT_MS, &v, &e);

	if (r)
		doctor_note(p->d, DOCTOR_OK, "versioning",
			    "not known, as it cannot be asked for: %s", e.text);
	else if (v == BUCKET_VERSIONS_ENABLED)
		doctor_note(p->d, DOCTOR_WARN, "versioning",
			    "is on: what is replaced or collected stays, and "
			    "is billed, until a lifecycle rule "
			    "(NoncurrentVersionExpiration) removes it");
	else
		doctor_note(p->d, DOCTOR_OK, "versioning", "is off");
	p->versioned = v == BUCKET_VERSIONS_ENABLED;
}

/* Whether keys that begin with `prefix` and those below `place` can be the
 * same. */
static bool touches(const char *prefix, const char *place)
{
	size_t a = strlen(prefix), b = strlen(place);

	return !strncmp(prefix, place, a < b ? a : b);
}

static const char *what_it_touches(const struct patient *p,
				   const struct bucket_rule *rule)
{
	if (touches(rule->prefix, p->pool))
		return "the content of what was pushed";
	return touches(rule->prefix, p->source.prefix) ? "files of SOURCE"
						       : NULL;
}

/* The pool's content is named by trees for as long as they stand; nothing but
 * gc can know. */
static void note_rule(struct patient *p, const struct bucket_rule *rule)
{
	const char *what = what_it_touches(p, rule);
	bool pool = touches(rule->prefix, p->pool);
	char when[40] = "at a date";

	if (!rule->enabled)
		return;
	if (rule->days)
		(void)snprintf(when, sizeof(when), "after %" PRIu32 " days",
			       rule->days);
	if (what && rule->expires)
		doctor_note(p->d,
			    pool && !rule->narrowed ? DOCTOR_FAIL : DOCTOR_WARN,
			    "lifecycle", "rule '%s' deletes %s %s%s: %s",
			    rule->id, what, when,
			    rule->narrowed ? ", where tag or size fit" : "",
			    pool ? "files will be lost; give the rule a prefix "
				   "beside .assetfs/, and leave deleting to "
				   "assetctl gc"
				 : "see that it is meant");
	if (what && rule->archive[0])
		doctor_note(p->d,
			    pool && !rule->narrowed ? DOCTOR_FAIL : DOCTOR_WARN,
			    "lifecycle",
			    "rule '%s' moves %s to %s %s: they cannot be read "
			    "until restored; GLACIER_IR can",
			    rule->id, what, rule->archive, when);
	if (what && rule->abort_days && rule->abort_days < ABORT_DAYS_MIN)
		doctor_note(p->d, DOCTOR_WARN, "lifecycle",
			    "rule '%s' aborts uploads after %" PRIu32
			    " day: one that takes longer will fail",
			    rule->id, rule->abort_days);
}

static void look_at_rules(struct patient *p)
{
	__attribute__((
		cleanup(bucket_rules_done))) struct bucket_rules l = { 0 };
	size_t before = p->d->warned + p->d->failed;
	bool aborts = false;
	struct err e = { 0 };

	if (bucket_ask_rules(p->source.store, TIMEOUT_MS, &l, &e)) {
		doctor_note(p->d, DOCTOR_OK, "lifecycle",
			    "not known, as it cannot be asked for: %s", e.text);
		return;
	}
	for (size_t i = 0; i < l.count; i++) {
		note_rule(p, &l.rules[i]);
		aborts |= l.rules[i].enabled && l.rules[i].abort_days;
	}
	if (before == p->d->warned + p->d->failed)
		doctor_note(p->d, DOCTOR_OK, "lifecycle",
			    "no rule that would hurt%s",
			    aborts ? ""
				   : "; none that aborts uploads left behind, "
				     "whose parts are billed: "
				     "AbortIncompleteMultipartUpload after 7 "
				     "days is a good one");
}

/* ---- rights -------------------------------------------------------------- */

static bool get(struct patient *p, const char *expected, struct err *e)
{
	CLEANUP_BUF struct buf out = BUF_INIT(4096);
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_GET, p->key);
	req.out = &out;
	r = run(p, &req, NULL, e);
	if (!expected)
		return r == -ENOENT;
	if (!r && strcmp(out.data ? out.data : "", expected) != 0)
		r = err_set(e, -EIO, "what comes back is not what was put");
	return !r;
}

static void look_at_get(struct patient *p, const char *expected)
{
	struct err e = { 0 };

	if (get(p, expected, &e))
		doctor_note(p->d, DOCTOR_OK, "get", "objects can be read");
	else
		doctor_note(p->d, DOCTOR_FAIL, "get",
			    "%s: grant s3:GetObject on the bucket's objects",
			    e.text);
}

static void look_at_condition(struct patient *p)
{
	bool alone = p->d->options->single_writer;
	struct err e = { 0 };
	int r = put(p, "second", true, &e);

	if (r == -EEXIST)
		doctor_note(p->d, DOCTOR_OK, "condition",
			    "If-None-Match is honoured: writers are kept "
			    "apart");
	else if (r)
		doctor_note(p->d, DOCTOR_FAIL, "condition", "%s", e.text);
	else
		doctor_note(p->d, alone ? DOCTOR_WARN : DOCTOR_FAIL,
			    "condition",
			    "the server ignores If-None-Match%s, so two "
			    "writers could undo each other's work%s",
			    p->versioned ? " in a versioned bucket" : "",
			    alone ? "; single_writer is set, so see that there "
				    "is one"
				  : ": trees are not committed unless "
				    "single_writer says that there is one");
}

static void look_at_delete(struct patient *p)
{
	CLEANUP_REQ struct store_req req;
	struct err e = { 0 };

	store_req_init(&req, STORE_DELETE, p->key);
	req.tidies = true;
	if (run(p, &req, NULL, &e))
		doctor_note(p->d, DOCTOR_WARN, "delete",
			    "%s: rm, gc and a push over plain objects need "
			    "s3:DeleteObject; '%s' is left behind",
			    e.text, p->key);
	else if (get(p, NULL, &e))
		doctor_note(p->d, DOCTOR_OK, "delete",
			    "objects can be deleted, and '%s' is%s", p->key,
			    p->versioned ? ", but for its versions" : "");
	else
		doctor_note(p->d, DOCTOR_FAIL, "delete",
			    "'%s' is still there after it was deleted: %s",
			    p->key, e.code ? e.text : "it can be read");
}

static void look_at_put(struct patient *p)
{
	struct err e = { 0 };
	const char *now = "first";
	int r;

	r = put(p, now, true, &e);
	if (r == -ECANCELED) { /* it may be there */
		look_at_delete(p);
		return;
	}
	if (r) {
		doctor_note(p->d, DOCTOR_FAIL, "put",
			    "%s: pushing needs s3:PutObject", e.text);
		look_at_get(p, NULL);
		return;
	}
	doctor_note(p->d, DOCTOR_OK, "put",
		    "objects can be put; '%s' was, for a try", p->key);
	look_at_get(p, now);
	look_at_condition(p);
	look_at_delete(p);
}

static void look_at_rights(struct patient *p)
{
	if (!p->d->read_only && !p->about.anonymous) {
		look_at_put(p);
		return;
	}
	look_at_get(p, NULL);
	doctor_note(p->d, DOCTOR_OK, "put",
		    "not tried, %s: nor are the condition and deleting",
		    p->d->read_only ? "as asked" : "without keys");
}

/* ---- directories as stores ----------------------------------------------- */

/* A pool that a try would make would change what SOURCE stands for. */
static void look_at_dir(struct patient *p)
{
	const char *path = p->d->source + strlen("file://");
	CLEANUP_REQ struct store_req req;
	struct err e = { 0 };
	int r = list_one(p, NULL, &e);

	store_req_init(&req, STORE_LIST, p->pool);
	if (r) {
		doctor_note(p->d, DOCTOR_FAIL, "list", "%s", e.text);
		return;
	}
	doctor_note(p->d, DOCTOR_OK, "list", "%s can be listed",
		    p->source.store->name);
	note_clock(p);
	req.max_keys = 1;
	r = run(p, &req, NULL, &e);
	if (p->d->read_only)
		doctor_note(p->d, DOCTOR_OK, "put", "not tried, as asked");
	else if (!r && req.list.count)
		look_at_put(p);
	else if (access(path, W_OK | X_OK))
		doctor_note(p->d, DOCTOR_FAIL, "put",
			    "'%s': %m: pushing needs the right to write there",
			    path);
	else
		doctor_note(p->d, DOCTOR_OK, "put",
			    "the directory may be written to; nothing was "
			    "pushed there yet, so it was not tried");
}

/* ---- all of it ----------------------------------------------------------- */

static int name_things(struct patient *p)
{
	const char *pool = p->d->options->pool ? p->d->options->pool : "";
	uint8_t id[8];
	char hex[2 * sizeof(id) + 1];
	int n, m;

	random_bytes(id, sizeof(id));
	hex_encode(hex, id, sizeof(id));
	n = snprintf(p->pool, sizeof(p->pool), "%s.assetfs/", pool);
	m = snprintf(p->key, sizeof(p->key), "%s.assetfs/doctor-%s", pool, hex);
	return n >= (int)sizeof(p->pool) || m >= (int)sizeof(p->key) ? -EINVAL
								     : 0;
}

void doctor_store(struct doctor *d)
{
	struct patient p = { .d = d };
	struct session_watch *watch = NULL;
	struct err e = { 0 };
	int r = source_open(&p.source, d->source, &d->options->source, &e);

	if (!r)
		r = session_watch_open(&watch, p.source.store, &e);
	if (!r && name_things(&p))
		r = err_set(&e, -EINVAL, "the name of the pool is too long");
	if (r) {
		doctor_note(d, DOCTOR_FAIL,
			    r == -EACCES ? "credentials" : "source", "%s",
			    e.text);
		source_done(&p.source);
		return;
	}
	p.is_server = store_about(p.source.store, &p.about);
	if (!p.is_server) {
		look_at_dir(&p);
	} else if (look_at_address(&p)) {
		look_at_versions(&p);
		look_at_rules(&p);
		look_at_rights(&p);
	}
	session_watch_free(watch);
	source_done(&p.source);
}
