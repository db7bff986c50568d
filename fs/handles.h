/*
 * Open handles of files and directories: those the kernel has not released when
 * the session ends are released then.
 *
 * Threads: any; handles_done: when no handler runs any more.
 */
#pragma once

#include "s3/base/list.h"
#include "s3/base/lock.h"

/* Embedded in what a handle stands for. */
struct handle {
	void (*free)(struct handle *h);
	struct list link; /* private */
};

struct handles {
	struct lock lock; /* LOCK_RANK_FS */
	struct list open; /* guarded by lock */
};

void handles_init(struct handles *all);
/* Frees what is still open. */
void handles_done(struct handles *all);
void handles_add(struct handles *all, struct handle *h,
		 void (*free)(struct handle *h));
/* Removes and frees it. */
void handles_release(struct handles *all, struct handle *h);
