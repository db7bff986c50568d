/*
 * What is right and wrong between this machine and a bucket, a finding at a
 * time: what was looked at, how it is, and what to do where it is not well.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tools/session.h"

enum doctor_status {
	DOCTOR_OK,
	DOCTOR_WARN, /* works, but will hurt or cost */
	DOCTOR_FAIL, /* something that assetfs or assetctl does will not work */
};

/* "ok", "warn", "fail" */
const char *doctor_status_name(enum doctor_status status);

struct doctor {
	/* Filled in by the caller. */
	const char *source;
	const struct session_options
		*options; /* with those of settings files */
	bool read_only; /* puts nothing into the bucket */
	/* Called for each finding as it is made; text is one line. */
	void (*found)(struct doctor *d, enum doctor_status status,
		      const char *check, const char *text);
	/* results */
	size_t warned;
	size_t failed;
};

/*
 * The bucket: address, TLS, clock, credentials, region, rights, versions, rules.
 * Unless read_only, or without keys, it puts objects of a few bytes below
 * .assetfs/ and deletes them. Blocks, for seconds where nobody answers.
 */
void doctor_store(struct doctor *d);
/* This machine: FUSE, and the cache, which is opened, thus made. */
void doctor_host(struct doctor *d);

/* For the parts. fmt: with what to do. */
__attribute__((format(printf, 4, 5))) void
doctor_note(struct doctor *d, enum doctor_status status, const char *check,
	    const char *fmt, ...);
