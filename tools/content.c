/*
 * Uploading goes in rounds: plan, upload, see what is still without a place. A
 * second one is needed where files were changed after they had been hashed, or
 * where a collector has condemned meanwhile what was to be reused.
 */
#include "tools/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/index.h"
#include "cache/names.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "tools/blobtable.h"

#define ROUNDS 4
/* A commit must follow within an hour of the pool's listing. */
#define LISTING_OLD_MS (45u * 60 * 1000)
/* What was in the pool so long ago, and condemned since, may have been deleted
 * by now, and then the newest list does not name it any more. */
#define LISTING_LOST_MS (23ull * 3600 * 1000)
/* A collector spares what is younger than a week; a day is left for clocks. */
#define UPLOADED_OLD_MS (6ull * 24 * 3600 * 1000)
#define INDEX_BLOCKS_MAX (1u << 20) /* in one index */
#define LAST_INDEX_TIMEOUT_MS 10000u

void content_init(struct content *c)
{
	*c = (struct content){ 0 };
	plan_init(&c->plan);
	plan_init(&c->guess);
}

void content_done(struct content *c)
{
	uploader_free(c->guessed);
	progress_stop(c->progress);
	inventory_free(c->inventory);
	plan_done(&c->guess);
	plan_done(&c->plan);
	free(c->added);
	free(c->pool_name);
	*c = (struct content){ 0 };
}

size_t content_added(const struct content *c)
{
	return c->added_count;
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "upload: out of memory");
}

/* What was uploaded and is not in a tree yet is protected by its age alone. */
static int check_age(const struct content *c, struct err *e)
{
	if (!c->began_ms || clock_now_ms() - c->began_ms < UPLOADED_OLD_MS)
		return 0;
	return err_set(e, -ETIME,
		       "more than six days passed since the upload began, what "
		       "was sent first may have been deleted: run it again");
}

static bool has_content(const struct scan_entry *entry)
{
	return S_ISREG(entry->st.st_mode) && entry->st.st_size;
}

static int open_uploader(struct content *c, const struct plan *plan,
			 struct uploader **ret_uploader, struct err *e)
{
	CLEANUP(uploader_freep) struct uploader *u = NULL;
	struct uploader_options o = {
		.store = c->store,
		.cache = c->cache,
		.pool = c->pool,
		.scan = c->hashing->scan,
		.pool_prefix = c->pool_name,
		.progress = c->progress,
		.jobs = c->jobs,
	};
	int r = uploader_open(&u, &o, e);

	if (!c->began_ms)
		c->began_ms = clock_now_ms();
	if (!r)
		r = uploader_add(u, plan, c->ids, e);
	if (!r)
		*ret_uploader = TAKE_PTR(u);
	return r;
}

static bool find_in_pool(void *arg, const struct hash *hash,
			 struct block *ret_block)
{
	const struct content *c = arg;

	return inventory_find(c->inventory, hash, ret_block);
}

/* ---- guess -------------------------------------------------------------- */

int content_guess(struct content *c, struct err *e)
{
	struct scan *s = c->hashing->scan;

	for (size_t i = 0; i < s->count; i++) {
		if (has_content(&s->entries[i]) && !s->entries[i].data)
			return 0;
	}
	for (size_t i = 0; i < s->count; i++) {
		if (has_content(&s->entries[i]) &&
		    plan_file(&c->guess, &s->entries[i]))
			return no_memory(e);
	}
	if (plan_cut(&c->guess))
		return no_memory(e);
	if (!c->guess.pack_count)
		return 0;
	c->progress = progress_start("push", c->quiet);
	progress_total(c->progress, c->guess.upload_files,
		       c->guess.upload_bytes);
	return open_uploader(c, &c->guess, &c->guessed, e);
}

bool content_guessing(const struct content *c)
{
	return c->guessed;
}

int content_check_guess(struct content *c, struct err *e)
{
	size_t placed;
	int r;

	r = inventory_fetch(c->inventory, c->hashing->scan->bytes, e);
	if (r || !c->guessed || inventory_fetching(c->inventory))
		return r;
	r = inventory_settle(c->inventory, e);
	if (r)
		return r;
	placed = plan_offer_all(&c->guess, find_in_pool, c);
	if (!placed) {
		c->guess_sent = true;
		uploader_release(c->guessed);
	}
	return 0;
}

static void drop_guess(struct content *c)
{
	uploader_free(TAKE_PTR(c->guessed));
	progress_stop(TAKE_PTR(c->progress));
	c->guess_sent = false;
	plan_done(&c->guess);
	plan_init(&c->guess);
}

