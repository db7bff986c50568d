#include "s3/sockets.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void sockets_init(struct sockets *s)
{
	memset(s, 0, sizeof(*s));
}

void sockets_done(struct sockets *s)
{
	free(s->entries);
	sockets_init(s);
}

/* Without memory the socket is merely not known. */
static void note(struct sockets *s, int fd)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		struct socket_entry *entries =
			reallocarray(s->entries, room, sizeof(*entries));

		if (!entries)
			return;
		s->entries = entries;
		s->room = room;
	}
	s->entries[s->count++] = (struct socket_entry){ .fd = fd };
}

static curl_socket_t on_open(void *arg, curlsocktype purpose,
			     struct curl_sockaddr *address)
{
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
			address->protocol);

	(void)purpose;
	if (fd < 0)
		return CURL_SOCKET_BAD;
	note(arg, fd);
	return fd;
}

static int on_close(void *arg, curl_socket_t fd)
{
	struct sockets *s = arg;

	for (size_t i = 0; i < s->count; i++)
		if (s->entries[i].fd == fd) {
			s->entries[i] = s->entries[--s->count];
			break;
		}
	return close(fd);
}

CURLcode sockets_attach(struct sockets *s, CURL *easy)
{
	CURLcode code;

	code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	if (!code)
		code = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
	if (!code)
		code = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION,
					on_close);
	if (!code)
		code = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s);
	return code;
}

static int local_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	in_port_t port = 0;

	if (getsockname(fd, (struct sockaddr *)&address, &len))
		return 0;
	if (address.ss_family == AF_INET)
		port = ((struct sockaddr_in *)&address)->sin_port;
	else if (address.ss_family == AF_INET6)
		port = ((struct sockaddr_in6 *)&address)->sin6_port;
	return ntohs(port);
}

int sockets_find(struct sockets *s, int port)
{
	for (size_t i = 0; i < s->count; i++) {
		if (!s->entries[i].port)
			s->entries[i].port = local_port(s->entries[i].fd);
		if (port && s->entries[i].port == port)
			return s->entries[i].fd;
	}
	return -1;
}
