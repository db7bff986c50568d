/*
 * Directories can vanish between the opening of a parent and the creation in
 * it, by a DELETE of "dir/"; the parents are then made once more.
 */
#include "s3/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "s3/file_meta.h"
#include "s3/file_temp.h"

/* ---- PUT --------------------------------------------------------------- */

static int put_dir(const struct file_root *root, const struct file_place *place,
		   const struct store_req *req, const struct meta *m,
		   struct store_object *ret_object)
{
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r;

	if (mkdirat(place->parent, place->name, 0777) &&
	    (errno != EEXIST || req->if_absent))
		return -errno;
	fd = file_open_dir(place->parent, place->name);
	if (fd < 0)
		return fd;
	r = m ? file_meta_apply(fd, m) : 0;
	if (!r)
		r = file_sync_dir(fd);
	if (!r)
		r = file_place_sync(place, root, req->key);
	if (!r && fstat(fd, &st))
		r = -errno;
	if (!r)
		file_describe(ret_object, &st);
	return r;
}

static int put_link(struct file_root *root, const struct file_place *place,
		    const struct store_req *req, const struct meta *m,
		    const void *body, size_t body_len,
		    struct store_object *ret_object)
{
	CLEANUP_TEMP struct file_temp t = FILE_TEMP_NONE;
	char target[PATH_MAX];
	int r;

	if (body_len >= sizeof(target))
		return -ENAMETOOLONG;
	if (!body_len || memchr(body, '\0', body_len))
		return -EILSEQ;
	memcpy(target, body, body_len);
	target[body_len] = '\0';
	t.tmp = file_tmp_dir(root);
	if (t.tmp < 0)
		return t.tmp;
	file_temp_name(&t);
	if (symlinkat(target, t.tmp, t.name)) {
		t.name[0] = '\0';
		return -errno;
	}
	r = m ? file_meta_apply_link(t.tmp, t.name, m) : 0;
	if (r)
		return r;
	return file_temp_publish(&t, root, place, req->key, req->if_absent,
				 ret_object);
}

static int put_file(struct file_root *root, const struct file_place *place,
		    const struct store_req *req,
		    struct store_object *ret_object)
{
	CLEANUP_TEMP struct file_temp t = FILE_TEMP_NONE;
	int r = file_temp_open(&t, root, place);

	if (!r)
		r = io_pwrite_full(t.fd, req->body, req->body_len, 0);
	if (!r && req->meta)
		r = file_meta_apply(t.fd, req->meta);
	if (r)
		return r;
	return file_temp_publish(&t, root, place, req->key, req->if_absent,
				 ret_object);
}

static int put_once(struct file_root *root, struct store_req *req)
{
	CLEANUP_PLACE struct file_place place = { .parent = -1 };
	struct meta_posix p = { .has_mode = false };
	int r = file_place_open(&place, root, req->key, true);

	if (r)
		return r;
	if (req->meta)
		meta_to_posix(&p, req->meta);
	if (place.is_dir)
		return put_dir(root, &place, req, req->meta, &req->object);
	if (p.has_mode && S_ISLNK(p.mode))
		return put_link(root, &place, req, req->meta, req->body,
				req->body_len, &req->object);
	return put_file(root, &place, req, &req->object);
}

int file_put(struct file_root *root, struct store_req *req, struct err *e)
{
	uint64_t since_ms = clock_now_ms();
	int r = file_key_check(req->key, e);

	if (r)
		return r;
	do
		r = put_once(root, req);
	while (file_try_again(r, -ENOENT, since_ms));
	if (r)
		return file_error(root, req, req->key, -r, e);
	atomic_fetch_add(root->bytes_out, req->body_len);
	return 0;
}

/* ---- COPY -------------------------------------------------------------- */

static int copy_file(struct file_root *root, const struct file_place *place,
		     const struct store_req *req, int from,
		     const struct stat *st, const struct meta *m,
		     const atomic_bool *cancelled,
		     struct store_object *ret_object)
{
	CLEANUP_TEMP struct file_temp t = FILE_TEMP_NONE;
	struct store_object was, is;
	uint64_t size = 0;
	struct stat now;
	int r = file_temp_open(&t, root, place);

	if (!r)
		r = file_copy_bytes(t.fd, &size, from, cancelled);
	if (!r && fstat(from, &now))
		r = -errno;
	if (r)
		return r;
	file_describe(&was, st);
	file_describe(&is, &now);
	if (strcmp(was.etag, is.etag) || size != was.size)
		return -EAGAIN;
	r = file_meta_apply(t.fd, m);
	if (r)
		return r;
	return file_temp_publish(&t, root, place, req->key, req->if_absent,
				 ret_object);
}

