/*
 * Handlers decode, ask the layer below, and answer from its completion. None
 * waits. What would change anything is answered EROFS.
 *
 * FLUSH, FSYNC, ACCESS and extended attributes have no handler: the kernel
 * learns from the first ENOSYS not to ask again.
 */
#include "fs/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "cache/names.h"
#include "fs/dir.h"
#include "fs/entry.h"
#include "fs/reader.h"
#include "s3/base/log.h"

#define NEGATIVE_MS 1000 /* an absent name is believed at most so long */
#define IO_MAX (1u << 20) /* bytes of one request */

/* A question about one path, under way. */
struct name_call {
	struct call call;
	struct view_req req;
	struct mount *m;
	struct inode *ino; /* counted; the node asked about, lookup: NULL */
	char *path; /* owned; lookup only */
	struct fuse_file_info fi; /* open only */
};

static void name_call_free(struct call *c)
{
	struct name_call *n = container_of(c, struct name_call, call);

	view_node_unref(n->req.node);
	inode_put(n->m->inodes, n->ino);
	free(n->path);
	free(n);
}

static void answer_code(struct name_call *n, int code)
{
	struct err e = { .code = code };

	reply_err(&n->call, &e);
}

/* A call about node `id`; answers the request itself where that fails. */
static struct name_call *node_call(fuse_req_t req, fuse_ino_t id,
				   const char *what,
				   void (*done)(struct view_req *))
{
	struct mount *m = fuse_req_userdata(req);
	struct inode *ino = inode_get(m->inodes, id);
	struct name_call *n = ino ? calloc(1, sizeof(*n)) : NULL;

	if (!n) {
		inode_put(m->inodes, ino);
		(void)fuse_reply_err(req, ino ? ENOMEM : ESTALE);
		return NULL;
	}
	n->m = m;
	n->ino = ino;
	n->req.done = done;
	call_begin(&n->call, m->waits, req, what, inode_path(ino),
		   name_call_free);
	return n;
}

/* ---- names --------------------------------------------------------------- */

static void looked_up(struct view_req *req)
{
	struct name_call *n = container_of(req, struct name_call, req);
	struct fuse_entry_param entry = { 0 };
	struct mount *m = n->m;
	uint32_t ttl = req->ttl_ms;

	if (req->err.code == -ENOENT && ttl) {
		ttl = ttl < NEGATIVE_MS ? ttl : NEGATIVE_MS;
		entry.entry_timeout = entry_seconds(ttl);
		(void)reply_entry(&n->call, &entry); /* no node to take back */
		return;
	}
	if (req->err.code) {
		reply_err(&n->call, &req->err);
		return;
	}
	if (entry_make(m, req->node, ttl, &entry)) {
		answer_code(n, -ENOMEM);
		return;
	}
	if (!reply_entry(&n->call, &entry))
		inode_forget(m->inodes, entry.ino, 1);
}

static char *join(const char *dir, const char *name)
{
	struct buf path = BUF_INIT(PATH_MAX_LEN);

	if (*dir)
		(void)buf_addf(&path, "%s/", dir);
	(void)buf_add_str(&path, name);
	if (buf_error(&path))
		buf_done(&path);
	return path.data;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = fuse_req_userdata(req);
	struct inode *dir = inode_get(m->inodes, parent);
	struct name_call *n;
	char *path;

	if (!dir || strlen(name) > NAME_MAX_LEN) {
		inode_put(m->inodes, dir);
		(void)fuse_reply_err(req, dir ? ENAMETOOLONG : ESTALE);
		return;
	}
	path = join(inode_path(dir), name);
	inode_put(m->inodes, dir);
	n = path ? calloc(1, sizeof(*n)) : NULL;
	if (!n) {
		(void)fuse_reply_err(req, path ? ENOMEM : ENAMETOOLONG);
		free(path);
		return;
	}
	n->m = m;
	n->path = path;
	n->req.done = looked_up;
	call_begin(&n->call, m->waits, req, "lookup", path, name_call_free);
	view_lookup(m->view, path, true, &n->req);
}

