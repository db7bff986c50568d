/*
 * The sockets under curl's connections, found by local port.
 *
 * curl tells which socket a transfer uses only once it has ended. What we want
 * of it (acknowledge at once, see how much is unsent) is wanted before.
 *
 * Threads: the transfer thread.
 */
#pragma once

#include <curl/curl.h>
#include <stddef.h>

struct sockets {
	struct socket_entry {
		int fd;
		int port; /* 0: not looked up yet */
	} * entries; /* owned; the sockets are curl's */
	size_t count;
	size_t room;
};

void sockets_init(struct sockets *s);
void sockets_done(struct sockets *s);
/* Makes a handle's new connections known here. */
CURLcode sockets_attach(struct sockets *s, CURL *easy);
/* -1 if there is no such socket (any more). */
int sockets_find(struct sockets *s, int port);
