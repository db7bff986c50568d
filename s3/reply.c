#include "s3/reply.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/body.h"
#include "s3/mime.h"
#include "s3/stamp.h"
#include "s3/verify.h"

#define ERROR_LEN_MAX (64 << 10)

/* The answer is not what HTTP and S3 promise. */
__attribute__((format(printf, 3, 4))) static void
broken(struct reply *a, enum fault_cure cure, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	a->fault = (struct fault){ -EIO, cure, true };
	(void)err_set(&a->err, -EIO, "%s", text);
}

static void no_memory(struct reply *a)
{
	a->fault = (struct fault){ -ENOMEM, FAULT_FINAL, true };
	(void)err_set(&a->err, -ENOMEM, "out of memory");
}

/* ---- failures ---------------------------------------------------------- */

/*
 * A failed condition means what the request asked for. A conflict with another
 * request under way says nothing yet about who stands there in the end: a PUT
 * is repeated and learns it, but an upload does not survive it, as S3 tells.
 */
static void apply_condition(struct fault *f, const struct request *r)
{
	bool absent = r->req->if_absent &&
		      (r->op == STORE_PUT || r->op == STORE_UPLOAD_FINISH);

	if (absent && (f->code == -ESTALE ||
		       (f->code == -EEXIST && r->op == STORE_UPLOAD_FINISH)))
		*f = (struct fault){ -EEXIST, FAULT_FINAL, false };
	else if (f->code == -EEXIST)
		f->code = -EIO;
}

/* A reply to HEAD has no body to say why. */
static const char *head_advice(int status)
{
	if (status == 403)
		return "no right to read it; or it is not there, and no right "
		       "to list";
	return status == 400 ? "the server does not say why; the keys may have "
			       "expired, or the object be encrypted with one "
			       "of its own (SSE-C), which is not supported"
			     : NULL;
}

static void tell_fault(struct reply *a, const struct request *r,
		       const struct body_error *error, int status,
		       const struct reply_names *names)
{
	const char *advice = r->op == STORE_HEAD ? head_advice(status)
						 : fault_advice(error->code);
	int code = a->fault.code;

	if (code == -ENXIO)
		(void)err_set(&a->err, code,
			      "bucket '%s' does not exist at %s: create it or "
			      "check the name",
			      names->bucket, names->endpoint);
	else if (!strcmp(error->code, "InvalidAccessKeyId") && names->access)
		(void)err_set(&a->err, code,
			      "%d %s: the access key '%.4s…' is not known at "
			      "%s",
			      status, error->code, names->access,
			      names->endpoint);
	else
		(void)err_set(&a->err, code, "%d%s%s%s%s%s%s", status,
			      error->code[0] ? " " : "", error->code,
			      error->message[0] ? ": " : "", error->message,
			      advice ? "; " : "", advice ? advice : "");
}

/* HEAD cannot say that our clock is wrong, but shows its own. */
static bool clock_is_off(const struct reply *a, const struct xfer_req *x)
{
	const char *stamp = headers_get(&x->headers, "x-amz-date");
	char iso[21];
	int64_t ours;

	if (!stamp || strlen(stamp) != 16 || !a->date_s)
		return false;
	(void)snprintf(iso, sizeof(iso), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ",
		       stamp, stamp + 4, stamp + 6, stamp + 9, stamp + 11,
		       stamp + 13);
	if (stamp_parse_iso(&ours, iso, 20))
		return false;
	return llabs((long long)(a->date_s - ours)) > 300;
}

static void read_fault(struct reply *a, const struct request *r,
		       const struct xfer_req *x, int status,
		       const struct body_error *error, bool readable,
		       const struct reply_names *names)
{
	a->fault = fault_of_reply(status, readable ? error->code : NULL);
	a->unknown_upload = !strcmp(error->code, "NoSuchUpload");
	if (error->region[0] && a->fault.cure == FAULT_REGION)
		memcpy(a->region, error->region, sizeof(a->region));
	/* HEAD of another region is a bare 400, 301 or 403. */
	if (r->op == STORE_HEAD && a->region[0] && status != 404 &&
	    status < 500 && strcmp(a->region, names->region) != 0)
		a->fault.cure = FAULT_REGION;
	if (a->fault.cure == FAULT_REGION && !a->region[0])
		a->fault.cure = FAULT_FINAL;
	if ((status == 403 || status == 400) && !error->code[0] &&
	    clock_is_off(a, x))
		a->fault.cure = FAULT_CLOCK;
	apply_condition(&a->fault, r);
	tell_fault(a, r, error, status, names);
}

