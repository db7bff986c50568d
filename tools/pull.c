/*
 * The walk goes ahead of the copying by a bounded number of files. A directory
 * is made when it is visited, open to its owner; modes and times of directories
 * are set at the end, the deepest first, since each file made in them changes
 * their times.
 */
#include "tools/pull.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "tools/copy.h"
#include "tools/link.h"
#include "tools/walk.h"

#define BACKLOG_MAX 16384 /* files known and not begun */
#define POLL_MS 100 /* how soon an interrupt is noticed */
#define NAMED_MAX 10 /* failures told one by one */
/* How long files wait for others that stand beside them in the bucket: since the
 * walk last brought some, and since it began to bring some. */
#define CALM_MS 10
#define HOLD_MS 100

/* A directory made, for the end. */
struct made_dir {
	char *path; /* in the target; owned */
	struct target_attr attr;
};

struct pull {
	const struct pull_job *job;
	struct walk *walk; /* NULL at the end of the walk */
	struct copy *copy;
	struct made_dir *dirs; /* owned */
	size_t dir_count, dir_room;
	uint64_t walked_ms; /* clock_now_ms when the walk last moved */
	uint64_t held_ms; /* and when the files that wait began to; 0: none */
	/* Planned: */
	uint64_t files, symlinks, bytes;
	uint64_t unchanged, saved;

	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	pthread_cond_t woken;
	bool news;
	uint64_t failed;
};

static void on_wake(void *arg)
{
	struct pull *p = arg;

	LOCK_SCOPE(&p->lock);
	p->news = true;
	pthread_cond_signal(&p->woken);
}

static void on_failed(void *arg, const struct err *e)
{
	struct pull *p = arg;
	uint64_t before;

	{
		LOCK_SCOPE(&p->lock);
		before = p->failed++;
	}
	if (before < NAMED_MAX)
		log_error("%s", e->text);
}

static void wait_news(struct pull *p, uint64_t timeout_ms)
{
	LOCK_SCOPE(&p->lock);
	if (!p->news)
		(void)cond_wait_ms(&p->woken, &p->lock, timeout_ms);
	p->news = false;
}

/* ---- planning ------------------------------------------------------------ */

static struct target_attr attr_of(const struct view_node *node)
{
	return (struct target_attr){
		.mode = node->mode,
		.uid = node->uid,
		.gid = node->gid,
		/* A directory that nobody described has no time. */
		.has_mtime = node->kind != VIEW_DIR || node->mtime_ns,
		.mtime_ns = node->mtime_ns,
	};
}

