/*
 * The order of steps, and what overlaps with what:
 *
 *	the walk                  tells whether connections will be needed
 *	LIST pool, LIST target    under way while files are read and hashed
 *	packs made by a guess     while the answers are awaited
 *	tree                      located from the target's listing
 *	indexes                   asked for at once where the target has no tree
 *	blobs                     complete before anything refers to them
 *	index and tree            side by side
 *
 * Where the target has no tree and no index names the content, little can be
 * reused but through a tree further up: the guess is sent before that is known.
 *
 * A push that founds a tree announces that beside the uploads (founding.h). One
 * that has nothing to upload has but a few round trips between its listing and
 * its commit, and looks round only where somebody else has announced himself.
 * Where two cross all the same, the lower one takes its tree back and joins the
 * upper one, which looks whether it has.
 */
#include "tools/push.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/commit.h"
#include "cache/prune.h"
#include "s3/base/cleanup.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "s3/body.h"
#include "tools/content.h"
#include "tools/diff.h"
#include "tools/extras.h"
#include "tools/founding.h"
#include "tools/hashing.h"
#include "tools/keylist.h"
#include "tools/notes.h"
#include "tools/plain.h"
#include "tools/preview.h"
#include "tools/scan.h"
#include "tools/shadow.h"

/* A push that took longer than this from its listing to its commit without an
 * announcement looks whether trees were founded meanwhile. */
#define ALONE_MS 2000u
#define AGAIN_MAX 3
#define JOIN_S 1 /* for the lower one to take its tree back */

/* Requests that look for the tree while the first packs are sent. */
#define LOOKUPS 2

struct push {
	const struct push_options *o;
	struct session *session;
	struct store *store; /* the session's */
	struct object_ids ids;
	struct notes failed, skipped;

	struct dest dest;
	char *prefix; /* of the target's keys; owned */
	struct keylist listed; /* of the target */
	struct scan scan;
	struct hashing hashing;
	struct content content;
	struct tree_version base;
	struct diff diff;
	struct extras extras;
	struct diff_input compared; /* what founding looks at */
	struct founding founding;
	struct push_result result;
	struct progress *waiting; /* owned */
	bool founded; /* the target's tree, by this push alone */
	bool beaten; /* by another commit, before its own came through */
	bool crossed; /* failed since another tree was founded meanwhile */
};

/* A word on what is waited for; NULL: that is over, or has a bar of its own. */
static void phase(struct push *p, const char *what)
{
	progress_stop(TAKE_PTR(p->waiting));
	if (!what)
		return;
	p->waiting = progress_start("push", p->o->session->quiet);
	progress_phase(p->waiting, what);
}

static void push_init(struct push *p, struct session *session,
		      const struct push_options *o)
{
	*p = (struct push){ .o = o, .session = session };
	p->store = session->source.store;
	object_ids_init(&p->ids);
	notes_init(&p->failed);
	p->failed.all = true;
	notes_init(&p->skipped);
	scan_init(&p->scan);
	p->hashing = (struct hashing){
		.scan = &p->scan,
		.cache = session->cache,
		.pool = session->pool,
		.failed = &p->failed,
		.stop = session_interrupted,
	};
	content_init(&p->content);
	p->content.store = p->store;
	p->content.cache = session->cache;
	p->content.pool = session->pool;
	p->content.hashing = &p->hashing;
	p->content.ids = &p->ids;
	p->content.stop = session_interrupted;
	p->content.jobs = o->jobs;
	p->content.quiet = o->session->quiet;
}

static void push_done(struct push *p)
{
	phase(p, NULL);
	(void)founding_end(&p->founding, NULL); /* the push has failed */
	content_done(&p->content);
	extras_done(&p->extras);
	diff_done(&p->diff);
	tree_version_done(&p->base);
	keylist_done(&p->listed);
	scan_done(&p->scan);
	dest_done(&p->dest);
	free(p->prefix);
	notes_done(&p->skipped);
	notes_done(&p->failed);
}

static int interrupted(struct err *e)
{
	return session_interrupted() ? err_set(e, -ECANCELED, "interrupted")
				     : 0;
}

