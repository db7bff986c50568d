/*
 * A file is a run of pieces: blocks of a packed file, PIECE_LARGE bytes of a
 * plain one. A piece is fetched, then written by a job of the pool; the job that
 * writes the last piece of a file gives it its attributes and its name. A file
 * of one piece has no descriptor before its content is there, so that thousands
 * of small files can be under way.
 *
 * A new batch is begun when half of the window is free, and fills it: first all
 * of it is announced (fetch_prefetch merges neighbours into large requests),
 * then each piece is asked for.
 */
#include "tools/copy.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "s3/base/lock.h"
#include "tools/link.h"
#include "tools/want.h"

#define WINDOW (64u << 20) /* bytes asked for and not yet written */
#define PIECES_MAX 4096 /* the same, in pieces */
#define PIECE BLOCK_MAX
_Static_assert(PIECE_LARGE == PIECE, "packed and plain files share offsets");

struct copy_file {
	struct list link;
	struct copy *copy;
	const struct view_node *node; /* counted */
	char *dir; /* owned */
	char *name; /* owned */
	struct target_attr attr;
	bool is_link;
	uint64_t pieces; /* in all */
	uint64_t next; /* first piece not asked for */
	bool begun;
	bool sparse; /* has blocks of zeros, which are left out */
	struct pool_job job; /* of a file without pieces */
	/* Set before the first piece is asked for, or by the job of the only
	 * one: */
	int fd;
	char temp[TARGET_TEMP_MAX]; /* "" before it was made */
	/* guarded by copy.lock: */
	uint64_t left; /* pieces not written, but for those of zeros */
	struct err err; /* the first failure */
};

struct piece {
	struct fetch_req req;
	struct pool_job job;
	struct copy_file *file;
	uint64_t index;
	uint32_t len; /* bytes */
};

struct copy {
	struct copy_options o; /* constant */
	atomic_bool stopped;
	struct list queue; /* of struct copy_file, owned; main thread only */
	size_t queued;
	uint64_t queued_bytes;

	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	pthread_cond_t woken;
	uint64_t running; /* pieces, and files without */
	uint64_t running_bytes;
	unsigned int leaving; /* ended, and about to wake the outside */
	bool hopeless;
	struct copy_counts counts;
};

static bool window_open_locked(const struct copy *c)
{
	lock_assert_held(&c->lock);
	return c->running <= PIECES_MAX / 2 && c->running_bytes <= WINDOW / 2;
}

static struct copy_file *file_free(struct copy_file *file)
{
	cleanup_closep(&file->fd);
	view_node_unref(file->node);
	free(file->dir);
	free(file->name);
	free(file);
	return NULL;
}

int copy_open(struct copy **ret_copy, const struct copy_options *o)
{
	struct copy *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->o = *o;
	list_init(&c->queue);
	lock_init(&c->lock, LOCK_RANK_TOOL);
	cond_init(&c->woken);
	*ret_copy = c;
	return 0;
}

static uint64_t pieces_of(const struct view_node *node)
{
	if (node->kind == VIEW_PACKED && S_ISLNK(node->mode))
		return 0;
	return block_count(node->size);
}

int copy_add(struct copy *c, const struct view_node *node, const char *dir,
	     const char *name, const struct target_attr *attr)
{
	struct copy_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	file->copy = c;
	file->fd = -1;
	file->node = view_node_ref(node);
	file->dir = strdup(dir);
	file->name = strdup(name);
	file->attr = *attr;
	file->is_link = S_ISLNK(node->mode);
	file->pieces = pieces_of(node);
	file->left = file->pieces;
	if (!file->dir || !file->name) {
		(void)file_free(file);
		return -ENOMEM;
	}
	list_add_tail(&c->queue, &file->link);
	c->queued++;
	c->queued_bytes += node->size;
	return 0;
}

/* ---- the end of a file --------------------------------------------------- */

/* What the next file would meet too. */
static bool is_hopeless(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EROFS || r == -ETIMEDOUT;
}

static void note_done(struct copy *c, const struct copy_file *file)
{
	{
		LOCK_SCOPE(&c->lock);
		if (file->is_link) {
			c->counts.symlinks++;
		} else {
			c->counts.files++;
			c->counts.bytes += file->node->size;
		}
	}
	progress_add(c->o.progress, 1, 0);
}

/* The first hopeless failure speaks for all that follow; cancelled work was
 * somebody's wish and no news. */