int content_open_pool(struct content *c, const char *pool, struct err *e)
{
	int r;

	if (!c->pool_name || strcmp(c->pool_name, pool)) {
		char *name = strdup(pool);

		if (!name)
			return no_memory(e);
		drop_guess(c); /* it is for the other pool, sent or not */
		free(c->pool_name);
		c->pool_name = name;
	}
	inventory_free(TAKE_PTR(c->inventory));
	r = inventory_open(&c->inventory, c->store, c->cache, c->pool_name, e);
	if (!r)
		c->listed_ms = inventory_asked_ms(c->inventory);
	return r;
}

/* ---- plan --------------------------------------------------------------- */

static bool is_condemned(void *arg, const struct object_id *blob)
{
	const struct content *c = arg;

	return inventory_condemned(c->inventory, blob);
}

/* What stands in the parts of the tree that the push changes. */
static int offer_tree(struct content *c, const struct diff *diff,
		      const struct tree_version *base, struct err *e)
{
	for (uint32_t n = 0; n < diff->part_count; n++) {
		CLEANUP(catalog_unrefp) struct catalog *cat = NULL;
		int r = tree_part(c->store, c->cache, base, diff->parts[n],
				  &cat, e);

		if (r)
			return r;
		for (uint32_t i = 0; i < catalog_total_blocks(cat); i++) {
			struct block block;

			catalog_block_at(cat, i, &block);
			plan_offer(&c->plan, &block);
		}
	}
	return 0;
}

static bool is_foreign(void *arg, const struct object_id *blob)
{
	const struct content *c = arg;

	return !object_ids_made(c->ids, blob);
}

/* A long push: what is to be reused may have been condemned meanwhile. */
static int renew_inventory(struct content *c, struct err *e)
{
	uint64_t age = clock_now_ms() - c->listed_ms;
	int r;

	if (age < LISTING_OLD_MS)
		return 0;
	r = content_open_pool(c, c->pool_name, e);
	if (!r)
		r = inventory_fetch(c->inventory, 0, e);
	if (!r)
		r = inventory_settle(c->inventory, e);
	if (!r)
		(void)plan_withdraw(
			&c->plan,
			age < LISTING_LOST_MS ? is_condemned : is_foreign, c);
	return r;
}

/* Places in the tree cost little to learn; indexes are fetched for what is
 * left. */
static int look_up(struct content *c, const struct diff *diff,
		   const struct tree_version *base, struct err *e)
{
	struct plan *p = &c->plan;
	int r = renew_inventory(c, e); /* hashing may have taken days */

	if (!r)
		r = offer_tree(c, diff, base, e);
	if (r)
		return r;
	if (plan_cut(p))
		return no_memory(e);
	r = inventory_fetch(c->inventory, p->upload_bytes, e);
	if (!r)
		r = inventory_settle(c->inventory, e);
	if (r)
		return r;
	(void)plan_withdraw(p, is_condemned, c);
	plan_offer_all(p, find_in_pool, c);
	r = blobtable_offer(p, c->inventory, c->store, e);
	if (r)
		return r;
	return plan_cut(p) ? no_memory(e) : 0;
}

int content_plan(struct content *c, const struct diff *diff,
		 const struct tree_version *base, struct err *e)
{
	struct scan *s = c->hashing->scan;
	size_t count = 0;

	for (size_t i = 0; i < s->count; i++)
		count += diff->items[i].kind == DIFF_CONTENT &&
			 has_content(&s->entries[i]);
	if (c->guess_sent && count == c->guess.file_count) {
		/* The guess is the plan; its packs stay where they are. */
		plan_done(&c->plan);
		c->plan = c->guess;
		plan_init(&c->guess);
		return 0;
	}
	for (size_t i = 0; i < s->count; i++) {
		if (diff->items[i].kind == DIFF_CONTENT &&
		    has_content(&s->entries[i]) &&
		    plan_file(&c->plan, &s->entries[i]))
			return no_memory(e);
	}
	if (!count)
		return 0;
	if (c->guess_sent)
		return plan_cut(&c->plan) ? no_memory(e) : 0;
	return look_up(c, diff, base, e);
}

/* ---- index -------------------------------------------------------------- */

