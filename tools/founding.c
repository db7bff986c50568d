/*
 * Both looks are one function. What they meet that is only announced is
 * contested; whether that came before or after its commit shows at the next look,
 * so the one after our own commit is repeated until it meets none.
 */
#include "tools/founding.h"

#include <errno.h>
#include <string.h>

#include "cache/commit.h"
#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "s3/base/pool.h"
#include "tools/keylist.h"
#include "tools/notes.h"

#define LOOKS_MAX 10

struct look {
	struct store *store;
	size_t announced; /* trees, contested by now */
	bool above; /* a tree stands */
	struct notes below; /* trees that hide what is pushed */
	struct err err; /* of the first contest that failed */
};

static void contest(void *arg, const char *dir)
{
	struct look *l = arg;
	struct err why = { 0 };

	l->announced++;
	log_debug("contesting the announcement of a tree at '%s'", dir);
	if (commit_contest(l->store, dir, &why) && !l->err.code)
		err_copy(&l->err, &why);
}

static void contest_below(struct look *l, const struct diff_input *in)
{
	struct tree_listed t;
	size_t pos = 0;

	while (tree_next_below(in->listed, in->dir, &pos, &t)) {
		CLEANUP_FREE char *dir = NULL;

		if (!tree_is_announcement(t.seq, t.object))
			continue;
		dir = strndup(t.dir, t.dir_len);
		if (dir)
			contest(l, dir);
		else
			err_set(&l->err, -ENOMEM, "out of memory");
	}
}

static void look_init(struct look *l, struct store *s)
{
	*l = (struct look){ .store = s };
	notes_init(&l->below);
}

static void look_done(struct look *l)
{
	notes_done(&l->below);
}

static int look_round(struct founding *f, struct look *l, struct err *e)
{
	CLEANUP(keylist_done) struct keylist now = { 0 };
	struct diff_input in = *f->in;
	int r;

	r = keylist_start(&now, f->store, f->prefix, NULL, NULL, e);
	if (!r)
		r = tree_above(f->store, in.dir, contest, l, &l->above, e);
	if (!r)
		r = keylist_wait(&now, e);
	if (r)
		return r;
	in.listed = &now.all;
	contest_below(l, &in);
	diff_other_trees(&in, &l->below);
	return l->err.code ? err_copy(e, &l->err) : 0;
}

static void *announce_and_look(void *arg)
{
	struct founding *f = arg;
	CLEANUP(look_done) struct look l;
	int r;

	look_init(&l, f->store);
	r = commit_announce(f->store, f->cache, f->in->dir, f->single_writer,
			    &f->err);
	if (r)
		return NULL;
	f->announced = true;
	r = look_round(f, &l, &f->err);
	f->alone = !r && !l.announced && !l.above && !notes_count(&l.below);
	return NULL;
}

void founding_begin(struct founding *f)
{
	f->running = !pool_start_thread(&f->thread, announce_and_look, f);
}

int founding_end(struct founding *f, struct err *e)
{
	if (!f->running)
		return 0;
	(void)pthread_join(f->thread, NULL);
	f->running = false;
	if (f->err.code == -EOPNOTSUPP)
		return err_copy(e, &f->err);
	if (f->err.code)
		log_debug("announcing a tree at '%s': %s", f->in->dir,
			  f->err.text);
	return 0;
}

bool founding_contested(const struct diff_input *in)
{
	struct tree_listed t;
	size_t pos = 0;

	while (tree_next_below(in->listed, in->dir, &pos, &t)) {
		if (tree_is_announcement(t.seq, t.object))
			return true;
	}
	return in->base->contested;
}

static int yield_to_above(struct founding *f, struct err *e)
{
	const char *dir = f->in->base->dir;
	int r = commit_unfound(f->store, f->in->base, e);

	if (r)
		return err_wrap(e, r,
				"a tree above '%s' was founded meanwhile, what "
				"it has there is hidden",
				dir);
	return err_set(e, -EAGAIN,
		       "a tree above '%s' was founded meanwhile: run it again",
		       dir);
}

static int check_once(struct founding *f, bool *ret_again, struct err *e)
{
	CLEANUP(look_done) struct look l;
	size_t count;
	int r;

	look_init(&l, f->store);
	r = look_round(f, &l, e);
	if (r)
		return r;
	if (l.above)
		return yield_to_above(f, e);
	count = notes_count(&l.below);
	*ret_again = l.announced;
	if (!count)
		return 0;
	notes_log(&l.below, false);
	return err_set(e, -EAGAIN,
		       "%zu %s founded below '%s' meanwhile and %s what was "
		       "pushed there",
		       count, count == 1 ? "tree was" : "trees were",
		       f->in->base->dir, count == 1 ? "hides" : "hide");
}

int founding_check(struct founding *f, struct err *e)
{
	for (unsigned int i = 0; i < LOOKS_MAX; i++) {
		bool again = false;
		int r = check_once(f, &again, e);

		if (r || !again)
			return r;
	}
	return err_set(e, -EBUSY,
		       "trees are announced above or below '%s' all the time: "
		       "look whether what was pushed shows, and push it again",
		       f->in->base->dir);
}
