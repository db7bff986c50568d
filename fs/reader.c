/*
 * A read becomes parts, one for each block or piece it touches, all asked for
 * at once. The last of them to come answers: hits as descriptors into segments,
 * for splicing, the rest from memory.
 *
 * A read holds its reader, since a caller that was killed may be gone, and the
 * handle released, before the content comes.
 */
#include "fs/reader.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fs/ahead.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"

struct reader {
	struct handle handle;
	struct mount *m;
	struct inode *ino; /* counted */
	const struct view_node *node; /* counted */
	uint32_t first_block; /* packed files */
	atomic_int refs;

	struct lock lock; /* LOCK_RANK_FS */
	/* guarded by lock: */
	struct ahead ahead;
	bool swept; /* the sweep was told of this reader */
};

struct part {
	struct fetch_req req;
	struct read *read;
	uint32_t skip; /* bytes of the block before what is wanted */
	uint32_t len; /* bytes wanted */
};

struct read {
	struct call call;
	struct reader *reader; /* counted */
	atomic_uint waiting; /* parts to come, and the submitter */
	unsigned int count;
	struct part parts[];
};

static void reader_put(struct reader *r)
{
	if (atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	view_node_unref(r->node);
	inode_put(r->m->inodes, r->ino);
	lock_done(&r->lock);
	free(r);
}

static void handle_free(struct handle *h)
{
	reader_put(container_of(h, struct reader, handle));
}

int reader_open(struct reader **ret_reader, struct mount *m, struct inode *ino)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct catalog_entry entry;

	if (!r) {
		inode_put(m->inodes, ino);
		return -ENOMEM;
	}
	r->m = m;
	r->ino = ino;
	r->node = inode_view(m->inodes, ino);
	atomic_init(&r->refs, 1);
	lock_init(&r->lock, LOCK_RANK_FS);
	if (r->node->kind == VIEW_PACKED) {
		catalog_entry_at(r->node->tree->cat, r->node->entry, &entry);
		r->first_block = entry.first_block;
	}
	handles_add(&m->handles, &r->handle, handle_free);
	*ret_reader = r;
	return 0;
}

void reader_free(struct reader *r)
{
	handles_release(&r->m->handles, &r->handle);
}

static void read_free(struct call *c)
{
	struct read *rd = container_of(c, struct read, call);

	for (unsigned int i = 0; i < rd->count; i++)
		cache_ref_put(rd->parts[i].req.ref);
	reader_put(rd->reader);
	free(rd);
}

static void read_failed(struct read *rd, int code, const char *why)
{
	struct err e = { 0 };

	(void)err_set(&e, code, "%s", why);
	reply_err(&rd->call, &e);
}

/*
 * An object that is gone, or another, was replaced since its directory was
 * listed. Opened anew, it must not be taken for the old one again.
 */
static void note_failure(struct mount *m, const struct view_node *n, int code)
{
	if (n->kind == VIEW_PLAIN && (code == -ESTALE || code == -ENOENT))
		view_outdated(m->view, n->path);
}

static void read_answer(struct read *rd)
{
	struct fuse_bufvec *bufs;
	unsigned int count = rd->count;

	for (unsigned int i = 0; i < count; i++) {
		const struct part *p = &rd->parts[i];

		if (p->req.err.code) {
			note_failure(rd->reader->m, rd->reader->node,
				     p->req.err.code);
			reply_err(&rd->call, &p->req.err);
			return;
		}
		if (p->req.ref->len < p->skip ||
		    p->req.ref->len - p->skip < p->len) {
			read_failed(rd, -EIO, "content ends early");
			return;
		}
	}
	bufs = calloc(1, sizeof(*bufs) + count * sizeof(bufs->buf[0]));
	if (!bufs) {
		read_failed(rd, -ENOMEM, "out of memory");
		return;
	}
	bufs->count = count;
	for (unsigned int i = 0; i < count; i++) {
		const struct part *p = &rd->parts[i];
		struct fuse_buf *b = &bufs->buf[i];

		b->size = p->len;
		b->fd = -1;
		if (p->req.ref->data) {
			/* libfuse only reads it. */
			b->mem =
				(void *)((uintptr_t)p->req.ref->data + p->skip);
			continue;
		}
		b->flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
		b->fd = p->req.ref->fd;
		b->pos = (off_t)(p->req.ref->off + p->skip);
	}
	(void)reply_data(&rd->call, bufs); /* nothing to take back */
	free(bufs);
}

