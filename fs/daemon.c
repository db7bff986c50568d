/*
 * One pipe, one message: "+" for success, else the text of the failure. The
 * end of the pipe without a message means that the child died.
 *
 * Log lines of the child go to the log file, or to syslog, from the fork on, so
 * that no thread sees the target change. Its stderr stays open until the mount
 * works, for what helpers such as fusermount3 may have to say.
 */
#include "fs/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "s3/base/log.h"

/* In the parent: passes the child's word on as its own exit. */
static _Noreturn void wait_for_child(pid_t child, int fd)
{
	char text[sizeof(((struct err *)NULL)->text) + 1];
	size_t len = 0;
	ssize_t n;
	int status = 0;

	while (len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (text[0] == '+')
			_exit(0);
	}
	text[len] = '\0';
	if (len) {
		log_error("%s", text);
		_exit(1);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		log_error("ended by signal %d before it was mounted",
			  WTERMSIG(status));
	else
		log_error("ended before it was mounted");
	_exit(1);
}

/* Best effort: the terminal stays open if it fails. */
static void point_to(int fd, const char *path, int flags)
{
	CLEANUP_FD int opened = open(path, flags | O_CLOEXEC);

	if (opened >= 0)
		(void)dup2(opened, fd);
}

int daemon_start(struct daemon *d, bool foreground, const char *logfile,
		 struct err *e)
{
	CLEANUP_FD int log_fd = -1;
	int fds[2];
	pid_t child;

	*d = (struct daemon){ .foreground = foreground, .pipe_fd = -1 };
	if (logfile) {
		log_fd = open(logfile,
			      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (log_fd < 0)
			return err_set(e, -errno, "logfile '%s': %m", logfile);
	}
	if (!foreground) {
		if (pipe2(fds, O_CLOEXEC))
			return err_set(e, -errno, "pipe: %m");
		child = fork();
		if (child < 0) {
			(void)err_set(e, -errno, "fork: %m");
			(void)close(fds[0]); /* never used */
			(void)close(fds[1]);
			return -EAGAIN;
		}
		if (child) {
			(void)close(fds[1]); /* so that its end is seen */
			wait_for_child(child, fds[0]);
		}
		(void)close(fds[0]); /* the parent's end */
		d->pipe_fd = fds[1];
		(void)setsid(); /* fails for a leader, which it is then */
	}
	if (log_fd >= 0 && dup2(log_fd, STDERR_FILENO) < 0)
		return err_set(e, -errno, "logfile '%s': %m", logfile);
	log_open("assetfs", !foreground && !logfile);
	d->keep_stderr = foreground || logfile;
	return 0;
}

void daemon_ready(struct daemon *d)
{
	if (d->foreground || d->pipe_fd < 0)
		return;

	if (chdir("/"))
		log_warn("cannot change to the root directory: %s",
			 strerror(errno));
	point_to(STDIN_FILENO, "/dev/null", O_RDONLY);
	point_to(STDOUT_FILENO, "/dev/null", O_WRONLY);
	if (!d->keep_stderr)
		point_to(STDERR_FILENO, "/dev/null", O_WRONLY);
	(void)io_write_full(d->pipe_fd, "+", 1); /* a parent that was killed */
	(void)close(d->pipe_fd);
	d->pipe_fd = -1;
}

void daemon_failed(struct daemon *d, const struct err *e)
{
	if (d->pipe_fd < 0) {
		log_error("%s", e->text);
		return;
	}
	/* Nobody is left to tell if the parent was killed. */
	(void)io_write_full(d->pipe_fd, e->text, strlen(e->text));
	(void)close(d->pipe_fd);
	d->pipe_fd = -1;
}
