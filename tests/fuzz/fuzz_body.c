/*
 * Every reader of reply bodies, on the same bytes. The first byte chooses the
 * prefix of the listing, so that the check of it is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "s3/body.h"
#include "s3/bucket.h"
#include "tests/fuzz/fuzz.h"

static void check_list(const struct store_list *l, const char *prefix)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct store_list_entry *e = &l->entries[i];

		if (!e->key_len || e->key_len > STORE_KEY_MAX ||
		    strlen(e->key) != e->key_len ||
		    strncmp(e->key, prefix, strlen(prefix)) ||
		    (i && strcmp(l->entries[i - 1].key, e->key) > 0))
			abort();
	}
	if (l->truncated && !l->next)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *prefix = size && data[0] == 'p' ? "p/" : "";
	struct body_deleted deleted;
	struct store_object object;
	struct body_error error;
	struct store_list list;
	enum bucket_versions versions;
	struct bucket_rules rules;
	char *id = NULL;

	if (*prefix) {
		data++;
		size--;
	}
	store_list_init(&list);
	if (!body_read_list(&list, prefix, data, size))
		check_list(&list, prefix);
	store_list_done(&list);
	(void)body_read_error(&error, data, size);
	(void)body_read_etag(&object, &error, data, size);
	(void)body_read_deleted(&deleted, &error, data, size);
	if (!body_read_upload(&id, data, size))
		free(id);
	(void)bucket_read_versions(&versions, data, size);
	if (!bucket_read_rules(&rules, data, size)) {
		if (rules.count > BUCKET_RULES_MAX)
			abort();
		bucket_rules_done(&rules);
	}
	return 0;
}
