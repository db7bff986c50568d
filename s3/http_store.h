/*
 * A store made of an S3 server: libcurl multi on one transfer thread.
 */
#pragma once

#include "s3/source_options.h"
#include "s3/store.h"

/*
 * bucket: name. o: borrowed for the call. Errors: -EINVAL, and as creds_open,
 * which may ask a service for keys. Makes no request to the bucket; starts
 * threads.
 */
int http_store_open(struct store **ret_store, const char *bucket,
		    const struct source_options *o, struct err *e);
