/*
 * The first message of the kernel, INIT, is handled by the thread that mounts:
 * after it the mount is known to work, and the kernel has set the read-ahead
 * that an option may want to raise.
 */
#include "fs/server.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/mountpoint.h"
#include "fs/ops.h"
#include "s3/base/log.h"

#define IDLE_THREADS 10

struct server {
	struct fuse_session *fuse;
	bool signals; /* handlers are installed */
	bool mounted;
};

/* What libfuse has to say goes where our words go. */
__attribute__((format(printf, 2, 0))) static void
log_libfuse(enum fuse_log_level level, const char *fmt, va_list args)
{
	char line[400];
	size_t len;

	if (vsnprintf(line, sizeof(line), fmt, args) < 0)
		return;
	len = strlen(line);
	if (len && line[len - 1] == '\n')
		line[len - 1] = '\0';
	if (level <= FUSE_LOG_WARNING)
		log_warn("%s", line);
	else
		log_debug("%s", line);
}

static void free_textp(char **text)
{
	free(*text);
}

/* The option list for the kernel. ret_list: of libfuse's making (free). */
static int mount_options(const struct options *o, char **ret_list)
{
	static const char *const always[] = {
		"nosuid",
		"nodev",
		"ro",
		"default_permissions",
		"subtype=assetfs",
		"max_read=1048576",
	};
	CLEANUP(free_textp) char *list = NULL;
	CLEANUP_FREE char *name = NULL;
	int bad = 0;

	if (asprintf(&name, "fsname=%s", o->source) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		bad |= fuse_opt_add_opt(&list, always[i]);
	bad |= fuse_opt_add_opt_escaped(&list, name);
	if (o->noexec)
		bad |= fuse_opt_add_opt(&list, "noexec");
	if (o->allow_other)
		bad |= fuse_opt_add_opt(&list, "allow_other");
	if (o->allow_root)
		bad |= fuse_opt_add_opt(&list, "allow_root");
	if (o->auto_unmount)
		bad |= fuse_opt_add_opt(&list, "auto_unmount");
	if (bad)
		return -ENOMEM;
	*ret_list = TAKE_PTR(list);
	return 0;
}

static int make_session(struct server *s, struct mount *m,
			const struct options *o, struct err *e)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	CLEANUP(free_textp) char *list = NULL;

	if (mount_options(o, &list) || fuse_opt_add_arg(&args, "assetfs") ||
	    fuse_opt_add_arg(&args, "-o") || fuse_opt_add_arg(&args, list)) {
		fuse_opt_free_args(&args);
		return err_set(e, -ENOMEM, "out of memory");
	}
	s->fuse = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), m);
	fuse_opt_free_args(&args);
	if (!s->fuse)
		return err_set(e, -EINVAL, "libfuse refuses its options");
	return 0;
}

/* One message, on this thread. */
static int serve_one(struct server *s)
{
	struct fuse_buf buf = { 0 };
	int n;

	do
		n = fuse_session_receive_buf(s->fuse, &buf);
	while (n == -EINTR && !fuse_session_exited(s->fuse));
	if (n > 0)
		fuse_session_process_buf(s->fuse, &buf);
	free(buf.mem);
	return n > 0 ? 0 : n;
}

int server_open(struct server **ret_server, struct mount *m,
		const struct options *o, const char *mountpoint, struct err *e)
{
	CLEANUP(server_freep) struct server *s = NULL;
	int rc;

	fuse_set_log_func(log_libfuse);
	if (access("/dev/fuse", F_OK))
		return err_set(e, -ENODEV,
			       "/dev/fuse: %m; load the kernel module "
			       "(modprobe fuse), or give the container that "
			       "device");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	rc = make_session(s, m, o, e);
	if (rc)
		return rc;
	if (fuse_set_signal_handlers(s->fuse))
		return err_set(e, -EIO, "cannot handle signals");
	s->signals = true;
	errno = 0;
	if (fuse_session_mount(s->fuse, mountpoint))
		return err_set(e, errno ? -errno : -EIO,
			       "cannot mount at '%s': %s", mountpoint,
			       errno ? strerror(errno) : "see above");
	s->mounted = true;
	rc = serve_one(s);
	if (rc || fuse_session_exited(s->fuse))
		return err_set(e, rc ? rc : -EIO,
			       "the kernel ended the mount at '%s'",
			       mountpoint);
	if (o->read_ahead) {
		struct err why = { 0 };

		if (mountpoint_read_ahead(mountpoint, o->read_ahead, &why))
			log_warn("%s; going on without", why.text);
	}
	*ret_server = TAKE_PTR(s);
	return 0;
}

int server_loop(struct server *s, struct err *e)
{
	struct fuse_loop_config config = { .max_idle_threads = IDLE_THREADS };
	int rc = fuse_session_loop_mt(s->fuse, &config);

	/* Positive: the signal that ended it. */
	return rc < 0 ? err_set(e, rc, "serving the mount: %s", strerror(-rc))
		      : 0;
}

void server_unmount(struct server *s)
{
	if (!s || !s->mounted)
		return;
	fuse_session_unmount(s->fuse);
	s->mounted = false;
}

void server_free(struct server *s)
{
	if (!s)
		return;
	server_unmount(s);
	if (s->signals)
		fuse_remove_signal_handlers(s->fuse);
	if (s->fuse)
		fuse_session_destroy(s->fuse);
	free(s);
}
