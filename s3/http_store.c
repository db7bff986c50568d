/*
 * Takes requests in and makes calls of them (http_call.h); opens and closes
 * what the calls share.
 */
#include "s3/http_store.h"

#include <errno.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/http_call.h"

#define POOL_THREADS 4

static struct http_store *http_store_of(struct store *s)
{
	return container_of(s, struct http_store, base);
}

static void run_refused(struct pool_job *job)
{
	struct http_store *s = container_of(job, struct http_store, refuse_job);

	for (;;) {
		struct list *pos;

		lock_take(&s->lock);
		pos = list_pop_head(&s->refused);
		s->refusing = pos != NULL;
		lock_drop(&s->lock);
		if (!pos)
			return;
		http_store_complete(s,
				    container_of(pos, struct store_req, link));
	}
}

/* Completes a request that never became a call; not at once, as the submitter
 * may hold locks. */
static void refuse(struct http_store *s, struct store_req *req)
{
	bool start;

	lock_take(&s->lock);
	list_add_tail(&s->refused, &req->link);
	start = !s->refusing;
	s->refusing = true;
	lock_drop(&s->lock);
	if (start)
		pool_submit(s->pool, &s->refuse_job);
}

static void http_submit(struct store *store, struct store_req *req)
{
	struct http_store *s = http_store_of(store);
	struct call *c = NULL;
	bool refused;

	err_clear(&req->err);
	if (!request_check(req, &req->err)) {
		c = call_new(s, req);
		if (!c || !call_next(c, &req->err)) {
			/* Nothing to do is a success: no keys to delete, or
			 * none that could be listed. */
			if (!c)
				(void)err_set(&req->err, -ENOMEM,
					      "out of memory");
			call_free(c);
			c = NULL;
		}
	}
	lock_take(&s->lock);
	s->pending++;
	refused = s->closing || (s->stopped && !req->tidies);
	if (c && !refused) {
		list_add_tail(&s->calls, &c->link);
		req->impl = c;
	}
	lock_drop(&s->lock);
	if (c && !refused) {
		call_send(c);
		return;
	}
	if (c)
		(void)err_set(&req->err, -ECANCELED, "cancelled");
	call_free(c);
	refuse(s, req);
}

static void http_cancel(struct store *store, struct store_req *req)
{
	struct http_store *s = http_store_of(store);

	/* Under the lock, so that `finish` cannot free the call meanwhile. */
	LOCK_SCOPE(&s->lock);
	if (req->impl)
		call_cancel(req->impl);
}

static void http_stop(struct store *store)
{
	struct http_store *s = http_store_of(store);

	LOCK_SCOPE(&s->lock);
	s->stopped = true;
	list_for_each (pos, &s->calls) {
		struct call *c = container_of(pos, struct call, link);

		if (!c->req->tidies)
			call_cancel(c);
	}
}

static void http_expect(struct store *store, unsigned int count)
{
	xfer_expect(http_store_of(store)->xfer, count);
}

static void http_about(struct store *store, struct store_about *ret_about)
{
	struct http_store *s = http_store_of(store);

	*ret_about = (struct store_about){ .anonymous = !s->creds };
	if (s->creds)
		creds_describe(s->creds, &ret_about->keys);
	LOCK_SCOPE(&s->lock);
	(void)snprintf(ret_about->endpoint, sizeof(ret_about->endpoint), "%s",
		       s->site.origin);
	(void)snprintf(ret_about->region, sizeof(ret_about->region), "%s",
		       s->region);
}

static void end_calls(struct http_store *s)
{
	LOCK_SCOPE(&s->lock);
	s->closing = true;
	list_for_each (pos, &s->calls) {
		call_cancel(container_of(pos, struct call, link));
	}
	while (s->pending)
		cond_wait(&s->all_done, &s->lock);
}

static void http_free(struct store *store)
{
	struct http_store *s = http_store_of(store);

	if (s->creds)
		creds_stop(s->creds);
	if (s->xfer && s->pool)
		end_calls(s);
	xfer_free(s->xfer);
	pool_free(s->pool);
	creds_keys_put(s->sign_keys);
	creds_free(s->creds);
	url_site_done(&s->site);
	throttle_done(&s->throttle);
	lock_done(&s->lock);
	(void)pthread_cond_destroy(&s->all_done);
	source_options_done(&s->options);
	free(s->bucket);
	free(s->endpoint);
	free(s->base.name);
	free(s);
}

