/*
 * The walk collects the blocks of packed files, a batch of one pool at a time,
 * which blobcheck reads in the order of their places. Plain objects are read
 * while the walk goes on.
 *
 * A pool's indexes are listed before its blobs, so that what an index names had
 * been put by the time the blobs were listed.
 */
#include "tools/verify.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/index.h"
#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/lock.h"
#include "tools/blobcheck.h"
#include "tools/keylist.h"
#include "tools/plain.h"
#include "tools/ranges.h"
#include "tools/walk.h"
#include "tools/want.h"

#define BATCH (1u << 20) /* blocks held at a time, about 100 MB */
#define PLAIN_STEP (32u << 20) /* bytes of a GET of a plain object */

/* A file under way; counted by its blocks, or by its plain reader. */
struct file {
	char *path; /* owned */
	atomic_uint left;
	atomic_bool bad;
};

struct verify {
	const struct verify_job *job;
	struct walk *walk;
	struct ranges plain;
	struct keylist blobs; /* of the pool */
	struct gclist
		*condemned; /* the pool's newest list; owned; may be NULL */
	char *pool; /* of the batch; owned; NULL: none yet */
	struct blobcheck_block *blocks; /* owned */
	size_t count, room;
	uint64_t seen_files, seen_bytes;

	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	struct verify_result result;
};

/* ---- telling ------------------------------------------------------------- */

static void tell(struct verify *v, const struct verify_bad *bad, bool first)
{
	LOCK_SCOPE(&v->lock);
	v->result.bad += first;
	v->job->bad(v->job->arg, bad);
}

static void tell_path(struct verify *v, const char *path, const char *text)
{
	const struct verify_bad bad = { .path = path, .text = text };

	tell(v, &bad, true);
}

/* Where Ctrl-C ended it, it is no finding. */
static void tell_error(struct verify *v, const char *path, const struct err *e)
{
	if (e->code != -ECANCELED)
		tell_path(v, path, e->text);
}

static struct file *file_new(const char *path, unsigned int left)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->path = strdup(path);
	atomic_init(&f->left, left);
	if (!f->path) {
		free(f);
		return NULL;
	}
	return f;
}

static void file_put(struct verify *v, struct file *f)
{
	if (atomic_fetch_sub(&f->left, 1) != 1)
		return;
	progress_add(v->job->progress, 1, 0);
	free(f->path);
	free(f);
}

static void on_bad(void *arg, void *owner, const char *blob,
		   const struct hash *hash, const char *text)
{
	struct verify *v = arg;
	struct file *f = owner;
	const struct verify_bad bad = {
		.path = f->path,
		.blob = blob,
		.block = hash,
		.text = text,
	};
	bool first = !atomic_exchange(&f->bad, true);

	if (hash || first)
		tell(v, &bad, first);
}

static void on_checked(void *arg, const struct blobcheck_block *b)
{
	struct verify *v = arg;

	progress_add(v->job->progress, 0, b->block.len);
}

/* ---- plain objects ------------------------------------------------------- */

struct plain_read {
	struct range range;
	struct verify *verify;
	struct file *file;
	struct store_object object;
	char *key; /* owned */
	struct hasher *md5; /* owned; NULL: the ETag is none */
	struct hasher *blocks; /* of META_HASH; owned; NULL: it has none */
	char want[HASH_HEX]; /* that */
	bool second; /* it is read again, as what came was not right */
};

static bool plain_etag(const struct plain_read *p, uint8_t md5[MD5_LEN])
{
	return !hex_decode(md5, MD5_LEN, p->object.etag,
			   strlen(p->object.etag));
}

static void plain_bad(struct plain_read *p, const char *text)
{
	const struct verify_bad bad = {
		.path = p->file->path,
		.blob = p->key,
		.text = text,
	};

	tell(p->verify, &bad, !atomic_exchange(&p->file->bad, true));
}

/* Opens what the content is proved by. First of a reading. */
static int plain_begin(struct plain_read *p)
{
	const char *hash = meta_get(&p->range.req.meta_out, META_HASH);
	uint8_t md5[MD5_LEN];
	struct hash all;

	hasher_free(TAKE_PTR(p->md5));
	hasher_free(TAKE_PTR(p->blocks));
	/* ETags of plain directories are of our own making. */
	if (!p->verify->job->at->session.unbilled && plain_etag(p, md5) &&
	    hasher_open_md5(&p->md5))
		return -ENOMEM;
	if (!hash || hex_decode(all.bytes, HASH_LEN, hash, strlen(hash)))
		return 0;
	hex_encode(p->want, all.bytes, HASH_LEN);
	return hasher_open(&p->blocks);
}

