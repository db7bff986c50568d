/*
 * GET and HEAD of a file:// store.
 *
 * Threads: any.
 */
#pragma once

#include "s3/file_root.h"

int file_get(struct file_root *root, struct store_req *req, struct err *e);
int file_head(struct file_root *root, struct store_req *req, struct err *e);
