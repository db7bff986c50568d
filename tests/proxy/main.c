/*
 * A proxy for tests: it makes loopback behave like a distant server, logs one
 * line per request, and injects scripted faults. See flow.h for what is
 * modelled, fault.h for the faults, times.h for a clock that is moved.
 *
 * Usage: proxy --listen ADDRESS:PORT --to HOST:PORT [--rtt MS] [--slow-start]
 *              [--bandwidth BYTES/S] [--log FILE] [--faults FILE]
 *              [--clock-skew S] [--times FILE]
 *
 * Port 0 picks a free one; the port is printed once connections are taken.
 * SIGHUP reads the faults again, SIGTERM ends the proxy.
 *
 * Log: tab-separated lines, appended; times are milliseconds since the start:
 *   seq, begin, end, connection, method, kind, path and query as sent, Range
 *   or -, status (0: none), request body bytes, response body bytes, fault
 * where fault is the scripted one, "-", or "aborted" for a request whose
 * response did not come to its end.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "tests/proxy/conn.h"

#define N_EVENTS 256

TAILQ_HEAD(conn_list, conn);

static volatile sig_atomic_t stop_wanted, reload_wanted;

static void on_signal(int signal)
{
	if (signal == SIGHUP)
		reload_wanted = 1;
	else
		stop_wanted = 1;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct addrinfo *resolve(const char *where, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = flags };
	struct addrinfo *found;
	const char *colon = strrchr(where, ':');
	char host[256];
	int r;

	if (!colon || (size_t)(colon - where) >= sizeof(host))
		errx(2, "'%s' is not HOST:PORT", where);
	memcpy(host, where, (size_t)(colon - where));
	host[colon - where] = '\0';
	r = getaddrinfo(host, colon + 1, &hints, &found);
	if (r)
		errx(1, "%s: %s", where, gai_strerror(r));
	return found;
}

/* Yields the address that it got, so that it can be taken again. */
static int listen_at(const struct sockaddr *at, socklen_t len,
		     struct sockaddr_storage *ret_addr)
{
	socklen_t addr_len = sizeof(*ret_addr);
	int fd = socket(at->sa_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, at, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret_addr, &addr_len) < 0)
		err(1, "listen");
	return fd;
}

static int listen_on(const char *where, struct sockaddr_storage *ret_addr)
{
	struct addrinfo *at = resolve(where, AI_PASSIVE);
	int fd = listen_at(at->ai_addr, at->ai_addrlen, ret_addr);
	char port[16];

	if (getnameinfo((struct sockaddr *)ret_addr, sizeof(*ret_addr), NULL, 0,
			port, sizeof(port), NI_NUMERICSERV))
		errx(1, "%s: no port", where);
	freeaddrinfo(at);
	puts(port);
	fflush(stdout);
	return fd;
}

static void accept_all(struct proxy *p, struct conn_list *conns, int listen_fd)
{
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0)
			return;
		c = conn_new(p, fd, now_ns());
		if (c)
			TAILQ_INSERT_TAIL(conns, c, link);
	}
}

static void note_event(struct conn_socket *s, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		s->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		s->writable = true;
	if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		s->hung_up = true;
}

/* Runs each connection once; who used the link goes to the end of the line. */
static int64_t run_all(struct conn_list *conns)
{
	struct conn *last = TAILQ_LAST(conns, conn_list);
	struct conn *c = TAILQ_FIRST(conns), *next;
	int64_t wake = INT64_MAX;

	for (bool more = c; more; c = next) {
		int64_t now = now_ns();
		bool used = conn_run(c, now, &wake);

		next = TAILQ_NEXT(c, link);
		more = c != last;
		if (c->dead || used)
			TAILQ_REMOVE(conns, c, link);
		if (c->dead)
			conn_free(c, now);
		else if (used)
			TAILQ_INSERT_TAIL(conns, c, link);
	}
	return wake;
}

static void end_all(struct conn_list *conns)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(conns))) {
		TAILQ_REMOVE(conns, c, link);
		conn_free(c, now_ns());
	}
}

