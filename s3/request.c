#include "s3/request.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/body.h"
#include "s3/mime.h"
#include "s3/sign.h"

#define DOCUMENT_MAX (8 << 20)
#define LIST_MAX (16 << 20)
/* Operations whose reply S3 computes for long, and keeps alive by spaces. */
#define LONG_STALL_MS 120000

static int check_key(const char *key, const char *what, struct err *e)
{
	size_t len = key ? strlen(key) : 0;

	if (!len)
		return err_set(e, -EINVAL, "%s without a key", what);
	if (len > STORE_KEY_MAX)
		return err_set(e, -ENAMETOOLONG,
			       "%s '%.64s…': a key of %zu bytes; S3 has %d at "
			       "most",
			       what, key, len, STORE_KEY_MAX);
	return 0;
}

/* S3 keys are UTF-8. Others are not written; asked for they may be. */
static int check_new_key(const struct store_req *req, struct err *e)
{
	const char *name = store_op_name(req->op);
	int r = check_key(req->key, name, e);

	if (!r && !body_is_utf8(req->key, strlen(req->key)))
		r = err_set(e, -EILSEQ, "%s '%s': the key is not UTF-8", name,
			    req->key);
	return r;
}

static int check_range(const struct store_req *req, struct err *e)
{
	if (!req->out ||
	    (req->length && req->offset > UINT64_MAX - req->length))
		return err_set(e, -EINVAL,
			       "GET '%s': bad range, or no place for it",
			       req->key);
	return 0;
}

static int check_upload(const struct store_req *req, struct err *e)
{
	const char *name = store_op_name(req->op);

	if (!req->upload_id || !*req->upload_id)
		return err_set(e, -EINVAL, "%s '%s' without an upload id", name,
			       req->key);
	if (req->op == STORE_UPLOAD_PART &&
	    (!req->part_number || req->part_number > STORE_PARTS_MAX))
		return err_set(e, -EINVAL, "%s '%s': no part can be number %u",
			       name, req->key, req->part_number);
	if (req->op == STORE_UPLOAD_FINISH &&
	    (!req->part_count || req->part_count > STORE_PARTS_MAX))
		return err_set(e, -EINVAL, "%s '%s' of %zu parts", name,
			       req->key, req->part_count);
	return 0;
}

static int check_many(const struct store_req *req, struct err *e)
{
	int r = 0;

	if (req->key_count > STORE_DELETE_MANY_MAX)
		return err_set(e, -EINVAL, "DELETE_MANY of %zu keys",
			       req->key_count);
	for (size_t i = 0; i < req->key_count && !r; i++)
		r = check_key(req->keys[i], "DELETE_MANY", e);
	return r;
}

static int check_list(const struct store_req *req, struct err *e)
{
	if (strlen(req->key ? req->key : "") > STORE_KEY_MAX)
		return err_set(e, -ENAMETOOLONG, "LIST '%.64s…': too long",
			       req->key);
	return 0;
}

static int check_config(const struct store_req *req, struct err *e)
{
	if (req->out && req->key &&
	    (!strcmp(req->key, "versioning") || !strcmp(req->key, "lifecycle")))
		return 0;
	return err_set(e, -EINVAL, "CONFIG of nothing known");
}

int request_check(const struct store_req *req, struct err *e)
{
	const char *name = store_op_name(req->op);
	int r;

	switch (req->op) {
	case STORE_LIST:
		return check_list(req, e);
	case STORE_DELETE_MANY:
		return check_many(req, e);
	case STORE_GET:
		r = check_key(req->key, name, e);
		return r ? r : check_range(req, e);
	case STORE_HEAD:
	case STORE_DELETE:
		return check_key(req->key, name, e);
	case STORE_COPY:
		r = check_key(req->source, "COPY from", e);
		return r ? r : check_new_key(req, e);
	case STORE_PUT:
	case STORE_UPLOAD_START:
		return check_new_key(req, e);
	case STORE_UPLOAD_PART:
	case STORE_UPLOAD_FINISH:
	case STORE_UPLOAD_ABORT:
		r = check_new_key(req, e);
		return r ? r : check_upload(req, e);
	case STORE_CONFIG:
		return check_config(req, e);
	case STORE_OP_COUNT:
		break;
	}
	return err_set(e, -EINVAL, "no such operation");
}

void request_init(struct request *r)
{
	memset(r, 0, sizeof(*r));
	buf_init(&r->document, DOCUMENT_MAX);
}

void request_done(struct request *r)
{
	buf_done(&r->document);
}

static int write_delete(struct buf *out, const struct store_req *req)
{
	const char *fit[STORE_DELETE_MANY_MAX];
	size_t count = 0;

	for (size_t i = 0; i < req->key_count; i++)
		if (body_key_fits(req->keys[i]))
			fit[count++] = req->keys[i];
	return body_write_delete(out, fit, count);
}