static void note_failed(struct copy *c, const struct err *e)
{
	bool tell = !c->stopped;

	if (is_hopeless(e->code)) {
		LOCK_SCOPE(&c->lock);
		tell = tell && !c->hopeless;
		c->hopeless = true;
	}
	if (tell)
		c->o.failed(c->o.arg, e);
	if (is_hopeless(e->code))
		c->stopped = true;
}

/*
 * A file that is larger than a piece got its length before its content, and may
 * be written out of order: after a crash of the machine it could stand there
 * with its size and its time and zeros within, and pass for unchanged. So it is
 * on disk before it gets its name. A smaller one would be seen to be too short.
 */
static int settle(struct copy_file *file)
{
	if (file->pieces <= 1 || file->is_link || !fdatasync(file->fd))
		return 0;
	return err_set(&file->err, -errno, "'%s/%s': %m", file->dir,
		       file->name);
}

/* All pieces are written, or failed. */
static void end_file(struct copy_file *file)
{
	struct copy *c = file->copy;
	int r = file->err.code;

	if (!r && c->stopped)
		r = err_set(&file->err, -ECANCELED, "stopped");
	if (!r && *file->temp)
		r = settle(file);
	if (!r && *file->temp)
		r = target_commit(c->o.target, file->dir, file->temp, file->fd,
				  file->name, &file->attr, &file->err);
	if (r && *file->temp)
		target_drop(c->o.target, file->dir, file->temp);
	if (r)
		note_failed(c, &file->err);
	else
		note_done(c, file);
	(void)file_free(file);
}

static int make_temp(struct copy_file *file, struct err *e)
{
	bool ahead = file->pieces > 1 || file->sparse;
	char temp[TARGET_TEMP_MAX];
	int r = target_temp(file->copy->o.target, file->dir, file->name,
			    ahead ? file->node->size : 0, file->sparse, temp,
			    &file->fd, e);

	if (!r)
		memcpy(file->temp, temp, sizeof(temp));
	return r;
}

/* ---- writing, on the pool ------------------------------------------------ */

static int write_link(struct copy_file *file, const char *link_to,
		      struct err *e)
{
	return target_link(file->copy->o.target, file->dir, file->name, link_to,
			   &file->attr, e);
}

/* Of a plain object: its content. */
static int write_plain_link(const struct piece *p, struct err *e)
{
	char link_to[LINK_TARGET_MAX + 1];
	ssize_t n;

	if (p->file->node->size > LINK_TARGET_MAX)
		return err_set(e, -ENAMETOOLONG,
			       "'%s': the link has no usable target",
			       p->file->node->path);
	n = cache_ref_read(p->req.ref, 0, link_to, LINK_TARGET_MAX);
	if (n < 0 || (uint64_t)n != p->file->node->size ||
	    memchr(link_to, 0, (size_t)n))
		return err_set(e, -EIO, "'%s': the link's target is unreadable",
			       p->file->node->path);
	link_to[n] = '\0';
	return write_link(p->file, link_to, e);
}

static bool is_zero(const uint8_t *data, size_t len)
{
	return !*data && !memcmp(data, data + 1, len - 1);
}

/* A piece of zeros stays a hole, or becomes one where room was reserved; it
 * reads as zeros in any case. */
static int write_bytes(const struct piece *p, const void *data, struct err *e)
{
	const struct copy_file *file = p->file;
	int r;

	if (file->pieces > 1 && is_zero(data, p->len)) {
		(void)fallocate(file->fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)(p->index * PIECE), p->len);
		return 0;
	}
	r = io_pwrite_full(file->fd, data, p->len, p->index * PIECE);

	return r ? err_set(e, r, "'%s/%s': %s", file->dir, file->name,
			   strerror(-r))
		 : 0;
}

static int write_content(const struct piece *p, struct err *e)
{
	const struct cache_ref *ref = p->req.ref;
	CLEANUP_FREE void *copy = NULL;
	ssize_t n;

	if (ref->len != p->len)
		return err_set(e, -EIO, "'%s': got %u bytes where %u belong",
			       p->file->node->path, ref->len, p->len);
	if (p->file->pieces == 1) {
		int r = make_temp(p->file, e);

		if (r)
			return r;
	}
	if (ref->data)
		return write_bytes(p, ref->data, e);
	copy = malloc(p->len);
	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	n = cache_ref_read(ref, 0, copy, p->len);
	if (n != (ssize_t)p->len)
		return err_set(e, -EIO, "'%s': the cache cannot be read",
			       p->file->node->path);
	return write_bytes(p, copy, e);
}

static bool has_failed(struct copy_file *file)
{
	LOCK_SCOPE(&file->copy->lock);
	return file->err.code;
}

