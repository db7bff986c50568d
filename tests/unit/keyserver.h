/*
 * A server of access keys on loopback, and the surroundings of a test of them:
 * a home directory, the environment. The server answers by rules, the first
 * that fits; what fits none gets a 404.
 *
 * Threads: any; the rules are behind one lock. Include it in one file only.
 */
#ifndef TESTS_UNIT_KEYSERVER_H
#define TESTS_UNIT_KEYSERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "s3/base/clock.h"
#include "s3/base/io.h"
#include "tests/unit/tap.h"

#define RULES_MAX 8
#define ENV_MAX 8

/* In bodies and files: %P is the server's port, %H the home directory, and
 * %+N; is the time in N seconds. */
struct rule {
	const char *request; /* start of the request: "GET /x" */
	const char *with; /* text in its head or body, or NULL */
	int status; /* 0: say nothing, ever; < 0: not before it is released */
	const char *body;
	unsigned int times; /* it holds; 0: for good */
};

static struct {
	int listener, port;
	pthread_mutex_t lock;
	pthread_cond_t released;
	/* guarded by lock: */
	struct rule rules[RULES_MAX];
	unsigned int used[RULES_MAX];
	char last[8192]; /* the last request that fitted no rule */
	unsigned int count; /* requests */
	bool release;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER,
	     .released = PTHREAD_COND_INITIALIZER };

static char home[64];

/* ---- texts and files --------------------------------------------------- */

static inline void expand(char *out, size_t size, const char *text)
{
	size_t len = 0;

	for (const char *p = text; *p && len + 80 < size; p++) {
		char *end = NULL;
		time_t t;
		struct tm tm;

		out[len] = '\0';
		if (!strncmp(p, "%P", 2)) {
			len += (size_t)sprintf(out + len, "%d", server.port);
			p++;
		} else if (!strncmp(p, "%H", 2)) {
			len += (size_t)sprintf(out + len, "%s", home);
			p++;
		} else if (!strncmp(p, "%+", 2)) {
			t = (time_t)(clock_wall_s() + strtol(p + 2, &end, 10));
			(void)gmtime_r(&t, &tm);
			len += strftime(out + len, 40, "%Y-%m-%dT%H:%M:%SZ",
					&tm);
			p = end;
		} else {
			out[len++] = *p;
		}
	}
	out[len] = '\0';
}

static inline void write_file(const char *name, const char *text, mode_t mode)
{
	char path[256], full[8192];
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	expand(full, sizeof(full), text);
	if (io_replace_file(path, full, strlen(full), 0600, &e) ||
	    chmod(path, mode)) {
		printf("Bail out! %s: %s\n", name, e.text);
		exit(1);
	}
}

/* ---- the server -------------------------------------------------------- */

static inline bool read_request(int fd, char *text, size_t size)
{
	size_t len = 0, want = 0;
	char *end, *field;

	do {
		ssize_t n = recv(fd, text + len, size - 1 - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (end && !want) {
			field = strcasestr(text, "\r\ncontent-length: ");
			want = (size_t)(end + 4 - text);
			if (field)
				want += strtoul(field + 18, NULL, 10);
		}
	} while (!end || len < want);
	return true;
}

/* Writes the answer; returns its status as in the rule. */
static inline int choose(const char *text, char *out, size_t size)
{
	const struct rule *rule = NULL;
	char body[8192];

	pthread_mutex_lock(&server.lock);
	server.count++;
	for (size_t i = 0; i < RULES_MAX && !rule; i++) {
		const struct rule *r = &server.rules[i];

		if (!r->request ||
		    strncmp(text, r->request, strlen(r->request)))
			continue;
		if ((r->with && !strcasestr(text, r->with)) ||
		    (r->times && server.used[i] >= r->times))
			continue;
		server.used[i]++;
		rule = r;
	}
	if (!rule)
		(void)snprintf(server.last, sizeof(server.last), "%.8000s",
			       text);
	expand(body, sizeof(body), rule && rule->body ? rule->body : "");
	while (rule && rule->status < 0 && !server.release)
		pthread_cond_wait(&server.released, &server.lock);
	(void)snprintf(out, size,
		       "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n"
		       "ETag: \"e\"\r\nLast-Modified: Fri, 24 May 2013 "
		       "00:00:00 GMT\r\nConnection: close\r\n\r\n%s",
		       rule ? abs(rule->status) : 404, strlen(body), body);
	pthread_mutex_unlock(&server.lock);
	return rule ? rule->status : 404;
}

static inline void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char text[16384], answer[16384];

	if (read_request(fd, text, sizeof(text))) {
		if (!choose(text, answer, sizeof(answer)))
			(void)recv(fd, text, 1, 0); /* until it gives up */
		else if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
			printf("# nobody there any more\n");
	}
	(void)shutdown(fd, SHUT_RDWR);
	(void)close(fd);
	return NULL;
}

