/*
 * What came of a unit: decoded, verified, answered, cached; or fetched again.
 */
#include "cache/fetch_unit.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/fetch_core.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

int fetch_unit_init(struct fetch_unit *u, const char *object, const char *etag)
{
	memset(u, 0, sizeof(*u));
	list_init(&u->link);
	list_init(&u->waiters);
	u->object = strdup(object);
	u->etag = etag ? strdup(etag) : NULL;
	return u->object && (u->etag || !etag) ? 0 : -ENOMEM;
}

void fetch_unit_done(struct fetch_unit *u)
{
	free(u->object);
	free(u->etag);
}

void fetch_answer(struct fetch_req *req, const struct cache_ref *ref, int code,
		  const char *text)
{
	req->ref = ref;
	if (ref)
		err_clear(&req->err);
	else
		(void)err_set(&req->err, code, "%s", text);
	req->done(req);
}

int fetch_unit_by_place(const void *a, const void *b)
{
	const struct fetch_unit *x = *(struct fetch_unit *const *)a;
	const struct fetch_unit *y = *(struct fetch_unit *const *)b;
	int r = strcmp(x->object, y->object);

	if (!r)
		r = strcmp(x->etag ? x->etag : "", y->etag ? y->etag : "");
	return r ? r : (x->off > y->off) - (x->off < y->off);
}

void fetch_unit_insert_locked(struct fetch *f, struct fetch_unit *u)
{
	lock_assert_held(&f->lock);
	u->fetch = f;
	u->item.key = u->key;
	u->item.key_len = u->key_len;
	table_add(&f->units, &u->item);
	f->busy++;
}

static void opened_done(struct fetch_opened *o)
{
	for (size_t i = 0; i < o->count; i++)
		cache_ref_put(o->records[i].ref);
	free(o->records);
	buf_done(&o->decoded);
}

static const struct cache_ref *copy_ref(const struct fetch_opened *o,
					uint32_t off, uint32_t len)
{
	void *data = malloc(len);

	if (!data)
		return NULL;
	memcpy(data, o->raw + off, len);
	return cache_ref_memory(data, len);
}

/* The reference for one who waits; NULL without memory. */
static const struct cache_ref *ref_for(struct fetch_opened *o,
				       struct fetch_record *rec,
				       const struct fetch_req *req)
{
	if (!rec)
		return copy_ref(o, req->off, req->len);
	if (!rec->ref)
		rec->ref = copy_ref(o, rec->off, rec->len);
	return rec->ref ? cache_ref_get(rec->ref) : NULL;
}

static struct fetch_record *record_for(const struct fetch_opened *o,
				       const struct fetch_req *req)
{
	for (size_t i = 0; i < o->count; i++) {
		struct fetch_record *rec = &o->records[i];

		if (rec->off == req->off && rec->len == req->len &&
		    hash_equal(&rec->id, &req->id))
			return rec;
	}
	return NULL;
}

/* r, text: 0, or why not all of the unit can be used. */
static void answer_one(const struct fetch_unit *u, struct fetch_opened *o,
		       struct fetch_req *req, int r, const char *text)
{
	struct fetch_record *rec = record_for(o, req);
	bool inside = req->off <= o->raw_len && req->len &&
		      req->len <= o->raw_len - req->off;
	bool good = rec ? !rec->bad
			: !u->ops->check ||
				    u->ops->check(req, o->raw, o->raw_len);
	const struct cache_ref *ref;
	char hex[HASH_HEX];

	if (inside && good && (!r || r == -EBADMSG)) {
		ref = ref_for(o, rec, req);
		fetch_answer(req, ref, -ENOMEM, "out of memory");
		return;
	}
	if (r && r != -EBADMSG) {
		fetch_answer(req, NULL, r, text);
		return;
	}
	if (!r)
		text = "it lies outside its frame";
	hex_encode(hex, req->id.bytes, HASH_LEN);
	log_warn("'%s' at %llu: block %s is damaged in the bucket: %s",
		 u->object, (unsigned long long)u->off, hex, text);
	req->ref = NULL;
	(void)err_set(&req->err, -EIO,
		      "'%s': block %s does not verify, fetched twice: %s",
		      u->object, hex, text);
	req->done(req);
}

