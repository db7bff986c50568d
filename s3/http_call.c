/*
 * A call is a request under way. It goes round
 *
 *   next -> (pool: hash a long body) -> transfer -> settle -> finish
 *     ^                                               |
 *     '---- wait, or for other keys (creds) ----------'
 *
 * and is in one place at a time: the pool, the transfer thread's queue, the
 * list of those who wait for keys, or a function of this file. Cancelling sets
 * a flag that the next transfer obeys, and takes it out of that list, so a call
 * always ends by way of `finish`, once.
 *
 * Lists are parsed and long bodies hashed on the pool, and large contents that
 * may be the whole of an object are checked there; all else that a reply needs
 * is cheap enough for the transfer thread.
 *
 * DELETE_MANY takes several requests where XML cannot hold a key: it is deleted
 * by itself. And where an answer was lost and the repetition is refused for what
 * the first attempt may itself have done (the upload is gone, somebody stands
 * there, the source has changed), a look at the object tells: by the ETag that
 * the parts make, or by the mark of the request.
 */
#include "s3/http_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "s3/body.h"
#include "s3/reply.h"

#define HASH_INLINE_MAX (64 << 10)

void call_free(struct call *c)
{
	if (!c)
		return;
	xfer_req_done(&c->xfer);
	request_done(&c->request);
	creds_keys_put(c->keys);
	free(c);
}

/* ---- ends -------------------------------------------------------------- */

void http_store_complete(struct http_store *s, struct store_req *req)
{
	req->done(req);
	LOCK_SCOPE(&s->lock);
	if (!--s->pending)
		pthread_cond_broadcast(&s->all_done);
}

static void finish(struct call *c, const struct err *e)
{
	struct http_store *s = c->s;
	struct store_req *req = c->req;

	err_clear(&req->err);
	if (e && e->code) {
		(void)err_copy(&req->err, e);
		if (req->out)
			buf_cut(req->out, c->out_start);
		store_req_done(req);
	}
	lock_take(&s->lock);
	list_remove(&c->link);
	req->impl = NULL;
	lock_drop(&s->lock);
	call_free(c);
	http_store_complete(s, req);
}

/* Writes operation and key as messages show them: long keys by their end,
 * which tells more. */
#define KEY_SHOWN 120

static void subject(char *out, size_t size, const struct request *r)
{
	size_t len = strlen(r->key), skip = 0;

	if (len > KEY_SHOWN)
		skip = len - KEY_SHOWN;
	while (skip && skip < len &&
	       ((unsigned char)r->key[skip] & 0xc0) == 0x80)
		skip++;
	if (r->op == STORE_DELETE_MANY)
		(void)snprintf(out, size, "%s", store_op_name(r->op));
	else
		(void)snprintf(out, size, "%s '%s%s'", store_op_name(r->op),
			       skip ? "…" : "", r->key + skip);
}

static void fail(struct call *c, int code, const char *text)
{
	struct err e = { 0 };
	char what[256];

	subject(what, sizeof(what), &c->request);
	(void)err_set(&e, code, "%s: %s", what, text);
	finish(c, &e);
}

/* ---- attempts ---------------------------------------------------------- */

static void transfer(struct call *c)
{
	c->xfer.start_ms = 0;
	xfer_submit(c->s->xfer, &c->xfer);
}

static void run_hash(struct pool_job *job)
{
	struct call *c = container_of(job, struct call, job);

	request_hash(&c->request);
	transfer(c);
}

void call_send(struct call *c)
{
	if (c->request.body_len <= HASH_INLINE_MAX) {
		request_hash(&c->request);
		transfer(c);
		return;
	}
	c->job.run = run_hash;
	pool_submit(c->s->pool, &c->job);
}

/* S3 has no keys that are not UTF-8; asked for them, some servers answer with
 * what is no XML. */
static bool lists_nothing(const struct store_req *req)
{
	return req->op == STORE_LIST && req->key &&
	       !body_is_utf8(req->key, strlen(req->key));
}

