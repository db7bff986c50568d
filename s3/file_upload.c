/*
 * The folder holds "info", written before the id is given out: the key and the
 * metadata pairs, each string with its NUL. Parts are files named by their
 * number, published like objects, so that a part that was sent again is whole.
 *
 * Finishing copies the parts into a new file and publishes that. The folder is
 * removed behind it; a crash between leaves an upload that can be aborted.
 */
#include "s3/file_upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/hash.h"
#include "s3/base/io.h"
#include "s3/file_meta.h"
#include "s3/file_temp.h"

#define ID_BYTES 16
#define INFO_NAME "info"
#define INFO_MAX 16384

static int write_info(int dir, const struct store_req *req)
{
	CLEANUP_BUF struct buf info = BUF_INIT(INFO_MAX);
	CLEANUP_FD int fd = -1;
	int r;

	(void)buf_add(&info, req->key, strlen(req->key) + 1);
	for (size_t i = 0; req->meta && i < req->meta->count; i++) {
		const struct meta_pair *p = &req->meta->pairs[i];

		(void)buf_add(&info, p->name, strlen(p->name) + 1);
		(void)buf_add(&info, p->value, strlen(p->value) + 1);
	}
	if (buf_error(&info))
		return buf_error(&info);
	fd = openat(dir, INFO_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0666);
	if (fd < 0)
		return -errno;
	r = io_write_full(fd, info.data, info.len);
	if (!r && fsync(fd))
		r = -errno;
	return r;
}

static int start(struct file_root *root, const struct store_req *req,
		 char id[2 * ID_BYTES + 1])
{
	CLEANUP_FD int tmp = file_tmp_dir(root);
	CLEANUP_FD int dir = -1;
	unsigned char bytes[ID_BYTES];
	int r;

	if (tmp < 0)
		return tmp;
	random_bytes(bytes, sizeof(bytes));
	hex_encode(id, bytes, sizeof(bytes));
	if (mkdirat(tmp, id, 0777))
		return -errno;
	dir = file_open_dir(tmp, id);
	r = dir < 0 ? dir : write_info(dir, req);
	if (!r)
		r = file_sync_dir(dir);
	return r ? r : file_sync_dir(tmp);
}

int file_upload_start(struct file_root *root, struct store_req *req,
		      struct err *e)
{
	char id[2 * ID_BYTES + 1];
	int r = file_key_check(req->key, e);

	if (r)
		return r;
	r = start(root, req, id);
	if (!r) {
		req->upload_id_out = strdup(id);
		r = req->upload_id_out ? 0 : -ENOMEM;
	}
	return r ? file_error(root, req, req->key, -r, e) : 0;
}

/* One string of the info behind *at; NULL at the end. */
static const char *next_string(const struct buf *info, size_t *at)
{
	const char *s = info->data + *at;
	size_t n;

	if (*at >= info->len)
		return NULL;
	n = strnlen(s, info->len - *at);
	if (n == info->len - *at)
		return NULL;
	*at += n + 1;
	return s;
}

static int parse_info(const struct buf *info, const char *key, struct meta *m)
{
	const char *name, *value, *its_key;
	size_t at = 0;

	its_key = next_string(info, &at);
	if (!its_key || strcmp(its_key, key))
		return -ENOENT;
	while ((name = next_string(info, &at)) &&
	       (value = next_string(info, &at))) {
		int r = meta_set(m, name, value);

		if (r)
			return r;
	}
	return 0;
}

