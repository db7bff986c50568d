#include "s3/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/clock.h"
#include "s3/base/hash.h"

#define AHEAD_MS 10000

void sockets_init(struct sockets *s)
{
	memset(s, 0, sizeof(*s));
}

static void drop_ahead(struct sockets *s, size_t i)
{
	(void)close(s->ahead[i].fd); /* nothing was sent on it */
	s->ahead[i] = s->ahead[--s->ahead_count];
}

void sockets_done(struct sockets *s)
{
	while (s->ahead_count)
		drop_ahead(s, 0);
	free(s->address);
	free(s->entries);
	sockets_init(s);
}

static void open_ahead(struct sockets *s, const struct curl_sockaddr *address)
{
	struct socket_ahead *a = &s->ahead[s->ahead_count];
	int fd;

	if (address->addrlen > sizeof(a->address))
		return;
	fd = socket(address->family,
		    address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    address->protocol);
	if (fd < 0)
		return;
	if (connect(fd, &address->addr, address->addrlen) &&
	    errno != EINPROGRESS) {
		(void)close(fd); /* curl's own attempt tells what is wrong */
		return;
	}
	a->fd = fd;
	a->opened_ms = clock_now_ms();
	a->address_len = address->addrlen;
	memcpy(&a->address, &address->addr, address->addrlen);
	s->ahead_count++;
}

static void open_expected(struct sockets *s)
{
	while (s->expected && s->ahead_count < SOCKETS_AHEAD_MAX) {
		s->expected--;
		open_ahead(s, s->address);
	}
	s->expected = 0;
}

void sockets_expect(struct sockets *s, size_t count)
{
	s->expected = count;
	if (s->address)
		open_expected(s);
}

/* Without memory nothing is opened ahead. */
static void note_address(struct sockets *s, const struct curl_sockaddr *address)
{
	size_t len = sizeof(*address);

	if (address->addrlen > sizeof(address->addr))
		len += address->addrlen - sizeof(address->addr);
	free(s->address);
	s->address = malloc(len);
	if (s->address)
		memcpy(s->address, address, len);
}

/* Connected, and the server has neither closed nor spoken. */
static bool is_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* A connection to that address that was opened ahead; -1 if none is ready. */
static int take_ahead(struct sockets *s, const struct curl_sockaddr *address)
{
	uint64_t now_ms = clock_now_ms();

	for (size_t i = s->ahead_count; i-- > 0;) {
		struct socket_ahead *a = &s->ahead[i];
		int fd = a->fd;

		if (now_ms - a->opened_ms > AHEAD_MS) {
			drop_ahead(s, i);
			continue;
		}
		if (a->address_len != address->addrlen ||
		    memcmp(&a->address, &address->addr, a->address_len) ||
		    !is_ready(fd))
			continue;
		*a = s->ahead[--s->ahead_count];
		return fd;
	}
	return -1;
}

/* Without memory the socket is merely not known. */
static void note(struct sockets *s, int fd, bool connected)
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
	s->entries[s->count++] =
		(struct socket_entry){ .fd = fd, .connected = connected };
}

static curl_socket_t on_open(void *arg, curlsocktype purpose,
			     struct curl_sockaddr *address)
{
	struct sockets *s = arg;
	int fd = take_ahead(s, address);

	(void)purpose;
	if (fd >= 0) {
		note(s, fd, true);
		return fd;
	}
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
		    address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	note(s, fd, false);
	note_address(s, address);
	if (s->address)
		open_expected(s);
	return fd;
}

static int on_opened(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const struct sockets *s = arg;

	(void)purpose;
	for (size_t i = 0; i < s->count; i++)
		if (s->entries[i].fd == fd && s->entries[i].connected)
			return CURL_SOCKOPT_ALREADY_CONNECTED;
	return CURL_SOCKOPT_OK;
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
		code = curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION,
					on_opened);
	if (!code)
		code = curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, s);
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

static struct socket_entry *find(struct sockets *s, int port)
{
	for (size_t i = 0; i < s->count; i++) {
		if (!s->entries[i].port)
			s->entries[i].port = local_port(s->entries[i].fd);
		if (port && s->entries[i].port == port)
			return &s->entries[i];
	}
	return NULL;
}

int sockets_find(struct sockets *s, int port)
{
	const struct socket_entry *entry = find(s, port);

	return entry ? entry->fd : -1;
}

bool sockets_is_repeated(struct sockets *s, int port, const char *id)
{
	struct socket_entry *entry = find(s, port);
	uint32_t digest = crc32c(0, id, strlen(id)), before;

	if (!entry)
		return false;
	before = entry->answer;
	entry->answer = digest;
	return before && before == digest;
}