static inline void *accept_all(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept4(server.listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;

		if (fd < 0)
			return NULL;
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
			abort();
		(void)pthread_detach(thread);
	}
}

static inline void server_open(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	pthread_t thread;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.listener, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(server.listener, 128) ||
	    getsockname(server.listener, (struct sockaddr *)&a, &len) ||
	    pthread_create(&thread, NULL, accept_all, NULL))
		abort();
	(void)pthread_detach(thread);
	server.port = ntohs(a.sin_port);
}

static inline void set_rules(const struct rule *rules)
{
	pthread_mutex_lock(&server.lock);
	memcpy(server.rules, rules, sizeof(server.rules));
	memset(server.used, 0, sizeof(server.used));
	server.last[0] = '\0';
	server.count = 0;
	server.release = false;
	pthread_mutex_unlock(&server.lock);
}

static inline void release(void)
{
	pthread_mutex_lock(&server.lock);
	server.release = true;
	pthread_cond_broadcast(&server.released);
	pthread_mutex_unlock(&server.lock);
}

static inline unsigned int asked(void)
{
	unsigned int count;

	pthread_mutex_lock(&server.lock);
	count = server.count;
	pthread_mutex_unlock(&server.lock);
	return count;
}

/* ---- the surroundings -------------------------------------------------- */

static inline void clear_env(void)
{
	static const char *const names[] = {
		"AWS_ACCESS_KEY_ID",
		"AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN",
		"AWS_PROFILE",
		"AWS_SHARED_CREDENTIALS_FILE",
		"AWS_CONFIG_FILE",
		"AWS_ROLE_ARN",
		"AWS_ROLE_SESSION_NAME",
		"AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		"AWS_ENDPOINT_URL",
		"AWS_ENDPOINT_URL_STS",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
		"AWS_METADATA_SERVICE_NUM_ATTEMPTS",
		"AWS_METADATA_SERVICE_TIMEOUT",
		"http_proxy",
		"ALL_PROXY",
	};

	for (size_t i = 0; i < TAP_COUNT(names); i++)
		(void)unsetenv(names[i]);
	(void)setenv("HOME", home, 1);
	(void)setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

static inline void set_env(const char *const *env)
{
	clear_env();
	for (size_t i = 0; i < ENV_MAX && env[i]; i++) {
		char text[512];
		char *value;

		expand(text, sizeof(text), env[i]);
		value = strchr(text, '=');
		*value = '\0';
		(void)setenv(text, value + 1, 1);
	}
}

static inline void surroundings_open(void)
{
	char path[256];

	(void)snprintf(home, sizeof(home), "/tmp/test_keys.XXXXXX");
	if (!mkdtemp(home))
		abort();
	(void)snprintf(path, sizeof(path), "%s/.aws", home);
	(void)mkdir(path, 0700);
	server_open();
}

static inline void surroundings_close(void)
{
	static const char *const names[] = { ".aws/config", ".aws", "file" };
	char path[256];

	for (size_t i = 0; i < TAP_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", home, names[i]);
		(void)remove(path); /* some are not there */
	}
	(void)rmdir(home);
}

/* ---- answers ------------------------------------------------------------ */

#define JSON(access, more)                                                     \
	"{\"AccessKeyId\":\"" access "\",\"SecretAccessKey\":\"SK-" access     \
	"\"" more "}"
#define TEMPORARY(access, seconds)                                             \
	JSON(access, ",\"Token\":\"TK-" access                                 \
		     "\",\"Expiration\":\"%+" #seconds ";\"")
#define CONTAINER "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%P/keys"

#endif
