#include "cache/prune.h"

#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"

#define HOUR_S 3600
/* Beside a commit: fewer are not worth a request. */
#define WORTHWHILE 32

struct prune_version prune_version_of(const struct store_object *object)
{
	return (struct prune_version){ .modified_s = object->modified_s,
				       .removal = !object->size };
}

size_t prune_choose(struct prune_version *versions, size_t count, int64_t now_s)
{
	int64_t kept_hour = INT64_MIN;
	bool removed = false; /* long ago; in versions seen by now */
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		struct prune_version *v = &versions[i];
		int64_t age_s = now_s - v->modified_s;
		int64_t hour = v->modified_s / HOUR_S;
		bool last_of_hour = hour != kept_hour;

		kept_hour = hour;
		v->prune = removed ||
			   (i >= PRUNE_KEEP_LAST && age_s > PRUNE_KEEP_ALL_S &&
			    !(last_of_hour && age_s <= PRUNE_KEEP_HOURLY_S));
		n += v->prune;
		if (v->removal && age_s > PRUNE_KEEP_REMOVED_S)
			removed = true;
	}
	return n;
}

static bool is_version(const struct store_list_entry *entry, const char *dir,
		       uint64_t *ret_seq)
{
	size_t len = strlen(dir);

	return !entry->is_prefix && entry->key_len > len &&
	       !memcmp(entry->key, dir, len) &&
	       name_parse_tree(entry->key + len, entry->key_len - len, ret_seq);
}

/* The tree's versions stand together: [*ret_first, returned end). */
static size_t find_versions(const struct store_list *l, const char *dir,
			    size_t *ret_first)
{
	size_t first = 0, end;
	uint64_t seq;

	while (first < l->count && !is_version(&l->entries[first], dir, &seq))
		first++;
	end = first;
	while (end < l->count && is_version(&l->entries[end], dir, &seq))
		end++;
	*ret_first = first;
	return end;
}

/* The keys of those to be pruned; returns how many, 0 if too few. */
static size_t choose_keys(const struct store_list *l, const char *dir,
			  int64_t now_s, const char **keys)
{
	size_t first, end = find_versions(l, dir, &first), count = 0;
	CLEANUP_FREE struct prune_version *versions =
		calloc(end - first + 1, sizeof(*versions));

	for (size_t i = first; versions && i < end; i++)
		versions[i - first] = prune_version_of(&l->entries[i].object);
	if (!versions ||
	    prune_choose(versions, end - first, now_s) < WORTHWHILE)
		return 0;
	for (size_t i = first; i < end && count < STORE_DELETE_MANY_MAX; i++)
		if (versions[i - first].prune)
			keys[count++] = l->entries[i].key;
	return count;
}

void prune_begin(struct prune *p, struct store *s,
		 const struct store_list *listed, const char *dir)
{
	CLEANUP_FREE const char **keys =
		calloc(STORE_DELETE_MANY_MAX, sizeof(*keys));
	size_t count;
	int64_t now_s;

	*p = (struct prune){ 0 };
	if (!keys || store_now(s, UINT32_MAX, &now_s))
		return;
	count = choose_keys(listed, dir, now_s, keys);
	if (!count)
		return;
	store_req_init(&p->req, STORE_DELETE_MANY, "");
	p->keys = TAKE_PTR(keys);
	p->req.keys = p->keys;
	p->req.key_count = count;
	p->req.priority = STORE_BACKGROUND;
	p->store = s;
	store_begin(s, &p->req, &p->wait);
}

void prune_end(struct prune *p)
{
	struct err e = { 0 };

	if (!p->store)
		return;
	if (store_await(&p->req, &p->wait, &e))
		log_info("old versions were not removed: %s", e.text);
	store_req_done(&p->req);
	free(p->keys);
	*p = (struct prune){ 0 };
}