static void plain_take(struct plain_read *p, const struct buf *out)
{
	if (p->md5)
		hasher_update(p->md5, out->data, out->len);
	for (size_t off = 0; p->blocks && off < out->len; off += BLOCK_MAX) {
		size_t left = out->len - off;
		struct hash one;

		hash_of(&one, out->data + off,
			left < BLOCK_MAX ? left : BLOCK_MAX);
		hasher_update(p->blocks, one.bytes, HASH_LEN);
	}
}

/* What is wrong with the whole of it; NULL: nothing. */
static const char *plain_wrong(struct plain_read *p)
{
	uint8_t want[MD5_LEN], got[MD5_LEN];
	char hex[HASH_HEX];
	struct hash all;

	if (p->blocks) {
		hasher_finish(p->blocks, &all);
		hex_encode(hex, all.bytes, HASH_LEN);
		if (strcmp(hex, p->want) != 0)
			return "the content does not have the hash that "
			       "'" META_HASH "' in its metadata says";
		return NULL;
	}
	if (p->md5) {
		hasher_finish_md5(p->md5, got);
		if (plain_etag(p, want) && memcmp(want, got, MD5_LEN) != 0)
			return "the content does not have the MD5 that is its "
			       "ETag (which it need not have where the server "
			       "encrypts with keys of its own)";
	}
	return NULL;
}

static void set_range(struct plain_read *p, uint64_t off)
{
	uint64_t left = p->object.size - off;

	p->range.off = off;
	p->range.len = left < PLAIN_STEP ? left : PLAIN_STEP;
}

/* True: it is read a second time. */
static bool plain_end(struct plain_read *p)
{
	bool proven = p->md5 || p->blocks;
	const char *wrong = plain_wrong(p);

	if (wrong && !p->second) {
		p->second = true;
		set_range(p, 0);
		return true;
	}
	if (wrong)
		plain_bad(p, wrong);
	if (!proven) {
		LOCK_SCOPE(&p->verify->lock);
		p->verify->result.unproven++;
	}
	return false;
}

static bool plain_use(struct range *r)
{
	struct plain_read *p = container_of(r, struct plain_read, range);

	if (r->req.err.code == -ECANCELED)
		return false;
	if (r->req.err.code || r->out.len != r->len) {
		plain_bad(p, r->req.err.code ? r->req.err.text
					     : "the object is too short");
		if (r->req.err.code == -ETIMEDOUT)
			ranges_stop(r->ranges);
		return false;
	}
	if (!r->off && plain_begin(p)) {
		plain_bad(p, "out of memory");
		return false;
	}
	plain_take(p, &r->out);
	if (!p->second)
		progress_add(p->verify->job->progress, 0, r->len);
	if (r->off + r->len == p->object.size)
		return plain_end(p);
	set_range(p, r->off + r->len);
	return true;
}

static void plain_drop(struct range *r)
{
	struct plain_read *p = container_of(r, struct plain_read, range);

	file_put(p->verify, p->file);
	hasher_free(p->md5);
	hasher_free(p->blocks);
	free(p->key);
	free(p);
}

static int verify_plain(struct verify *v, const struct view_node *node)
{
	struct plain_read *p;

	if (!node->object.size || v->job->list_only)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->verify = v;
	p->object = node->object;
	p->key = strdup(node->key);
	p->file = file_new(node->path, 1);
	if (!p->key || !p->file) {
		if (p->file)
			file_put(v, p->file);
		free(p->key);
		free(p);
		return -ENOMEM;
	}
	p->range.key = p->key;
	p->range.if_match = p->object.etag;
	set_range(p, 0);
	p->range.use = plain_use;
	p->range.drop = plain_drop;
	return ranges_add(&v->plain, &p->range);
}

/* ---- indexes ------------------------------------------------------------- */

static bool leads_somewhere(const struct verify *v, const struct block *b)
{
	CLEANUP_BUF struct buf key = BUF_INIT(STORE_KEY_MAX);
	const struct store_list_entry *blob;

	if (name_blob(&key, v->pool, &b->frame.blob))
		return false;
	blob = keylist_find(&v->blobs.all, key.data, key.len);
	return blob && b->frame.off + b->frame.stored <= blob->object.size;
}

