/*
 * How a bucket is set up, as far as it can hurt: versions, lifecycle rules.
 *
 * Threads: any; the askers block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s3/base/err.h"
#include "s3/store.h"

enum bucket_versions {
	BUCKET_VERSIONS_NEVER,
	BUCKET_VERSIONS_ENABLED,
	BUCKET_VERSIONS_SUSPENDED,
};

struct bucket_rule {
	char id[64]; /* shortened if need be */
	char prefix[STORE_KEY_MAX + 1]; /* of the keys it is for */
	bool enabled;
	bool narrowed; /* for some of them only, by tag or size */
	bool expires; /* deletes objects */
	bool expires_versions; /* deletes versions that were replaced */
	char archive[32]; /* moves them to this class, which is not readable
			     until restored; "" */
	uint32_t days; /* until the first of those; 0: by date, or none */
	uint32_t abort_days; /* aborts uploads after these; 0: does not */
};

#define BUCKET_RULES_MAX 1000

struct bucket_rules {
	struct bucket_rule *rules; /* owned */
	size_t count;
};

void bucket_rules_done(struct bucket_rules *l);

/* Errors: as store.h; -EBADMSG for what is no such document. */
int bucket_ask_versions(struct store *s, uint32_t timeout_ms,
			enum bucket_versions *ret_versions, struct err *e);
/* A bucket without rules has none. */
int bucket_ask_rules(struct store *s, uint32_t timeout_ms,
		     struct bucket_rules *ret_rules, struct err *e);

/* The documents. -EBADMSG, -ENOMEM. */
int bucket_read_versions(enum bucket_versions *ret_versions, const void *data,
			 size_t len);
int bucket_read_rules(struct bucket_rules *ret_rules, const void *data,
		      size_t len);