static void read_failure(struct reply *a, const struct request *r,
			 const struct xfer_req *x,
			 const struct reply_names *names)
{
	struct body_error error = { .code = "" };
	bool readable = !x->received ||
			!body_read_error(&error, x->reply.data, x->reply.len);

	read_fault(a, r, x, x->status, &error, readable, names);
}

/* ---- header fields ----------------------------------------------------- */

static bool parse_number(uint64_t *ret, const char **p)
{
	const char *start = *p;
	uint64_t v = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++) {
		if (*p - start == 19)
			return false;
		v = v * 10 + (uint64_t)(**p - '0');
	}
	*ret = v;
	return *p != start;
}

static bool get_length(uint64_t *ret, const struct xfer_req *x)
{
	const char *text = headers_get(&x->answer, "content-length");

	return text && parse_number(ret, &text) && !*text;
}

/* "bytes FIRST-LAST/SIZE" */
static bool get_range(uint64_t *ret_first, uint64_t *ret_last,
		      uint64_t *ret_size, const struct xfer_req *x)
{
	const char *p = headers_get(&x->answer, "content-range");

	if (!p || strncasecmp(p, "bytes ", 6))
		return false;
	p += 6;
	if (!parse_number(ret_first, &p) || *p++ != '-' ||
	    !parse_number(ret_last, &p) || *p++ != '/' ||
	    !parse_number(ret_size, &p))
		return false;
	return !*p && *ret_first <= *ret_last && *ret_last < *ret_size;
}

/* Retry-After: seconds, or a date by the server's clock. */
static uint64_t get_wait_ms(const struct reply *a, const struct xfer_req *x)
{
	const char *text = headers_get(&x->answer, "retry-after");
	uint64_t seconds;
	int64_t until_s;

	if (!text)
		return 0;
	if (a->date_s && !stamp_parse_http(&until_s, text, strlen(text)))
		return until_s > a->date_s
			       ? (uint64_t)(until_s - a->date_s) * 1000
			       : 0;
	return parse_number(&seconds, &text) && !*text && seconds <= 86400
		       ? seconds * 1000
		       : 0;
}

static bool get_etag(struct store_object *o, const struct xfer_req *x)
{
	const char *text = headers_get(&x->answer, "etag");

	return text && body_copy_etag(o->etag, text);
}

static bool get_modified(struct store_object *o, const struct xfer_req *x)
{
	const char *text = headers_get(&x->answer, "last-modified");

	return text && !stamp_parse_http(&o->modified_s, text, strlen(text));
}

static int get_meta(struct meta *m, const struct xfer_req *x)
{
	static const char prefix[] = "x-amz-meta-";
	const size_t len = sizeof(prefix) - 1;

	for (size_t i = 0; i < x->answer.count; i++) {
		const struct header *h = &x->answer.fields[i];
		CLEANUP_BUF struct buf value = BUF_INIT(64 << 10);
		int r;

		if (strncmp(h->name, prefix, len) || !h->name[len] ||
		    !strcmp(h->name, REQUEST_MARK))
			continue;
		if (mime_decode(&value, h->value))
			return -ENOMEM;
		r = meta_set(m, h->name + len, value.data ? value.data : "");
		/* What exceeds the limit of S3 is none of ours. */
		if (r && r != -E2BIG)
			return r;
	}
	return 0;
}

/* Whether the server keeps what was sent, as far as it says so. What was put in
 * parts has a sum of sums ("…-N"), which tells nothing about the whole. */
static bool sum_matches(const struct xfer_req *x, const struct hash *h)
{
	const char *text = headers_get(&x->answer, "x-amz-checksum-sha256");
	unsigned char ours[4 * ((HASH_LEN + 2) / 3) + 1];

	(void)EVP_EncodeBlock(ours, h->bytes, HASH_LEN);
	return !text || strchr(text, '-') || !strcmp(text, (const char *)ours);
}

/* An Error document in place of what was due, with a status of success. */
static bool read_disguised(struct reply *a, const struct request *r,
			   const struct xfer_req *x,
			   const struct reply_names *names)
{
	const struct buf *body =
		x->out && x->status == x->out_status ? x->out : &x->reply;
	struct body_error error = { .code = "" };

	/* What was received is at the end; `out` may have held more before. */
	if (!x->received || x->received > body->len ||
	    x->received > ERROR_LEN_MAX ||
	    body_read_error(&error, body->data + body->len - x->received,
			    (size_t)x->received))
		return false;
	read_fault(a, r, x, 200, &error, true, names);
	a->fault.maybe_done = true;
	return true;
}

/* ---- successes, one by one --------------------------------------------- */

