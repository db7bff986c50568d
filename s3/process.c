/*
 * The program runs in a process group of its own, so that one that takes too
 * long is ended with all it has started. It is over when the program itself has
 * ended: something it left in the background may hold the pipes open for good.
 */
#include "s3/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3/base/clock.h"
#include "s3/creds_json.h"

#define OUTPUT_MAX (64 << 10)
#define ERROR_MAX (16 << 10)
#define SHOWN_MAX 240
#define TIME_MAX_MS 60000
#define TICK_MS 50

extern char **environ;

/* ---- words ------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies one word; NULL for an open quote. */
static const char *copy_word(struct buf *out, const char *p)
{
	while (*p && !is_space(*p)) {
		char quote = *p == '\'' || *p == '"' ? *p++ : 0;

		while (quote && *p && *p != quote) {
			/* Within "", a backslash is special before these. */
			if (quote == '"' && *p == '\\' &&
			    (p[1] == '"' || p[1] == '\\'))
				p++;
			(void)buf_add_char(out, *p++);
		}
		if (quote && !*p++)
			return NULL;
		if (quote)
			continue;
		if (*p == '\\' && !*++p)
			return NULL;
		(void)buf_add_char(out, *p++);
	}
	(void)buf_add_char(out, '\0');
	return p;
}

int process_split(char *words[PROCESS_WORDS_MAX + 1], struct buf *room,
		  const char *line, struct err *e)
{
	size_t count = 0;
	const char *p = line;

	/* Words are never longer than the line; it must not move. */
	if (!buf_reserve(room, 2 * strlen(line) + 2))
		return err_set(e, -ENOMEM, "out of memory");
	for (;;) {
		while (is_space(*p))
			p++;
		if (!*p)
			break;
		if (count == PROCESS_WORDS_MAX)
			return err_set(e, -EINVAL, "more than %d words",
				       PROCESS_WORDS_MAX);
		words[count++] = room->data + room->len;
		p = copy_word(room, p);
		if (!p)
			return err_set(e, -EINVAL,
				       "a quote or backslash is left open");
	}
	words[count] = NULL;
	return count ? 0 : err_set(e, -EINVAL, "no program is named");
}

/* ---- running ----------------------------------------------------------- */

struct run {
	pid_t pid;
	struct pollfd pipes[2]; /* standard output, standard error; -1: ended */
	struct buf texts[2];
	bool overflow; /* more output than we take */
	bool ended;
	int status; /* of waitpid */
};

static int start(struct run *x, char **words, struct err *e)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int out[2], err[2], r;
	sigset_t none, all;

	if (pipe2(out, O_CLOEXEC))
		return err_set(e, -errno, "pipe: %m");
	if (pipe2(err, O_CLOEXEC)) {
		r = err_set(e, -errno, "pipe: %m");
		(void)close(out[0]);
		(void)close(out[1]);
		return r;
	}
	/* Our threads block signals, and we may ignore some: not so it. */
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGKILL);
	(void)sigdelset(&all, SIGSTOP);
	r = posix_spawn_file_actions_init(&files);
	if (!r)
		r = posix_spawnattr_init(&attr);
	if (!r) {
		(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null",
						       O_RDONLY, 0);
		(void)posix_spawn_file_actions_adddup2(&files, out[1], 1);
		(void)posix_spawn_file_actions_adddup2(&files, err[1], 2);
		(void)posix_spawnattr_setsigmask(&attr, &none);
		(void)posix_spawnattr_setsigdefault(&attr, &all);
		(void)posix_spawnattr_setpgroup(&attr, 0);
		(void)posix_spawnattr_setflags(
			&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
				       POSIX_SPAWN_SETPGROUP);
		r = posix_spawnp(&x->pid, words[0], &files, &attr, words,
				 environ);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&files);
	(void)close(out[1]);
	(void)close(err[1]);
	x->pipes[0] = (struct pollfd){ .fd = out[0], .events = POLLIN };
	x->pipes[1] = (struct pollfd){ .fd = err[0], .events = POLLIN };
	for (size_t i = 0; i < 2; i++)
		(void)fcntl(x->pipes[i].fd, F_SETFL, O_NONBLOCK);
	if (r)
		x->pid = -1;
	return r ? err_set(e, -EACCES, "'%s' cannot be run: %s", words[0],
			   strerror(r))
		 : 0;
}

