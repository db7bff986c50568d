/*
 * What all stores share: requests as values, the blocking call, the clock.
 *
 * The store's clock is kept as the difference to this host's clock, in one
 * atomic word, so that concurrent replies can only leave the estimate of one
 * of them. The time of the reply is a second word, read before and written
 * after the first: a reader never takes an old estimate for a fresh one.
 */
#include "s3/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/base/lock.h"

const char *store_op_name(enum store_op op)
{
	static const char *const names[STORE_OP_COUNT] = {
		[STORE_GET] = "GET",
		[STORE_HEAD] = "HEAD",
		[STORE_PUT] = "PUT",
		[STORE_LIST] = "LIST",
		[STORE_COPY] = "COPY",
		[STORE_DELETE] = "DELETE",
		[STORE_DELETE_MANY] = "DELETE_MANY",
		[STORE_UPLOAD_START] = "UPLOAD_START",
		[STORE_UPLOAD_PART] = "UPLOAD_PART",
		[STORE_UPLOAD_FINISH] = "UPLOAD_FINISH",
		[STORE_UPLOAD_ABORT] = "UPLOAD_ABORT",
		[STORE_CONFIG] = "CONFIG",
	};

	return (unsigned int)op < STORE_OP_COUNT ? names[op] : "?";
}

void store_list_init(struct store_list *l)
{
	memset(l, 0, sizeof(*l));
}

void store_list_done(struct store_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->entries[i].key);
	free(l->entries);
	free(l->next);
	store_list_init(l);
}

/* The array doubles whenever its count is a power of two, from 16 on, so that
 * its room need not be kept. */
static int make_room(struct store_list *l)
{
	struct store_list_entry *entries;
	size_t count = l->count, room;

	if (count && (count < 16 || (count & (count - 1))))
		return 0;
	room = count ? 2 * count : 16;
	entries = reallocarray(l->entries, room, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	l->entries = entries;
	return 0;
}

int store_list_add(struct store_list *l, const char *key, size_t key_len,
		   bool is_prefix, const struct store_object *object)
{
	struct store_list_entry *entry;
	char *copy;

	if (make_room(l))
		return -ENOMEM;
	copy = malloc(key_len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, key, key_len);
	copy[key_len] = '\0';
	entry = &l->entries[l->count++];
	memset(entry, 0, sizeof(*entry));
	entry->key = copy;
	entry->key_len = key_len;
	entry->is_prefix = is_prefix;
	if (object)
		entry->object = *object;
	return 0;
}

void store_req_init(struct store_req *req, enum store_op op, const char *key)
{
	memset(req, 0, sizeof(*req));
	req->op = op;
	req->key = key;
	list_init(&req->link);
	meta_init(&req->meta_out);
	store_list_init(&req->list);
}

void store_req_done(struct store_req *req)
{
	meta_done(&req->meta_out);
	store_list_done(&req->list);
	free(req->upload_id_out);
	req->upload_id_out = NULL;
}

void store_submit(struct store *s, struct store_req *req)
{
	assert(req->done);
	s->ops->submit(s, req);
}

void store_cancel(struct store *s, struct store_req *req)
{
	s->ops->cancel(s, req);
}

void store_stop(struct store *s)
{
	s->ops->stop(s);
}

static void wake_waiter(struct store_req *req)
{
	struct store_wait *w = req->arg;

	/* The waiter's stack may be gone once the lock is dropped. */
	LOCK_SCOPE(&w->lock);
	w->finished = true;
	pthread_cond_signal(&w->wake);
}

void store_expect(struct store *s, unsigned int count)
{
	if (s->ops->expect)
		s->ops->expect(s, count);
}

void store_begin(struct store *s, struct store_req *req, struct store_wait *w)
{
	lock_init(&w->lock, LOCK_RANK_BASE);
	cond_init(&w->wake);
	w->finished = false;
	req->done = wake_waiter;
	req->arg = w;
	store_submit(s, req);
}

int store_await(struct store_req *req, struct store_wait *w, struct err *e)
{
	lock_take(&w->lock);
	while (!w->finished)
		cond_wait(&w->wake, &w->lock);
	lock_drop(&w->lock);
	(void)pthread_cond_destroy(&w->wake);
	lock_done(&w->lock);
	req->done = NULL;
	req->arg = NULL;
	if (!req->err.code) {
		err_clear(e);
		return 0;
	}
	return err_copy(e, &req->err);
}

int store_run(struct store *s, struct store_req *req, struct err *e)
{
	struct store_wait w;

	store_begin(s, req, &w);
	return store_await(req, &w, e);
}

void store_counts(const struct store *s, struct store_counts *out)
{
	for (size_t i = 0; i < STORE_OP_COUNT; i++)
		out->requests[i] = atomic_load(&s->requests[i]);
	out->bytes_in = atomic_load(&s->bytes_in);
	out->bytes_out = atomic_load(&s->bytes_out);
	out->retries = atomic_load(&s->retries);
}

void store_counts_add(struct store_counts *to, const struct store_counts *from)
{
	for (size_t i = 0; i < STORE_OP_COUNT; i++)
		to->requests[i] += from->requests[i];
	to->bytes_in += from->bytes_in;
	to->bytes_out += from->bytes_out;
	to->retries += from->retries;
}

int store_now(const struct store *s, uint32_t max_age_ms, int64_t *ret_s)
{
	uint64_t at_ms = atomic_load(&s->date_at_ms);
	int64_t offset_ms = atomic_load(&s->date_offset_ms);
	uint64_t now_ms = clock_now_ms();

	if (!at_ms || (now_ms > at_ms && now_ms - at_ms > max_age_ms))
		return -EAGAIN;
	*ret_s = (offset_ms + (int64_t)now_ms) / 1000;
	return 0;
}

void store_note_date(struct store *s, int64_t date_s)
{
	uint64_t now_ms = clock_now_ms();

	/* 0 stands for unknown; the bound keeps the product in range. */
	if (date_s <= 0 || date_s > INT64_MAX / 2000)
		return;
	atomic_store(&s->date_offset_ms, date_s * 1000 - (int64_t)now_ms);
	atomic_store(&s->date_at_ms, now_ms ? now_ms : 1);
}

bool store_about(struct store *s, struct store_about *ret_about)
{
	if (!s->ops->about)
		return false;
	s->ops->about(s, ret_about);
	return true;
}

void store_free(struct store *s)
{
	if (s)
		s->ops->free(s);
}