static void read_attributes(struct reply *a, const struct xfer_req *x,
			    struct store_req *req)
{
	if (!get_etag(&req->object, x) || !get_modified(&req->object, x))
		broken(a, FAULT_DOUBT, "the reply lacks ETag or Last-Modified");
	else if (get_meta(&req->meta_out, x))
		no_memory(a);
}

/* Only where all of the object came. */
static void check_content(struct reply *a, const struct xfer_req *x)
{
	const struct buf *out = x->out;
	const char *wrong;

	if (strncmp(x->url.data, "http:", 5) != 0)
		return;
	wrong = verify_content(&x->answer, out->data + out->len - x->received,
			       (size_t)x->received);
	if (wrong)
		broken(a, FAULT_DOUBT,
		       "the content does not match its %s: it is damaged on "
		       "the way, or there. (Over https:// an ETag that is no "
		       "MD5 sum does no harm.)",
		       wrong);
}

static void read_get(struct reply *a, const struct request *r,
		     const struct xfer_req *x, const struct reply_names *names,
		     struct store_req *req)
{
	bool partial = req->offset || req->length;
	uint64_t first = 0, last = 0, size = 0, end;

	/* An object may well be an Error document, but has an ETag. */
	if ((x->status != (partial ? 206 : 200) ||
	     !get_etag(&req->object, x)) &&
	    read_disguised(a, r, x, names))
		return;
	if (!partial && x->status == 200) {
		if (!get_length(&size, x) || size != x->received)
			broken(a, FAULT_DOUBT,
			       "the reply lacks its length, or has another");
	} else if (partial && x->status == 206) {
		end = req->length ? req->offset + req->length : UINT64_MAX;
		if (!get_range(&first, &last, &size, x) ||
		    first != req->offset ||
		    last != (end < size ? end : size) - 1 ||
		    last - first + 1 != x->received)
			broken(a, FAULT_DOUBT,
			       "the reply is not the range that was asked for");
	} else {
		broken(a, FAULT_DOUBT,
		       "status %d where %d was due: the server "
		       "%s ranges",
		       x->status, partial ? 206 : 200,
		       partial ? "does not honour" : "invents");
	}
	if (a->fault.code)
		return;
	req->object.size = size;
	read_attributes(a, x, req);
	if (!a->fault.code && x->received == size && size)
		check_content(a, x);
	if (!a->fault.code && req->if_match &&
	    strcmp(req->if_match, req->object.etag)) {
		a->fault = (struct fault){ -ESTALE, FAULT_FINAL, false };
		(void)err_set(&a->err, -ESTALE,
			      "the server sent another version than asked for");
	}
}

static void read_head(struct reply *a, const struct xfer_req *x,
		      struct store_req *req)
{
	if (!get_length(&req->object.size, x))
		broken(a, FAULT_DOUBT, "the reply lacks the length");
	else
		read_attributes(a, x, req);
}

static void read_put(struct reply *a, const struct request *r,
		     const struct xfer_req *x, const struct reply_names *names,
		     struct store_req *req)
{
	if (read_disguised(a, r, x, names))
		return;
	if (!get_etag(&req->object, x)) {
		broken(a, FAULT_DOUBT, "the reply lacks the ETag");
		return;
	}
	if (!sum_matches(x, &r->hash)) {
		broken(a, FAULT_RETRY,
		       "the server's checksum is of something "
		       "else than was sent");
		return;
	}
	req->object.size = req->body_len;
}

/* Judges what a reader of body.h returned. error: of -EREMOTEIO. */
static void read_result(struct reply *a, const struct request *r,
			const struct xfer_req *x, int result,
			const struct body_error *error,
			const struct reply_names *names)
{
	if (result == -ENOMEM)
		no_memory(a);
	else if (result == -EREMOTEIO)
		read_fault(a, r, x, 200, error, true, names);
	else if (result && !read_disguised(a, r, x, names))
		broken(a, FAULT_DOUBT,
		       "the reply is no well-formed answer to this");
}

static void read_list(struct reply *a, const struct request *r,
		      const struct xfer_req *x, const struct reply_names *names,
		      struct store_req *req)
{
	const struct body_error none = { .code = "" };
	struct store_list *l = &req->list;
	int result = body_read_list(
		l, r->key, x->reply.data ? x->reply.data : "", x->reply.len);

	if (!result && l->truncated && req->continuation &&
	    !strcmp(l->next, req->continuation)) {
		broken(a, FAULT_DOUBT,
		       "the next page is to be this one again: the listing "
		       "would never end");
		store_list_done(l);
		store_list_init(l);
		return;
	}
	read_result(a, r, x, result, &none, names);
}

