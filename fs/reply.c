/*
 * Who answers is decided by one atomic exchange of `answered`. Two references
 * hold a call: its completion's, dropped where it tries to answer, and that of
 * libfuse's interrupt callback, dropped by whoever does answer, after libfuse
 * has said that the callback neither runs nor will run.
 *
 * INTERRUPT comes for the first signal only, of whatever kind. If that is no
 * kill the call joins a list that one thread looks through twice a second, as
 * long as it is not empty.
 */
#include "fs/reply.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/io.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"

#define LOOK_EVERY_MS 500
#define STATUS_MAX (16u << 10)

struct waits {
	pthread_t thread;
	struct lock lock; /* LOCK_RANK_FS; /proc is read under it */
	pthread_cond_t changed;
	/* guarded by lock: */
	struct list calls;
	bool stop;
};

static void call_put(struct call *c, int refs)
{
	if (atomic_fetch_sub(&c->refs, refs) == refs)
		c->free(c);
}

/* The hexadecimal mask behind `name` in a /proc status file. */
static uint64_t mask_of(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

bool reply_is_killed(pid_t tid)
{
	struct buf CLEANUP_BUF status = BUF_INIT(STATUS_MAX);
	uint64_t pending;
	char path[64];

	/* 0: a process of another pid namespace; nothing is known of it. */
	if (!tid)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	if (io_read_file(path, &status, NULL) || !status.data)
		return false;
	pending = mask_of(status.data, "\nSigPnd:") |
		  mask_of(status.data, "\nShdPnd:");
	return pending & UINT64_C(1) << (SIGKILL - 1);
}

/* Whoever gets true answers, and nobody else. */
static bool call_win(struct call *c)
{
	return !atomic_exchange(&c->answered, true);
}

static void on_interrupt(fuse_req_t req, void *arg)
{
	struct call *c = arg;

	if (reply_is_killed(fuse_req_ctx(req)->pid)) {
		if (!call_win(c))
			return;
		lock_take(&c->waits->lock);
		list_remove(&c->link);
		lock_drop(&c->waits->lock);
		(void)fuse_reply_err(req, EINTR); /* nobody is waiting */
		call_put(c, 1);
		return;
	}
	LOCK_SCOPE(&c->waits->lock);
	if (atomic_load(&c->answered) || !list_empty(&c->link))
		return;
	list_add_tail(&c->waits->calls, &c->link);
	pthread_cond_signal(&c->waits->changed);
}

static struct call *find_killed_locked(struct waits *w)
{
	list_for_each_safe (item, &w->calls) {
		struct call *c = container_of(item, struct call, link);

		/* Whoever answers takes the call off this list first, so
		 * the request is still there. */
		if (!reply_is_killed(fuse_req_ctx(c->req)->pid) || !call_win(c))
			continue;
		list_remove(item);
		return c;
	}
	return NULL;
}

static void *look_after(void *arg)
{
	struct waits *w = arg;
	struct call *c;

	lock_take(&w->lock);
	while (!w->stop) {
		if (list_empty(&w->calls))
			cond_wait(&w->changed, &w->lock);
		else
			(void)cond_wait_ms(&w->changed, &w->lock,
					   LOOK_EVERY_MS);
		while ((c = find_killed_locked(w))) {
			lock_drop(&w->lock);
			fuse_req_interrupt_func(c->req, NULL, NULL);
			(void)fuse_reply_err(c->req, EINTR); /* as above */
			call_put(c, 1);
			lock_take(&w->lock);
		}
	}
	lock_drop(&w->lock);
	return NULL;
}

int waits_open(struct waits **ret_waits, struct err *e)
{
	struct waits *w = calloc(1, sizeof(*w));
	int rc;

	if (!w)
		return err_set(e, -ENOMEM, "out of memory");
	lock_init(&w->lock, LOCK_RANK_FS);
	cond_init(&w->changed);
	list_init(&w->calls);
	rc = pthread_create(&w->thread, NULL, look_after, w);
	if (rc) {
		lock_done(&w->lock);
		free(w);
		return err_set(e, -rc, "no thread: %s", strerror(rc));
	}
	*ret_waits = w;
	return 0;
}

void waits_free(struct waits *w)
{
	if (!w)
		return;
	lock_take(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->changed);
	lock_drop(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_cond_destroy(&w->changed);
	lock_done(&w->lock);
	free(w);
}

void call_begin(struct call *c, struct waits *w, fuse_req_t req,
		const char *what, const char *path,
		void (*free)(struct call *c))
{
	c->req = req;
	c->waits = w;
	c->what = what;
	c->path = path;
	c->free = free;
	atomic_init(&c->answered, false);
	atomic_init(&c->refs, 2);
	list_init(&c->link);
	fuse_req_interrupt_func(req, on_interrupt, c);
}

/* The completion's try. True: it answers, and then drops both references. */
static bool call_take(struct call *c)
{
	if (!call_win(c)) {
		call_put(c, 1);
		return false;
	}
	fuse_req_interrupt_func(c->req, NULL, NULL);
	LOCK_SCOPE(&c->waits->lock);
	list_remove(&c->link);
	return true;
}

/* rc: what libfuse's reply function said. */
static bool call_end(struct call *c, int rc)
{
	if (rc)
		log_debug("%s '%s': the answer was not taken: %s", c->what,
			  c->path, strerror(-rc));
	call_put(c, 2);
	return !rc;
}

int reply_errno(int code)
{
	switch (-code) {
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case EACCES:
	case EPERM:
	case ESTALE:
	case EINTR:
	case ENOMEM:
	case ENOSPC:
	case EROFS:
	case EEXIST:
	case EILSEQ:
	case ENAMETOOLONG:
	case EINVAL:
	case EOPNOTSUPP:
		return -code;
	default:
		/* ETIMEDOUT, ECANCELED, EBADMSG, …: words of ours that no
		 * program expects of a file. */
		return EIO;
	}
}

/* Answers that tell of the name or the moment, not of trouble. */
static bool is_ordinary(int errnum)
{
	return errnum == ENOENT || errnum == ENOTDIR || errnum == ESTALE ||
	       errnum == ENAMETOOLONG || errnum == EILSEQ || errnum == EROFS;
}

void reply_err(struct call *c, const struct err *e)
{
	int errnum = reply_errno(e->code);

	if (!call_take(c))
		return;
	if (!is_ordinary(errnum) && e->code != -ECANCELED)
		log_error("%s '%s': %s", c->what, c->path,
			  e->text[0] ? e->text : strerror(-e->code));
	(void)call_end(c, fuse_reply_err(c->req, errnum));
}

bool reply_entry(struct call *c, const struct fuse_entry_param *entry)
{
	return call_take(c) && call_end(c, fuse_reply_entry(c->req, entry));
}

bool reply_attr(struct call *c, const struct stat *st, double timeout_s)
{
	return call_take(c) &&
	       call_end(c, fuse_reply_attr(c->req, st, timeout_s));
}

bool reply_open(struct call *c, const struct fuse_file_info *fi)
{
	return call_take(c) && call_end(c, fuse_reply_open(c->req, fi));
}

bool reply_readlink(struct call *c, const char *target)
{
	return call_take(c) && call_end(c, fuse_reply_readlink(c->req, target));
}

bool reply_data(struct call *c, struct fuse_bufvec *bufs)
{
	return call_take(c) && call_end(c, fuse_reply_data(c->req, bufs, 0));
}
