/*
 * Bodies of S3 replies, and the few that requests carry.
 *
 * Everything read here comes from outside: sizes are bounded, a document that
 * is not what was asked for is an error, never an empty answer.
 *
 * Errors of all readers: -EBADMSG  not the expected document
 *                        -ENOMEM
 * Outputs are written on success only.
 * Threads: any; pure computation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "s3/base/buf.h"
#include "s3/store.h"

/* An Error document. Absent fields are "". */
struct body_error {
	char code[64];
	char message[256]; /* one line */
	char region[64];
};

int body_read_error(struct body_error *out, const void *data, size_t len);

/*
 * One page of ListObjectsV2. `list` is empty on entry, filled in byte order of
 * keys. Left out are keys that no request could name: empty, with a NUL, or
 * over STORE_KEY_MAX. A key outside `prefix` is -EBADMSG.
 */
int body_read_list(struct store_list *list, const char *prefix,
		   const void *data, size_t len);

/* InitiateMultipartUpload: the upload id, owned by the caller. */
int body_read_upload(char **ret_id, const void *data, size_t len);

/*
 * CompleteMultipartUpload and CopyObject: the new ETag without quotes, "" where
 * it is missing, and LastModified where given (else 0). An Error document,
 * which comes with status 200 here, fills `error` and yields -EREMOTEIO.
 */
int body_read_etag(struct store_object *out, struct body_error *error,
		   const void *data, size_t len);

/*
 * DeleteObjects: the number of keys that were not deleted, with key and reason
 * of the first. A key that was not there counts as deleted. -EREMOTEIO as
 * above.
 */
struct body_deleted {
	size_t failed;
	char key[128]; /* shortened if need be */
	struct body_error first;
};
int body_read_deleted(struct body_deleted *out, struct body_error *error,
		      const void *data, size_t len);

/* Whether XML can hold this key at all; control characters and bytes that are
 * not UTF-8 cannot. */
bool body_key_fits(const char *key);
/* Both append a document. Errors: as buf. */
int body_write_delete(struct buf *out, const char *const *keys, size_t count);
int body_write_parts(struct buf *out, const struct store_part *parts,
		     size_t count);

/* Copies an ETag without its quotes; false if it is empty or too long. */
bool body_copy_etag(char out[STORE_ETAG_MAX], const char *text);
/* Whether the bytes are well-formed UTF-8. */
bool body_is_utf8(const char *s, size_t len);
