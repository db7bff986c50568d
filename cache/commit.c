/*
 * Versions of trees, committed by conditional creation.
 *
 * The answer to a PUT may be lost, so "somebody stands there already" is
 * followed by a look at who: a version that bears our commit's id is ours. The
 * loop ends because each round either commits or meets a newer version of
 * somebody who did, and is bounded by ATTEMPTS_MAX all the same.
 */
#include "cache/commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/names.h"
#include "cache/treewrite.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"

#define ATTEMPTS_MAX 200
#define SIGNED_WITHIN_MS (3600u * 1000)
/* To be repeated for this long is still as good as signed within the hour. */
#define PUT_TIMEOUT_MS (10u * 60 * 1000)
#define CLOCK_AGE_MS 10000u
#define INLINE_ENTRIES 16384
#define SHARD_ENTRIES 8192

/* What is remembered of a bucket once a second PUT was refused; a versioned
 * bucket has to prove it anew. */
#define FACT_CONDITION "conditional-put"
#define FACT_PLAIN "1"
#define FACT_VERSIONED "2"

/* The store's clock, at most 10 s old, never behind the version before. */
static int commit_time(struct store *s, const struct tree_version *base,
		       int64_t *ret_s, struct err *e)
{
	struct store_object object;
	uint64_t seq;
	bool found;

	if (store_now(s, CLOCK_AGE_MS, ret_s)) {
		int r = tree_find_newest(s, base->dir, &found, &seq, &object,
					 e);

		if (!r && store_now(s, CLOCK_AGE_MS, ret_s))
			r = err_set(e, -EIO, "%s tells no time in its replies",
				    s->name);
		if (r)
			return r;
	}
	if (*ret_s < base->head.commit_s)
		*ret_s = base->head.commit_s;
	return 0;
}

/* Reads the newest version into `base`; counts where that is another one. */
static int refresh(struct store *s, struct cache *c, struct tree_version *base,
		   struct commit *commit, struct err *e)
{
	struct tree_version now = { 0 };
	struct store_object object = { 0 };
	uint64_t seq = 0, asked_ms = clock_now_ms();
	bool found = false;
	int r = tree_find_newest(s, base->dir, &found, &seq, &object, e);

	if (!r && !found && !base->head.seq) {
		base->read_ms = asked_ms; /* still to be founded */
		return 0;
	}
	if (!r && !found)
		r = err_set(e, -EIO,
			    "the tree of '%s' is gone: was it deleted by "
			    "another tool?",
			    base->dir);
	if (!r)
		r = tree_load(s, c, base->dir, seq, &object, &now, e);
	if (r)
		return r;
	now.read_ms = asked_ms;
	commit->redone += now.head.seq != base->head.seq;
	tree_version_done(base);
	*base = now;
	return 0;
}

/* Whether the version that stands at `seq` bears our commit's id. */
static int is_ours(struct store *s, const char *dir, uint64_t seq,
		   const struct object_id *id, bool *ret_ours, struct err *e)
{
	struct tree_version t = { 0 };
	struct store_object any = { 0 };
	int r = tree_load(s, NULL, dir, seq, &any, &t, e);

	*ret_ours = !r && !memcmp(&t.head.commit, id, sizeof(*id));
	tree_version_done(&t);
	if (r == -ENOENT) { /* pruned, so old: not ours */
		err_clear(e);
		return 0;
	}
	return r;
}

static int put_version(struct store *s, const char *key, const struct buf *data,
		       bool *ret_versioned, char *ret_etag, struct err *e)
{
	CLEANUP_REQ struct store_req req;
	int r;

	store_req_init(&req, STORE_PUT, key);
	req.body = data->data;
	req.body_len = data->len;
	req.content_type = "application/octet-stream";
	req.if_absent = true;
	req.timeout_ms = PUT_TIMEOUT_MS;
	r = store_run(s, &req, e);
	*ret_versioned = req.versioned;
	if (!r)
		memcpy(ret_etag, req.object.etag, STORE_ETAG_MAX);
	return r;
}

static bool is_proven(struct store *s, struct cache *c, bool versioned)
{
	CLEANUP_BUF struct buf fact = BUF_INIT(255);

	if (!c || cache_fact(c, s->bucket_id, FACT_CONDITION, &fact))
		return false;
	return fact.data &&
	       !strcmp(fact.data, versioned ? FACT_VERSIONED : FACT_PLAIN);
}

