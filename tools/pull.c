/*
 * The walk goes ahead of the copying by a bounded number of files. A directory
 * is made when it is visited, open to its owner; modes and times of directories
 * are set at the end, the deepest first, since each file made in them changes
 * their times.
 */
#include "tools/pull.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "tools/chosen.h"
#include "tools/copy.h"
#include "tools/link.h"
#include "tools/lookup.h"
#include "tools/surplus.h"
#include "tools/walk.h"
#include "tools/want.h"

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
	struct walk_options wo;
	struct walk *walk; /* NULL at the end of the walk */
	struct copy *copy;
	struct surplus surplus;
	struct made_dir *dirs; /* owned */
	size_t dir_count, dir_room;
	uint64_t walked_ms; /* clock_now_ms when the walk last moved */
	uint64_t held_ms; /* and when the files that wait began to; 0: none */
	/* Planned: */
	uint64_t files, symlinks, bytes;
	uint64_t unchanged, saved;
	uint64_t mended; /* files whose attributes alone were set */
	uint64_t removed;

	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	pthread_cond_t woken;
	bool news;
	uint64_t failed, broken_off; /* of those, by the user */
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
	/* Not each that was under way needs to be told. */
	bool broken_off = e->code == -ECANCELED && session_interrupted();
	uint64_t before;

	{
		LOCK_SCOPE(&p->lock);
		before = p->failed++ - p->broken_off;
		p->broken_off += broken_off;
	}
	if (!broken_off && before < NAMED_MAX)
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

/* Whether the content there is what a copy would make. Where the hash cache
 * knows the file, that is certain; else size and time are trusted. */
static bool same_content(const struct pull *p, const struct view_node *node,
			 const struct stat *st)
{
	CLEANUP_FREE struct hash *hashes = NULL;
	struct cache *cache = p->job->at->session.cache;

	if ((uint64_t)st->st_size != node->size)
		return false;
	if (cache && node->kind == VIEW_PACKED && node->size &&
	    !cache_file_hashes(cache, st, &hashes))
		return want_hashes_are(node, hashes);
	return clock_ns_of(&st->st_mtim) == node->mtime_ns;
}

static bool same_attrs(const struct target *t, const struct view_node *node,
		       const struct stat *st)
{
	if (clock_ns_of(&st->st_mtim) != node->mtime_ns ||
	    (t->owner && (st->st_uid != node->uid || st->st_gid != node->gid)))
		return false;
	return S_ISLNK(st->st_mode) ||
	       (st->st_mode & 07777) == target_mode(t, node->mode);
}

enum todo { COPY, MEND, LEAVE, SKIP };

static enum todo compare(const struct pull *p, const struct view_node *node,
			 const struct stat *st, const char *dir,
			 const char *name)
{
	const struct target *t = p->job->target;
	bool same;

	if ((st->st_mode & S_IFMT) != (node->mode & S_IFMT))
		return COPY;
	if (S_ISLNK(st->st_mode))
		return (uint64_t)st->st_size == node->size &&
				       same_attrs(t, node, st) &&
				       same_link(t, node, dir, name)
			       ? LEAVE
			       : COPY;
	same = same_content(p, node, st);
	if (same && !same_attrs(t, node, st))
		return MEND;
	return same ? LEAVE : COPY;
}

/* SKIP: it was told why. */
static enum todo look_at(struct pull *p, const struct view_node *node,
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
		return COPY;
	if (!r && S_ISDIR(st.st_mode))
		r = err_set(&e, -EISDIR,
			    "'%s/%s%s%s': a directory is here: remove it first",
			    t->shown, dir, *dir ? "/" : "", name);
	if (r) {
		on_failed(p, &e);
		return SKIP;
	}
	return compare(p, node, &st, dir, name);
}

static void mend(struct pull *p, const struct view_node *node, const char *dir,
		 const char *name)
{
	const struct target_attr attr = attr_of(node);
	struct err e = { 0 };

	if (!p->job->dry_run &&
	    target_set_attrs(p->job->target, dir, name, &attr, &e)) {
		on_failed(p, &e);
		return;
	}
	p->mended++;
	p->saved += node->size;
}