static void read_put(struct read *rd)
{
	if (atomic_fetch_sub(&rd->waiting, 1) == 1)
		read_answer(rd);
}

static void part_done(struct fetch_req *req)
{
	read_put(container_of(req, struct part, req)->read);
}

/* A file that begins to be read: is it one of many? */
static void foresee_sweep(struct reader *r, uint32_t block)
{
	const struct view_tree *tree = r->node->tree;
	const char *path = r->node->path, *slash = strrchr(path, '/');
	size_t dir_len = slash ? (size_t)(slash - path) : 0;
	uint64_t now = clock_now_ms();
	struct sweep_range range;
	struct block b;
	bool missing;

	if (!sweep_expects(r->m->sweep, path, dir_len, now))
		return;
	catalog_block_at(tree->cat, block, &b);
	missing = !r->m->cache || !cache_has(r->m->cache, &b.hash);
	if (sweep_read(r->m->sweep, tree->cat, block, missing, path, dir_len,
		       now, &range))
		fetch_prefetch(r->m->fetch, tree->cat, tree->pool, range.first,
			       range.count);
}

static uint64_t round_up(uint64_t n, uint32_t unit)
{
	return n / unit + !!(n % unit);
}

static void fetch_ahead(struct reader *r, const struct ahead_range *range)
{
	const struct view_node *n = r->node;
	uint64_t first = round_up(range->off, BLOCK_MAX);
	uint64_t end = round_up(range->off + range->len, BLOCK_MAX);

	static_assert(PIECE_LARGE == BLOCK_MAX, "one unit for both kinds");
	if (first >= end)
		return;
	if (n->kind == VIEW_PACKED)
		fetch_prefetch(r->m->fetch, n->tree->cat, n->tree->pool,
			       r->first_block + (uint32_t)first,
			       (uint32_t)(end - first));
	else
		fetch_prefetch_pieces(r->m->fetch, n->key, &n->object, first,
				      end - first);
}

/*
 * Looks at how the file is being read and fetches what will be wanted. Returns
 * the unit in which this read is to be made.
 */
static uint32_t foresee(struct reader *r, uint64_t off, size_t len)
{
	struct ahead_range range;
	bool packed = r->node->kind == VIEW_PACKED;
	bool first, more, in_row;

	lock_take(&r->lock);
	first = !r->swept;
	r->swept = true;
	more = ahead_read(&r->ahead, off, len, r->node->size, &range);
	in_row = ahead_in_row(&r->ahead);
	lock_drop(&r->lock);

	if (packed && first)
		foresee_sweep(r, r->first_block + (uint32_t)(off / BLOCK_MAX));
	if (more)
		fetch_ahead(r, &range);
	return packed || in_row ? BLOCK_MAX : PIECE_SMALL;
}

static void fetch_part(struct reader *r, struct part *p, uint32_t unit,
		       uint64_t index)
{
	const struct view_node *n = r->node;

	p->req.done = part_done;
	p->req.priority = STORE_FOREGROUND;
	if (n->kind == VIEW_PACKED)
		fetch_block(r->m->fetch, n->tree->cat, n->tree->pool,
			    r->first_block + (uint32_t)index, &p->req);
	else
		fetch_piece(r->m->fetch, n->key, &n->object, unit, index,
			    &p->req);
}