static void watch_listener(const struct proxy *p, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(1, "epoll");
}

/* Nobody listens until then: connections are refused. */
static int stay_away(struct proxy *p, struct conn_list *conns, int listen_fd,
		     const struct sockaddr_storage *addr)
{
	int64_t wait_ns = p->away_until_ns - now_ns();
	struct sockaddr_storage again;

	p->away_until_ns = 0;
	end_all(conns);
	close(listen_fd);
	if (wait_ns > 0)
		usleep((useconds_t)(wait_ns / 1000));
	listen_fd =
		listen_at((const struct sockaddr *)addr, sizeof(*addr), &again);
	watch_listener(p, listen_fd);
	return listen_fd;
}

/* The loop. Signals are only let in while it waits. */
static int serve(struct proxy *p, int listen_fd,
		 const struct sockaddr_storage *addr)
{
	struct conn_list conns = TAILQ_HEAD_INITIALIZER(conns);
	struct epoll_event events[N_EVENTS];
	sigset_t blocked, unblocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGHUP);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	watch_listener(p, listen_fd);

	while (!stop_wanted) {
		int64_t wake = run_all(&conns), wait_ns = wake - now_ns();
		struct timespec wait = { 0 };
		int n;

		if (p->away_until_ns) {
			listen_fd = stay_away(p, &conns, listen_fd, addr);
			continue;
		}
		if (wake != INT64_MAX && wait_ns > 0) {
			wait.tv_sec = wait_ns / 1000000000;
			wait.tv_nsec = wait_ns % 1000000000;
		}
		n = epoll_pwait2(p->epoll_fd, events, N_EVENTS,
				 wake == INT64_MAX ? NULL : &wait, &unblocked);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				note_event(events[i].data.ptr,
					   events[i].events);
			else
				accept_all(p, &conns, listen_fd);
		}
		if (reload_wanted) {
			reload_wanted = 0;
			faults_reload(&p->faults);
		}
	}
	end_all(&conns);
	return listen_fd;
}

static void set_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "to", required_argument, NULL, 't' },
		{ "rtt", required_argument, NULL, 'r' },
		{ "slow-start", no_argument, NULL, 's' },
		{ "bandwidth", required_argument, NULL, 'b' },
		{ "log", required_argument, NULL, 'o' },
		{ "faults", required_argument, NULL, 'f' },
		{ "clock-skew", required_argument, NULL, 'c' },
		{ "times", required_argument, NULL, 'm' },
		{ 0 },
	};
	struct proxy p = { .log_fd = -1 };
	const char *where = "127.0.0.1:0", *faults_file = NULL;
	struct sockaddr_storage addr;
	int opt, listen_fd;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'l':
			where = optarg;
			break;
		case 't':
			p.server = resolve(optarg, 0);
			break;
		case 'r':
			p.model.rtt_ns = (int64_t)(atof(optarg) * 1e6);
			break;
		case 's':
			p.model.slow_start = true;
			break;
		case 'b':
			p.model.bandwidth = strtoull(optarg, NULL, 10);
			break;
		case 'o':
			p.log_fd =
				open(optarg,
				     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
				     0644);
			if (p.log_fd < 0)
				err(1, "%s", optarg);
			break;
		case 'f':
			faults_file = optarg;
			break;
		case 'c':
			p.clock_skew_s = atoi(optarg);
			break;
		case 'm':
			p.times.file = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!p.server || optind != argc)
		errx(2, "--to HOST:PORT is needed, and no other words");

	set_signals();
	faults_init(&p.faults, faults_file);
	p.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p.epoll_fd < 0)
		err(1, "epoll");
	p.start_ns = now_ns();
	listen_fd = listen_on(where, &addr);
	listen_fd = serve(&p, listen_fd, &addr);

	close(listen_fd);
	close(p.epoll_fd);
	if (p.log_fd >= 0)
		close(p.log_fd);
	faults_done(&p.faults);
	freeaddrinfo(p.server);
	return 0;
}
