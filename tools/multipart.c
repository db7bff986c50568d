#include "tools/multipart.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"

#define ABORT_TIMEOUT_MS 10000u

int multipart_start(struct multipart *m, struct sending *s, const char *key,
		    const struct meta *meta, struct err *e)
{
	struct sent t = { 0 };
	int r;

	*m = (struct multipart){ .s = s, .key = key };
	m->parts = calloc(STORE_PARTS_MAX, sizeof(*m->parts));
	if (!m->parts)
		return err_set(e, -ENOMEM, "'%s': out of memory", key);
	store_req_init(&t.req, STORE_UPLOAD_START, key);
	t.req.meta = meta;
	r = sending_run(s, &t, e);
	if (!r)
		m->id = TAKE_PTR(t.req.upload_id_out);
	store_req_done(&t.req);
	return r;
}

/* Waits until the slot is free; its part counts if it arrived. */
static int part_wait(struct multipart *m, struct multipart_part *p,
		     struct err *e)
{
	int r;

	if (!p->number)
		return 0;
	r = sending_wait(&p->sent, e);
	if (!r) {
		struct store_part *done = &m->parts[p->number - 1];

		done->number = p->number;
		memcpy(done->etag, p->sent.req.object.etag, sizeof(done->etag));
	}
	store_req_done(&p->sent.req);
	free(TAKE_PTR(p->body));
	p->number = 0;
	return r;
}

int multipart_ready(struct multipart *m, struct err *e)
{
	return part_wait(m, &m->slots[m->count % MULTIPART_AT_ONCE], e);
}

int multipart_send(struct multipart *m, void *body, size_t len, uint64_t worth,
		   struct err *e)
{
	struct multipart_part *p = &m->slots[m->count % MULTIPART_AT_ONCE];

	if (m->count == STORE_PARTS_MAX) {
		free(body);
		return err_set(e, -EFBIG, "'%s': too many parts", m->key);
	}
	p->body = body;
	p->number = ++m->count;
	store_req_init(&p->sent.req, STORE_UPLOAD_PART, m->key);
	p->sent.req.upload_id = m->id;
	p->sent.req.part_number = p->number;
	p->sent.req.body = body;
	p->sent.req.body_len = len;
	p->sent.worth = worth;
	sending_submit(m->s, &p->sent);
	return 0;
}

int multipart_finish(struct multipart *m, struct err *e)
{
	struct sent t = { 0 };
	int r = 0;

	for (size_t i = 0; i < MULTIPART_AT_ONCE && !r; i++)
		r = part_wait(m, &m->slots[i], e);
	if (r)
		return r;
	store_req_init(&t.req, STORE_UPLOAD_FINISH, m->key);
	t.req.upload_id = m->id;
	t.req.parts = m->parts;
	t.req.part_count = m->count;
	r = sending_run(m->s, &t, e);
	store_req_done(&t.req);
	if (!r)
		free(TAKE_PTR(m->id));
	return r;
}

void multipart_done(struct multipart *m)
{
	struct store_req req;

	for (size_t i = 0; i < MULTIPART_AT_ONCE; i++) {
		if (m->slots[i].number)
			store_cancel(m->s->store, &m->slots[i].sent.req);
		(void)part_wait(m, &m->slots[i], NULL); /* failed anyway */
	}
	if (m->id) {
		store_req_init(&req, STORE_UPLOAD_ABORT, m->key);
		req.upload_id = m->id;
		req.timeout_ms = ABORT_TIMEOUT_MS;
		req.tidies = true;
		(void)store_run(m->s->store, &req, NULL); /* the first error
							     counts */
		store_req_done(&req);
	}
	free(m->id);
	free(m->parts);
	*m = (struct multipart){ 0 };
}