bool call_next(struct call *c, struct err *e)
{
	const struct store_req *req = c->req;
	bool begun = c->request.req != NULL;
	enum store_op op = req->op;
	const char *key = req->key;

	if (op == STORE_DELETE_MANY) {
		bool all_fit = true, none_fit = true;

		for (size_t i = 0; i < req->key_count && !begun; i++)
			if (body_key_fits(req->keys[i]))
				none_fit = false;
			else
				all_fit = false;
		if (!begun && all_fit)
			c->next_key = req->key_count;
		if (begun || none_fit) {
			while (c->next_key < req->key_count &&
			       body_key_fits(req->keys[c->next_key]))
				c->next_key++;
			if (c->next_key == req->key_count)
				return false;
			op = STORE_DELETE;
			key = req->keys[c->next_key++];
		}
	} else if (begun || lists_nothing(req)) {
		return false;
	}
	if (!request_make(&c->request, req, op, key))
		return true;
	(void)err_set(e, -ENOMEM, "%s: out of memory", store_op_name(req->op));
	return false;
}

/* The signing key is derived once for a day, region and secret. */
static void refresh_sign_key(struct http_store *s, struct call *c,
			     const char *stamp)
{
	if (s->sign_keys == c->keys && !strcmp(s->sign_region, c->region) &&
	    !strncmp(s->sign_date, stamp, SIGN_DATE_LEN - 1))
		return;
	creds_keys_put(s->sign_keys);
	s->sign_keys = creds_keys_ref(c->keys);
	memcpy(s->sign_region, c->region, sizeof(s->sign_region));
	memcpy(s->sign_date, stamp, SIGN_DATE_LEN - 1);
	s->sign_date[SIGN_DATE_LEN - 1] = '\0';
	sign_key(&s->sign_hash, c->keys->secret, s->sign_date, s->sign_region,
		 "s3");
}

static void on_moved(struct xfer_req *x, size_t bytes)
{
	const struct call *c = container_of(x, struct call, xfer);

	c->req->moved(c->req, bytes);
}

static int prepare(struct xfer_req *x)
{
	struct call *c = container_of(x, struct call, xfer);
	struct http_store *s = c->s;
	char stamp[SIGN_STAMP_LEN];
	struct request_signer signer = { .stamp = stamp };
	int64_t offset_s;

	lock_take(&s->lock);
	memcpy(c->region, s->region, sizeof(c->region));
	offset_s = s->clock_offset_s;
	lock_drop(&s->lock);
	sign_stamp(stamp, clock_wall_s() + offset_s);
	signer.region = c->region;
	creds_keys_put(c->keys);
	c->keys = s->creds ? creds_get(s->creds) : NULL;
	if (c->keys) {
		refresh_sign_key(s, c, stamp);
		signer.keys = c->keys;
		signer.key = &s->sign_hash;
	}
	if (c->req->out)
		buf_cut(c->req->out, c->out_start);
	atomic_fetch_add(&s->base.requests[c->request.op], 1);
	LOCK_SCOPE(&s->lock);
	return request_fill(&c->request, &s->site, s->bucket, &s->terms,
			    &signer, x);
}

/* ---- cures ------------------------------------------------------------- */

