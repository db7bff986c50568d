/*
 * assetfs: mounts a bucket. Wiring only: what is made of what, and in which
 * order it ends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/daemon.h"
#include "fs/mountpoint.h"
#include "fs/server.h"
#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "s3/base/pool.h"
#include "s3/bill.h"
#include "s3/source.h"

#define START_TIMEOUT_MS 10000

struct parts {
	struct source source;
	struct pool *pool;
	struct mount mount;
	struct server *server;
};

static void parts_done(struct parts *p)
{
	/* Answers what is under way, while the session can still take it. */
	fetch_free(p->mount.fetch); /* its answers speak to the view */
	view_free(p->mount.view);
	server_unmount(p->server);
	waits_free(p->mount.waits);
	pool_free(p->pool);
	cache_free(p->mount.cache);
	source_done(&p->source);
	/* libfuse keeps a pipe for each thread that answered; those have
	 * ended by now. */
	server_free(p->server);
	handles_done(&p->mount.handles);
	sweep_free(p->mount.sweep);
	inode_table_free(p->mount.inodes);
}

static int open_cache(struct mount *m, const struct options *o, struct err *e)
{
	const struct cache_options co = { .dir = o->cache_dir,
					  .size = o->cache_size };
	struct err why = { 0 };
	int rc;

	rc = cache_open(&m->cache, &co, &why);
	if (!rc)
		return 0;
	m->cache = NULL;
	/* A directory that was asked for has to do; the default one need not. */
	if (o->cache_dir)
		return err_copy(e, &why);
	log_warn("%s; going on without a cache", why.text);
	return 0;
}

/* What starts threads: they are not to take the signals of the session. */
static int open_threads(struct parts *p, const struct options *o, struct err *e)
{
	struct fetch_options fo = { 0 };
	int rc;

	rc = source_open(&p->source, o->source, &o->store, e);
	if (rc)
		return rc;
	rc = open_cache(&p->mount, o, e);
	if (rc)
		return rc;
	rc = pool_open(&p->pool, 0, e);
	if (rc)
		return rc;
	fo = (struct fetch_options){
		.store = p->source.store,
		.cache = p->mount.cache,
		.pool = p->pool,
	};
	rc = fetch_open(&p->mount.fetch, &fo, e);
	if (rc)
		return rc;
	return waits_open(&p->mount.waits, e);
}

static int open_names(struct parts *p, const struct options *o, struct err *e)
{
	const struct view_options vo = {
		.store = p->source.store,
		.cache = p->mount.cache,
		.prefix = p->source.prefix,
		.uid = o->uid,
		.gid = o->gid,
		.file_mode = o->file_mode,
		.dir_mode = o->dir_mode,
		.ttl_ms = o->ttl_ms,
		.reads = true,
	};
	const struct view_node *root = NULL;
	int rc;

	rc = view_open(&p->mount.view, &vo, START_TIMEOUT_MS, e);
	if (rc)
		return rc;
	rc = view_lookup_wait(p->mount.view, "", true, &root, e);
	if (rc)
		return rc;
	if (inode_table_open(&p->mount.inodes, root) ||
	    sweep_open(&p->mount.sweep))
		rc = err_set(e, -ENOMEM, "out of memory");
	view_node_unref(root);
	return rc;
}

static int open_parts(struct parts *p, const struct options *o, struct err *e)
{
	sigset_t ours, before;
	int rc;

	(void)sigemptyset(&ours);
	(void)sigaddset(&ours, SIGHUP);
	(void)sigaddset(&ours, SIGINT);
	(void)sigaddset(&ours, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ours, &before);
	rc = open_threads(p, o, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	p->mount.max_background = o->max_background;
	return rc ? rc : open_names(p, o, e);
}

static void say_what_it_took(const struct parts *p, const struct options *o,
			     const char *mountpoint)
{
	CLEANUP_BUF struct buf text = BUF_INIT(1024);
	struct cache_stats cache = { 0 };
	struct store_counts counts;

	store_counts(p->source.store, &counts);
	if (p->mount.cache)
		cache_stats(p->mount.cache, &cache);
	(void)bill_add_requests(&text, &counts);
	if (strncmp(o->source, "file:", 5) != 0)
		(void)bill_add_price(&text, &counts);
	log_info("'%s' at '%s' ends: %s; cache: %llu hits, %llu misses",
		 o->source, mountpoint, text.data ? text.data : "",
		 (unsigned long long)cache.hits,
		 (unsigned long long)cache.misses);
}

static int serve(struct daemon *d, struct parts *p, const struct options *o,
		 const char *mountpoint, struct err *e)
{
	int rc;

	rc = open_parts(p, o, e);
	if (rc)
		return err_wrap(e, rc, "cannot mount '%s'", o->source);
	rc = server_open(&p->server, &p->mount, o, mountpoint, e);
	if (rc)
		return rc;
	daemon_ready(d);
	log_info("mounted '%s' at '%s'", o->source, mountpoint);
	rc = server_loop(p->server, e);
	say_what_it_took(p, o, mountpoint);
	return rc;
}

static void say_what_is_ignored(const struct options *o)
{
	if (o->ignored)
		log_warn("without a meaning here, ignored: %s", o->ignored);
	if (!o->read_only)
		log_warn("writing is not available: mounting read-only (the "
			 "word ro says that it is meant)");
}

static int run(struct daemon *d, const struct options *o, struct err *e)
{
	CLEANUP_FREE char *mountpoint = NULL;
	struct parts parts = { 0 };
	int rc;

	rc = mountpoint_prepare(&mountpoint, o->mountpoint, e);
	if (!rc)
		rc = daemon_start(d, o->foreground, o->logfile, e);
	if (rc)
		return rc;
	handles_init(&parts.mount.handles);
	rc = serve(d, &parts, o, mountpoint, e);
	parts_done(&parts);
	return rc;
}

static int print(const char *text, struct err *e)
{
	if (fputs(text, stdout) < 0 || fflush(stdout))
		return err_set(e, -EIO, "cannot write the output");
	return 0;
}

int main(int argc, char **argv)
{
	struct daemon d = { .foreground = true, .pipe_fd = -1 };
	struct options o;
	struct err e = { 0 };
	int rc;

	io_hold_std();
	(void)signal(SIGPIPE, SIG_IGN); /* nobody may read the warnings */
	options_init(&o);
	rc = options_parse(&o, argc, argv, &e);
	if (!rc && o.help) {
		rc = print(options_help, &e);
	} else if (!rc && o.version) {
		rc = print("assetfs " ASSETFS_VERSION "\n", &e);
	} else if (!rc) {
		log_level_set(o.level);
		say_what_is_ignored(&o);
		rc = run(&d, &o, &e);
	}
	if (rc)
		daemon_failed(&d, &e);
	options_done(&o);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
