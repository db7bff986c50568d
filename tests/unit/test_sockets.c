/* Connections opened ahead of the requests that will use them. */
#include "s3/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tap.h"

/* Answers each connection's requests until it is closed. */
struct server {
	int fd;
	int port;
	pthread_t thread;
	_Atomic int accepted;
	_Atomic bool stop;
};

#define CONNECTIONS_MAX 16

static void serve(struct server *s)
{
	static const char reply[] = "HTTP/1.1 204 No Content\r\n\r\n";
	struct pollfd fds[CONNECTIONS_MAX + 1] = { { .fd = s->fd,
						     .events = POLLIN } };
	nfds_t count = 1;
	char bytes[4096];

	while (!s->stop) {
		if (poll(fds, count, 20) <= 0)
			continue;
		for (nfds_t i = count; i-- > 1;) {
			ssize_t n;

			if (!fds[i].revents)
				continue;
			n = read(fds[i].fd, bytes, sizeof(bytes));
			if (n > 0 &&
			    write(fds[i].fd, reply, sizeof(reply) - 1) > 0)
				continue;
			close(fds[i].fd);
			fds[i] = fds[--count];
		}
		if (!(fds[0].revents & POLLIN) || count > CONNECTIONS_MAX)
			continue;
		fds[count].fd = accept(s->fd, NULL, NULL);
		fds[count].revents = 0;
		fds[count++].events = POLLIN;
		s->accepted++;
	}
	while (count > 1)
		close(fds[--count].fd);
}

static void *serve_thread(void *arg)
{
	serve(arg);
	return NULL;
}

static bool server_start(struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&a, len) ||
	    listen(s->fd, CONNECTIONS_MAX) ||
	    getsockname(s->fd, (struct sockaddr *)&a, &len))
		return false;
	s->port = ntohs(a.sin_port);
	return !pthread_create(&s->thread, NULL, serve_thread, s);
}

static int accepted_after_a_while(struct server *s, int want)
{
	for (int i = 0; i < 100 && s->accepted < want; i++)
		usleep(10000);
	usleep(50000); /* one too many would show by now */
	return s->accepted;
}

static bool get(struct sockets *sockets, int port)
{
	CURL *easy = curl_easy_init();
	char url[64];
	long status = 0;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	if (!easy || curl_easy_setopt(easy, CURLOPT_URL, url) ||
	    curl_easy_setopt(easy, CURLOPT_PROXY, "") ||
	    sockets_attach(sockets, easy))
		return false;
	if (!curl_easy_perform(easy))
		(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	return status == 204;
}

int main(void)
{
	struct server s = { .fd = -1 };
	struct sockets sockets;

	sockets_init(&sockets);
	if (!server_start(&s))
		return 1;
	ok(get(&sockets, s.port), "a request");
	is_int(accepted_after_a_while(&s, 1), 1, "on one connection");
	sockets_expect(&sockets, 3);
	is_int(accepted_after_a_while(&s, 4), 4, "three more are opened ahead");
	for (int i = 0; i < 3; i++)
		ok(get(&sockets, s.port), "request %d uses one of them", i);
	is_int(accepted_after_a_while(&s, 4), 4, "no new connection");
	ok(get(&sockets, s.port), "they are used up");
	is_int(accepted_after_a_while(&s, 5), 5, "then a new one");
	sockets_done(&sockets);
	sockets_expect(&sockets, 2);
	is_int(accepted_after_a_while(&s, 5), 5, "no address is known yet");
	ok(get(&sockets, s.port), "the first one");
	is_int(accepted_after_a_while(&s, 8), 8, "opens two more");
	s.stop = true;
	pthread_join(s.thread, NULL);
	close(s.fd);
	ok(!get(&sockets, s.port), "those the server has closed are not used");
	sockets_done(&sockets);
	is_int(sockets.ahead_count, 0, "and are closed at the end");
	return tap_done();
}