/* Counts down; true for the last piece of its file. */
static bool note_piece(struct copy_file *file, const struct err *e)
{
	LOCK_SCOPE(&file->copy->lock);
	if (e->code && !file->err.code)
		file->err = *e;
	return !--file->left;
}

/* Wakes the outside when there is room for another batch, or nothing left. */
static void end_running(struct copy *c, uint64_t bytes)
{
	bool wanted;

	{
		LOCK_SCOPE(&c->lock);
		c->running--;
		c->running_bytes -= bytes;
		c->leaving++;
		wanted = !c->running || window_open_locked(c);
	}
	if (wanted)
		c->o.wake(c->o.arg);
	LOCK_SCOPE(&c->lock);
	c->leaving--;
	pthread_cond_broadcast(&c->woken);
}

static int write_piece(const struct piece *p, struct err *e)
{
	if (p->file->copy->stopped || has_failed(p->file))
		return 0;
	if (p->req.err.code)
		return err_wrap(e, err_copy(e, &p->req.err), "'%s'",
				p->file->node->path);
	return p->file->is_link ? write_plain_link(p, e) : write_content(p, e);
}

static void run_piece(struct pool_job *job)
{
	struct piece *p = container_of(job, struct piece, job);
	struct copy_file *file = p->file;
	struct copy *c = file->copy;
	uint32_t len = p->len;
	struct err e = { 0 };

	(void)write_piece(p, &e); /* told by e */
	cache_ref_put(p->req.ref);
	free(p);
	if (!e.code)
		progress_add(c->o.progress, 0, len);
	if (note_piece(file, &e))
		end_file(file);
	end_running(c, len);
}

static void on_fetched(struct fetch_req *req)
{
	struct piece *p = req->arg;

	pool_submit(p->file->copy->o.pool, &p->job);
}

/* Files without content or of zeros alone, and packed links. */
static void run_file(struct pool_job *job)
{
	struct copy_file *file = container_of(job, struct copy_file, job);
	struct copy *c = file->copy;
	char link_to[LINK_TARGET_MAX + 1];
	const char *target;
	size_t len;

	target = link_packed_target(file->node, &len);
	if (c->stopped) {
		/* end_file has the word for it */
	} else if (!file->is_link) {
		(void)make_temp(file, &file->err); /* told by err */
	} else if (!target || len > LINK_TARGET_MAX) {
		(void)err_set(&file->err, -ENAMETOOLONG,
			      "'%s': the link has no usable target",
			      file->node->path);
	} else {
		memcpy(link_to, target, len);
		link_to[len] = '\0';
		(void)write_link(file, link_to, &file->err); /* likewise */
	}
	end_file(file);
	end_running(c, 0);
}

/* ---- asking -------------------------------------------------------------- */

static void begin_running(struct copy *c, uint64_t bytes)
{
	LOCK_SCOPE(&c->lock);
	c->running++;
	c->running_bytes += bytes;
}

static struct copy_file *first_file(struct copy *c)
{
	if (list_empty(&c->queue))
		return NULL;
	return container_of(c->queue.next, struct copy_file, link);
}

static void unqueue(struct copy *c, struct copy_file *file)
{
	list_remove(&file->link);
	c->queued--;
	c->queued_bytes -= file->node->size;
}

/* A file that failed before any of its pieces was asked for. */
static void reject(struct copy *c, struct copy_file *file)
{
	unqueue(c, file);
	end_file(file);
}

static struct piece *new_piece(struct copy_file *file)
{
	struct piece *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->file = file;
	p->index = file->next++;
	p->len = block_len(file->node->size, p->index);
	p->req.done = on_fetched;
	p->req.arg = p;
	p->req.priority = STORE_FOREGROUND;
	p->job.run = run_piece;
	return p;
}

/* What is known to be zeros is not asked for. */
static void skip_zeros(struct copy_file *file)
{
	while (file->next < file->pieces &&
	       want_is_zero(file->node, file->next))
		file->next++;
}

static int begin_file(struct copy_file *file)
{
	if (!want_is_sound(file->node))
		return err_set(&file->err, -EBADMSG,
			       "'%s': its catalog contradicts itself",
			       file->node->path);
	for (uint64_t i = 0; i < file->pieces; i++) {
		if (want_is_zero(file->node, i)) {
			file->sparse = true;
			file->left--;
			progress_add(file->copy->o.progress, 0, BLOCK_MAX);
		}
	}
	skip_zeros(file);
	if (!file->left)
		return 0;
	return file->pieces > 1 && !file->is_link ? make_temp(file, &file->err)
						  : 0;
}

