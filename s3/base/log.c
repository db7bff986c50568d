#include "s3/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define SECRETS 64
#define SECRET_MIN 8

/* The one place besides main that keeps mutable globals. */
static const char *program_name = "assetfs";
static bool use_syslog;
static atomic_int level_now = LOG_LEVEL_WARN;
static atomic_bool overwrites;
static pthread_mutex_t secret_lock = PTHREAD_MUTEX_INITIALIZER;
static char *secrets[SECRETS]; /* guarded by secret_lock */
static size_t secret_next; /* guarded by secret_lock */

void log_open(const char *program, bool to_syslog)
{
	program_name = program;
	use_syslog = to_syslog;
	if (to_syslog)
		openlog(program, LOG_PID, LOG_DAEMON);
}

void log_level_set(enum log_level level)
{
	atomic_store(&level_now, (int)level);
}

void log_overwrites(bool on)
{
	atomic_store(&overwrites, on);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load(&level_now);
}

void log_secret(const char *secret)
{
	char *copy;

	if (!secret || strlen(secret) < SECRET_MIN)
		return;
	copy = strdup(secret);
	if (!copy)
		abort(); /* rather than to leak it later */
	pthread_mutex_lock(&secret_lock);
	for (size_t i = 0; i < SECRETS && copy; i++)
		if (secrets[i] && !strcmp(secrets[i], copy)) {
			free(copy);
			copy = NULL;
		}
	if (copy) {
		free(secrets[secret_next]);
		secrets[secret_next] = copy;
		secret_next = (secret_next + 1) % SECRETS;
	}
	pthread_mutex_unlock(&secret_lock);
}

/* A secret cut off at the end of a truncated line is one still. */
static void mask_tail(char *line, const char *secret)
{
	size_t len = strlen(line), n = strlen(secret);

	for (n = n < len ? n : len; n >= SECRET_MIN; n--)
		if (!strncmp(line + len - n, secret, n)) {
			memset(line + len - n, '*', n);
			return;
		}
}

static void mask(char *line, bool truncated)
{
	pthread_mutex_lock(&secret_lock);
	for (size_t i = 0; i < SECRETS; i++) {
		char *hit = line;

		if (!secrets[i])
			continue;
		while ((hit = strstr(hit, secrets[i])))
			memset(hit, '*', strlen(secrets[i]));
		if (truncated)
			mask_tail(line, secrets[i]);
	}
	pthread_mutex_unlock(&secret_lock);
}

/* Names and messages come from outside: one message stays one line. */
static void clean(char *line)
{
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO,
					LOG_DEBUG };
	static const char *const word[] = { "error: ", "warning: ", "",
					    "debug: " };
	bool over = atomic_load(&overwrites);
	char line[2048], out[2200];
	va_list ap;
	int len;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	mask(line, len >= (int)sizeof(line));
	clean(line);
	if (use_syslog) {
		syslog(priority[level], "%s%s", word[level], line);
		return;
	}
	/* One write a line, so that lines of two threads do not mix. */
	len = snprintf(out, sizeof(out), "%s%s: %s%s%s\n", over ? "\r" : "",
		       program_name, word[level], line, over ? "\033[K" : "");
	if (len > (int)sizeof(out) - 1)
		len = (int)sizeof(out) - 1;
	if (write(STDERR_FILENO, out, (size_t)len) < 0)
		return; /* nowhere left to say it */
}