/*
 * Puts the version that was just made once more: a server that honours the
 * condition refuses. Where it does not, the version is taken back, since
 * nothing protects it from the next writer.
 */
static int prove(struct store *s, struct cache *c, const char *key,
		 const struct buf *data, bool versioned, bool single_writer,
		 struct err *e)
{
	char etag[STORE_ETAG_MAX];
	struct err why = { 0 };
	bool again_versioned;
	int r = put_version(s, key, data, &again_versioned, etag, &why);

	if (r == -EEXIST) {
		if (c)
			cache_fact_put(c, s->bucket_id, FACT_CONDITION,
				       versioned ? FACT_VERSIONED : FACT_PLAIN);
		return 0;
	}
	if (r) {
		/* Committed, but unproven: the next commit asks again. */
		log_warn("could not learn whether %s honours If-None-Match: %s",
			 s->name, why.text);
		return 0;
	}
	if (single_writer)
		return 0;
	{
		CLEANUP_REQ struct store_req del;

		store_req_init(&del, STORE_DELETE, key);
		r = store_run(s, &del, &why);
		if (r)
			log_warn("%s", why.text);
	}
	return err_set(e, -EOPNOTSUPP,
		       "%s ignores If-None-Match on PUT%s, so that two writers "
		       "could overwrite each other: nothing was committed. If "
		       "nobody else ever writes there, repeat with "
		       "single_writer",
		       s->name, versioned ? " in this versioned bucket" : "");
}

/* Makes what was just put the base, and keeps it in the cache. */
static int adopt(struct store *s, struct cache *c, struct tree_version *base,
		 const char *key, const char *etag, const struct buf *data,
		 struct err *e)
{
	struct tree_version now = { .read_ms = base->read_ms };
	int r = tree_version_decode(&now, base->dir, base->head.seq + 1, data,
				    e);

	if (r)
		return r;
	if (c)
		cache_object_put(c, s->bucket_id, key, etag, data->data,
				 data->len);
	tree_version_done(base);
	*base = now;
	return 0;
}

enum outcome { COMMITTED, BEATEN };

/* What was relied on can have been condemned and deleted since. */
static int check_hour(const struct commit *commit, struct err *e)
{
	if (clock_now_ms() - commit->gc_read_ms <= SIGNED_WITHIN_MS)
		return 0;
	return err_set(e, -ETIME,
		       "more than an hour passed since this run began to rely "
		       "on what the bucket holds: run it again");
}

/* What a version says besides its head. */
struct body {
	const char *pool;
	const void *catalog;
	size_t len;
	const struct shard *shards;
	uint32_t shard_count;
};

static int try_version(struct store *s, struct cache *c,
		       struct tree_version *base, struct commit *commit,
		       const struct body *body, enum outcome *ret_outcome,
		       struct err *e)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	CLEANUP_BUF struct buf data = BUF_INIT(TREE_OBJECT_MAX);
	char etag[STORE_ETAG_MAX] = "";
	struct tree_head head = {
		.seq = base->head.seq + 1,
		.commit = commit->id,
		.commit_s = commit->commit_s,
	};
	bool versioned = false, ours = false;
	int r;

	(void)snprintf(head.pool, sizeof(head.pool), "%s", body->pool);
	r = tree_encode(&data, &head, body->catalog, body->len, body->shards,
			body->shard_count, e);
	if (!r && name_tree(&key, base->dir, head.seq))
		r = err_set(e, -ENAMETOOLONG, "'%s': path too long", base->dir);
	if (!r)
		r = check_hour(commit, e); /* shards took their time */
	if (r)
		return r;
	r = put_version(s, key.data, &data, &versioned, etag, e);
	if (r == -EEXIST) {
		err_clear(e);
		r = is_ours(s, base->dir, head.seq, &commit->id, &ours, e);
		if (r)
			return r;
		if (!ours) {
			*ret_outcome = BEATEN;
			return 0;
		}
	} else if (r) {
		return r;
	}
	if (!is_proven(s, c, versioned)) {
		r = prove(s, c, key.data, &data, versioned,
			  commit->single_writer, e);
		if (r)
			return r;
	}
	commit->seq = head.seq;
	commit->founded = !tree_part_count(base);
	*ret_outcome = COMMITTED;
	return adopt(s, c, base, key.data, etag, &data, e);
}

static void pause_ms(uint32_t ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&ts, NULL); /* a shorter wait does no harm */
}

