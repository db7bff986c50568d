/*
 * One small HTTP exchange with a service beside the store: STS, the metadata
 * of EC2 and of containers. Blocks; no redirect is followed, nothing repeated.
 *
 * Threads: any, except those that must not wait; a struct ask belongs to one
 * at a time.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "s3/base/buf.h"
#include "s3/base/err.h"
#include "s3/headers.h"

struct ask {
	/* Filled in by the caller; borrowed. */
	const char *method; /* GET, PUT or POST */
	const char *url;
	struct headers fields;
	const char *body; /* of POST; NULL for none */
	uint32_t timeout_ms; /* of the whole, and of connecting */
	bool direct; /* whatever the environment says of proxies */
	const char *ca_bundle; /* or NULL */
	const atomic_bool *stop; /* or NULL */

	/* Filled in by ask_run. */
	int status;
	int64_t date_s; /* the server's clock, or 0 */
	struct buf reply; /* at most 64 KiB */
};

void ask_init(struct ask *a);
/* Wipes what may be secret. */
void ask_done(struct ask *a);
/*
 * 0 with a whole reply of whatever status. Errors, worded without the URL:
 * -ETIMEDOUT, -EHOSTUNREACH no connection, -EIO broken off or too long,
 * -ECANCELED told to stop, -EACCES TLS not trusted, -ENOMEM.
 */
int ask_run(struct ask *a, struct err *e);

/* Waits; true if told to stop meanwhile. */
bool ask_pause(const atomic_bool *stop, uint32_t ms);