static int note_added(void *arg, const struct block *block, bool indexed)
{
	struct content *c = arg;

	if (!indexed)
		return plan_place(&c->plan, block);

	if (c->added_count == c->added_room) {
		size_t room = c->added_room ? 2 * c->added_room : 1024;
		struct block *more =
			reallocarray(c->added, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		c->added = more;
		c->added_room = room;
	}
	c->added[c->added_count++] = *block;
	return plan_place(&c->plan, block);
}

static int encode_index(struct content *c, const struct block *blocks,
			size_t count, struct content_index *ix, struct err *e)
{
	struct object_id id = object_ids_next(c->ids);
	int64_t now_s;
	int r;

	buf_init(&ix->data, INDEX_OBJECT_MAX);
	buf_init(&ix->key, STORE_KEY_MAX);
	store_req_init(&ix->req, STORE_PUT, NULL);
	r = index_encode(&ix->data, blocks, count, e);
	if (!r && store_now(c->store, UINT32_MAX, &now_s))
		r = err_set(e, -EIO, "%s tells no time in its replies",
			    c->store->name);
	if (r)
		return r;
	if (name_index(&ix->key, inventory_pool(c->inventory), now_s, &id))
		return no_memory(e);
	ix->req.key = ix->key.data;
	ix->req.body = ix->data.data;
	ix->req.body_len = ix->data.len;
	return 0;
}

static void index_done(struct content_index *ix)
{
	store_req_done(&ix->req);
	buf_done(&ix->data);
	buf_done(&ix->key);
}

int content_index_begin(struct content *c, bool last, struct err *e)
{
	size_t done = 0;
	int r = check_age(c, e);

	if (r)
		return r;
	c->indexes = calloc(c->added_count / INDEX_BLOCKS_MAX + 1,
			    sizeof(*c->indexes));
	if (!c->indexes)
		return no_memory(e);
	while (done < c->added_count && !r) {
		struct content_index *ix = &c->indexes[c->index_count];
		size_t left = c->added_count - done;
		size_t count = left < INDEX_BLOCKS_MAX ? left
						       : INDEX_BLOCKS_MAX;

		r = encode_index(c, c->added + done, count, ix, e);
		ix->req.timeout_ms = last ? LAST_INDEX_TIMEOUT_MS : 0;
		ix->req.tidies = last;
		done += count;
		if (r) {
			index_done(ix);
			break;
		}
		c->index_count++;
		store_begin(c->store, &ix->req, &ix->wait);
	}
	return r;
}

int content_index_end(struct content *c, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < c->index_count; i++) {
		struct content_index *ix = &c->indexes[i];
		int one = store_await(&ix->req, &ix->wait, r ? NULL : e);

		if (!one && c->cache)
			cache_object_put(c->cache, c->store->bucket_id,
					 ix->key.data, ix->req.object.etag,
					 ix->data.data, ix->data.len);
		if (one)
			r = one;
		index_done(ix);
	}
	free(TAKE_PTR(c->indexes));
	c->index_count = 0;
	return r;
}

/* ---- upload ------------------------------------------------------------- */

static int hash_again(void *arg, struct scan_entry *file)
{
	struct content *c = arg;

	return hashing_again(c->hashing, file);
}

/* Waits for the uploads, and learns what they brought also when they failed. */
static int finish_uploader(struct content *c, struct uploader *u, struct err *e)
{
	int r = uploader_wait(u, c->stop, e);
	int noted = uploader_each_block(u, note_added, c);

	if (!r && noted)
		r = no_memory(e);
	if (!r)
		r = uploader_each_changed(u, hash_again, c);
	if (r == -ENOMEM && !e->code)
		r = no_memory(e);
	return r;
}

static int upload_guess(struct content *c, struct err *e)
{
	int r;

	uploader_release(c->guessed);
	r = finish_uploader(c, c->guessed, e);
	drop_guess(c);
	return r;
}

static int upload_round(struct content *c, struct err *e)
{
	CLEANUP(uploader_freep) struct uploader *u = NULL;
	int r;

	c->progress = progress_start("push", c->quiet);
	progress_total(c->progress, c->plan.upload_files, c->plan.upload_bytes);
	r = open_uploader(c, &c->plan, &u, e);
	if (!r) {
		uploader_release(u);
		r = finish_uploader(c, u, e);
	}
	uploader_free(TAKE_PTR(u));
	progress_stop(TAKE_PTR(c->progress));
	return r;
}

static int upload_rounds(struct content *c, struct err *e)
{
	int r = 0;

	/* Sent already, or exactly what is to be sent. */
	if (c->guessed && (c->guess_sent || plan_equal(&c->guess, &c->plan)))
		r = upload_guess(c, e);
	else
		drop_guess(c);
	for (unsigned int n = 0; !r; n++) {
		r = renew_inventory(c, e);
		if (!r && plan_cut(&c->plan))
			r = no_memory(e);
		if (r || (!c->plan.pack_count && !c->plan.blob_count))
			break;
		if (n == ROUNDS)
			return err_set(e, -EAGAIN,
				       "'%s' keeps changing while it is pushed",
				       c->plan.pack_count
					       ? c->plan.packs[0].files[0]->path
					       : c->plan.blobs[0].file->path);
		r = upload_round(c, e);
	}
	return r;
}

int content_upload(struct content *c, struct err *e)
{
	int r = upload_rounds(c, e);
	int kept;

	if (!r)
		r = check_age(c, e);
	if (r == -ECANCELED) {
		/* Which request met it is nobody's concern. */
		err_clear(e);
		(void)err_set(e, r, "interrupted");
	}
	if (!r || !c->added_count)
		return r;
	kept = content_index_begin(c, true, NULL);
	if (!content_index_end(c, NULL) && !kept)
		log_warn("what was uploaded completely is kept: the next push "
			 "does not send it again");
	return r;
}