/* Fails when names were noted, having logged them. one, many: how the sentence
 * about them goes on. */
static int check_failed(struct push *p, const char *one, const char *many,
			struct err *e)
{
	size_t count = notes_count(&p->failed);

	if (!count)
		return 0;
	notes_log(&p->failed, true);
	return err_set(e, -EINVAL, "%zu %s; nothing was pushed", count,
		       count == 1 ? one : many);
}

/* ---- reading ------------------------------------------------------------ */

static int start_lists(struct push *p, struct err *e)
{
	int r;

	if (asprintf(&p->prefix, "%s%s", p->dest.dir,
		     p->dest.name ? p->dest.name : "") < 0) {
		p->prefix = NULL;
		return err_set(e, -ENOMEM, "out of memory");
	}
	r = content_open_pool(&p->content, p->o->session->pool ?: "", e);
	if (r)
		return r;
	return keylist_start(&p->listed, p->store, p->prefix, NULL, NULL, e);
}

/* Files that were never read were probably never pushed: their packs will follow
 * the first answers at once. */
static void announce(struct push *p)
{
	uint64_t bytes = hashing_unknown(&p->hashing);
	uint64_t packs = (bytes + PLAN_PACK_RAW_MIN / 2) / PLAN_PACK_RAW_MIN;

	if (packs > UPLOADER_AT_ONCE)
		packs = UPLOADER_AT_ONCE;
	if (packs && bytes <= HASHING_KEEP_MAX && !p->o->dry_run)
		store_expect(p->store, (unsigned int)packs + LOOKUPS);
}

static int check_plain(struct push *p, struct err *e)
{
	const struct diff_input in = { .scan = &p->scan, .dir = p->dest.dir };
	const struct plain plain = { .store = p->store, .in = &in };

	return plain_check(&plain, &p->failed, e);
}

static int list_source(struct push *p, struct err *e)
{
	int r;

	phase(p, "listing files");
	r = sources_scan(&p->o->sources, &p->dest, &p->scan, &p->failed,
			 &p->skipped, session_interrupted, e);

	if (!r && p->o->plain)
		r = check_plain(p, e);
	phase(p, NULL);
	return r ? r
		 : check_failed(p, "name cannot be pushed",
				"names cannot be pushed", e);
}

static int read_source(struct push *p, struct err *e)
{
	int r;

	p->hashing.progress = progress_start("read", p->o->session->quiet);
	progress_total(p->hashing.progress, p->scan.files, p->scan.bytes);
	r = hashing_run(&p->hashing, e);
	progress_stop(TAKE_PTR(p->hashing.progress));
	return r ? r
		 : check_failed(p, "file cannot be read",
				"files cannot be read", e);
}

/* ---- what the bucket has ------------------------------------------------ */

/* Whether the store can hold the key of a tree at the target. */
static bool can_found(const struct push *p)
{
	const char *dir = p->dest.dir;

	return !p->store->utf8_keys || body_is_utf8(dir, strlen(dir));
}

/* A tree's pool is fixed when it is founded. */
static int follow_pool(struct push *p, struct err *e)
{
	int r;

	if (!p->base.head.seq ||
	    !strcmp(p->base.head.pool, inventory_pool(p->content.inventory)))
		return 0;
	r = content_open_pool(&p->content, p->base.head.pool, e);
	return r ? r : inventory_wait(p->content.inventory, e);
}

/* Of what a tree names already, too, some may be gone: who collects garbage has
 * missed it. */
static int learn_condemned(struct push *p, struct err *e)
{
	int r;

	if (!p->base.head.seq)
		return 0;
	r = inventory_fetch_condemned(p->content.inventory, e);
	return r ? r : inventory_settle(p->content.inventory, e);
}