/* Some servers count the name with its prefix, and the limit is theirs. */
static bool may_bear_mark(const struct store_req *req)
{
	bool conditional =
		(req->op == STORE_PUT && req->if_absent) ||
		(req->op == STORE_COPY && req->if_match && req->meta);
	size_t need = sizeof(REQUEST_MARK) + REQUEST_MARK_LEN;

	return conditional &&
	       (!req->meta || meta_size(req->meta) + need <= META_MAX);
}

static void make_mark(struct request *r)
{
	unsigned char random[REQUEST_MARK_LEN / 2];

	if (r->mark[0] || !may_bear_mark(r->req))
		return;
	random_bytes(random, sizeof(random));
	hex_encode(r->mark, random, sizeof(random));
}

int request_make(struct request *r, const struct store_req *req,
		 enum store_op op, const char *key)
{
	r->req = req;
	r->op = op;
	r->key = key ? key : "";
	r->body = NULL;
	r->body_len = 0;
	make_mark(r);
	buf_reset(&r->document);
	if (op == STORE_PUT || op == STORE_UPLOAD_PART) {
		r->body = req->body;
		r->body_len = req->body_len;
		return 0;
	}
	if (op == STORE_DELETE_MANY && write_delete(&r->document, req))
		return -ENOMEM;
	if (op == STORE_UPLOAD_FINISH &&
	    body_write_parts(&r->document, req->parts, req->part_count))
		return -ENOMEM;
	if (r->document.len) {
		r->body = r->document.data;
		r->body_len = r->document.len;
	}
	return 0;
}

void request_hash(struct request *r)
{
	hash_of(&r->hash, r->body ? r->body : "", r->body_len);
	hex_encode(r->payload, r->hash.bytes, HASH_LEN);
}

static const char *method_of(enum store_op op)
{
	static const char *const methods[STORE_OP_COUNT] = {
		[STORE_GET] = "GET",
		[STORE_HEAD] = "HEAD",
		[STORE_PUT] = "PUT",
		[STORE_LIST] = "GET",
		[STORE_COPY] = "PUT",
		[STORE_DELETE] = "DELETE",
		[STORE_DELETE_MANY] = "POST",
		[STORE_UPLOAD_START] = "POST",
		[STORE_UPLOAD_PART] = "PUT",
		[STORE_UPLOAD_FINISH] = "POST",
		[STORE_UPLOAD_ABORT] = "DELETE",
		[STORE_CONFIG] = "GET",
	};

	return methods[op];
}

/* Digits that a query value borrows. */
struct numbers {
	char part[16];
	char max_keys[16];
};

static void add_list_query(struct url_query *q, const struct request *r,
			   struct numbers *n)
{
	const struct store_req *req = r->req;
	uint32_t max = req->max_keys ? req->max_keys : STORE_LIST_PAGE;

	url_query_add(q, "list-type", "2");
	url_query_add(q, "encoding-type", "url");
	url_query_add(q, "prefix", r->key);
	(void)snprintf(n->max_keys, sizeof(n->max_keys), "%" PRIu32, max);
	url_query_add(q, "max-keys", n->max_keys);
	if (req->delimiter)
		url_query_add(q, "delimiter", req->delimiter);
	if (req->continuation)
		url_query_add(q, "continuation-token", req->continuation);
	else if (req->start_after)
		url_query_add(q, "start-after", req->start_after);
}

static void add_query(struct url_query *q, const struct request *r,
		      struct numbers *n)
{
	switch (r->op) {
	case STORE_LIST:
		add_list_query(q, r, n);
		break;
	case STORE_CONFIG:
		url_query_add(q, r->key, "");
		break;
	case STORE_DELETE_MANY:
		url_query_add(q, "delete", "");
		break;
	case STORE_UPLOAD_START:
		url_query_add(q, "uploads", "");
		break;
	case STORE_UPLOAD_PART:
		(void)snprintf(n->part, sizeof(n->part), "%" PRIu32,
			       r->req->part_number);
		url_query_add(q, "partNumber", n->part);
		__attribute__((fallthrough));
	case STORE_UPLOAD_FINISH:
	case STORE_UPLOAD_ABORT:
		url_query_add(q, "uploadId", r->req->upload_id);
		break;
	default:
		break;
	}
}