static const struct store_ops http_ops = {
	.submit = http_submit,
	.cancel = http_cancel,
	.stop = http_stop,
	.expect = http_expect,
	.about = http_about,
	.free = http_free,
};

/* ---- opening ----------------------------------------------------------- */

/* Bucket names are one name space in all of AWS, elsewhere one per server. */
static int name_store(struct http_store *s)
{
	CLEANUP_BUF struct buf id = BUF_INIT(8192);
	struct hash h;

	if (asprintf(&s->base.name, "s3://%s at %s", s->bucket,
		     s->endpoint ? s->endpoint : "AWS") < 0) {
		s->base.name = NULL;
		return -ENOMEM;
	}
	if (buf_addf(&id, "%s|%s", s->endpoint ? s->endpoint : "AWS",
		     s->bucket))
		return -ENOMEM;
	hash_of(&h, id.data, id.len);
	memcpy(s->base.bucket_id, h.bytes, sizeof(s->base.bucket_id));
	return 0;
}

static int copy_settings(struct http_store *s, const char *bucket,
			 const struct source_options *o, struct err *e)
{
	const char *region = o->region ? o->region : "us-east-1";

	if (!call_region_ok(region))
		return err_set(e, -EINVAL, "region '%s': no such name", region);
	(void)snprintf(s->region, sizeof(s->region), "%s", region);
	s->bucket = strdup(bucket);
	s->endpoint = o->endpoint ? strdup(o->endpoint) : NULL;
	if (!s->bucket || (o->endpoint && !s->endpoint))
		return err_set(e, -ENOMEM, "out of memory");
	s->path_style = o->path_style;
	s->timeout_ms = (uint64_t)o->retry_timeout_s * 1000;
	if (source_options_copy(&s->options, o, e))
		return -ENOMEM;
	s->terms = (struct request_terms){
		.sse = s->options.sse,
		.sse_kms_key_id = s->options.sse_kms_key_id,
		.storage_class = s->options.storage_class,
		.checksums = !o->no_upload_checksums,
		.bucket_owner = s->options.bucket_owner,
		.requester_pays = o->requester_pays,
	};
	if (name_store(s))
		return err_set(e, -ENOMEM, "out of memory");
	return url_site_init(&s->site, s->endpoint, s->region, s->bucket,
			     s->path_style, e);
}

static int open_parts(struct http_store *s, const struct source_options *o,
		      struct err *e)
{
	const struct creds_options keys = { .passwd_file = o->passwd_file,
					    .profile = o->profile,
					    .iam_role = o->iam_role,
					    .ecs = o->ecs,
					    .imds_v1 = o->imds_v1,
					    .bucket = s->bucket,
					    .region = s->region,
					    .ca_bundle = o->ca_bundle };
	const struct xfer_options transfer = {
		.max_connections = o->max_connections,
		.connect_timeout_s = o->connect_timeout_s,
		.ca_bundle = o->ca_bundle,
		.no_check_certificate = o->no_check_certificate,
		.any_hostname = !o->ssl_verify_hostname,
		.throttle = &s->throttle,
		.hedge = true,
	};
	int r = 0;

	if (!o->anonymous)
		r = creds_open(&s->creds, &keys, e);
	if (!r)
		r = pool_open(&s->pool, POOL_THREADS, e);
	if (!r)
		r = xfer_open(&s->xfer, &transfer, e);
	return r;
}

static void http_store_free(struct http_store *s)
{
	http_free(&s->base);
}

DEFINE_CLEANUP(struct http_store *, http_store_free)

int http_store_open(struct store **ret_store, const char *bucket,
		    const struct source_options *o, struct err *e)
{
	CLEANUP(http_store_freep) struct http_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	xmlInitParser(); /* before there are threads that parse */
	s->base.ops = &http_ops;
	s->base.utf8_keys = true;
	lock_init(&s->lock, LOCK_RANK_STORE);
	cond_init(&s->all_done);
	throttle_init(&s->throttle);
	list_init(&s->calls);
	list_init(&s->refused);
	s->refuse_job.run = run_refused;
	r = copy_settings(s, bucket, o, e);
	if (!r)
		r = open_parts(s, o, e);
	if (r)
		return r;
	*ret_store = &s->base;
	s = NULL;
	return 0;
}
