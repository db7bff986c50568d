#include "tools/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "s3/base/lock.h"

#define WINDOW 128 /* requests under way */

struct link_batch {
	struct lock lock; /* LOCK_RANK_TOOL */
	/* guarded by lock: */
	pthread_cond_t woken;
	size_t running;
	size_t failed;
	struct err err; /* of the last that failed */
};

const char *link_packed_target(const struct view_node *node, size_t *ret_len)
{
	struct catalog_entry entry;

	if (node->kind != VIEW_PACKED || !S_ISLNK(node->mode))
		return NULL;
	catalog_entry_at(node->tree->cat, node->entry, &entry);
	*ret_len = entry.target ? entry.size : 0;
	return entry.target;
}

/* A target with a NUL in it, or none, is damage. */
static int take_target(struct link *link, const struct cache_ref *ref,
		       struct err *e)
{
	char target[LINK_TARGET_MAX + 1];
	ssize_t n = cache_ref_read(ref, 0, target, sizeof(target));

	if (n < 0)
		return err_set(e, (int)n, "'%s': %s", link->node->path,
			       strerror((int)-n));
	if (!n || n > LINK_TARGET_MAX || memchr(target, 0, (size_t)n))
		return err_set(e, -EBADMSG,
			       "'%s': the object holds no link's target",
			       link->node->path);
	link->target = strndup(target, (size_t)n);
	return link->target ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static void on_content(struct fetch_req *req)
{
	struct link *link = req->arg;
	struct link_batch *batch = link->batch;
	int r = req->err.code;

	if (!r)
		r = take_target(link, req->ref, &req->err);
	cache_ref_put(req->ref);
	LOCK_SCOPE(&batch->lock);
	if (r) {
		batch->failed++;
		batch->err = req->err;
	}
	batch->running--;
	pthread_cond_broadcast(&batch->woken);
}

static void wait_below(struct link_batch *batch, size_t most)
{
	LOCK_SCOPE(&batch->lock);
	while (batch->running > most)
		cond_wait(&batch->woken, &batch->lock);
}

static void start(struct fetch *f, struct link_batch *batch, struct link *link)
{
	link->batch = batch;
	link->req = (struct fetch_req){ .done = on_content, .arg = link };
	wait_below(batch, WINDOW - 1);
	lock_take(&batch->lock);
	batch->running++;
	lock_drop(&batch->lock);
	fetch_piece(f, link->node->key, &link->node->object, PIECE_SMALL, 0,
		    &link->req);
}

/* Of the catalog, where no NUL follows. */
static char *copy_target(const char *target, size_t len)
{
	char *copy = malloc(len + 1);

	if (copy) {
		memcpy(copy, target, len);
		copy[len] = '\0';
	}
	return copy;
}

size_t link_read(struct fetch *f, struct link *links, size_t count,
		 struct err *e)
{
	struct link_batch batch = { .running = 0 };

	lock_init(&batch.lock, LOCK_RANK_TOOL);
	cond_init(&batch.woken);
	for (size_t i = 0; i < count; i++) {
		size_t len;
		const char *target = link_packed_target(links[i].node, &len);

		if (target)
			links[i].target = copy_target(target, len);
		else if (links[i].node->kind == VIEW_PLAIN)
			start(f, &batch, &links[i]);
	}
	wait_below(&batch, 0);
	if (batch.failed)
		(void)err_copy(e, &batch.err);
	(void)pthread_cond_destroy(&batch.woken);
	lock_done(&batch.lock);
	return batch.failed;
}