/* Nobody relies on it any more. */
static bool is_condemned(const struct verify *v, const struct object_id *id)
{
	return v->condemned && gclist_has(v->condemned, id);
}

static void check_index(struct verify *v, const char *key,
			const struct buf *data)
{
	CLEANUP(index_freep) struct index *ix = NULL;
	struct err e = { 0 };

	if (index_parse(&ix, data->data, data->len, &e)) {
		tell_path(v, key, e.text);
		return;
	}
	for (size_t i = 0; i < index_count(ix); i++) {
		CLEANUP_BUF struct buf blob = BUF_INIT(STORE_KEY_MAX);
		struct verify_bad bad = {
			.path = key,
			.text = "the index names a place that is not there",
		};
		struct block block;

		index_at(ix, i, &block);
		if (leads_somewhere(v, &block) ||
		    is_condemned(v, &block.frame.blob))
			continue;
		(void)name_blob(&blob, v->pool, &block.frame.blob);
		bad.blob = blob.data;
		bad.block = &block.hash;
		tell(v, &bad, true);
		return; /* one will do */
	}
}

/* An index that a collector or a merge has removed meanwhile is no loss. */
static int read_index(struct verify *v, const char *key)
{
	CLEANUP_BUF struct buf data = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP_REQ struct store_req req;
	struct err e = { 0 };
	int r;

	store_req_init(&req, STORE_GET, key);
	if (session_interrupted())
		return -EINTR;
	req.out = &data;
	r = store_run(v->job->at->session.source.store, &req, &e);
	if (r == -ENOENT)
		return 0;
	v->result.indexes++; /* nothing else runs on it */
	if (r)
		tell_error(v, key, &e);
	else
		check_index(v, key, &data);
	return 0;
}

/* ---- the pool ------------------------------------------------------------ */

static int list_keys(struct verify *v, struct keylist *l, const char *what)
{
	CLEANUP_FREE char *prefix = NULL;
	struct err e = { 0 };
	int r;

	if (asprintf(&prefix, "%s" POOL_DIR "%s/", v->pool, what) < 0) {
		prefix = NULL;
		return -ENOMEM;
	}
	r = keylist_start(l, v->job->at->session.source.store, prefix, NULL,
			  NULL, &e);
	if (!r)
		r = keylist_wait(l, &e);
	if (r)
		tell_error(v, prefix, &e);
	return r;
}

static int read_condemned(struct verify *v, const struct keylist *lists)
{
	CLEANUP_BUF struct buf data = BUF_INIT(INDEX_OBJECT_MAX);
	CLEANUP_REQ struct store_req req;
	struct err e = { 0 };
	int r;

	gclist_free(TAKE_PTR(v->condemned));
	store_req_init(&req, STORE_GET, NULL);
	if (!lists->all.count)
		return 0;
	req.key = lists->all.entries[lists->all.count - 1].key; /* the newest */
	req.out = &data;
	r = store_run(v->job->at->session.source.store, &req, &e);
	if (!r)
		r = gclist_parse(&v->condemned, data.data, data.len, &e);
	if (r)
		tell_error(v, req.key, &e);
	return 0;
}

static int enter_pool(struct verify *v, const char *pool)
{
	CLEANUP(keylist_done) struct keylist lists = { 0 };
	struct keylist indexes = { 0 };
	int r = 0;

	keylist_done(&v->blobs);
	memset(&v->blobs, 0, sizeof(v->blobs));
	free(v->pool);
	v->pool = strdup(pool);
	if (!v->pool)
		return -ENOMEM;
	if (!v->job->list_only)
		r = list_keys(v, &lists, "gc");
	if (!r)
		r = read_condemned(v, &lists);
	if (!r && !v->job->list_only)
		r = list_keys(v, &indexes, "index");
	if (!r)
		r = list_keys(v, &v->blobs, "blob");
	for (size_t i = 0; i < indexes.all.count && !r; i++) {
		const struct store_list_entry *entry = &indexes.all.entries[i];
		struct pool_name name;

		if (name_parse_pool(pool, entry->key, entry->key_len, &name))
			r = read_index(v, entry->key);
	}
	keylist_done(&indexes);
	return r;
}

/* ---- packed files -------------------------------------------------------- */

