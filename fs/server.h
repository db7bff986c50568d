/*
 * The FUSE session: mounted, served until it is unmounted or a signal ends it.
 *
 * Threads: one; requests are handled by threads of libfuse.
 */
#pragma once

#include "fs/mount.h"
#include "fs/options.h"

struct server;

/*
 * Mounts at `mountpoint` (absolute) and answers the kernel's INIT, so that the
 * file system works once server_loop runs. mount: borrowed, outlives the
 * session. Errors: -ENODEV no FUSE in this kernel, -EPERM, -EIO, …
 */
int server_open(struct server **ret_server, struct mount *m,
		const struct options *o, const char *mountpoint, struct err *e);
/* Serves until umount(2), SIGTERM, SIGINT or SIGHUP; returns 0 then. What is
 * under way may still be answered. */
int server_loop(struct server *s, struct err *e);
/* No call is under way any more. NULL is accepted. */
void server_unmount(struct server *s);
/* Every thread that answered a call has ended. Unmounts if need be. NULL is
 * accepted. */
void server_free(struct server *s);
DEFINE_CLEANUP(struct server *, server_free)
