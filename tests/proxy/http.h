/*
 * HTTP/1.1 framing, as far as a proxy must know it to tell one request from
 * the next, and what an S3 request is for.
 *
 * Pure computation; no thread rules.
 */
#ifndef PROXY_HTTP_H
#define PROXY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX (64 << 10)

enum http_framing {
	HTTP_NO_BODY,
	HTTP_LENGTH,
	HTTP_CHUNKED,
	HTTP_UNTIL_CLOSE,
};

/* How far one message's body has been seen. */
struct http_body {
	enum http_framing framing;
	bool done;
	uint64_t payload; /* body bytes seen, without chunk framing */
	uint64_t left; /* of the length, or of the chunk */
	uint64_t flip_at; /* offset of a byte to damage; UINT64_MAX: none */
	int state; /* of the chunk parser */
};

struct http_request {
	char method[16];
	char target[8192]; /* path and query as sent, cut if longer */
	char range[64]; /* the Range header, or "-" */
	const char *kind; /* LIST, GET, PUT, ... */
	bool expects_continue;
};

struct http_response {
	int status;
	bool closes; /* the server will close after it */
	uint64_t length; /* Content-Length; UINT64_MAX: none given */
	size_t length_at; /* where its digits stand in the head, */
	size_t length_width; /* and how many there are */
	size_t date_at; /* the same for Date; width 0: no such header */
	size_t date_width;
	size_t modified_at; /* and for Last-Modified */
	size_t modified_width;
};

/* Length of the head in data, with its empty line; 0 if not all is there. */
size_t http_head_len(const char *data, size_t len);

/*
 * Both return 0, or -1 for what is not HTTP. `head` has `len` bytes and a NUL
 * behind them.
 */
int http_parse_request(const char *head, size_t len,
		       struct http_request *ret_req,
		       struct http_body *ret_body);
int http_parse_response(const char *head, size_t len, bool to_head_request,
			struct http_response *ret_rsp,
			struct http_body *ret_body);

/*
 * Follows the body through data; returns how many of the bytes belong to it
 * and sets body->done at its end. A byte at flip_at is damaged in place.
 */
size_t http_body_feed(struct http_body *body, unsigned char *data, size_t len);

#endif
