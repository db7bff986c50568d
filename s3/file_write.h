/*
 * PUT, COPY and DELETE of a file:// store.
 *
 * Threads: any.
 */
#pragma once

#include <stdatomic.h>

#include "s3/file_root.h"

int file_put(struct file_root *root, struct store_req *req, struct err *e);
int file_copy(struct file_root *root, struct store_req *req,
	      const atomic_bool *cancelled, struct err *e);
int file_delete(const struct file_root *root, struct store_req *req,
		struct err *e);
int file_delete_many(const struct file_root *root, struct store_req *req,
		     struct err *e);