static void read_deleted(struct reply *a, const struct request *r,
			 const struct xfer_req *x,
			 const struct reply_names *names)
{
	struct body_deleted deleted = { .failed = 0 };
	struct body_error error = { .code = "" };
	struct err e = { 0 };
	int result = body_read_deleted(&deleted, &error, x->reply.data,
				       x->reply.len);

	if (result || !deleted.failed) {
		read_result(a, r, x, result, &error, names);
		return;
	}
	read_fault(a, r, x, 200, &deleted.first, true, names);
	(void)err_copy(&e, &a->err);
	(void)err_set(&a->err, a->fault.code, "%zu keys, '%s' first: %.200s",
		      deleted.failed, deleted.key, e.text);
}

static void read_success(struct reply *a, const struct request *r,
			 const struct xfer_req *x,
			 const struct reply_names *names, struct store_req *req)
{
	const char *data = x->reply.data ? x->reply.data : "";
	struct body_error error = { .code = "" };
	int result;

	switch (r->op) {
	case STORE_GET:
		read_get(a, r, x, names, req);
		break;
	case STORE_HEAD:
		read_head(a, x, req);
		break;
	case STORE_PUT:
	case STORE_UPLOAD_PART:
		read_put(a, r, x, names, req);
		break;
	case STORE_LIST:
		read_list(a, r, x, names, req);
		break;
	case STORE_COPY:
	case STORE_UPLOAD_FINISH:
		result = body_read_etag(&req->object, &error, data,
					x->reply.len);
		/* Ceph RGW 16 leaves the ETag of an upload empty. */
		if (!result && !req->object.etag[0] &&
		    (r->op != STORE_UPLOAD_FINISH ||
		     !reply_etag_of(req->object.etag, req->parts,
				    req->part_count)))
			result = -EBADMSG;
		read_result(a, r, x, result, &error, names);
		break;
	case STORE_UPLOAD_START:
		result = body_read_upload(&req->upload_id_out, data,
					  x->reply.len);
		read_result(a, r, x, result, &error, names);
		break;
	case STORE_DELETE_MANY:
		read_deleted(a, r, x, names);
		break;
	case STORE_DELETE:
	case STORE_UPLOAD_ABORT:
		(void)read_disguised(a, r, x, names);
		break;
	default:
		break;
	}
}

static bool is_success(const struct request *r, int status)
{
	if (r->op == STORE_DELETE || r->op == STORE_UPLOAD_ABORT)
		return status == 200 || status == 202 || status == 204;
	return status == 200 || (status == 206 && r->op == STORE_GET);
}

void reply_read(struct reply *ret_reply, const struct request *r,
		const struct xfer_req *x, const struct reply_names *names,
		struct store_req *req)
{
	struct reply *a = ret_reply;
	const char *date, *region, *version;

	memset(a, 0, sizeof(*a));
	if (x->result != XFER_OK) {
		a->fault = fault_of_xfer(x->result);
		(void)err_set(&a->err, a->fault.code, "%s%s", x->error,
			      x->result == XFER_UNTRUSTED
				      ? "; name the authority with ca_bundle="
				      : "");
		return;
	}
	date = headers_get(&x->answer, "date");
	if (date && stamp_parse_http(&a->date_s, date, strlen(date)))
		a->date_s = 0;
	region = headers_get(&x->answer, "x-amz-bucket-region");
	if (region && strlen(region) < sizeof(a->region))
		memcpy(a->region, region, strlen(region) + 1);
	version = headers_get(&x->answer, "x-amz-version-id");

	a->wait_ms = get_wait_ms(a, x);
	if (!is_success(r, x->status))
		read_failure(a, r, x, names);
	else
		read_success(a, r, x, names, req);
	if (a->fault.code == -ENOENT && r->op == STORE_DELETE)
		a->fault = (struct fault){ .code = 0 };
	if (a->fault.code)
		return;
	req->date_s = a->date_s;
	req->versioned = version && strcmp(version, "null") != 0;
}

bool reply_etag_of(char out[STORE_ETAG_MAX], const struct store_part *parts,
		   size_t count)
{
	unsigned char all[EVP_MAX_MD_SIZE], one[16];
	unsigned int len = 0;
	char hex[2 * sizeof(one) + 1];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL);

	for (size_t i = 0; i < count && ok; i++)
		ok = !hex_decode(one, sizeof(one), parts[i].etag,
				 strlen(parts[i].etag)) &&
		     EVP_DigestUpdate(ctx, one, sizeof(one));
	ok = ok && EVP_DigestFinal_ex(ctx, all, &len) && len == sizeof(one);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return false;
	hex_encode(hex, all, sizeof(one));
	(void)snprintf(out, STORE_ETAG_MAX, "%s-%zu", hex, count);
	return true;
}