static int locate(struct push *p, struct err *e)
{
	/* A single file's listing does not show the directory's tree. */
	const struct tree_listing listed = { &p->listed.all,
					     p->listed.asked_ms };
	const struct tree_listing *shown = p->dest.name ? NULL : &listed;
	struct store_object object;
	bool own_tree;
	uint64_t seq;
	int r;

	r = keylist_wait(&p->listed, e);
	if (!r)
		r = inventory_wait(p->content.inventory, e);
	if (r)
		return r;
	own_tree = shown &&
		   tree_newest(shown->keys, p->dest.dir, &seq, &object);
	if (shown && !own_tree && can_found(p) && !p->o->plain)
		r = content_check_guess(&p->content, e);
	if (!r && own_tree)
		r = inventory_fetch_condemned(p->content.inventory, e);
	if (!r)
		r = tree_locate(p->store, p->session->cache, p->dest.dir, shown,
				&p->base, e);
	if (!r && !p->base.head.seq && !can_found(p) && !p->o->plain)
		r = err_set(e, -EILSEQ,
			    "'%s' is not UTF-8, so no tree can be founded "
			    "there: push to a directory above it",
			    p->dest.dir);
	if (!r)
		r = follow_pool(p, e);
	return r ? r : learn_condemned(p, e);
}

static struct diff_input diff_input(const struct push *p)
{
	return (struct diff_input){
		.store = p->store,
		.cache = p->session->cache,
		.scan = &p->scan,
		.dir = p->dest.dir,
		.base = &p->base,
		.listed = &p->listed.all,
		.inventory = p->content.inventory,
	};
}

static int find_extras(struct push *p, const struct diff_input *diff,
		       struct err *e)
{
	const struct extras_input in = {
		.diff = diff,
		.exclude = &p->o->sources.exclude,
		.store = p->store,
		.cache = p->session->cache,
	};

	return extras_find(&p->extras, &in, &p->skipped, e);
}

static int compare(struct push *p, struct err *e)
{
	struct diff_input in = diff_input(p);
	int r = diff_make(&p->diff, &in, &p->failed, e);

	if (!r)
		r = check_failed(p, "name stands in the way",
				 "names stand in the way", e);
	if (r)
		return r;
	if (p->o->delete)
		r = find_extras(p, &in, e);
	p->result.unchanged = p->diff.same_files;
	p->result.unchanged_bytes = p->diff.same_bytes;
	return r;
}

/* ---- changing it -------------------------------------------------------- */

/* What is deleted, then what is put. */
static struct commit_change *all_changes(const struct extras *x,
					 const struct diff_changes *c)
{
	struct commit_change *all =
		calloc(x->count + c->count + 1, sizeof(*all));

	if (!all)
		return NULL;
	if (x->count)
		memcpy(all, x->changes, x->count * sizeof(*all));
	if (c->count)
		memcpy(all + x->count, c->changes, c->count * sizeof(*all));
	return all;
}

static int commit_changes(struct push *p, const struct commit_change *changes,
			  size_t count, int64_t *ret_commit_s, struct err *e)
{
	struct commit c = {
		.changes = changes,
		.count = count,
		.id = object_ids_next(&p->ids),
		.ids = &p->ids,
		.pool = inventory_pool(p->content.inventory),
		.single_writer = p->o->session->single_writer,
		/* Removals alone bring no places. */
		.gc_read_ms =
			p->o->plain ? clock_now_ms()
				    : inventory_asked_ms(p->content.inventory),
	};
	struct prune prune;
	int r = interrupted(e);

	if (r)
		return r;
	prune_begin(&prune, p->store, &p->listed.all, p->base.dir);
	r = commit_run(p->store, p->session->cache, &p->base, &c, e);
	prune_end(&prune);
	if (r)
		return r;
	if (c.lost) {
		log_warn("%zu %s changed by someone else meanwhile and left as "
			 "it is there",
			 c.lost, c.lost == 1 ? "path was" : "paths were");
		p->result.warnings++;
	}
	p->founded = c.founded;
	p->beaten = c.redone > 0;
	*ret_commit_s = c.commit_s;
	return 0;
}

static int commit(struct push *p, int64_t *ret_commit_s, struct err *e)
{
	CLEANUP(diff_changes_done) struct diff_changes changes = { 0 };
	CLEANUP_FREE struct commit_change *all = NULL;
	struct diff_input in = diff_input(p);
	int r;

	phase(p, "committing");
	r = diff_changes_make(&changes, &p->diff, &in, &p->content.plan, e);

	if (r)
		return r;
	plan_forget(&p->content.plan); /* the changes have the places now */
	all = all_changes(&p->extras, &changes);
	if (!all)
		return err_set(e, -ENOMEM, "commit: out of memory");
	return commit_changes(p, all, p->extras.count + changes.count,
			      ret_commit_s, e);
}

