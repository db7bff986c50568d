/*
 * A file read while another program writes it in place is no version of
 * anything: its ETag is compared before and after, and the read repeated or
 * refused.
 */
#include "s3/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "s3/file_meta.h"

#define READ_TRIES 4

static bool etag_differs(const char *if_match, const struct store_object *o)
{
	return if_match && strcmp(if_match, o->etag);
}

/* What is asked for of `size` bytes. */
static int clip(const struct store_req *req, uint64_t size, uint64_t *ret_len)
{
	uint64_t len;

	if ((req->offset || req->length) && req->offset >= size)
		return -ERANGE;
	len = size - req->offset;
	if (req->length && req->length < len)
		len = req->length;
	*ret_len = len;
	return 0;
}

static int get_link(struct store_req *req, int fd)
{
	char target[PATH_MAX];
	ssize_t size = readlinkat(fd, "", target, sizeof(target));
	uint64_t len;
	int r;

	if (size < 0)
		return -errno;
	req->object.size = (uint64_t)size;
	r = clip(req, (uint64_t)size, &len);
	return r ? r : buf_add(req->out, target + req->offset, len);
}

static int get_file(struct store_req *req, int fd)
{
	struct store_object after;
	struct stat st;
	uint64_t len;
	ssize_t n;
	void *to;
	int r = clip(req, req->object.size, &len);

	if (r)
		return r;
	to = len <= SIZE_MAX ? buf_reserve(req->out, len) : NULL;
	if (!to)
		return buf_error(req->out) ? buf_error(req->out) : -EFBIG;
	n = io_pread_full(fd, to, len, req->offset);
	if (n < 0)
		return (int)n;
	if (fstat(fd, &st))
		return -errno;
	file_describe(&after, &st);
	if ((uint64_t)n != len || strcmp(after.etag, req->object.etag))
		return req->if_match ? -ESTALE : -EAGAIN;
	req->out->len += len;
	req->out->data[req->out->len] = '\0';
	return 0;
}

static int get_once(const struct file_root *root, struct store_req *req)
{
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r;

	fd = file_open_object(root, req->key, &st);
	if (fd < 0)
		return fd;
	file_describe(&req->object, &st);
	if (etag_differs(req->if_match, &req->object))
		return -ESTALE;
	r = file_meta_read(&req->meta_out, fd, &st);
	if (r)
		return r;
	if (S_ISLNK(st.st_mode))
		return get_link(req, fd);
	if (S_ISDIR(st.st_mode))
		return clip(req, 0, &(uint64_t){ 0 });
	return get_file(req, fd);
}

int file_get(struct file_root *root, struct store_req *req, struct err *e)
{
	size_t before = req->out->len;
	int r = file_key_check(req->key, e);

	if (r)
		return r;
	r = -EAGAIN;
	for (int i = 0; i < READ_TRIES && r == -EAGAIN; i++) {
		meta_done(&req->meta_out);
		r = get_once(root, req);
	}
	if (!r) {
		atomic_fetch_add(root->bytes_in, req->out->len - before);
		return 0;
	}
	meta_done(&req->meta_out);
	buf_cut(req->out, before);
	if (r == -ESTALE || r == -EAGAIN)
		return err_set(e, -ESTALE, "GET '%s' in %s: it %s", req->key,
			       root->url,
			       r == -ESTALE ? "has changed"
					    : "keeps changing while read");
	if (r == -ERANGE)
		return err_set(e, -ERANGE,
			       "GET '%s' in %s: offset %llu is beyond its end",
			       req->key, root->url,
			       (unsigned long long)req->offset);
	return file_error(root, req, req->key, -r, e);
}

int file_head(struct file_root *root, struct store_req *req, struct err *e)
{
	CLEANUP_FD int fd = -1;
	struct stat st;
	int r = file_key_check(req->key, e);

	if (r)
		return r;
	fd = file_open_object_path(root, req->key, &st);
	r = fd < 0 ? fd : 0;
	if (!r) {
		file_describe(&req->object, &st);
		if (etag_differs(req->if_match, &req->object))
			return err_set(e, -ESTALE,
				       "HEAD '%s' in %s: it has changed",
				       req->key, root->url);
		r = file_meta_read(&req->meta_out, fd, &st);
	}
	if (!r)
		return 0;
	meta_done(&req->meta_out);
	return file_error(root, req, req->key, -r, e);
}