bool call_region_ok(const char *region)
{
	size_t len = strlen(region);

	return len && len < REGION_MAX &&
	       strspn(region, "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == len;
}

/* Fault of region: signs for `region` from now on, and goes there where each
 * has its own address. -EIO if that is what was tried already. */
static int change_region(struct http_store *s, const char *region,
			 const char *tried)
{
	struct url_site site = { 0 }, old = { 0 };
	bool moves;
	int r;

	if (!strcmp(region, tried) || !call_region_ok(region))
		return -EIO;
	r = url_site_init(&site, NULL, region, s->bucket, s->path_style, NULL);
	if (r)
		return r;
	lock_take(&s->lock);
	(void)snprintf(s->region, sizeof(s->region), "%s", region);
	moves = s->site.is_regional;
	old = s->site;
	if (moves)
		s->site = site;
	lock_drop(&s->lock);
	url_site_done(moves ? &old : &site);
	return 0;
}

static void change_clock(struct http_store *s, int64_t date_s)
{
	LOCK_SCOPE(&s->lock);
	s->clock_offset_s = date_s - clock_wall_s();
}

static void run_cancelled(struct pool_job *job)
{
	fail(container_of(job, struct call, job), -ECANCELED, "cancelled");
}

void call_cancel(struct call *c)
{
	struct http_store *s = c->s;

	xfer_cancel(s->xfer, &c->xfer);
	if (s->creds && creds_renew_cancel(s->creds, &c->renewal)) {
		c->job.run = run_cancelled;
		pool_submit(s->pool, &c->job);
	}
}

/* Keys are not to be had for the moment: like a network that is away. */
static void keys_away(struct call *c)
{
	const struct fault f = { -EIO, FAULT_RETRY, false };
	uint64_t at_ms = 0;

	retry_grant(&c->retry, FAULT_KEYS);
	if (retry_next(&c->retry, &f, clock_now_ms(), 0, &at_ms) == RETRY_AT) {
		c->xfer.start_ms = at_ms;
		xfer_submit(c->s->xfer, &c->xfer);
		return;
	}
	(void)err_wrap(&c->last, -ETIMEDOUT, "no success in time");
	finish(c, &c->last);
}

/* The keys were refused; gives up where there are no others. */
static void on_renewed(struct creds_renewal *r, int result, const struct err *e)
{
	struct call *c = container_of(r, struct call, renewal);
	char what[256];

	if (result > 0) {
		transfer(c);
		return;
	}
	if (result < 0) {
		subject(what, sizeof(what), &c->request);
		(void)err_copy(&c->last, e);
		(void)err_wrap(&c->last, result, "%s: access keys", what);
	}
	if (result == -EIO)
		keys_away(c);
	else
		finish(c, &c->last);
}

/* Says once that the server is away, and once that it is back. */
static void note_reach(struct http_store *s, bool away, const char *why)
{
	bool change;

	lock_take(&s->lock);
	change = s->away != away && !s->closing;
	s->away = away;
	lock_drop(&s->lock);
	if (change && away)
		log_warn("%s cannot be reached: %s; retrying", s->base.name,
			 why);
	else if (change)
		log_info("%s is reached again", s->base.name);
}

/* ---- settling ---------------------------------------------------------- */

static void note_answer(struct http_store *s, const struct call *c,
			const struct reply *a)
{
	const struct xfer_req *x = &c->xfer;

	if (x->begun > 1) /* `prepare` counted the first */
		atomic_fetch_add(&s->base.requests[c->request.op],
				 x->begun - 1);
	if (x->result != XFER_OK)
		return;
	if (a->date_s)
		store_note_date(&s->base, a->date_s);
	if (c->request.op == STORE_GET)
		atomic_fetch_add(&s->base.bytes_in, x->received);
	atomic_fetch_add(&s->base.bytes_out, x->body_len);
	note_reach(s, false, NULL);
}

/* Prefixes operation and key; after -ETIMEDOUT, what went wrong before it. */
static void word_error(struct call *c, const struct reply *a)
{
	struct err before = c->last;
	char what[256];

	c->last = a->err;
	subject(what, sizeof(what), &c->request);
	if (a->fault.code != -ENXIO)
		(void)err_wrap(&c->last, a->fault.code, "%s", what);
	c->last.code = a->fault.code;
	if (c->xfer.result == XFER_DEADLINE && before.code)
		(void)err_set(&c->last, -ETIMEDOUT,
			      "no success in time; last failure: %s",
			      before.text);
}

/* A failure is not the whole truth where an attempt may have taken effect. */
static void word_doubt(struct call *c)
{
	static const char *const rest[STORE_OP_COUNT] = {
		[STORE_PUT] = "it may have been written all the same",
		[STORE_COPY] = "it may have been copied all the same",
		[STORE_DELETE] = "it may have been deleted all the same",
		[STORE_DELETE_MANY] = "some may have been deleted",
		[STORE_UPLOAD_START] = "an upload may have been begun there",
		[STORE_UPLOAD_PART] = "the part may be there all the same",
		[STORE_UPLOAD_FINISH] = "it may have been made all the same",
		[STORE_UPLOAD_ABORT] = "it may be gone all the same",
	};
	struct err before = c->last;

	if (c->maybe_done && rest[c->req->op])
		(void)err_set(&c->last, before.code, "%.300s; %s", before.text,
			      rest[c->req->op]);
}

static bool is_look(const struct call *c)
{
	return c->request.op == STORE_HEAD && c->req->op != STORE_HEAD;
}

/* Whether a refusal may be the doing of an earlier attempt of ours. */
static bool wants_look(const struct call *c, const struct reply *a)
{
	const struct store_req *req = c->req;

	if (is_look(c))
		return false;
	/* Our upload can only be gone by a doing of ours, if perhaps by a
	 * server in between that repeated it. */
	if (req->op == STORE_UPLOAD_FINISH && a->unknown_upload)
		return true;
	if (!c->maybe_done)
		return false;
	if (req->op == STORE_UPLOAD_FINISH)
		return a->fault.code == -EEXIST;
	if (!c->request.mark[0])
		return false;
	if (req->op == STORE_COPY)
		return a->fault.code == -ESTALE &&
		       !strcmp(req->source, req->key);
	return req->op == STORE_PUT && a->fault.code == -EEXIST &&
	       a->fault.cure == FAULT_FINAL;
}

static void look(struct call *c, int code)
{
	c->look_code = code;
	if (request_make(&c->request, c->req, STORE_HEAD, c->req->key)) {
		fail(c, -ENOMEM, "out of memory");
		return;
	}
	call_send(c);
}

/* Judges what the look found. */
static void settle_look(struct call *c, const struct reply *a)
{
	const struct store_req *req = c->req;
	const char *mark = headers_get(&c->xfer.answer, REQUEST_MARK);
	char etag[STORE_ETAG_MAX];

	c->request.op = req->op; /* for the words of a failure */
	if (a->fault.code && a->fault.code != -ENOENT)
		fail(c, c->look_code == -ENOENT ? -EIO : c->look_code,
		     "an answer was lost, and whether the object there is ours "
		     "cannot be told");
	else if (req->op == STORE_UPLOAD_FINISH && !a->fault.code &&
		 reply_etag_of(etag, req->parts, req->part_count) &&
		 !strcmp(etag, req->object.etag))
		finish(c, NULL);
	else if (req->op != STORE_UPLOAD_FINISH && mark &&
		 !strcmp(mark, c->request.mark))
		finish(c, NULL);
	else if (c->look_code != -ENOENT)
		fail(c, c->look_code,
		     c->look_code == -EEXIST
			     ? "somebody else's object stands there"
			     : "the source is another by now");
	else if (a->fault.code == -ENOENT)
		fail(c, -ENOENT, "the upload is gone, and there is no object");
	else
		fail(c, -EIO,
		     "the upload is gone, and whether the object there is made "
		     "of it cannot be told");
}

static void repeat(struct call *c, const struct reply *a, uint64_t at_ms)
{
	struct http_store *s = c->s;

	atomic_fetch_add(&s->base.retries, 1);
	c->xfer.fresh = c->retry.fresh;
	c->xfer.start_ms = at_ms;
	log_debug("%s; repeated in %llu ms", c->last.text,
		  (unsigned long long)(at_ms - clock_now_ms()));
	if (c->xfer.result == XFER_UNREACHABLE)
		note_reach(s, true, c->xfer.error);
	if (a->fault.cure == FAULT_KEYS) {
		c->renewal.refused = c->keys;
		c->renewal.done = on_renewed;
		creds_renew(s->creds, &c->renewal);
		return;
	}
	if (a->fault.cure == FAULT_CLOCK)
		change_clock(s, a->date_s);
	if (a->fault.cure == FAULT_REGION &&
	    change_region(s, a->region, c->region)) {
		finish(c, &c->last);
		return;
	}
	xfer_submit(s->xfer, &c->xfer);
}

static void settle_fault(struct call *c, struct reply *a)
{
	uint64_t now_ms = clock_now_ms(), at_ms = 0;

	word_error(c, a);
	if (a->fault.cure == FAULT_SLOW)
		throttle_slow(&c->s->throttle, now_ms);
	/* Not every server says that it is the time that is over. */
	if (a->fault.code == -EACCES && a->fault.cure == FAULT_FINAL &&
	    c->keys && creds_keys_expired(c->keys))
		a->fault.cure = FAULT_KEYS;
	if ((a->fault.cure == FAULT_KEYS && !c->s->creds) ||
	    (a->fault.cure == FAULT_CLOCK && !a->date_s))
		a->fault.cure = FAULT_FINAL;
	if (c->maybe_done && a->unknown_upload &&
	    c->req->op == STORE_UPLOAD_ABORT) {
		finish(c, NULL);
		return;
	}
	if (wants_look(c, a)) {
		look(c, a->fault.code);
		return;
	}
	if (c->xfer.begun)
		c->maybe_done |= a->fault.maybe_done;
	switch (retry_next(&c->retry, &a->fault, now_ms, a->wait_ms, &at_ms)) {
	case RETRY_AT:
		repeat(c, a, at_ms);
		return;
	case RETRY_LATE:
		(void)err_wrap(&c->last, -ETIMEDOUT, "no success in time");
		break;
	case RETRY_NO:
		break;
	}
	if (is_look(c) && c->xfer.result != XFER_CANCELLED) {
		settle_look(c, a);
		return;
	}
	word_doubt(c);
	finish(c, &c->last);
}

static void settle(struct call *c)
{
	struct http_store *s = c->s;
	const struct reply_names names = {
		.bucket = s->bucket,
		.endpoint = s->endpoint ? s->endpoint : "AWS",
		.access = c->keys ? c->keys->access : NULL,
		.region = c->region,
	};
	struct err e = { 0 };
	struct reply a;

	reply_read(&a, &c->request, &c->xfer, &names, c->req);
	note_answer(s, c, &a);
	if (is_look(c) && (!a.fault.code || a.fault.code == -ENOENT))
		settle_look(c, &a);
	else if (a.fault.code)
		settle_fault(c, &a);
	else if (call_next(c, &e))
		call_send(c);
	else
		finish(c, &e);
}

static void run_settle(struct pool_job *job)
{
	settle(container_of(job, struct call, job));
}

static void on_exchange(struct xfer_req *x)
{
	struct call *c = container_of(x, struct call, xfer);

	c->maybe_done |= x->resent;
	c->retry.deadline_ms = x->deadline_ms; /* it may have been moved */
	if ((c->request.op == STORE_LIST || c->request.op == STORE_GET) &&
	    x->received > HASH_INLINE_MAX / 4 && !c->req->offset) {
		c->job.run = run_settle;
		pool_submit(c->s->pool, &c->job);
		return;
	}
	settle(c);
}

struct call *call_new(struct http_store *s, struct store_req *req)
{
	struct call *c = calloc(1, sizeof(*c));
	uint64_t now_ms = clock_now_ms(), timeout_ms = s->timeout_ms;

	if (!c)
		return NULL;
	c->s = s;
	c->req = req;
	list_init(&c->link);
	xfer_req_init(&c->xfer);
	request_init(&c->request);
	if (req->timeout_ms && req->timeout_ms < timeout_ms)
		timeout_ms = req->timeout_ms;
	retry_init(&c->retry, now_ms, timeout_ms);
	c->xfer.priority = req->priority;
	c->xfer.deadline_ms = c->retry.deadline_ms;
	/* What the caller set is a limit: after it, he relies on nothing being
	 * asked any more. */
	c->xfer.latest_ms = req->timeout_ms ? now_ms + req->timeout_ms
					    : UINT64_MAX;
	c->xfer.prepare = prepare;
	if (c->req->moved)
		c->xfer.moved = on_moved;
	c->xfer.done = on_exchange;
	c->out_start = req->out ? req->out->len : 0;
	return c;
}