static int commit_and_index(struct push *p, int64_t *ret_commit_s,
			    struct err *e)
{
	struct err why = { 0 };
	int begun = content_index_begin(&p->content, false, &why);
	int r = commit(p, ret_commit_s, e);
	int ended = content_index_end(&p->content, begun ? NULL : &why);

	phase(p, NULL);
	if (!r && (begun || ended))
		log_warn("the index of what was added is missing, so that "
			 "others may upload it again: %s",
			 why.text);
	return r;
}

/* ---- trees founded meanwhile -------------------------------------------- */

static void found(struct push *p)
{
	p->compared = diff_input(p);
	p->founding = (struct founding){
		.store = p->store,
		.cache = p->session->cache,
		.in = &p->compared,
		.prefix = p->prefix,
		.single_writer = p->o->session->single_writer,
	};
	if (!p->base.head.seq && p->content.plan.upload_files)
		founding_begin(&p->founding);
}

static int upload(struct push *p, struct err *e)
{
	int r, announced;

	found(p);
	r = content_upload(&p->content, e);
	announced = founding_end(&p->founding, r ? NULL : e);
	if (p->founding.announced)
		p->base.head.seq = 1;
	return r ? r : announced;
}

/* After a tree was founded. */
static int check_alone(struct push *p, struct err *e)
{
	bool quick = !content_added(&p->content) &&
		     clock_now_ms() - p->listed.asked_ms < ALONE_MS &&
		     !founding_contested(&p->compared);
	int r;

	if (!p->beaten && (p->founding.alone || quick))
		return 0;
	r = founding_check(&p->founding, e);
	p->crossed = r == -EAGAIN;
	return r;
}

static void clear_shadows(struct push *p, int64_t commit_s)
{
	const struct scan none = { 0 };
	struct err e = { 0 };
	size_t count = 0;

	/* With paths lost to others it is not known whose objects they are. */
	if (p->result.warnings)
		return;
	if (!shadow_delete(p->store, p->o->plain ? &none : &p->scan,
			   p->dest.dir, p->prefix, &p->listed, commit_s,
			   p->extras.objects, p->extras.object_count, &count,
			   &e)) {
		p->result.removed += count;
		return;
	}
	log_warn("plain objects in the place of what was pushed, or of what "
		 "was removed, could not be deleted: %s",
		 e.text);
	p->result.warnings++;
}

static void note_plan(struct push *p, const struct plan *plan)
{
	p->result.reused_bytes = plan->reuse_bytes;
	p->result.upload_files = plan->upload_files;
	p->result.upload_bytes = plan->upload_bytes;
	p->result.upload_objects = plan->pack_count + plan->blob_count;
}

static int change(struct push *p, struct err *e)
{
	int64_t commit_s = INT64_MAX; /* nothing wins over what stood there */
	int r;

	p->result.removed = p->extras.names;
	if (p->diff.changes || p->extras.count) {
		r = content_plan(&p->content, &p->diff, &p->base, e);
		if (r)
			return r;
		note_plan(p, &p->content.plan);
		if (p->o->dry_run)
			return 0;
		r = upload(p, e);
		if (!r)
			r = commit_and_index(p, &commit_s, e);
		if (!r && p->founded)
			r = check_alone(p, e);
		if (r)
			return r;
	}
	if (!p->o->dry_run)
		clear_shadows(p, commit_s);
	return 0;
}

/* ---- plain objects ------------------------------------------------------- */

/* The tree's entries that plain objects hide by their age go, so that they do not
 * come back. */
static int clear_replaced(struct push *p, const struct diff_input *in,
			  struct err *e)
{
	int64_t commit_s;
	int r = 0;

	if (extras_add_replaced(&p->extras, in, &p->diff))
		return err_set(e, -ENOMEM, "out of memory");
	if (p->extras.count)
		r = commit_changes(p, p->extras.changes, p->extras.count,
				   &commit_s, e);
	if (!r)
		clear_shadows(p, INT64_MAX);
	return r;
}

