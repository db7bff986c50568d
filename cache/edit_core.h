/*
 * The edit's own structures, shared by its parts: what the changes come to
 * (edit.c), and the entries afterwards (edit_merge.c).
 *
 * Threads: one at a time.
 */
#pragma once

#include <sys/stat.h>

#include "cache/edit.h"

enum op_kind {
	OP_NONE, /* without effect */
	OP_PUT,
	OP_IMPLIED, /* a directory that nobody put */
	OP_REMOVE,
	OP_KNOWN, /* a directory of the base, remembered */
};

/* There is one for each change: kept small. */
struct edit_op {
	struct table_item item; /* key: the path, borrowed from a change */
	const struct commit_change *ch; /* OP_PUT */
	uint32_t dir_len; /* of the path, its directory's */
	uint8_t kind; /* enum op_kind */
	bool was_dir; /* the base has a directory there */
	bool if_empty; /* OP_REMOVE: of a directory with nothing in it */
	uint32_t at; /* change that decides, counted from 1 */
	uint32_t cleared; /* last removal of it, counted from 1; 0: none */
	/* OP_PUT: this; OP_IMPLIED: all of them */
	uint32_t commit_s;
	uid_t uid;
	gid_t gid;
	int64_t mtime_ns;
};

static inline struct catalog_key edit_op_key(const struct edit_op *op)
{
	const char *path = op->item.key;
	size_t at = op->dir_len + !!op->dir_len;

	return (struct catalog_key){ path, op->dir_len, path + at,
				     op->item.key_len - at };
}

static inline struct catalog_attr edit_op_attr(const struct edit_op *op)
{
	struct catalog_attr attr = {
		.mode = S_IFDIR | 0755,
		.uid = op->uid,
		.gid = op->gid,
		.mtime_ns = op->mtime_ns,
	};

	if (op->ch)
		attr = op->ch->attr;
	attr.commit_s = op->commit_s;
	return attr;
}

/* Loads the part of the base, where it has one. Errors: as tree_part. */
int edit_load(struct edit *ed, uint32_t part, struct err *e);
/* The last removal of a directory above `path`, or of itself, counted from 1; 0:
 * none. */
size_t edit_cleared_at(const struct edit *ed, const char *path, size_t len,
		       bool itself);