static int add_meta(struct headers *h, const struct store_req *req,
		    const char *mark)
{
	int r = 0;

	if (req->content_type)
		r = headers_add(h, "content-type", req->content_type);
	for (size_t i = 0; req->meta && i < req->meta->count && !r; i++) {
		CLEANUP_BUF struct buf name = BUF_INIT(4096);
		CLEANUP_BUF struct buf value = BUF_INIT(16 << 10);

		(void)buf_addf(&name, "x-amz-meta-%s",
			       req->meta->pairs[i].name);
		if (mime_encode(&value, req->meta->pairs[i].value) ||
		    buf_error(&name))
			return -ENOMEM;
		r = headers_add(h, name.data, value.data ? value.data : "");
	}
	if (!r && mark[0])
		r = headers_add(h, REQUEST_MARK, mark);
	return r;
}

static int add_copy(struct headers *h, const struct request *r,
		    const char *bucket, bool is_aws)
{
	const struct store_req *req = r->req;
	CLEANUP_BUF struct buf source = BUF_INIT(8192);
	int ret;

	(void)buf_addf(&source, "/%s/", bucket);
	if (url_encode(&source, req->source, strlen(req->source), true))
		return -ENOMEM;
	ret = headers_add(h, "x-amz-copy-source", source.data);
	if (!ret && req->if_match)
		ret = headers_addf(h, "x-amz-copy-source-if-match", "\"%s\"",
				   req->if_match);
	/* Ceph RGW 16 knows the condition by this name only. */
	if (!ret && req->if_match && !is_aws)
		ret = headers_addf(h, "x-amz-copy-if-match", "\"%s\"",
				   req->if_match);
	if (!ret)
		ret = headers_add(h, "x-amz-metadata-directive",
				  req->meta ? "REPLACE" : "COPY");
	if (!ret && req->meta)
		ret = add_meta(h, req, r->mark);
	return ret;
}

/* DeleteObjects insists on it; what is not signed has no other check on its way
 * that every server makes. */
static int add_md5(struct headers *h, const struct request *r)
{
	unsigned char md5[EVP_MAX_MD_SIZE], text[EVP_MAX_MD_SIZE * 2];
	unsigned int len = 0;

	if (!EVP_Digest(r->body, r->body_len, md5, &len, EVP_md5(), NULL))
		return -ENOMEM;
	(void)EVP_EncodeBlock(text, md5, (int)len);
	return headers_add(h, "content-md5", (const char *)text);
}

/*
 * SHA-256 is at hand, as every request is signed with it, so this one costs
 * nothing; it is kept with the object, to be compared on the way back. Parts
 * have none: it would have to be announced with the upload and repeated at its
 * end, and the signature covers their way already.
 */
static int add_checksum(struct headers *h, const struct request *r)
{
	unsigned char text[4 * ((HASH_LEN + 2) / 3) + 1];

	(void)EVP_EncodeBlock(text, r->hash.bytes, HASH_LEN);
	return headers_add(h, "x-amz-checksum-sha256", (const char *)text);
}

/* Where an object comes to be. A copy takes nothing of it from its source. */
static int add_storage(struct headers *h, const struct request_terms *t)
{
	int r = 0;

	if (t->sse)
		r = headers_add(h, "x-amz-server-side-encryption", t->sse);
	if (!r && t->sse_kms_key_id)
		r = headers_add(h,
				"x-amz-server-side-encryption-aws-kms-key-id",
				t->sse_kms_key_id);
	if (!r && t->storage_class)
		r = headers_add(h, "x-amz-storage-class", t->storage_class);
	return r;
}

static int add_terms(struct headers *h, const struct request *r,
		     const struct request_terms *t, bool is_signed)
{
	bool whole = r->op == STORE_PUT;
	int ret = 0;

	if (whole || r->op == STORE_UPLOAD_START || r->op == STORE_COPY)
		ret = add_storage(h, t);
	if (!ret && whole && t->checksums)
		ret = add_checksum(h, r);
	if (!ret && (whole || r->op == STORE_UPLOAD_PART) && !is_signed)
		ret = add_md5(h, r);
	if (!ret && t->requester_pays)
		ret = headers_add(h, "x-amz-request-payer", "requester");
	if (!ret && t->bucket_owner)
		ret = headers_add(h, "x-amz-expected-bucket-owner",
				  t->bucket_owner);
	if (!ret && t->bucket_owner && r->op == STORE_COPY)
		ret = headers_add(h, "x-amz-source-expected-bucket-owner",
				  t->bucket_owner);
	return ret;
}