static int others_first(const struct tree_version *base, struct err *e)
{
	return err_set(e, -EAGAIN,
		       "the tree of '%s' was changed by somebody else "
		       "meanwhile",
		       base->dir);
}

static int one_attempt(struct store *s, struct cache *c,
		       struct tree_version *base, struct commit *commit,
		       struct treewrite *made, enum outcome *ret_outcome,
		       struct err *e)
{
	CLEANUP(edit_done) struct edit ed = { 0 };
	struct edit_input in = {
		.store = s,
		.cache = c,
		.base = base,
		.changes = commit->changes,
		.count = commit->count,
	};
	struct body body;
	int r = 0;

	/* By now the next version may have been made, and pruned. */
	if (clock_now_ms() - base->read_ms > SIGNED_WITHIN_MS)
		r = commit->once ? others_first(base, e)
				 : refresh(s, c, base, commit, e);
	if (!r)
		r = check_hour(commit, e);
	if (!r)
		r = commit_time(s, base, &commit->commit_s, e);
	if (r)
		return r;
	in.commit_s = commit->commit_s;
	r = edit_make(&ed, &in, e);
	if (r)
		return r;
	commit->lost = ed.lost;
	if (!ed.applied) {
		commit->empty = true;
		commit->seq = base->head.seq;
		*ret_outcome = COMMITTED;
		return 0;
	}
	r = treewrite_run(
		made, &ed,
		tree_part_count(base) ? base->head.pool : commit->pool, e);
	if (r)
		return r;
	body = (struct body){
		.pool = made->pool,
		.catalog = made->catalog.data,
		.len = made->catalog.len,
		.shards = made->shards,
		.shard_count = made->shard_count,
	};
	return try_version(s, c, base, commit, &body, ret_outcome, e);
}

static int attempts(struct store *s, struct cache *c, struct tree_version *base,
		    struct commit *commit, struct treewrite *made,
		    struct err *e)
{
	struct backoff wait;
	bool stale = false;
	int r;

	backoff_init(&wait, 20, 2000);
	for (unsigned int i = 0; i < ATTEMPTS_MAX; i++) {
		enum outcome outcome = BEATEN;

		r = one_attempt(s, c, base, commit, made, &outcome, e);
		if (r == -ESTALE && commit->once)
			return others_first(base, e);
		if (r == -ESTALE && !stale) {
			/* A part is gone: the base is an old version. */
			stale = true;
			err_clear(e);
			r = refresh(s, c, base, commit, e);
			if (r)
				return r;
			continue;
		}
		if (r || outcome == COMMITTED)
			return r;
		if (!is_proven(s, c, false) && c)
			cache_fact_put(c, s->bucket_id, FACT_CONDITION,
				       FACT_PLAIN);
		if (commit->once)
			return others_first(base, e);
		pause_ms(backoff_next_ms(&wait));
		r = refresh(s, c, base, commit, e);
		if (r)
			return r;
	}
	return err_set(e, -EBUSY,
		       "the tree of '%s' is changed by others all the time: "
		       "gave up after %u tries",
		       base->dir, ATTEMPTS_MAX);
}

int commit_run(struct store *s, struct cache *c, struct tree_version *base,
	       struct commit *commit, struct err *e)
{
	CLEANUP(treewrite_done) struct treewrite made;
	struct object_ids own;

	object_ids_init(&own);
	treewrite_init(&made);
	made.store = s;
	made.cache = c;
	made.ids = commit->ids ? commit->ids : &own;
	made.inline_entries = commit->limits.inline_entries
				      ? commit->limits.inline_entries
				      : INLINE_ENTRIES;
	made.shard_entries = commit->limits.shard_entries
				     ? commit->limits.shard_entries
				     : SHARD_ENTRIES;
	commit->redone = 0;
	commit->empty = false;
	commit->founded = false;
	return attempts(s, c, base, commit, &made, e);
}

/* The next version is one of zero bytes, or -EEXIST. */
static int put_nothing(struct store *s, const struct tree_version *t,
		       struct buf *key, bool *ret_versioned, struct err *e)
{
	CLEANUP(tree_version_done) struct tree_version now = { 0 };
	const struct buf nothing = BUF_INIT(0);
	struct store_object any = { 0 };
	char etag[STORE_ETAG_MAX];
	int r;