/* Opens the upload's folder; -ENOENT unless it is of this key. */
static int open_upload(const struct file_root *root,
		       const struct store_req *req, struct meta *m)
{
	CLEANUP_BUF struct buf info = BUF_INIT(INFO_MAX);
	unsigned char bytes[ID_BYTES];
	char path[sizeof(FILE_TMP) + 2 * ID_BYTES + 2];
	CLEANUP_FD int dir = -1;
	CLEANUP_FD int fd = -1;
	ssize_t n;
	void *to;
	int r;

	if (!req->upload_id ||
	    hex_decode(bytes, ID_BYTES, req->upload_id, strlen(req->upload_id)))
		return -ENOENT;
	(void)snprintf(path, sizeof(path), FILE_TMP "/%s", req->upload_id);
	dir = file_open_dir(root->fd, path);
	if (dir < 0)
		return dir;
	fd = file_open_at(dir, INFO_NAME, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	to = buf_reserve(&info, INFO_MAX);
	if (!to)
		return -ENOMEM;
	n = io_pread_full(fd, to, INFO_MAX, 0);
	if (n < 0)
		return (int)n;
	info.len = (size_t)n;
	r = parse_info(&info, req->key, m);
	return r ? r : TAKE_FD(dir);
}

static int upload_error(const struct file_root *root,
			const struct store_req *req, int r, struct err *e)
{
	if (r == -ENOENT)
		return err_set(e, -ENOENT, "%s '%s' in %s: no such upload",
			       store_op_name(req->op), req->key, root->url);
	return file_error(root, req, req->key, -r, e);
}

static int put_part(struct file_root *root, struct store_req *req)
{
	CLEANUP_TEMP struct file_temp t = FILE_TEMP_NONE;
	CLEANUP(meta_done) struct meta m = { .pairs = NULL };
	CLEANUP_PLACE struct file_place place = { .parent = -1 };
	int r;

	place.parent = open_upload(root, req, &m);
	if (place.parent < 0)
		return place.parent;
	(void)snprintf(place.name, sizeof(place.name), "%u", req->part_number);
	r = file_temp_open(&t, root, &place);
	if (!r)
		r = io_pwrite_full(t.fd, req->body, req->body_len, 0);
	if (r)
		return r;
	/* The folder is there already: no parents to sync. */
	return file_temp_publish(&t, root, &place, "", false, &req->object);
}

int file_upload_part(struct file_root *root, struct store_req *req,
		     struct err *e)
{
	int r;

	if (!req->part_number || req->part_number > STORE_PARTS_MAX)
		return err_set(e, -EINVAL, "UPLOAD_PART '%s': part number %u",
			       req->key, req->part_number);
	r = put_part(root, req);
	if (r)
		return upload_error(root, req, r, e);
	atomic_fetch_add(root->bytes_out, req->body_len);
	return 0;
}

/* A part that is not the one named is no part of this upload (EBADMSG). */
static int add_part(int to, uint64_t *off, int dir,
		    const struct store_part *part, const atomic_bool *cancelled)
{
	struct store_object object;
	CLEANUP_FD int fd = -1;
	char name[16];
	struct stat st;
	int r;

	(void)snprintf(name, sizeof(name), "%u", part->number);
	fd = file_open_at(dir, name, O_RDONLY, 0);
	if (fd < 0)
		return fd == -ENOENT ? -EBADMSG : fd;
	if (fstat(fd, &st))
		return -errno;
	file_describe(&object, &st);
	if (strcmp(object.etag, part->etag))
		return -EBADMSG;
	r = file_copy_bytes(to, off, fd, cancelled);
	return r == -EAGAIN ? -EBADMSG : r;
}

static int add_parts(int to, int dir, const struct store_req *req,
		     const atomic_bool *cancelled)
{
	uint64_t off = 0;
	int r = req->part_count ? 0 : -EBADMSG;

	for (size_t i = 0; !r && i < req->part_count; i++) {
		if (i && req->parts[i].number <= req->parts[i - 1].number)
			return -EBADMSG;
		r = add_part(to, &off, dir, &req->parts[i], cancelled);
	}
	return r;
}

static void remove_upload(const struct file_root *root, int upload,
			  const char *id)
{
	CLEANUP(file_closedirp) DIR *dir = file_read_dir(upload, "");
	CLEANUP_FD int tmp = file_open_dir(root->fd, FILE_TMP);
	struct dirent *entry;
	int error;

	/* The info first: without it there is no upload any more. What cannot
	 * be removed is but space lost. */
	(void)unlinkat(upload, INFO_NAME, 0);
	while (dir && (entry = file_next_entry(dir, &error)))
		(void)unlinkat(upload, entry->d_name, 0);
	if (tmp >= 0)
		(void)unlinkat(tmp, id, AT_REMOVEDIR);
}

/* *ret_found: the upload is there, so ENOENT means the object's parent. */
static int finish_once(struct file_root *root, struct store_req *req,
		       const atomic_bool *cancelled, bool *ret_found)
{
	CLEANUP_TEMP struct file_temp t = FILE_TEMP_NONE;
	CLEANUP(meta_done) struct meta m = { .pairs = NULL };
	CLEANUP_PLACE struct file_place place = { .parent = -1 };
	CLEANUP_FD int dir = -1;
	int r;

	*ret_found = false;
	dir = open_upload(root, req, &m);
	if (dir < 0)
		return dir;
	*ret_found = true;
	r = file_place_open(&place, root, req->key, true);
	if (!r && place.is_dir)
		r = -EILSEQ;
	if (!r)
		r = file_temp_open(&t, root, &place);
	if (!r)
		r = add_parts(t.fd, dir, req, cancelled);
	if (!r)
		r = file_meta_apply(t.fd, &m);
	if (!r)
		r = file_temp_publish(&t, root, &place, req->key,
				      req->if_absent, &req->object);
	if (!r)
		remove_upload(root, dir, req->upload_id);
	return r;
}

int file_upload_finish(struct file_root *root, struct store_req *req,
		       const atomic_bool *cancelled, struct err *e)
{
	uint64_t since_ms = clock_now_ms();
	bool found;
	int r = file_key_check(req->key, e);

	if (r)
		return r;
	do
		r = finish_once(root, req, cancelled, &found);
	while (found && file_try_again(r, -ENOENT, since_ms));
	if (r == -EBADMSG)
		return err_set(e, -EIO,
			       "UPLOAD_FINISH '%s' in %s: the parts are not "
			       "those of the upload",
			       req->key, root->url);
	return r ? upload_error(root, req, r, e) : 0;
}

int file_upload_abort(struct file_root *root, struct store_req *req,
		      struct err *e)
{
	CLEANUP(meta_done) struct meta m = { .pairs = NULL };
	CLEANUP_FD int dir = -1;
	int r = file_key_check(req->key, e);

	if (r)
		return r;
	dir = open_upload(root, req, &m);
	if (dir < 0)
		return upload_error(root, req, dir, e);
	remove_upload(root, dir, req->upload_id);
	return 0;
}