static int flush(struct verify *v)
{
	struct session *s = &v->job->at->session;
	struct blobcheck c = {
		.store = s->source.store,
		.pool = s->pool,
		.pool_dir = v->pool,
		.blobs = &v->blobs.all,
		.list_only = v->job->list_only,
		.bad = on_bad,
		.checked = on_checked,
		.arg = v,
	};
	int r = v->count ? blobcheck_run(&c, v->blocks, v->count) : 0;

	v->result.blocks += v->count;
	v->result.frames += c.frames;
	v->result.blobs += c.blob_count;
	return r;
}

/* The blocks' files are let go once nobody can tell of them any more. */
static void clear(struct verify *v)
{
	for (size_t i = 0; i < v->count; i++)
		file_put(v, v->blocks[i].owner);
	v->count = 0;
}

static int add_block(struct verify *v, const struct block *block,
		     struct file *file)
{
	if (v->count == v->room) {
		size_t room = v->room * 2 ?: 1024;
		struct blobcheck_block *grown =
			reallocarray(v->blocks, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		v->blocks = grown;
		v->room = room;
	}
	v->blocks[v->count++] = (struct blobcheck_block){
		.block = *block,
		.owner = file,
	};
	return 0;
}

static int verify_packed(struct verify *v, const struct view_node *node)
{
	uint64_t count = block_count(node->size);
	struct file *file;
	int r = 0;

	if (!want_is_sound(node)) {
		tell_path(v, node->path, "its catalog contradicts itself");
		return 0;
	}
	if (!count)
		return 0;
	if (v->count >= BATCH || !v->pool ||
	    strcmp(v->pool, node->tree->pool) != 0) {
		r = flush(v);
		clear(v);
		if (!r && (!v->pool || strcmp(v->pool, node->tree->pool) != 0))
			r = enter_pool(v, node->tree->pool);
		if (r)
			return r;
	}
	file = file_new(node->path, (unsigned int)count);
	if (!file)
		return -ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		struct block block;

		want_block(node, i, &block);
		if (add_block(v, &block, file))
			return -ENOMEM;
	}
	return 0;
}

/* ---- the walk ------------------------------------------------------------ */

static int verify_node(struct verify *v, const struct view_node *node)
{
	struct verify_result *result = &v->result;

	if (node->kind == VIEW_DIR)
		return 0;
	{
		LOCK_SCOPE(&v->lock);
		if (S_ISLNK(node->mode)) {
			result->symlinks++;
		} else {
			result->files++;
			result->bytes += node->size;
		}
		result->plain += node->kind == VIEW_PLAIN;
	}
	progress_total(v->job->progress, ++v->seen_files,
		       v->seen_bytes += node->size);
	if (node->kind == VIEW_PLAIN)
		return verify_plain(v, node);
	return S_ISREG(node->mode) ? verify_packed(v, node) : 0;
}

static int verify_dir(struct verify *v, const struct walk_dir *dir)
{
	int r = 0;

	if (dir->err.code) {
		tell_error(v, *dir->path ? dir->path : ".", &dir->err);
		return 0;
	}
	{
		LOCK_SCOPE(&v->lock);
		v->result.dirs++;
	}
	for (size_t i = 0; i < dir->count && !r; i++)
		r = verify_node(v, dir->names[i].node);
	return r ?: walk_descend(v->walk, dir);
}

static int walk_all(struct verify *v)
{
	const struct walk_options wo = { .view = v->job->at->view };
	int r = walk_open(&v->walk, &wo, v->job->at->node);

	while (!r) {
		struct walk_dir dir = { 0 };

		r = walk_next(v->walk, true, &dir);
		if (r <= 0)
			return r;
		r = verify_dir(v, &dir);
		walk_dir_done(&dir);
	}
	return r;
}

int verify_run(const struct verify_job *job, struct verify_result *ret_result)
{
	struct verify v = { .job = job };
	struct location *at = job->at;
	int r, wait;

	lock_init(&v.lock, LOCK_RANK_TOOL);
	ranges_init(&v.plain, at->session.source.store, at->session.pool);
	r = at->node->kind == VIEW_DIR ? walk_all(&v)
				       : verify_node(&v, at->node);
	if (!r)
		r = flush(&v);
	if (r) { /* what is under way ends early */
		ranges_stop(&v.plain);
		view_free(at->view);
		at->view = NULL;
	}
	wait = ranges_wait(&v.plain);
	ranges_done(&v.plain);
	walk_free(v.walk);
	clear(&v);
	free(v.blocks);
	keylist_done(&v.blobs);
	gclist_free(v.condemned);
	free(v.pool);
	*ret_result = v.result;
	lock_done(&v.lock);
	return r ?: wait;
}