	if (name_tree(key, t->dir, t->head.seq + 1))
		return err_set(e, -ENAMETOOLONG, "'%s': path too long", t->dir);
	r = put_version(s, key->data, &nothing, ret_versioned, etag, e);
	if (r != -EEXIST)
		return r;
	/* By a first answer that was lost, or by somebody else. */
	err_clear(e);
	r = tree_load(s, NULL, t->dir, t->head.seq + 1, &any, &now, e);
	if (r == -ENOENT) { /* pruned, so there are newer ones */
		err_clear(e);
		r = -EEXIST;
	}
	if ((!r && tree_part_count(&now)) || r == -EEXIST)
		r = err_set(e, -EEXIST, "the tree of '%s' has changed since",
			    t->dir);
	return r;
}

int commit_announce(struct store *s, struct cache *c, const char *dir,
		    bool single_writer, struct err *e)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	const struct buf nothing = BUF_INIT(0);
	char etag[STORE_ETAG_MAX];
	bool versioned;
	int r;

	if (name_tree(&key, dir, 1))
		return err_set(e, -ENAMETOOLONG, "'%s': path too long", dir);
	r = put_version(s, key.data, &nothing, &versioned, etag, e);
	if (!r && !is_proven(s, c, versioned))
		r = prove(s, c, key.data, &nothing, versioned, single_writer,
			  e);
	return r;
}

int commit_contest(struct store *s, const char *dir, struct err *e)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	const struct buf nothing = BUF_INIT(0);
	char etag[STORE_ETAG_MAX];
	bool versioned;
	int r;

	if (name_tree(&key, dir, 2))
		return err_set(e, -ENAMETOOLONG, "'%s': path too long", dir);
	r = put_version(s, key.data, &nothing, &versioned, etag, e);
	if (r == -EEXIST)
		err_clear(e);
	return r == -EEXIST ? 0 : r;
}

int commit_unfound(struct store *s, const struct tree_version *t, struct err *e)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	bool versioned;

	return put_nothing(s, t, &key, &versioned, e);
}

int commit_remove_tree(struct store *s, struct cache *c,
		       const struct tree_version *t, bool single_writer,
		       struct err *e)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	const struct buf nothing = BUF_INIT(0);
	bool versioned = false;
	int r;

	if (clock_now_ms() - t->read_ms > SIGNED_WITHIN_MS)
		return others_first(t, e);
	r = put_nothing(s, t, &key, &versioned, e);
	if (r == -EEXIST)
		return others_first(t, e);
	if (r || is_proven(s, c, versioned))
		return r;
	return prove(s, c, key.data, &nothing, versioned, single_writer, e);
}

/* ---- old versions -------------------------------------------------------- */

/* Whether two versions hold the same entries, and in the same pool. */
static bool same_content(const struct tree_version *a,
			 const struct tree_version *b)
{
	uint32_t count = tree_part_count(a);
	size_t a_len, b_len;
	const void *a_bytes, *b_bytes;

	if (strcmp(a->head.pool, b->head.pool) || !count ||
	    tree_part_count(b) != count)
		return false;
	for (uint32_t i = 1; i < count; i++) {
		struct object_id x, y;

		(void)tree_part_id(a, i, &x); /* all but the first have one */
		(void)tree_part_id(b, i, &y);
		if (memcmp(&x, &y, sizeof(x)))
			return false;
	}
	a_bytes = catalog_bytes(a->cat, &a_len);
	b_bytes = catalog_bytes(b->cat, &b_len);
	return a_len == b_len && !memcmp(a_bytes, b_bytes, a_len);
}

int commit_restore(struct store *s, struct cache *c, struct tree_version *base,
		   const struct tree_version *old, struct commit *commit,
		   struct err *e)
{
	uint64_t now_ms = clock_now_ms();
	enum outcome outcome = BEATEN;
	struct body body = { .pool = old->head.pool };
	int r;

	body.catalog = catalog_bytes(old->cat, &body.len);
	if (old->table) {
		body.shards = old->table->shards;
		body.shard_count = old->table->count;
	}
	commit->empty = same_content(base, old);
	commit->seq = base->head.seq;
	if (commit->empty)
		return 0;
	if (now_ms - base->read_ms > SIGNED_WITHIN_MS ||
	    now_ms - commit->gc_read_ms > SIGNED_WITHIN_MS)
		return err_set(e, -ETIME,
			       "more than an hour passed since the bucket was "
			       "looked at: run it again");
	r = commit_time(s, base, &commit->commit_s, e);
	if (!r)
		r = try_version(s, c, base, commit, &body, &outcome, e);
	return r || outcome == COMMITTED ? r : others_first(base, e);
}
