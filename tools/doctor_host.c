#include "tools/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/base/cleanup.h"
#include "s3/base/human.h"

#define FUSE_DEVICE "/dev/fuse"
#define FUSE_CONF "/etc/fuse.conf"
#define LITTLE (1ull << 30) /* bytes: a cache that holds no scene */

/* ---- FUSE ---------------------------------------------------------------- */

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	CLEANUP_FREE char *copy = strdup(path ? path : "/usr/bin:/bin");
	char *rest = copy;

	while (rest) {
		const char *dir = strsep(&rest, ":");
		CLEANUP_BUF struct buf name = BUF_INIT(4096);

		if (!buf_addf(&name, "%s/%s", *dir ? dir : ".", program) &&
		    !access(name.data, X_OK))
			return true;
	}
	return false;
}

static bool others_allowed(void)
{
	FILE *f = fopen(FUSE_CONF, "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "user_allow_other", 16) &&
			strchr(" \t\r\n", line[16]);
	if (f)
		(void)fclose(f);
	return found;
}

static void look_at_fuse(struct doctor *d)
{
	CLEANUP_FD int fd = open(FUSE_DEVICE, O_RDWR | O_CLOEXEC);
	bool root = !geteuid();

	if (fd < 0 && errno == ENOENT)
		doctor_note(d, DOCTOR_FAIL, "fuse",
			    FUSE_DEVICE " is not there, so nothing can be "
					"mounted: modprobe fuse, or give the "
					"container that device");
	else if (fd < 0)
		doctor_note(d, DOCTOR_FAIL, "fuse",
			    FUSE_DEVICE ": %m, so nothing can be mounted: the "
					"device wants mode 0666, and a "
					"container the right to use it");
	else if (!root && !in_path("fusermount3"))
		doctor_note(d, DOCTOR_FAIL, "fuse",
			    "fusermount3 is not in PATH, which others than "
			    "root need to mount: install fuse3");
	else if (root)
		doctor_note(d, DOCTOR_OK, "fuse", FUSE_DEVICE " can be used");
	else
		doctor_note(d, DOCTOR_OK, "fuse",
			    FUSE_DEVICE " and fusermount3 can be used; "
					"allow_other %s",
			    others_allowed()
				    ? "is allowed"
				    : "is not: user_allow_other is not in "
				      "" FUSE_CONF);
}

/* ---- cache --------------------------------------------------------------- */

static void tell_cache(struct doctor *d, struct cache *c)
{
	CLEANUP_BUF struct buf text = BUF_INIT(8192);
	struct cache_stats st = { 0 };
	struct statvfs fs = { .f_frsize = 0 };
	bool little;

	cache_stats(c, &st);
	little = st.limit < LITTLE;
	(void)buf_addf(&text, "'%s', yours alone, its index is whole; ",
		       cache_dir(c));
	(void)human_add_size(&text, "", st.used, " of ");
	(void)human_add_size(&text, "", st.limit, " used");
	if (!statvfs(cache_dir(c), &fs))
		(void)human_add_size(&text, ", ",
				     (uint64_t)fs.f_bavail * fs.f_frsize,
				     " free on that disk");
	doctor_note(d, little ? DOCTOR_WARN : DOCTOR_OK, "cache", "%s%s",
		    text.data ? text.data : "",
		    little ? "; that is little: raise cache_size, or choose "
			     "another disk by cache_dir"
			   : "");
}

static void look_at_cache(struct doctor *d)
{
	const struct cache_options co = { .dir = d->options->cache_dir,
					  .size = d->options->cache_size };
	struct cache *c = NULL;
	struct err e = { 0 };

	/* A mount refuses a directory that was asked for, and does without the
	 * default one. */
	if (cache_open(&c, &co, &e))
		doctor_note(d, co.dir ? DOCTOR_FAIL : DOCTOR_WARN, "cache",
			    "%s%s", e.text,
			    co.dir ? "" : "; all goes on without a cache");
	else
		tell_cache(d, c);
	cache_free(c);
}

void doctor_host(struct doctor *d)
{
	look_at_fuse(d);
	look_at_cache(d);
}