static void answer_all(const struct fetch_unit *u, struct fetch_opened *o,
		       struct list *waiters, int r, const char *text)
{
	while (!list_empty(waiters))
		answer_one(u, o,
			   container_of(list_pop_head(waiters),
					struct fetch_req, link),
			   r, text);
}

static void take_waiters_locked(struct fetch_unit *u, struct list *out)
{
	lock_assert_held(&u->fetch->lock);
	while (!list_empty(&u->waiters))
		list_add_tail(out, list_pop_head(&u->waiters));
}

static void keep_records(const struct fetch_unit *u,
			 const struct fetch_opened *o)
{
	struct cache *cache = u->fetch->o.cache;

	for (size_t i = 0; cache && u->keep && i < o->count; i++) {
		const struct fetch_record *rec = &o->records[i];

		/* A cache that cannot take it says so itself. */
		if (!rec->bad)
			(void)cache_put(cache, &rec->id, o->raw + rec->off,
					rec->len);
	}
}

/*
 * Answers, caches, answers who came meanwhile, frees. A failure is not shared
 * with who comes after it is known, nor is what cannot be kept: then the unit
 * leaves the table first.
 */
static void unit_finish(struct fetch_unit *u, struct fetch_opened *o, int r,
			const char *text)
{
	struct list waiters = LIST_INIT(waiters);
	struct fetch *f = u->fetch;

	if (!r && f->o.cache && u->keep) {
		lock_take(&f->lock);
		take_waiters_locked(u, &waiters);
		lock_drop(&f->lock);
		answer_all(u, o, &waiters, r, text);
	}
	keep_records(u, o);
	lock_take(&f->lock);
	table_remove(&f->units, &u->item);
	take_waiters_locked(u, &waiters);
	lock_drop(&f->lock);
	answer_all(u, o, &waiters, r, text);
	fetch_range_put(u->range);
	u->ops->free(u);
	fetch_busy_drop(f);
}

void fetch_unit_fail(struct fetch_unit *u, int r, const char *text)
{
	struct fetch_opened none = { .count = 0 };

	unit_finish(u, &none, r, text);
}

static int unit_open(struct fetch_unit *u, struct fetch_opened *o,
		     struct err *e)
{
	const struct fetch_range *r = u->range;
	uint64_t skip = u->off - r->off;

	if (r->req.err.code)
		return err_copy(e, &r->req.err);
	if (r->out.len < skip + u->len)
		return err_set(e, -EBADMSG, "the object is too short");
	return u->ops->open(u, r->out.data + skip, u->len, o, e);
}

/* Once more, by itself. False: not done. */
static bool unit_retry(struct fetch_unit *u)
{
	struct fetch *f = u->fetch;
	struct fetch_range *old = u->range, *r;

	if (u->retried)
		return false;
	r = fetch_range_new(f, &u, 1, STORE_FOREGROUND);
	if (!r)
		return false;
	lock_take(&f->lock);
	if (f->closing || list_empty(&u->waiters)) {
		lock_drop(&f->lock);
		fetch_range_put(r);
		return false;
	}
	u->retried = true;
	fetch_range_take_locked(r, u);
	lock_drop(&f->lock);
	log_debug("'%s' at %llu does not verify, fetched again", u->object,
		  (unsigned long long)u->off);
	fetch_range_put(old);
	fetch_range_send(r);
	return true;
}

void fetch_unit_job(struct pool_job *job)
{
	struct fetch_unit *u = container_of(job, struct fetch_unit, job);
	CLEANUP(opened_done) struct fetch_opened o = { .count = 0 };
	struct err e = { 0 };
	int r = unit_open(u, &o, &e);

	if (r == -EBADMSG && unit_retry(u))
		return;
	if (r)
		log_debug("'%s' at %llu: %s", u->object,
			  (unsigned long long)u->off, e.text);
	unit_finish(u, &o, r, e.text);
}