void reader_read(struct reader *r, fuse_req_t req, uint64_t off, size_t len)
{
	uint64_t size = r->node->size, first;
	unsigned int count;
	struct read *rd;
	uint32_t unit;

	if (off >= size || !len) {
		(void)fuse_reply_buf(req, NULL, 0); /* nothing to take back */
		return;
	}
	if (len > size - off)
		len = (size_t)(size - off);
	unit = foresee(r, off, len);
	first = off / unit;
	count = (unsigned int)(round_up(off + len, unit) - first);
	rd = calloc(1, sizeof(*rd) + count * sizeof(rd->parts[0]));
	if (!rd) {
		(void)fuse_reply_err(req, ENOMEM); /* as above */
		return;
	}
	atomic_fetch_add(&r->refs, 1);
	rd->reader = r;
	rd->count = count;
	atomic_init(&rd->waiting, count + 1);
	call_begin(&rd->call, r->m->waits, req, "read", r->node->path,
		   read_free);
	for (unsigned int i = 0; i < count; i++) {
		struct part *p = &rd->parts[i];
		uint64_t at = (first + i) * unit;
		uint64_t from = off > at ? off : at;
		uint64_t to = off + len < at + unit ? off + len : at + unit;

		p->read = rd;
		p->skip = (uint32_t)(from - at);
		p->len = (uint32_t)(to - from);
		fetch_part(r, p, unit, first + i);
	}
	read_put(rd);
}

/* ---- symbolic links ------------------------------------------------------ */

struct link_read {
	struct call call;
	struct mount *m;
	struct inode *ino; /* counted */
	const struct view_node *node; /* counted */
	struct fetch_req req;
};

static void link_free(struct call *c)
{
	struct link_read *l = container_of(c, struct link_read, call);

	cache_ref_put(l->req.ref);
	view_node_unref(l->node);
	inode_put(l->m->inodes, l->ino);
	free(l);
}

/* Terminates the target and answers; one that no kernel would take is EIO. */
static void link_answer(struct link_read *l, const char *target, size_t len)
{
	char path[PATH_MAX];
	struct err e = { 0 };

	if (!len || len >= sizeof(path) || memchr(target, '\0', len)) {
		(void)err_set(&e, -EIO, "not a usable link target");
		reply_err(&l->call, &e);
		return;
	}
	memcpy(path, target, len);
	path[len] = '\0';
	(void)reply_readlink(&l->call, path); /* nothing to take back */
}

static void link_fetched(struct fetch_req *req)
{
	struct link_read *l = container_of(req, struct link_read, req);
	char target[PATH_MAX];
	struct err e = { 0 };
	ssize_t n;

	if (req->err.code) {
		note_failure(l->m, l->node, req->err.code);
		reply_err(&l->call, &req->err);
		return;
	}
	n = cache_ref_read(req->ref, 0, target, sizeof(target));
	if (n < 0) {
		(void)err_set(&e, (int)n, "cannot read the link's target");
		reply_err(&l->call, &e);
		return;
	}
	link_answer(l, target, (size_t)n);
}

void reader_readlink(struct mount *m, fuse_req_t req, struct inode *ino)
{
	struct link_read *l = calloc(1, sizeof(*l));
	const struct view_node *n;
	struct catalog_entry entry;

	if (!l) {
		inode_put(m->inodes, ino);
		(void)fuse_reply_err(req, ENOMEM); /* nothing to take back */
		return;
	}
	l->m = m;
	l->ino = ino;
	l->node = n = inode_view(m->inodes, ino);
	l->req.done = link_fetched;
	l->req.priority = STORE_FOREGROUND;
	call_begin(&l->call, m->waits, req, "readlink", n->path, link_free);
	if (!S_ISLNK(n->mode)) {
		struct err e = { 0 };

		(void)err_set(&e, -EINVAL, "not a symbolic link");
		reply_err(&l->call, &e);
	} else if (n->kind == VIEW_PACKED) {
		catalog_entry_at(n->tree->cat, n->entry, &entry);
		link_answer(l, entry.target, (size_t)entry.size);
	} else if (!n->object.size || n->object.size >= PATH_MAX) {
		link_answer(l, "", 0);
	} else {
		fetch_piece(m->fetch, n->key, &n->object, PIECE_SMALL, 0,
			    &l->req);
	}
}
