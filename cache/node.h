/*
 * Makes view nodes out of claims: pure rules, no state.
 *
 * Threads: any.
 */
#pragma once

#include "cache/page.h"
#include "cache/view.h"

/* Everything that claims one name. */
struct claims {
	const char *path; /* relative to SOURCE */
	const char *key; /* from the bucket's root, no trailing slash */
	const struct store_object *object; /* plain object; or NULL */
	const struct store_object *marker; /* directory marker; or NULL */
	bool below; /* unreserved keys below */
	bool sure; /* what is below, and the marker, are known */
	const struct view_tree *tree; /* NULL, or has `entry`: */
	struct catalog_entry entry;
};

/* NULL with *ret_error 0: nobody claims it; with -ENOMEM: no memory. */
const struct view_node *node_of_claims(const struct claims *c,
				       const struct view_options *o,
				       int *ret_error);

/* The node again, with metadata fetched. NULL without memory. */
const struct view_node *node_with_meta(const struct view_node *n,
				       const struct store_object *object,
				       const struct meta *meta,
				       const struct view_options *o);
/* Whether its metadata have yet to be fetched, from the object n->key. */
bool node_needs_meta(const struct view_node *n);

/* An empty listing with room for that many nodes; filled by view_listing_add,
 * which takes over the reference, in order of name. NULL without memory. */
struct view_listing *view_listing_new(const struct view_node *self,
				      size_t room);
void view_listing_add(struct view_listing *l, const struct view_node *n);