static int plan_file(struct pull *p, const struct view_node *node,
		     const char *dir, const char *name)
{
	const struct pull_job *job = p->job;
	const struct target_attr attr = attr_of(node);
	bool link = S_ISLNK(node->mode);

	switch (look_at(p, node, dir, name)) {
	case SKIP:
		return 0;
	case LEAVE:
		p->unchanged++;
		p->saved += link ? 0 : node->size;
		return 0;
	case MEND:
		mend(p, node, dir, name);
		return 0;
	case COPY:
		break;
	}
	p->files += !link;
	p->symlinks += link;
	p->bytes += link ? 0 : node->size;
	if (job->dry_run)
		return 0;
	progress_total(job->progress,
		       job->files_before + p->files + p->symlinks,
		       job->bytes_before + p->bytes);
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

/* Path of the bucket, below what is pulled: "" for that itself. */
static const char *below_source(const struct pull *p, const char *path)
{
	path += strlen(p->job->at->node->path);
	return path + (*path == '/');
}

/* Where a directory of the bucket goes: "name" or "name/below". NULL without
 * memory or (err set) for a path that must not touch the disk. */
static char *path_in_target(const struct pull *p, const char *path,
			    struct err *e)
{
	const char *name = p->job->name;
	const char *below = below_source(p, path);
	char *out;

	if (*below && !path_is_safe(below, strlen(below))) {
		(void)err_set(e, -EINVAL, "'%s': not a safe path", path);
		return NULL;
	}
	if (asprintf(&out, "%s%s%s", name, *name && *below ? "/" : "", below) <
	    0) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	return out;
}

static const char *last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool excluded(const struct pull *p, const struct view_node *node)
{
	return exclude_match(p->job->exclude, below_source(p, node->path),
			     node->kind == VIEW_DIR);
}

static int plan_name(struct pull *p, const struct walk_name *it,
		     const char *path)
{
	const char *name = last_of(it->node->path);
	struct err e = { 0 };

	if (it->failed)
		(void)err_wrap(it->err, -EIO, "'%s'", it->node->path);
	else if (!name_is_safe(name, strlen(name)))
		(void)err_set(&e, -EINVAL, "'%s': not a safe name",
			      it->node->path);
	else if (it->node->kind != VIEW_DIR)
		return plan_file(p, it->node, path, name);
	if (it->failed || e.code)
		on_failed(p, it->err ?: &e);
	return 0;
}

/* Leaves out what --exclude names, so that it is not entered either. */
static void drop_excluded(const struct pull *p, struct walk_dir *dir)
{
	size_t kept = 0;

	for (size_t i = 0; i < dir->count; i++) {
		struct walk_name *it = &dir->names[i];

		if (excluded(p, it->node)) {
			view_node_unref(it->node);
			free(it->err);
		} else {
			dir->names[kept++] = *it;
		}
	}
	dir->count = kept;
}

/* What the source has, sorted, and where in it. */
struct known {
	const struct pull *p;
	const struct walk_dir *dir;
};

static int compare_to_name(const void *key, const void *member)
{
	const struct walk_name *it = member;

	return strcmp(key, last_of(it->node->path));
}

static bool keep_name(void *arg, const char *name, bool is_dir)
{
	const struct known *k = arg;
	const char *below = below_source(k->p, k->dir->path);
	CLEANUP_FREE char *path = NULL;

	if (bsearch(name, k->dir->names, k->dir->count, sizeof(*k->dir->names),
		    compare_to_name))
		return true;
	if (asprintf(&path, "%s%s%s", below, *below ? "/" : "", name) < 0) {
		path = NULL;
		return true;
	}
	return exclude_match(k->p->job->exclude, path, is_dir);
}

/* The directory and its attributes, for the end. */
static int plan_self(struct pull *p, const struct view_node *node, char *path,
		     struct err *e)
{
	const struct target *t = p->job->target;

	/* The root of the target is the user's own, unless we made it. */
	if (!*path && !t->made)
		return 0;
	if (!p->job->dry_run && *path && target_make_dir(t, path, e))
		return 0;
	return remember_dir(p, path, node);
}

static int plan_dir(struct pull *p, struct walk_dir *dir)
{
	struct known known = { .p = p, .dir = dir };
	CLEANUP_FREE char *path = NULL;
	struct err e = dir->err;
	int r = 0;

	if (e.code)
		(void)err_wrap(&e, e.code, "'%s'", dir->path);
	else
		path = path_in_target(p, dir->path, &e);
	if (path)
		r = plan_self(p, dir->self, path, &e);
	/* With the names that are excluded: what is there of them stays. */
	if (!r && !e.code && p->job->delete)
		(void)surplus_note(&p->surplus, p->job->target, path, keep_name,
				   &known, &e);
	if (e.code) {
		on_failed(p, &e);
		return 0;
	}
	if (dir->hidden) {
		(void)err_set(
			&e, -ENAMETOOLONG,
			"'%s': %zu %s left out: no file can have %s (empty, "
			"'.', '..' or over 255 bytes)",
			dir->path, dir->hidden,
			dir->hidden == 1 ? "name was" : "names were",
			dir->hidden == 1 ? "it" : "them");
		on_failed(p, &e);
	}
	if (dir->self->hides) {
		(void)err_set(&e, -EISDIR,
			      "'%s': a file of %" PRIu64
			      " bytes was left out: this is a directory, too",
			      dir->path, dir->self->hides);
		on_failed(p, &e);
	}
	drop_excluded(p, dir);
	for (size_t i = 0; i < dir->count && !r; i++)
		r = plan_name(p, &dir->names[i], path);
	return r ?: walk_descend(p->walk, dir);
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

/* Only where nothing failed is it known what the source lacks. */
static void remove_surplus(struct pull *p)
{
	const struct target *t = p->job->target;

	for (size_t i = 0; i < p->surplus.count; i++) {
		const struct surplus_item *item = &p->surplus.items[i];
		struct err e = { 0 };

		if (session_interrupted())
			return;
		log_info("%s '%s/%s%s%s'",
			 p->job->dry_run ? "would remove" : "removing",
			 t->shown, item->dir, *item->dir ? "/" : "",
			 item->name);
		if (p->job->dry_run)
			p->removed++;
		else if (surplus_remove(t, item, &p->removed, &e))
			on_failed(p, &e);
	}
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

static int on_chosen(void *arg, const struct view_node *node, bool enter)
{
	struct pull *p = arg;
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FREE char *dir = NULL;
	const char *parent = node->path;
	struct err e = { 0 };
	int r = 0;

	if (enter)
		return p->walk ? walk_add(p->walk, node)
			       : walk_open(&p->walk, &p->wo, node);
	if (node->kind == VIEW_DIR) {
		path = path_in_target(p, node->path, &e);
		if (path)
			r = plan_self(p, node, path, &e);
		if (e.code)
			on_failed(p, &e);
		return r;
	}
	dir = strndup(parent, (size_t)(last_of(parent) - parent));
	if (dir && *dir)
		dir[strlen(dir) - 1] = 0;
	path = dir ? path_in_target(p, dir, &e) : NULL;
	return path ? plan_file(p, node, path, last_of(node->path)) : -ENOMEM;
}

static int plan_only(struct pull *p)
{
	struct location *at = p->job->at;
	const struct chosen c = {
		.view = &at->view,
		.root = at->node->path,
		.list = p->job->only,
		.exclude = p->job->exclude,
		.found = on_chosen,
		.failed = on_failed,
		.arg = p,
	};

	return chosen_each(&c);
}

static int start(struct pull *p)
{
	const struct pull_job *job = p->job;
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

	p->wo = (struct walk_options){
		.view = job->at->view,
		.attrs = true,
		.wake = on_wake,
		.arg = p,
	};
	if (r)
		return r;
	if (job->only)
		return plan_only(p);
	if (job->at->node->kind == VIEW_DIR)
		return walk_open(&p->walk, &p->wo, job->at->node);
	return plan_file(p, job->at->node, "", job->name);
}

static void fill_result(struct pull *p, const struct copy_counts *done,
			struct pull_result *result)
{
	bool dry = p->job->dry_run;

	*result = (struct pull_result){
		.files = p->mended + (dry ? p->files : done->files),
		.symlinks = dry ? p->symlinks : done->symlinks,
		.bytes = dry ? p->bytes : done->bytes,
		.dirs = p->dir_count,
		.unchanged = p->unchanged,
		.saved = p->saved + done->cached,
		.removed = p->removed,
		.failed = p->failed,
	};
	if (p->failed - p->broken_off > NAMED_MAX)
		log_error("and %llu more",
			  (unsigned long long)(p->failed - p->broken_off -
					       NAMED_MAX));
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
	if (!r && !p.failed)
		remove_surplus(&p);
	else if (job->delete)
		log_error("nothing was removed, since not all could be copied");
	surplus_done(&p.surplus);
	finish_dirs(&p);
	fill_result(&p, &done, ret_result);
	(void)pthread_cond_destroy(&p.woken);
	lock_done(&p.lock);
	return r;
}
