/*
 * Multipart uploads: a folder .assetfs/tmp/<upload id> with a file per part.
 *
 * They stay until they are finished or aborted. Threads: any.
 */
#pragma once

#include <stdatomic.h>

#include "s3/file_root.h"

int file_upload_start(struct file_root *root, struct store_req *req,
		      struct err *e);
int file_upload_part(struct file_root *root, struct store_req *req,
		     struct err *e);
int file_upload_finish(struct file_root *root, struct store_req *req,
		       const atomic_bool *cancelled, struct err *e);
int file_upload_abort(struct file_root *root, struct store_req *req,
		      struct err *e);
