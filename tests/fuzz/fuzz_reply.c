/*
 * A whole reply to a request: "OP STATUS OFFSET LENGTH" in the first line, then
 * header fields up to an empty line, then the body. OP is a digit of enum
 * store_op. What is taken for a success has to have what callers rely on.
 */
#include "s3/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX (1 << 20)

static void must(bool good)
{
	if (!good)
		abort();
}

/* Cuts the next line, with its end, off the rest. */
static size_t next_line(const char *data, size_t size)
{
	const char *end = memchr(data, '\n', size);

	return end ? (size_t)(end - data) + 1 : size;
}

static bool is_empty(const char *line, size_t len)
{
	return (len == 1 && line[0] == '\n') ||
	       (len == 2 && line[0] == '\r' && line[1] == '\n');
}

static void check(const struct reply *a, const struct store_req *req,
		  const struct xfer_req *x)
{
	const struct store_list *l = &req->list;

	must(!strchr(a->region, '\n') && !strchr(req->object.etag, '\n'));
	if (a->fault.code) {
		must(a->fault.code < 0);
		return;
	}
	if (req->op == STORE_GET)
		must(req->object.etag[0] && x->received <= req->object.size &&
		     (req->offset || req->length ||
		      x->received == req->object.size) &&
		     (!req->length || x->received <= req->length));
	if (req->op == STORE_HEAD)
		must(req->object.etag[0]);
	if (req->op == STORE_UPLOAD_START)
		must(req->upload_id_out && *req->upload_id_out);
	for (size_t i = 0; i < l->count; i++)
		must(!strncmp(l->entries[i].key, req->key, strlen(req->key)));
}

static int fill(struct xfer_req *x, struct buf *body, const char *data,
		size_t size)
{
	size_t len;

	while (size && !is_empty(data, len = next_line(data, size))) {
		if (headers_add_line(&x->answer, data, len))
			return -1;
		data += len;
		size -= len;
	}
	if (size) {
		len = next_line(data, size);
		data += len;
		size -= len;
	}
	x->received = size;
	return size ? buf_add(body, data, size) : buf_add_str(body, "");
}

static void run(enum store_op op, int status, uint64_t offset, uint64_t length,
		const char *data, size_t size)
{
	static const char *const keys[] = { "p/a", "p/b" };
	const struct reply_names names = { .bucket = "b",
					   .endpoint = "e",
					   .region = "us-east-1" };
	CLEANUP_BUF struct buf out = BUF_INIT(BODY_MAX);
	struct store_req req;
	struct request r;
	struct xfer_req x;
	struct reply a;

	store_req_init(&req, op, "p/");
	req.offset = offset;
	req.length = length;
	req.out = &out;
	req.keys = keys;
	req.key_count = 2;
	request_init(&r);
	xfer_req_init(&x);
	buf_init(&x.reply, BODY_MAX);
	must(!buf_add_str(&x.url, "http://h/b/p/"));
	must(!request_make(&r, &req, op, req.key));
	request_hash(&r);
	x.status = status;
	x.out_status = offset || length ? 206 : 200;
	x.out = op == STORE_GET ? &out : NULL;
	if (!fill(&x, x.out && status == x.out_status ? &out : &x.reply, data,
		  size)) {
		reply_read(&a, &r, &x, &names, &req);
		check(&a, &req, &x);
	}
	xfer_req_done(&x);
	request_done(&r);
	store_req_done(&req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = size ? next_line((const char *)data, size) : 0;
	CLEANUP_FREE char *line = strndup((const char *)data, len);
	unsigned long long offset = 0, length = 0;
	unsigned int op = 0, status = 0;

	if (!line || sscanf(line, "%2u %3u %15llu %15llu", &op, &status,
			    &offset, &length) < 2)
		return 0;
	if (op == STORE_GET || op == STORE_HEAD || op == STORE_PUT ||
	    op == STORE_LIST || op == STORE_COPY || op == STORE_DELETE ||
	    op == STORE_DELETE_MANY || op == STORE_UPLOAD_START ||
	    op == STORE_UPLOAD_FINISH)
		run(op, (int)status, offset, length, (const char *)data + len,
		    size - len);
	return 0;
}