static int copy_link(struct file_root *root, const struct file_place *place,
		     const struct store_req *req, int from,
		     const struct meta *m, struct store_object *ret_object)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from, "", target, sizeof(target));

	if (n < 0)
		return -errno;
	return put_link(root, place, req, m, target, (size_t)n, ret_object);
}

/* An object onto itself: its content stays, whatever its size. */
static int copy_self(int from, const struct file_place *place,
		     const struct stat *st, const struct meta *m,
		     struct store_object *ret_object)
{
	struct stat now;
	int r;

	if (S_ISLNK(st->st_mode))
		r = file_meta_apply_link(place->parent, place->name, m);
	else
		r = file_meta_apply(from, m);
	if (!r && !S_ISLNK(st->st_mode) && fsync(from))
		r = -errno;
	if (!r && fstat(from, &now))
		r = -errno;
	if (!r)
		file_describe(ret_object, &now);
	return r;
}

static int copy_once(struct file_root *root, struct store_req *req,
		     const atomic_bool *cancelled)
{
	CLEANUP_PLACE struct file_place place = { .parent = -1 };
	CLEANUP_FD int from = -1;
	CLEANUP(meta_done) struct meta kept = { .pairs = NULL };
	const struct meta *m = req->meta;
	struct store_object object;
	struct stat st;
	int r;

	from = file_open_object(root, req->source, &st);
	if (from < 0)
		return from;
	file_describe(&object, &st);
	if (req->if_match && strcmp(req->if_match, object.etag))
		return -ESTALE;
	if (!m) {
		r = file_meta_read(&kept, from, &st);
		if (r)
			return r;
		m = &kept;
	}
	r = file_place_open(&place, root, req->key, true);
	/* The source's ENOENT is an answer, this one a race. */
	if (r)
		return r == -ENOENT ? -EAGAIN : r;
	if (!strcmp(req->source, req->key))
		r = copy_self(from, &place, &st, m, &req->object);
	else if (S_ISDIR(st.st_mode) != place.is_dir)
		r = -EILSEQ;
	else if (S_ISDIR(st.st_mode))
		r = put_dir(root, &place, req, m, &req->object);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(root, &place, req, from, m, &req->object);
	else
		r = copy_file(root, &place, req, from, &st, m, cancelled,
			      &req->object);
	return r == -ENOENT ? -EAGAIN : r;
}

int file_copy(struct file_root *root, struct store_req *req,
	      const atomic_bool *cancelled, struct err *e)
{
	uint64_t since_ms = clock_now_ms();
	int r = file_key_check(req->key, e);

	if (!r)
		r = file_key_check(req->source, e);
	if (r)
		return r;
	do
		r = copy_once(root, req, cancelled);
	while (file_try_again(r, -EAGAIN, since_ms));
	if (r == -ESTALE)
		return err_set(e, -ESTALE, "COPY '%s' in %s: it has changed",
			       req->source, root->url);
	if (r)
		return file_error(root, req,
				  r == -ENOENT ? req->source : req->key, -r, e);
	return 0;
}

/* ---- DELETE ------------------------------------------------------------ */

/* What is no object stays; what is gone is success. */
static int remove_at(const struct file_place *place)
{
	struct stat st;

	if (place->is_dir) {
		if (!unlinkat(place->parent, place->name, AT_REMOVEDIR) ||
		    errno == ENOENT || errno == ENOTDIR || errno == ENOTEMPTY ||
		    errno == EEXIST)
			return 0;
		return -errno;
	}
	if (fstatat(place->parent, place->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return 0;
	if (unlinkat(place->parent, place->name, 0) && errno != ENOENT &&
	    errno != EISDIR)
		return -errno;
	return 0;
}

static int delete_key(const struct file_root *root, const char *key)
{
	CLEANUP_PLACE struct file_place place = { .parent = -1 };
	int r = file_place_open(&place, root, key, false);

	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (!r)
		r = remove_at(&place);
	return r ? r : file_sync_dir(place.parent);
}

int file_delete(const struct file_root *root, struct store_req *req,
		struct err *e)
{
	int r = file_key_check(req->key, e);

	if (r)
		return r;
	r = delete_key(root, req->key);
	return r ? file_error(root, req, req->key, -r, e) : 0;
}

int file_delete_many(const struct file_root *root, struct store_req *req,
		     struct err *e)
{
	int first = 0;

	if (req->key_count > STORE_DELETE_MANY_MAX)
		return err_set(e, -EINVAL, "DELETE_MANY of %zu keys",
			       req->key_count);
	for (size_t i = 0; i < req->key_count; i++) {
		struct err *mine = first ? NULL : e;
		int r = file_key_check(req->keys[i], mine);

		if (!r) {
			r = delete_key(root, req->keys[i]);
			if (r)
				r = file_error(root, req, req->keys[i], -r,
					       mine);
		}
		if (!first)
			first = r;
	}
	return first;
}
