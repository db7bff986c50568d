/*
 * The mark is a small file that tells size, inode and mtime of data.mdb as its
 * last user left it. A file that was cut or written to afterwards does not fit
 * it, and is walked like one whose last user never left a mark.
 *
 * The child answers through a pipe and not by its exit status alone, since a
 * host program may ignore SIGCHLD.
 */
#include "cache/dbcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/io.h"
#include "s3/base/log.h"

#define WALK_MAX_S 120
#define MARK_NAME "clean"
#define DATA_NAME "data.mdb"
#define FREE_DBI 0 /* LMDB's list of free pages, fixed by its format */

static int path_in(char out[PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int mark_text(char *out, size_t room, const char *dir)
{
	char path[PATH_MAX];
	struct stat st;

	if (path_in(path, dir, DATA_NAME) || stat(path, &st))
		return -ENOENT;
	(void)snprintf(out, room, "%jd %ju %jd.%09ld\n", (intmax_t)st.st_size,
		       (uintmax_t)st.st_ino, (intmax_t)st.st_mtim.tv_sec,
		       st.st_mtim.tv_nsec);
	return 0;
}

void dbcheck_mark(const char *dir)
{
	char path[PATH_MAX], text[128];
	struct err e;

	if (path_in(path, dir, MARK_NAME) || mark_text(text, sizeof(text), dir))
		return;
	if (io_replace_file(path, text, strlen(text), 0600, &e))
		log_debug("cache: no mark of a clean end: %s", e.text);
}

/* Touches every byte of a table. */
static int walk_table(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	MDB_stat stat;
	volatile unsigned char seen = 0;
	size_t count = 0;
	int r = mdb_stat(txn, dbi, &stat);

	if (r || mdb_cursor_open(txn, dbi, &cursor))
		return -EIO;
	while (!(r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		const unsigned char *p = key.mv_data;

		for (size_t i = 0; i < key.mv_size; i++)
			seen = (unsigned char)(seen ^ p[i]);
		p = value.mv_data;
		for (size_t i = 0; i < value.mv_size; i++)
			seen = (unsigned char)(seen ^ p[i]);
		count++;
	}
	mdb_cursor_close(cursor);
	return r == MDB_NOTFOUND && count == stat.ms_entries ? 0 : -EIO;
}

static int walk_named(MDB_txn *txn, MDB_dbi main_dbi)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int r;

	if (mdb_cursor_open(txn, main_dbi, &cursor))
		return -EIO;
	while (!(r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
		char name[64];
		MDB_dbi dbi;

		if (key.mv_size >= sizeof(name))
			return -EIO;
		memcpy(name, key.mv_data, key.mv_size);
		name[key.mv_size] = '\0';
		if (mdb_dbi_open(txn, name, 0, &dbi) || walk_table(txn, dbi))
			return -EIO;
	}
	return r == MDB_NOTFOUND ? 0 : -EIO;
}

/* Leaks its handles: the process ends right after. */
static int walk_all(const char *dir)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, 32) ||
	    mdb_env_open(env, dir, MDB_RDONLY | MDB_NOLOCK, 0600) ||
	    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) ||
	    mdb_dbi_open(txn, NULL, 0, &dbi))
		return -EIO;
	if (walk_table(txn, FREE_DBI) || walk_table(txn, dbi))
		return -EIO;
	return walk_named(txn, dbi);
}

_Noreturn static void child_main(const char *dir, int answer)
{
	static const int fatal[] = { SIGALRM, SIGSEGV, SIGBUS, SIGABRT,
				     SIGILL,  SIGFPE,  SIGPIPE };
	const struct rlimit no_core = { 0, 0 };
	sigset_t none;
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		(void)signal(fatal[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	(void)alarm(WALK_MAX_S);
	if (null >= 0)
		(void)dup2(null, STDERR_FILENO); /* LMDB's last words */
	if (!walk_all(dir) && write(answer, "y", 1) == 1)
		_exit(0);
	_exit(1);
}

static bool child_walks(const char *dir)
{
	int pipe_fds[2], status;
	char answer = 'n';
	ssize_t n;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid) {
		(void)close(pipe_fds[0]);
		child_main(dir, pipe_fds[1]);
	}
	(void)close(pipe_fds[1]);
	do
		n = pid < 0 ? 0 : read(pipe_fds[0], &answer, 1);
	while (n < 0 && errno == EINTR);
	(void)close(pipe_fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return n == 1 && answer == 'y';
}

bool dbcheck_trusted(const char *dir)
{
	CLEANUP_BUF struct buf mark = BUF_INIT(4096);
	char path[PATH_MAX], now[128];
	bool clean;

	if (mark_text(now, sizeof(now), dir))
		return true;
	if (path_in(path, dir, MARK_NAME))
		return false;
	clean = !io_read_file(path, &mark, NULL) && mark.len &&
		!strcmp(mark.data, now);
	(void)unlink(path); /* a stale mark will not fit the file */
	return clean || child_walks(dir);
}