struct batch {
	struct want wants[PIECES_MAX]; /* owner: struct piece */
	size_t count;
	uint64_t bytes;
};

static void run_whole(struct copy *c, struct copy_file *file)
{
	unqueue(c, file);
	begin_running(c, 0);
	file->job.run = run_file;
	pool_submit(c->o.pool, &file->job);
}

/* The file at the head of the queue, as much of it as fits. */
static void take_file(struct copy *c, struct copy_file *file, struct batch *b)
{
	if (!file->begun) {
		if (begin_file(file)) {
			reject(c, file);
			return;
		}
		file->begun = true;
		if (!file->left) {
			run_whole(c, file);
			return;
		}
	}
	while (file->next < file->pieces && b->count < PIECES_MAX &&
	       b->bytes < WINDOW) {
		struct piece *p = new_piece(file);

		if (!p)
			return; /* tried again with the next batch */
		begin_running(c, p->len);
		b->wants[b->count++] = (struct want){
			.node = file->node,
			.index = p->index,
			.owner = p,
		};
		b->bytes += p->len;
		skip_zeros(file);
	}
	if (file->next == file->pieces)
		unqueue(c, file);
}

static void count_cached(struct copy *c, const struct want *w)
{
	const struct piece *p = w->owner;

	if (!want_is_cached(w, c->o.cache))
		return;
	LOCK_SCOPE(&c->lock);
	c->counts.cached += p->len;
}

static void ask(struct copy *c, struct batch *b)
{
	want_sort(b->wants, b->count);
	for (size_t i = 0; i < b->count; i++)
		count_cached(c, &b->wants[i]);
	want_announce(b->wants, b->count, c->o.fetch);
	for (size_t i = 0; i < b->count; i++) {
		struct piece *p = b->wants[i].owner;

		want_fetch(&b->wants[i], c->o.fetch, &p->req);
	}
}

static bool window_open(struct copy *c)
{
	LOCK_SCOPE(&c->lock);
	return window_open_locked(c);
}

void copy_pump(struct copy *c)
{
	CLEANUP_FREE struct batch *b = NULL;
	struct copy_file *file;

	if (list_empty(&c->queue) || !window_open(c))
		return;
	b = calloc(1, sizeof(*b));
	if (!b)
		return; /* what is under way ends and frees some */
	while ((file = first_file(c)) && b->count < PIECES_MAX &&
	       b->bytes < WINDOW) {
		size_t before = b->count, queued = c->queued;

		take_file(c, file, b);
		if (b->count == before && c->queued == queued)
			break;
	}
	ask(c, b);
}

/* ---- the whole ----------------------------------------------------------- */

size_t copy_backlog(const struct copy *c)
{
	return c->queued;
}

bool copy_has_plenty(const struct copy *c)
{
	return c->queued >= PIECES_MAX || c->queued_bytes >= WINDOW;
}

bool copy_idle(struct copy *c)
{
	LOCK_SCOPE(&c->lock);
	return !c->queued && !c->running;
}

bool copy_hopeless(struct copy *c)
{
	LOCK_SCOPE(&c->lock);
	return c->hopeless;
}

static uint64_t left_to_ask(const struct copy_file *file)
{
	uint64_t count = 0;

	for (uint64_t i = file->next; i < file->pieces; i++)
		count += !(file->begun && file->sparse &&
			   want_is_zero(file->node, i));
	return count;
}

/* A file whose pieces are partly under way leaves the queue; the last of them
 * ends it. */
static void forget(struct copy *c, struct copy_file *file)
{
	bool last;

	unqueue(c, file);
	{
		LOCK_SCOPE(&c->lock);
		file->left -= left_to_ask(file);
		last = !file->left;
	}
	if (last)
		end_file(file);
}

void copy_stop(struct copy *c)
{
	struct copy_file *file;

	c->stopped = true;
	while ((file = first_file(c)))
		forget(c, file);
}

void copy_counts(struct copy *c, struct copy_counts *ret_counts)
{
	LOCK_SCOPE(&c->lock);
	*ret_counts = c->counts;
}

static void wait_gone(struct copy *c)
{
	LOCK_SCOPE(&c->lock);
	while (c->running || c->leaving)
		cond_wait(&c->woken, &c->lock);
}

void copy_free(struct copy *c)
{
	if (!c)
		return;
	copy_stop(c);
	wait_gone(c);
	(void)pthread_cond_destroy(&c->woken);
	lock_done(&c->lock);
	free(c);
}