static int change_plain(struct push *p, struct err *e)
{
	struct diff_input in = diff_input(p);
	bool tell = p->o->dry_run && !p->o->session->quiet &&
		    !p->o->session->json;
	struct plain plain = {
		.store = p->store,
		.cache = p->session->cache,
		.pool = p->session->pool,
		.hashing = &p->hashing,
		.in = &in,
		.diff = &p->diff,
		.jobs = p->o->jobs,
		.stop = session_interrupted,
		.quiet = p->o->session->quiet,
		.dry_run = p->o->dry_run,
		.told = tell ? preview_entry : NULL,
	};
	int r = plain_run(&plain, false, e);

	p->result.removed = p->extras.names;
	if (!r && !p->o->dry_run)
		r = clear_replaced(p, &in, e);
	if (!r)
		r = plain_run(&plain, true, e);
	p->result.unchanged = plain.unchanged;
	p->result.unchanged_bytes = plain.unchanged_bytes;
	p->result.upload_files = plain.upload_files;
	p->result.upload_bytes = plain.upload_bytes;
	p->result.upload_objects = plain.upload_files;
	return r;
}

/* ---- as a whole --------------------------------------------------------- */

static int run(struct push *p, struct err *e)
{
	int r = list_source(p, e);

	if (!r) {
		announce(p);
		r = start_lists(p, e);
	}
	if (!r)
		r = read_source(p, e);
	if (!r)
		r = interrupted(e);
	if (!r && !p->o->dry_run && !p->o->plain)
		r = content_guess(&p->content, e);
	if (!r && !content_guessing(&p->content))
		phase(p, "comparing");
	if (!r)
		r = locate(p, e);
	if (!r)
		r = interrupted(e);
	if (!r)
		r = compare(p, e);
	phase(p, NULL);
	if (!r && p->o->dry_run && !p->o->session->quiet &&
	    !p->o->session->json)
		preview_print(&p->scan, p->o->plain ? NULL : &p->diff,
			      &p->extras, p->dest.dir, strlen(p->base.dir));
	if (!r)
		r = p->o->plain ? change_plain(p, e) : change(p, e);
	if (r)
		return r;
	if (notes_count(&p->skipped)) {
		notes_log(&p->skipped, false);
		p->result.warnings++;
	}
	p->result.files = p->scan.files;
	p->result.dirs = p->scan.dirs;
	p->result.symlinks = p->scan.symlinks;
	p->result.bytes = p->scan.bytes;
	return 0;
}

static int find_target(struct push *p, struct err *e)
{
	return sources_dest(&p->o->sources, p->o->dest,
			    p->session->source.prefix, &p->dest, e);
}

static int push_once(struct push_result *ret_result, struct session *session,
		     const struct push_options *o, bool *ret_crossed,
		     struct err *e)
{
	struct push p;
	int r;

	push_init(&p, session, o);
	r = find_target(&p, e);
	if (!r)
		r = run(&p, e);
	*ret_result = p.result;
	*ret_crossed = p.crossed;
	push_done(&p);
	return r;
}

/* What was there before this push is what its first attempt found: the later
 * ones find also what that one has sent. */
static void tell_as_first(struct push_result *last,
			  const struct push_result *first)
{
	last->unchanged = first->unchanged;
	last->unchanged_bytes = first->unchanged_bytes;
	last->reused_bytes = first->reused_bytes;
}

int push_run(struct push_result *ret_result, struct session *session,
	     const struct push_options *o, struct err *e)
{
	struct push_result first = { 0 }, last = { 0 };

	for (unsigned int n = 1;; n++) {
		struct timespec wait = { JOIN_S, 0 };
		bool crossed;
		int r = push_once(&last, session, o, &crossed, e);

		if (n == 1)
			first = last;
		tell_as_first(&last, &first);
		if (!r)
			*ret_result = last;
		if (!crossed || r != -EAGAIN || n == AGAIN_MAX)
			return r;
		log_warn("%s; looking again", e->text);
		err_clear(e);
		(void)nanosleep(&wait, NULL);
	}
}