static void op_forget(fuse_req_t req, fuse_ino_t id, uint64_t count)
{
	struct mount *m = fuse_req_userdata(req);

	inode_forget(m->inodes, id, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count,
			    struct fuse_forget_data *forgets)
{
	struct mount *m = fuse_req_userdata(req);

	for (size_t i = 0; i < count; i++)
		inode_forget(m->inodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

/* ---- attributes ---------------------------------------------------------- */

static void dir_attributes(struct view_req *req)
{
	struct name_call *n = container_of(req, struct name_call, req);
	struct stat st;

	/* Another thing, or nothing, stands there now. Told so, the kernel looks
	 * the name up again. */
	if (req->err.code == -ENOENT || req->err.code == -ENOTDIR ||
	    (!req->err.code && req->node->kind != VIEW_DIR)) {
		answer_code(n, -ESTALE);
		return;
	}
	if (req->err.code) {
		reply_err(&n->call, &req->err);
		return;
	}
	inode_update(n->m->inodes, n->ino, req->node);
	inode_stat(req->node, &st);
	(void)reply_attr(&n->call, &st, entry_seconds(req->ttl_ms));
}

static void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct name_call *n = node_call(req, id, "stat", dir_attributes);
	const struct view_node *node;
	struct stat st;

	(void)fi;
	if (!n)
		return;
	node = inode_view(n->m->inodes, n->ino);
	if (node->kind == VIEW_DIR) {
		view_lookup(n->m->view, node->path, true, &n->req);
	} else {
		/* A version's own, whatever stands there now. */
		inode_stat(node, &st);
		(void)reply_attr(&n->call, &st, entry_attr_seconds(node, 0));
	}
	view_node_unref(node);
}

static void op_readlink(fuse_req_t req, fuse_ino_t id)
{
	struct mount *m = fuse_req_userdata(req);
	struct inode *ino = inode_get(m->inodes, id);

	if (ino)
		reader_readlink(m, req, ino);
	else
		(void)fuse_reply_err(req, ESTALE); /* nothing to take back */
}

/* ---- files --------------------------------------------------------------- */

static void open_now(struct name_call *n)
{
	struct fuse_file_info fi = n->fi;
	struct reader *r = NULL;

	if (reader_open(&r, n->m, inode_ref(n->m->inodes, n->ino))) {
		answer_code(n, -ENOMEM);
		return;
	}
	fi.fh = (uintptr_t)r;
	/* The pages of a node are those of its version. */
	fi.keep_cache = 1;
	if (!reply_open(&n->call, &fi))
		reader_free(r);
}

static void confirmed(struct view_req *req)
{
	struct name_call *n = container_of(req, struct name_call, req);
	const struct view_node *node;
	bool same;

	if (req->err.code == -ENOENT || req->err.code == -ENOTDIR) {
		answer_code(n, -ESTALE);
		return;
	}
	if (req->err.code) {
		reply_err(&n->call, &req->err);
		return;
	}
	node = inode_view(n->m->inodes, n->ino);
	same = req->node->kind != VIEW_DIR &&
	       hash_equal(&req->node->version, &node->version);
	view_node_unref(node);
	if (same)
		open_now(n);
	else
		answer_code(n, -ESTALE);
}

static void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct name_call *n;

	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		(void)fuse_reply_err(req, EROFS); /* nothing to take back */
		return;
	}
	n = node_call(req, id, "open", confirmed);
	if (!n)
		return;
	n->fi = *fi;
	if (inode_just_looked_up(n->m->inodes, n->ino))
		open_now(n);
	else
		view_lookup(n->m->view, inode_path(n->ino), false, &n->req);
}

static void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	(void)id;
	reader_read((struct reader *)(uintptr_t)fi->fh, req, (uint64_t)off,
		    size < IO_MAX ? size : IO_MAX);
}

static void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	reader_free((struct reader *)(uintptr_t)fi->fh);
	(void)fuse_reply_err(req, 0); /* nothing to take back */
}

