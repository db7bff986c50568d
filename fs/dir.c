/*
 * Position 0 is ".", 1 is "..", n + 2 the n-th entry of the snapshot; the offset
 * handed out with an entry is that of its successor.
 */
#include "fs/dir.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fs/entry.h"
#include "s3/base/clock.h"

#define DOTS 2 /* positions before the entries */
#define REPLY_MAX (1u << 20) /* bytes */

struct dir_handle {
	struct handle handle;
	const struct view_listing *list; /* counted */
	uint64_t until_ms; /* trusted so long */
};

struct dir_call {
	struct call call;
	struct view_req req;
	struct mount *m;
	struct inode *ino; /* counted */
	struct fuse_file_info fi;
};

static void handle_free(struct handle *handle)
{
	struct dir_handle *h = container_of(handle, struct dir_handle, handle);

	view_listing_unref(h->list);
	free(h);
}

static void dir_call_free(struct call *c)
{
	struct dir_call *d = container_of(c, struct dir_call, call);

	view_listing_unref(d->req.listing);
	inode_put(d->m->inodes, d->ino);
	free(d);
}

static void dir_listed(struct view_req *req)
{
	struct dir_call *d = container_of(req, struct dir_call, req);
	struct mount *m = d->m; /* the call may be gone once answered */
	struct dir_handle *h;
	struct err e = { 0 };

	if (req->err.code) {
		reply_err(&d->call, &req->err);
		return;
	}
	h = calloc(1, sizeof(*h));
	if (!h) {
		(void)err_set(&e, -ENOMEM, "out of memory");
		reply_err(&d->call, &e);
		return;
	}
	inode_update(d->m->inodes, d->ino, req->listing->self);
	h->list = TAKE_PTR(req->listing);
	h->until_ms = clock_now_ms() + req->ttl_ms;
	handles_add(&m->handles, &h->handle, handle_free);
	d->fi.fh = (uintptr_t)h;
	if (!reply_open(&d->call, &d->fi))
		handles_release(&m->handles, &h->handle);
}

void dir_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	struct inode *ino = inode_get(m->inodes, id);
	struct dir_call *d = calloc(1, sizeof(*d));
	const char *path;

	if (!ino || !d) {
		inode_put(m->inodes, ino);
		free(d);
		(void)fuse_reply_err(req, ino ? ENOMEM : ESTALE);
		return;
	}
	d->m = m;
	d->ino = ino;
	d->fi = *fi;
	d->req.done = dir_listed;
	path = inode_path(ino);
	sweep_listed(m->sweep, path, strlen(path), clock_now_ms());
	call_begin(&d->call, m->waits, req, "open directory", path,
		   dir_call_free);
	view_list(m->view, path, &d->req);
}

static struct dir_handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct dir_handle *)(uintptr_t)fi->fh;
}

static const char *name_of(const struct view_node *node)
{
	const char *slash = strrchr(node->path, '/');

	return slash ? slash + 1 : node->path;
}

/* Type bits for readdir, 0 where they are not known. */
static mode_t type_of(const struct view_node *node)
{
	/* A plain object may be a link, but not one of this length. */
	if (node->kind == VIEW_PLAIN && !node->attrs_known &&
	    node->size < PATH_MAX)
		return 0;
	return node->mode & S_IFMT;
}

/* Name and what plain readdir tells, for position `pos`. False past the end. */
static bool entry_at(const struct view_listing *list, uint64_t pos,
		     const char **ret_name, struct stat *ret_stat)
{
	const char *path = list->self->path, *slash = strrchr(path, '/');
	const struct view_node *node;

	*ret_stat = (struct stat){ .st_mode = S_IFDIR };
	if (pos < DOTS) {
		size_t len = strlen(path);

		*ret_name = pos ? ".." : ".";
		if (pos)
			len = slash ? (size_t)(slash - path) : 0;
		ret_stat->st_ino = inode_number(path, len);
		return true;
	}
	if (pos - DOTS >= list->count)
		return false;
	node = list->nodes[pos - DOTS];
	*ret_name = name_of(node);
	ret_stat->st_ino = inode_number(node->path, strlen(node->path));
	ret_stat->st_mode = type_of(node);
	return true;
}

void dir_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	const struct view_listing *list = handle_of(fi)->list;
	CLEANUP_FREE char *buf = NULL;
	const char *name;
	struct stat st;
	size_t used = 0;

	(void)id;
	if (size > REPLY_MAX)
		size = REPLY_MAX;
	buf = malloc(size);
	if (!buf) {
		(void)fuse_reply_err(req, ENOMEM); /* nothing to take back */
		return;
	}
	for (uint64_t pos = (uint64_t)off; entry_at(list, pos, &name, &st);
	     pos++) {
		size_t len = fuse_add_direntry(req, buf + used, size - used,
					       name, &st, (off_t)pos + 1);

		if (len > size - used)
			break;
		used += len;
	}
	(void)fuse_reply_buf(req, buf, used); /* as above */
}

/* The node of position `pos` if it may go to the kernel whole; else NULL. */
static const struct view_node *whole_node(const struct view_listing *list,
					  uint64_t pos)
{
	const struct view_node *node;

	if (pos < DOTS)
		return NULL;
	node = list->nodes[pos - DOTS];
	return node->attrs_known ? node : NULL;
}

void dir_read_plus(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
		   struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);
	const struct dir_handle *h = handle_of(fi);
	uint64_t now = clock_now_ms();
	uint32_t ttl = h->until_ms > now ? (uint32_t)(h->until_ms - now) : 0;
	CLEANUP_FREE uint64_t *entered = NULL;
	CLEANUP_FREE char *buf = NULL;
	size_t used = 0, count = 0, least;
	struct fuse_entry_param entry;
	const char *name;
	struct stat st;

	(void)id;
	if (size > REPLY_MAX)
		size = REPLY_MAX;
	least = fuse_add_direntry_plus(req, NULL, 0, "", NULL, 0);
	buf = malloc(size);
	entered = calloc(size / least + 1, sizeof(*entered));
	if (!buf || !entered) {
		(void)fuse_reply_err(req, ENOMEM); /* nothing to take back */
		return;
	}
	for (uint64_t pos = (uint64_t)off; entry_at(h->list, pos, &name, &st);
	     pos++) {
		const struct view_node *node = whole_node(h->list, pos);
		size_t len =
			fuse_add_direntry_plus(req, NULL, 0, name, NULL, 0);

		if (len > size - used)
			break;
		entry = (struct fuse_entry_param){ .attr = st };
		/* Without a node the kernel takes the name only. */
		if (node && !entry_make(m, node, ttl, &entry))
			entered[count++] = entry.ino;
		used += fuse_add_direntry_plus(req, buf + used, size - used,
					       name, &entry, (off_t)pos + 1);
	}
	if (!fuse_reply_buf(req, buf, used))
		return;
	while (count)
		inode_forget(m->inodes, entered[--count], 1);
}

void dir_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct mount *m = fuse_req_userdata(req);

	(void)id;
	handles_release(&m->handles, &handle_of(fi)->handle);
	(void)fuse_reply_err(req, 0); /* nothing to take back */
}