static int64_t mtime_of(const struct stat *st)
{
	return st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

/* Of a plain link the target is not known without a request; its length and
 * time are trusted then, as they are for a file's content. */
static bool same_link(const struct target *t, const struct view_node *node,
		      const char *dir, const char *name)
{
	CLEANUP_FREE char *copy = NULL;
	const char *link_to;
	size_t len;

	link_to = link_packed_target(node, &len);
	if (!link_to)
		return true;
	copy = strndup(link_to, len);
	return copy && target_link_is(t, dir, name, copy);
}

/* What is there is what a copy would make. */
static bool unchanged(const struct target *t, const struct view_node *node,
		      const struct stat *st, const char *dir, const char *name)
{
	if ((st->st_mode & S_IFMT) != (node->mode & S_IFMT) ||
	    (uint64_t)st->st_size != node->size ||
	    mtime_of(st) != node->mtime_ns)
		return false;
	if (t->owner && (st->st_uid != node->uid || st->st_gid != node->gid))
		return false;
	if (S_ISLNK(st->st_mode))
		return same_link(t, node, dir, name);
	return (st->st_mode & 07777) == target_mode(t, node->mode);
}

/* 0: copy it; 1: leave it alone; negative: told, and skip it. */
static int look_at(struct pull *p, const struct view_node *node,
		   const char *dir, const char *name)
{
	const struct target *t = p->job->target;
	struct err e = { 0 };
	struct stat st;
	int r;

	if (!S_ISREG(node->mode) && !S_ISLNK(node->mode))
		r = err_set(&e, -EINVAL,
			    "'%s': neither file, directory nor symbolic link",
			    node->path);
	else
		r = target_stat(t, dir, name, &st, &e);
	if (r == -ENOENT)
		return 0;
	if (!r && S_ISDIR(st.st_mode))
		r = err_set(&e, -EISDIR,
			    "'%s/%s%s%s': a directory is here: remove it first",
			    t->shown, dir, *dir ? "/" : "", name);
	if (r) {
		on_failed(p, &e);
		return r;
	}
	return unchanged(t, node, &st, dir, name);
}

static int plan_file(struct pull *p, const struct view_node *node,
		     const char *dir, const char *name)
{
	const struct target_attr attr = attr_of(node);
	bool link = S_ISLNK(node->mode);
	int r = look_at(p, node, dir, name);

	if (r < 0)
		return 0;
	if (r) {
		p->unchanged++;
		p->saved += link ? 0 : node->size;
		return 0;
	}
	p->files += !link;
	p->symlinks += link;
	p->bytes += link ? 0 : node->size;
	if (p->job->dry_run)
		return 0;
	progress_total(p->job->progress, p->files + p->symlinks, p->bytes);
	return copy_add(p->copy, node, dir, name, &attr);
}

static int remember_dir(struct pull *p, const char *path,
			const struct view_node *node)
{
	struct made_dir *dir;

	if (p->dir_count == p->dir_room) {
		size_t room = p->dir_room * 2 ?: 64;

		dir = reallocarray(p->dirs, room, sizeof(*dir));
		if (!dir)
			return -ENOMEM;
		p->dirs = dir;
		p->dir_room = room;
	}
	dir = &p->dirs[p->dir_count];
	*dir = (struct made_dir){
		.path = strdup(path),
		.attr = attr_of(node),
	};
	if (!dir->path)
		return -ENOMEM;
	p->dir_count++;
	return 0;
}

/* Where a directory of the bucket goes: "name" or "name/below". NULL without
 * memory or (err set) for a path that must not touch the disk. */
static char *path_in_target(const struct pull *p, const char *path,
			    struct err *e)
{
	const char *root = p->job->at->node->path;
	const char *below = path + strlen(root);
	char *out;

	below += *below == '/';
	if (*below && !path_is_safe(below, strlen(below))) {
		(void)err_set(e, -EINVAL, "'%s': not a safe path", path);
		return NULL;
	}
	if (asprintf(&out, "%s%s%s", p->job->name, *below ? "/" : "", below) <
	    0) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	return out;
}

/* Its names, and what is below. */
static int plan_names(struct pull *p, const struct walk_dir *dir,
		      const char *path)
{
	for (size_t i = 0; i < dir->count; i++) {
		const struct walk_name *it = &dir->names[i];
		const char *slash = strrchr(it->node->path, '/');
		const char *name = slash ? slash + 1 : it->node->path;
		struct err e = { 0 };
		int r = 0;

		if (it->failed)
			(void)err_wrap(it->err, -EIO, "'%s'", it->node->path);
		else if (!name_is_safe(name, strlen(name)))
			(void)err_set(&e, -EINVAL, "'%s': not a safe name",
				      it->node->path);
		else if (it->node->kind != VIEW_DIR)
			r = plan_file(p, it->node, path, name);
		if (it->failed || e.code)
			on_failed(p, it->err ?: &e);
		if (r)
			return r;
	}
	return walk_descend(p->walk, dir);
}

static int plan_dir(struct pull *p, const struct walk_dir *dir)
{
	CLEANUP_FREE char *path = NULL;
	struct err e = dir->err;
	int r;

	if (e.code)
		(void)err_wrap(&e, e.code, "'%s'", dir->path);
	else
		path = path_in_target(p, dir->path, &e);
	if (path && !p->job->dry_run)
		(void)target_make_dir(p->job->target, path, &e);
	if (e.code) {
		on_failed(p, &e);
		return 0;
	}
	r = remember_dir(p, path, dir->self);
	return r ?: plan_names(p, dir, path);
}

/* ---- the run ------------------------------------------------------------- */

static int walk_on(struct pull *p)
{
	while (p->walk && copy_backlog(p->copy) < BACKLOG_MAX) {
		struct walk_dir dir = { 0 };
		int r = walk_next(p->walk, false, &dir);

		if (r == -EAGAIN)
			return 0;
		if (!r) {
			walk_free(p->walk);
			p->walk = NULL;
			return 0;
		}
		p->walked_ms = clock_now_ms();
		if (r > 0)
			r = plan_dir(p, &dir);
		walk_dir_done(&dir);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A tree that is known comes out of the walk within a moment. Begun a little
 * later, it is fetched by fewer requests. */
static bool worth_waiting(struct pull *p)
{
	uint64_t now_ms = clock_now_ms();

	if (!p->walk || !copy_backlog(p->copy) || copy_has_plenty(p->copy)) {
		p->held_ms = 0;
		return false;
	}
	if (!p->held_ms)
		p->held_ms = now_ms;
	return now_ms - p->walked_ms < CALM_MS && now_ms - p->held_ms < HOLD_MS;
}

static int go(struct pull *p)
{
	for (;;) {
		int r = session_interrupted() ? -EINTR : walk_on(p);

		if (r)
			return r;
		if (copy_hopeless(p->copy)) {
			log_error("stopped: the other files would fail too");
			return -EIO;
		}
		if (worth_waiting(p)) {
			wait_news(p, CALM_MS);
			continue;
		}
		copy_pump(p->copy);
		if (!p->walk && copy_idle(p->copy))
			return 0;
		wait_news(p, POLL_MS);
	}
}

/* Nothing new is begun, what is under way is cancelled and its temporary files
 * are removed. */
static void break_off(struct pull *p)
{
	struct location *at = p->job->at;

	copy_stop(p->copy);
	view_free(at->view);
	at->view = NULL;
	fetch_free(at->session.fetch);
	at->session.fetch = NULL;
}

static void finish_dirs(struct pull *p)
{
	for (size_t i = p->dir_count; i; i--) {
		struct made_dir *dir = &p->dirs[i - 1];
		struct err e = { 0 };

		if (!p->job->dry_run &&
		    target_finish_dir(p->job->target, dir->path, &dir->attr,
				      &e))
			on_failed(p, &e);
		free(dir->path);
	}
	free(p->dirs);
}

static int start(struct pull *p)
{
	const struct pull_job *job = p->job;
	const struct walk_options wo = {
		.view = job->at->view,
		.attrs = true,
		.wake = on_wake,
		.arg = p,
	};
	const struct copy_options co = {
		.fetch = job->at->session.fetch,
		.cache = job->at->session.cache,
		.pool = job->at->session.pool,
		.target = job->target,
		.progress = job->progress,
		.wake = on_wake,
		.failed = on_failed,
		.arg = p,
	};
	int r = copy_open(&p->copy, &co);

	if (r)
		return r;
	if (job->at->node->kind == VIEW_DIR)
		return walk_open(&p->walk, &wo, job->at->node);
	return plan_file(p, job->at->node, "", job->name);
}

static void fill_result(struct pull *p, const struct copy_counts *done,
			struct pull_result *result)
{
	bool dry = p->job->dry_run;

	*result = (struct pull_result){
		.files = dry ? p->files : done->files,
		.symlinks = dry ? p->symlinks : done->symlinks,
		.bytes = dry ? p->bytes : done->bytes,
		.dirs = p->dir_count,
		.unchanged = p->unchanged,
		.saved = p->saved + done->cached,
		.failed = p->failed,
	};
	if (p->failed > NAMED_MAX)
		log_error("and %llu more",
			  (unsigned long long)(p->failed - NAMED_MAX));
}

int pull_run(const struct pull_job *job, struct pull_result *ret_result)
{
	struct pull p = { .job = job };
	struct copy_counts done = { 0 };
	int r;

	lock_init(&p.lock, LOCK_RANK_TOOL);
	cond_init(&p.woken);
	r = start(&p);
	if (!r)
		r = go(&p);
	if (r && p.copy)
		break_off(&p);
	walk_free(p.walk);
	if (p.copy)
		copy_counts(p.copy, &done);
	copy_free(p.copy);
	finish_dirs(&p);
	fill_result(&p, &done, ret_result);
	(void)pthread_cond_destroy(&p.woken);
	lock_done(&p.lock);
	return r;
}