/* ---- the file system ----------------------------------------------------- */

static void op_statfs(fuse_req_t req, fuse_ino_t id)
{
	/* A bucket has no size; programs that ask want to hear "enough". */
	const struct statvfs st = {
		.f_bsize = 128 << 10,
		.f_frsize = 4096,
		.f_blocks = UINT64_C(1) << 38, /* 1 PiB */
		.f_bfree = UINT64_C(1) << 38,
		.f_bavail = UINT64_C(1) << 38,
		.f_files = UINT64_C(1) << 32,
		.f_ffree = UINT64_C(1) << 32,
		.f_favail = UINT64_C(1) << 32,
		.f_namemax = NAME_MAX_LEN,
	};

	(void)id;
	(void)fuse_reply_statfs(req, &st); /* nothing to take back */
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *m = userdata;
	unsigned int want = FUSE_CAP_ASYNC_READ | FUSE_CAP_READDIRPLUS |
			    FUSE_CAP_READDIRPLUS_AUTO |
			    FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS |
			    FUSE_CAP_SPLICE_WRITE;

	/* Pages and attributes belong to one version: nothing to compare with
	 * mtime. Node ids mean nothing to the next mount: no export. */
	conn->want = conn->capable & want;
	conn->max_read = IO_MAX; /* as the mount option says */
	conn->max_write = IO_MAX; /* sets the pages of a request */
	conn->max_background = m->max_background;
	conn->congestion_threshold = m->max_background;
}

/* ---- what would change something ----------------------------------------- */

static void read_only(fuse_req_t req)
{
	(void)fuse_reply_err(req, EROFS); /* nothing to take back */
}

static void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st, int set,
		       struct fuse_file_info *fi)
{
	(void)id, (void)st, (void)set, (void)fi;
	read_only(req);
}

static void op_mknod(fuse_req_t req, fuse_ino_t dir, const char *name,
		     mode_t mode, dev_t dev)
{
	(void)dir, (void)name, (void)mode, (void)dev;
	read_only(req);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name,
		     mode_t mode)
{
	(void)dir, (void)name, (void)mode;
	read_only(req);
}

static void op_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	(void)dir, (void)name;
	read_only(req);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t dir,
		       const char *name)
{
	(void)target, (void)dir, (void)name;
	read_only(req);
}

static void op_rename(fuse_req_t req, fuse_ino_t dir, const char *name,
		      fuse_ino_t to_dir, const char *to_name,
		      unsigned int flags)
{
	(void)dir, (void)name, (void)to_dir, (void)to_name, (void)flags;
	read_only(req);
}

static void op_link(fuse_req_t req, fuse_ino_t id, fuse_ino_t dir,
		    const char *name)
{
	(void)id, (void)dir, (void)name;
	read_only(req);
}

static void op_create(fuse_req_t req, fuse_ino_t dir, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	(void)dir, (void)name, (void)mode, (void)fi;
	read_only(req);
}

static void op_write(fuse_req_t req, fuse_ino_t id, const char *data,
		     size_t len, off_t off, struct fuse_file_info *fi)
{
	(void)id, (void)data, (void)len, (void)off, (void)fi;
	read_only(req);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t off,
			 off_t len, struct fuse_file_info *fi)
{
	(void)id, (void)mode, (void)off, (void)len, (void)fi;
	read_only(req);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name,
			const char *value, size_t len, int flags)
{
	(void)id, (void)name, (void)value, (void)len, (void)flags;
	read_only(req);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name)
{
	(void)id, (void)name;
	read_only(req);
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.open = op_open,
	.read = op_read,
	.release = op_release,
	.opendir = dir_open,
	.readdir = dir_read,
	.readdirplus = dir_read_plus,
	.releasedir = dir_release,
	.statfs = op_statfs,
	.setattr = op_setattr,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_unlink,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.create = op_create,
	.write = op_write,
	.fallocate = op_fallocate,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
};