static int add_headers(struct headers *h, const struct request *r,
		       const char *bucket, const struct url_site *site)
{
	const struct store_req *req = r->req;
	int ret = 0;

	switch (r->op) {
	case STORE_GET:
		if (req->length)
			ret = headers_addf(
				h, "range", "bytes=%" PRIu64 "-%" PRIu64,
				req->offset, req->offset + req->length - 1);
		else if (req->offset)
			ret = headers_addf(h, "range", "bytes=%" PRIu64 "-",
					   req->offset);
		/* Over TLS nobody compares. */
		if (!ret && !req->offset && !strncmp(site->origin, "http:", 5))
			ret = headers_add(h, "x-amz-checksum-mode", "ENABLED");
		__attribute__((fallthrough));
	case STORE_HEAD:
		/* A look on behalf of another operation has no condition. */
		if (!ret && req->if_match && r->op == req->op)
			ret = headers_addf(h, "if-match", "\"%s\"",
					   req->if_match);
		break;
	case STORE_PUT:
	case STORE_UPLOAD_START:
		ret = add_meta(h, req, r->mark);
		if (!ret && req->if_absent && r->op == STORE_PUT)
			ret = headers_add(h, "if-none-match", "*");
		break;
	case STORE_COPY:
		ret = add_copy(h, r, bucket, site->is_aws);
		break;
	case STORE_DELETE_MANY:
		ret = headers_add(h, "content-type", "application/xml");
		if (!ret)
			ret = add_md5(h, r);
		break;
	case STORE_UPLOAD_FINISH:
		ret = headers_add(h, "content-type", "application/xml");
		if (!ret && req->if_absent)
			ret = headers_add(h, "if-none-match", "*");
		break;
	default:
		break;
	}
	return ret;
}

static int add_signature(struct xfer_req *x, const struct request *r,
			 const char *path, const char *query,
			 const struct request_signer *signer)
{
	const struct sign_request what = { .method = x->method,
					   .path = path,
					   .query = query,
					   .headers = &x->headers,
					   .payload = r->payload };
	struct sign_scope scope = { .key = signer->key,
				    .stamp = signer->stamp,
				    .region = signer->region,
				    .service = "s3" };
	CLEANUP_BUF struct buf value = BUF_INIT(64 << 10);
	int ret;

	if (!signer->keys)
		return 0;
	scope.access = signer->keys->access;
	ret = headers_add(&x->headers, "x-amz-content-sha256", r->payload);
	if (!ret)
		ret = headers_add(&x->headers, "x-amz-date", signer->stamp);
	if (!ret && signer->keys->token)
		ret = headers_add(&x->headers, "x-amz-security-token",
				  signer->keys->token);
	if (!ret)
		ret = sign_authorization(&value, &what, &scope);
	if (!ret)
		ret = headers_add(&x->headers, "authorization", value.data);
	return ret;
}

static enum hedge_kind hedge_of(enum store_op op)
{
	switch (op) {
	case STORE_GET:
		return HEDGE_GET;
	case STORE_HEAD:
		return HEDGE_HEAD;
	case STORE_LIST:
		return HEDGE_LIST;
	default:
		return HEDGE_NONE;
	}
}

static void set_transfer(struct xfer_req *x, const struct request *r)
{
	const struct store_req *req = r->req;

	x->method = method_of(r->op);
	x->hedge = hedge_of(r->op);
	x->body = r->body;
	x->body_len = r->body_len;
	x->out = r->op == STORE_GET || r->op == STORE_CONFIG ? req->out : NULL;
	x->out_status = req->offset || req->length ? 206 : 200;
	x->reply_max = r->op == STORE_LIST || r->op == STORE_DELETE_MANY
			       ? LIST_MAX
			       : 0;
	x->stall_ms = r->op == STORE_COPY || r->op == STORE_UPLOAD_FINISH ||
				      r->op == STORE_DELETE_MANY
			      ? LONG_STALL_MS
			      : 0;
}

int request_fill(const struct request *r, const struct url_site *site,
		 const char *bucket, const struct request_terms *terms,
		 const struct request_signer *signer, struct xfer_req *x)
{
	CLEANUP_BUF struct buf path = BUF_INIT(32 << 10);
	CLEANUP_BUF struct buf query = BUF_INIT(32 << 10);
	struct url_query q = { .count = 0 };
	struct numbers n;
	bool in_bucket = r->op != STORE_LIST && r->op != STORE_DELETE_MANY &&
			 r->op != STORE_CONFIG;
	int ret;

	set_transfer(x, r);
	add_query(&q, r, &n);
	if (url_path(&path, site, in_bucket ? r->key : "") ||
	    url_query_write(&query, &q))
		return -ENOMEM;
	(void)buf_addf(&x->url, "%s%s", site->origin, path.data);
	if (query.len)
		(void)buf_addf(&x->url, "?%s", query.data);
	ret = buf_error(&x->url);
	if (!ret)
		ret = headers_add(&x->headers, "host", site->host);
	if (!ret)
		ret = add_headers(&x->headers, r, bucket, site);
	if (!ret)
		ret = add_terms(&x->headers, r, terms, signer->keys);
	if (!ret)
		ret = add_signature(x, r, path.data,
				    query.data ? query.data : "", signer);
	return ret ? -ENOMEM : 0;
}
