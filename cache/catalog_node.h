/*
 * What a catalog's builder holds; shared by catalog_build.c, which changes it,
 * and catalog_write.c, which turns it into bytes.
 *
 * Invariant: a node with children is a directory; an implied directory (that
 * nobody put) has children, unless it is the root.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/catalog_format.h"
#include "cache/names.h"
#include "s3/base/table.h"

struct chunk {
	struct chunk *next;
	max_align_t data[];
};

struct arena {
	struct chunk *chunks; /* the newest first */
	char *free;
	size_t left;
};

struct block_rec {
	struct hash hash;
	uint32_t frame; /* in the builder's set */
	uint32_t off;
	uint32_t len;
};

struct node {
	struct table_item item; /* of by_name; its key is `key` */
	struct node *parent; /* NULL: the root */
	struct node *children; /* any order */
	struct node *next; /* among its siblings */
	struct node **link; /* what points to it */
	const char *target; /* symlinks */
	const struct block_rec *blocks;
	uint64_t size;
	int64_t mtime_ns;
	uint32_t commit_s;
	uint32_t uid;
	uint32_t gid;
	uint32_t block_count;
	uint16_t mode;
	bool implied;
	uint8_t name_len;
	struct {
		const struct node *parent;
		char name[];
	} key;
};

struct catalog_builder {
	struct arena arena;
	struct table by_name; /* of node, in the arena */
	struct place_set places;
	struct node *root;
	uint32_t count; /* nodes in the tree */
	uint32_t dirs; /* of them */

	/* The parent of the last put, NULL when unknown: */
	struct node *last_dir;
	size_t last_len;
	char last_path[PATH_MAX_LEN];
};

/* Memory of the builder's life; NULL without memory. */
void *builder_alloc(struct catalog_builder *b, size_t len);
