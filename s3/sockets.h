/*
 * The sockets under curl's connections, found by local port.
 *
 * curl tells which socket a transfer uses only once it has ended. What we want
 * of it (acknowledge at once, see how much is unsent) is wanted before.
 *
 * Connections can be opened ahead: who knows that many requests follow an answer
 * that is under way saves them the round trip of connecting.
 *
 * Threads: the transfer thread.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SOCKETS_AHEAD_MAX 16

struct sockets {
	struct socket_entry {
		int fd;
		int port; /* 0: not looked up yet */
		bool connected; /* when curl got it */
		uint32_t answer; /* digest of the last answer's id; 0: none */
	} * entries; /* owned; the sockets are curl's */
	size_t count;
	size_t room;

	/* Opened ahead, not yet curl's. */
	struct socket_ahead {
		int fd;
		uint64_t opened_ms; /* clock_now_ms */
		struct sockaddr_storage address;
		socklen_t address_len;
	} ahead[SOCKETS_AHEAD_MAX];
	size_t ahead_count;
	size_t expected; /* to be opened with the first connection */
	struct curl_sockaddr *address; /* of the last one; owned */
};

void sockets_init(struct sockets *s);
void sockets_done(struct sockets *s);
/* Makes a handle's new connections known here. */
CURLcode sockets_attach(struct sockets *s, CURL *easy);
/* Opens `count` connections for later use, to the address of the last that curl
 * opened; before the first, along with it. Those not used within 10 s are
 * closed when others are taken. */
void sockets_expect(struct sockets *s, size_t count);
/* -1 if there is no such socket (any more). */
int sockets_find(struct sockets *s, int port);
/* Notes the id of an answer; whether it is that of the one before it on this
 * connection. */
bool sockets_is_repeated(struct sockets *s, int port, const char *id);
