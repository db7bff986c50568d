/*
 * One client's connection and the one to the server that belongs to it.
 *
 * The two sockets are watched edge-triggered; the loop notes what became
 * ready and calls conn_run for every connection until nothing moves.
 * Threads: one.
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include "tests/proxy/fault.h"
#include "tests/proxy/flow.h"
#include "tests/proxy/http.h"
#include "tests/proxy/times.h"

/* What all connections share. */
struct proxy {
	struct flow_model model;
	struct flow_link up, down;
	struct addrinfo *server; /* owned */
	struct faults faults;
	int epoll_fd;
	int log_fd; /* -1: no log */
	int64_t start_ns;
	int clock_skew_s;
	struct times times;
	int64_t away_until_ns; /* set by a fault; the loop obeys */
	uint64_t n_conns, n_requests;
};

struct conn_socket {
	struct conn *conn;
	int fd; /* -1: not open */
	bool readable, writable;
	bool hung_up; /* the peer will send no more */
};

enum request_state {
	REQUEST_HEAD,
	REQUEST_BODY,
	REQUEST_READ, /* all of it entered the network */
};

enum response_state {
	RESPONSE_NONE, /* nothing is owed: no request's head was read */
	RESPONSE_HEAD,
	RESPONSE_BODY,
	RESPONSE_READ, /* all of it that is meant for the client entered */
};

struct conn {
	TAILQ_ENTRY(conn) link;
	struct proxy *proxy; /* borrowed */
	uint64_t number;
	bool dead; /* to be freed by the loop */
	struct conn_socket client, server;
	struct flow up, down;

	enum request_state request_state;
	enum response_state response_state;
	char *head; /* request's, then response's; a string once complete */
	size_t head_len;

	/* of the request in hand */
	uint64_t seq;
	int64_t begin_ns;
	bool logged;
	struct fault fault;
	struct http_request request;
	struct http_body request_body;
	struct http_response response;
	struct http_body response_body;
	uint64_t deliver; /* response body bytes still meant for the client */
	bool close_after; /* once what is on the way to the client arrived */
	char *copy; /* FAULT_TWICE: request, FAULT_REPEAT_ANSWER: response */
	size_t copy_len; /* over COPY_MAX: not all of it is there */
	bool forwarded_again; /* FAULT_TWICE */

	/* for the next request on this connection */
	bool close_on_next;
	char *again; /* an answer that goes before its own */
	size_t again_len;

	char *page; /* a listing on its way, collected for its times */
	size_t page_len;
	bool broken; /* the server's answer did not come to its end */
};

/* Takes over fd. Returns NULL when out of memory. */
struct conn *conn_new(struct proxy *proxy, int fd, int64_t now);
void conn_free(struct conn *c, int64_t now);

/*
 * Moves what can be moved. *wake is lowered to when to call again. Returns
 * whether it used the links, so that the loop can let others go first.
 */
bool conn_run(struct conn *c, int64_t now, int64_t *wake);

#endif