static void drain(struct run *x, size_t i)
{
	char piece[4096];
	ssize_t n;

	while (x->pipes[i].fd >= 0) {
		n = read(x->pipes[i].fd, piece, sizeof(piece));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			(void)close(x->pipes[i].fd);
			x->pipes[i].fd = -1;
		} else if (buf_add(&x->texts[i], piece, (size_t)n) && i == 0) {
			x->overflow = true;
			break;
		}
	}
	explicit_bzero(piece, sizeof(piece));
}

static void look(struct run *x)
{
	pid_t pid = waitpid(x->pid, &x->status, WNOHANG);

	x->ended = pid == x->pid || (pid < 0 && errno != EINTR);
	drain(x, 0);
	drain(x, 1);
}

static int run_to_end(struct run *x, const atomic_bool *stop, struct err *e)
{
	uint64_t until_ms = clock_now_ms() + TIME_MAX_MS;

	for (;;) {
		look(x);
		if (x->ended || x->overflow)
			break;
		if (stop && atomic_load(stop))
			return err_set(e, -ECANCELED, "cancelled");
		if (clock_now_ms() > until_ms)
			return err_set(e, -EACCES, "not done after %d s",
				       TIME_MAX_MS / 1000);
		(void)poll(x->pipes, 2, TICK_MS);
		/* With both pipes closed poll only waits. */
	}
	return x->overflow ? err_set(e, -EACCES, "it printed over 64 KiB") : 0;
}

static void end(struct run *x)
{
	if (x->pid > 0 && !x->ended) {
		(void)kill(-x->pid, SIGKILL);
		while (waitpid(x->pid, &x->status, 0) < 0 && errno == EINTR)
			;
	}
	for (size_t i = 0; i < 2; i++) {
		if (x->pipes[i].fd >= 0)
			(void)close(x->pipes[i].fd);
		if (x->texts[i].data)
			explicit_bzero(x->texts[i].data, x->texts[i].len);
		buf_done(&x->texts[i]);
	}
}

/* The last words tell most; in one line. */
static void show(char *out, size_t size, const struct buf *text)
{
	size_t len = text->len, skip;

	while (len && is_space(text->data[len - 1]))
		len--;
	skip = len >= size ? len - size + 1 : 0;
	while (skip < len && ((unsigned char)text->data[skip] & 0xc0) == 0x80)
		skip++;
	for (size_t i = skip; i < len; i++)
		*out++ = (unsigned char)text->data[i] < ' ' ? ' '
							    : text->data[i];
	*out = '\0';
}

static int judge(const struct run *x, struct err *e)
{
	char said[SHOWN_MAX];

	if (WIFEXITED(x->status) && !WEXITSTATUS(x->status))
		return 0;
	show(said, sizeof(said), &x->texts[1]);
	return err_set(e, -EACCES, "it ended with %s %d%s%s",
		       WIFEXITED(x->status) ? "status" : "signal",
		       WIFEXITED(x->status) ? WEXITSTATUS(x->status)
					    : WTERMSIG(x->status),
		       *said ? ": " : "", said);
}

int process_keys(struct creds_keys **ret_keys, const char *line,
		 const struct creds_context *c, struct err *e)
{
	CLEANUP_BUF struct buf room = BUF_INIT(256 << 10);
	struct run x = { .pid = -1,
			 .pipes = { { .fd = -1 }, { .fd = -1 } },
			 .texts = { BUF_INIT(OUTPUT_MAX),
				    BUF_INIT(ERROR_MAX) } };
	char *words[PROCESS_WORDS_MAX + 1];
	int r = process_split(words, &room, line, e);

	/* All at once: growing would leave copies behind. */
	if (!r && !buf_reserve(&x.texts[0], OUTPUT_MAX))
		r = err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = start(&x, words, e);
	if (!r)
		r = run_to_end(&x, c->stop, e);
	if (!r)
		r = judge(&x, e);
	if (!r)
		r = creds_json_read(ret_keys, x.texts[0].data, x.texts[0].len,
				    true, e);
	end(&x);
	if (r)
		return r == -EINVAL ? -EACCES : r;
	if (creds_keys_from(*ret_keys, "credential_process '%s'", words[0])) {
		creds_keys_put(*ret_keys);
		return err_set(e, -ENOMEM, "out of memory");
	}
	return 1;
}
