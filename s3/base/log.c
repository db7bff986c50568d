#include "s3/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define SECRETS 16
#define SECRET_MIN 8

/* The one place besides main that keeps mutable globals. */
static const char *program_name = "assetfs";
static bool use_syslog;
static atomic_int level_now = LOG_LEVEL_WARN;
static pthread_mutex_t secret_lock = PTHREAD_MUTEX_INITIALIZER;
static char secrets[SECRETS][128]; /* guarded by secret_lock */
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

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load(&level_now);
}

void log_secret(const char *secret)
{
	if (!secret || strlen(secret) < SECRET_MIN)
		return;
	pthread_mutex_lock(&secret_lock);
	for (size_t i = 0; i < SECRETS; i++)
		if (!strncmp(secrets[i], secret, sizeof(secrets[i]) - 1)) {
			pthread_mutex_unlock(&secret_lock);
			return;
		}
	(void)snprintf(secrets[secret_next], sizeof(secrets[0]), "%s", secret);
	secret_next = (secret_next + 1) % SECRETS;
	pthread_mutex_unlock(&secret_lock);
}

static void mask(char *line)
{
	pthread_mutex_lock(&secret_lock);
	for (size_t i = 0; i < SECRETS; i++) {
		size_t len = strlen(secrets[i]);
		char *hit = line;

		while (len && (hit = strstr(hit, secrets[i])))
			memset(hit, '*', len);
	}
	pthread_mutex_unlock(&secret_lock);
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const int priority[] = {LOG_ERR, LOG_WARNING, LOG_INFO,
				       LOG_DEBUG};
	static const char *const word[] = {"error: ", "warning: ", "",
					   "debug: "};
	char line[2048], out[2200];
	va_list ap;
	int len;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	mask(line);
	if (use_syslog) {
		syslog(priority[level], "%s%s", word[level], line);
		return;
	}
	/* One write a line, so that lines of two threads do not mix. */
	len = snprintf(out, sizeof(out), "%s: %s%s\n", program_name,
		       word[level], line);
	if (len > (int)sizeof(out) - 1)
		len = (int)sizeof(out) - 1;
	if (write(STDERR_FILENO, out, (size_t)len) < 0)
		return; /* nowhere left to say it */
}
