/*
 * Each completion adds its page and asks for the next one from within; the last
 * one says `landed`. When that is said and no thread is left within ask(), nobody
 * but the owner touches the structure.
 *
 * Two requests take turns, so that the one that keylist_done cancels is never
 * being set up again at that moment: once `cancelled` stands, at most one more
 * page is asked for, in the other one.
 */
#include "tools/keylist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/clock.h"

static void land(struct keylist *l)
{
	LOCK_SCOPE(&l->lock);
	l->landed = true;
	pthread_cond_signal(&l->wake);
}

/* Takes over the entries of a page. *ret_past: keys past the end were seen. */
static int take_page(struct keylist *l, const struct store_list *page,
		     bool *ret_past)
{
	bool past = false;

	if (l->all.count + page->count > KEYLIST_MAX)
		return err_set(&l->err, -E2BIG, "more than %u keys below '%s'",
			       KEYLIST_MAX, l->prefix);
	for (size_t i = 0; i < page->count && !past; i++) {
		const struct store_list_entry *entry = &page->entries[i];

		past = l->stop_at && strcmp(entry->key, l->stop_at) >= 0;
		if (!past && store_list_add(&l->all, entry->key, entry->key_len,
					    entry->is_prefix, &entry->object))
			return err_set(&l->err, -ENOMEM,
				       "listing '%s': out of memory",
				       l->prefix);
	}
	*ret_past = past;
	return 0;
}

static void page_done(struct store_req *req);

static void ask(struct keylist *l, unsigned int turn)
{
	struct store_req *req = &l->reqs[turn];

	store_req_init(req, STORE_LIST, l->prefix);
	req->start_after = l->start_after;
	req->continuation = l->token;
	req->done = page_done;
	req->arg = l;
	store_submit(l->store, req);

	LOCK_SCOPE(&l->lock);
	if (l->turn == turn)
		l->submitted = true;
	l->asking--;
	pthread_cond_signal(&l->wake);
}

/* Whose turn the next page is; false when there shall be none. */
static bool next_turn(struct keylist *l, unsigned int *ret_turn)
{
	LOCK_SCOPE(&l->lock);
	if (l->cancelled)
		return false;
	l->turn = !l->turn;
	l->submitted = false;
	l->asking++;
	*ret_turn = l->turn;
	return true;
}

static void page_done(struct store_req *req)
{
	struct keylist *l = req->arg;
	CLEANUP_FREE char *token = NULL;
	bool past = false;
	unsigned int turn;

	if (req->err.code)
		(void)err_copy(&l->err, &req->err);
	else
		(void)take_page(l, &req->list, &past);
	if (!l->err.code && !past && req->list.truncated)
		token = TAKE_PTR(req->list.next);
	store_req_done(req);
	if (!token || !next_turn(l, &turn)) {
		land(l);
		return;
	}
	free(TAKE_PTR(l->start_after)); /* the token says it from here on */
	free(l->token);
	l->token = TAKE_PTR(token);
	ask(l, turn);
}

int keylist_start(struct keylist *l, struct store *s, const char *prefix,
		  const char *start_after, const char *stop_at, struct err *e)
{
	*l = (struct keylist){ 0 };
	l->prefix = strdup(prefix);
	l->start_after = start_after ? strdup(start_after) : NULL;
	l->stop_at = stop_at ? strdup(stop_at) : NULL;
	if (!l->prefix || (start_after && !l->start_after) ||
	    (stop_at && !l->stop_at)) {
		free(l->prefix);
		free(l->start_after);
		free(l->stop_at);
		*l = (struct keylist){ 0 };
		return err_set(e, -ENOMEM, "listing '%s': out of memory",
			       prefix);
	}
	l->store = s;
	store_list_init(&l->all);
	lock_init(&l->lock, LOCK_RANK_TOOL);
	cond_init(&l->wake);
	l->asked_ms = clock_now_ms();
	l->asking = 1;
	ask(l, 0);
	return 0;
}

int keylist_wait(struct keylist *l, struct err *e)
{
	LOCK_SCOPE(&l->lock);
	while (!l->landed || l->asking)
		cond_wait(&l->wake, &l->lock);
	return l->err.code ? err_copy(e, &l->err) : 0;
}

void keylist_done(struct keylist *l)
{
	struct store_req *req = NULL;

	if (!l->store)
		return;
	lock_take(&l->lock);
	l->cancelled = true;
	if (!l->landed && l->submitted)
		req = &l->reqs[l->turn];
	lock_drop(&l->lock);
	if (req)
		store_cancel(l->store, req);
	(void)keylist_wait(l, NULL);
	store_list_done(&l->all);
	free(l->prefix);
	free(l->start_after);
	free(l->stop_at);
	free(l->token);
	(void)pthread_cond_destroy(&l->wake);
	lock_done(&l->lock);
	*l = (struct keylist){ 0 };
}

size_t keylist_seek(const struct store_list *l, const char *key, size_t len)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct store_list_entry *entry = &l->entries[mid];
		size_t both = entry->key_len < len ? entry->key_len : len;
		int r = both ? memcmp(entry->key, key, both) : 0;

		if (r < 0 || (!r && entry->key_len < len))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct store_list_entry *keylist_find(const struct store_list *l,
					    const char *key, size_t len)
{
	size_t at = keylist_seek(l, key, len);

	if (at == l->count || l->entries[at].key_len != len ||
	    memcmp(l->entries[at].key, key, len))
		return NULL;
	return &l->entries[at];
}
