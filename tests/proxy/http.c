/*
 * Heads are parsed when they are complete, bodies are followed as they pass.
 * Chunked framing is left as it is; only its sizes are read.
 */
#include "tests/proxy/http.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	CHUNK_SIZE,
	CHUNK_SIZE_REST, /* extension and line end */
	CHUNK_DATA,
	CHUNK_DATA_END,
	CHUNK_TRAILER_START,
	CHUNK_TRAILER_LINE,
};

size_t http_head_len(const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);

	return end ? (size_t)(end - data) + 4 : 0;
}

/*
 * Finds a header's value, without blanks around it. Returns its length and
 * sets *ret_value, or returns 0.
 */
static size_t head_find(const char *head, size_t len, const char *name,
			const char **ret_value)
{
	size_t name_len = strlen(name);
	const char *end = head + len;
	const char *line = memchr(head, '\n', len);

	while (line && ++line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		size_t line_len = next ? (size_t)(next - line) : 0;

		if (line_len > name_len && line[name_len] == ':' &&
		    !strncasecmp(line, name, name_len)) {
			const char *value = line + name_len + 1;
			const char *stop = next;

			while (value < stop && isspace((unsigned char)*value))
				value++;
			while (stop > value && isspace((unsigned char)stop[-1]))
				stop--;
			*ret_value = value;
			return (size_t)(stop - value);
		}
		line = next;
	}
	return 0;
}

static bool head_has(const char *head, size_t len, const char *name,
		     const char *word)
{
	const char *value;
	size_t value_len = head_find(head, len, name, &value);

	return value_len == strlen(word) &&
	       !strncasecmp(value, word, value_len);
}

static struct http_body body_of(const char *head, size_t len)
{
	struct http_body body = { .framing = HTTP_NO_BODY,
				  .flip_at = UINT64_MAX };
	const char *value;

	if (head_has(head, len, "Transfer-Encoding", "chunked")) {
		body.framing = HTTP_CHUNKED;
	} else if (head_find(head, len, "Content-Length", &value)) {
		body.framing = HTTP_LENGTH;
		body.left = strtoull(value, NULL, 10);
	}
	if (body.framing == HTTP_LENGTH && !body.left)
		body.framing = HTTP_NO_BODY;
	body.done = body.framing == HTTP_NO_BODY;
	return body;
}

/* Whether the query names the parameter, with a value or without. */
static bool query_has(const char *query, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = query; *p; p++) {
		if ((p == query || p[-1] == '&') && !strncmp(p, name, len) &&
		    (p[len] == '\0' || p[len] == '=' || p[len] == '&'))
			return true;
	}
	return false;
}

static bool is_list(const char *query)
{
	return !*query || query_has(query, "list-type") ||
	       query_has(query, "prefix") || query_has(query, "delimiter") ||
	       query_has(query, "max-keys") || query_has(query, "marker");
}

/* Path style is taken for granted: /BUCKET[/KEY]. */
static const char *request_kind(const struct http_request *req, bool copy)
{
	const char *method = req->method, *target = req->target;
	const char *mark = strchr(target, '?');
	const char *query = mark ? mark + 1 : "";
	size_t path_len = mark ? (size_t)(mark - target) : strlen(target);
	const char *slash = path_len ? memchr(target + 1, '/', path_len - 1)
				     : NULL;
	bool on_key = slash && slash + 1 < target + path_len;

	if (!strcmp(method, "HEAD"))
		return "HEAD";
	if (!strcmp(method, "GET")) {
		if (path_len <= 1)
			return "LIST_BUCKETS";
		if (!on_key)
			return is_list(query) ? "LIST" : "OTHER";
		return query_has(query, "uploadId") ? "OTHER" : "GET";
	}
	if (!strcmp(method, "PUT") && on_key) {
		if (query_has(query, "partNumber"))
			return "MP_PART";
		return copy ? "COPY" : "PUT";
	}
	if (!strcmp(method, "POST")) {
		if (query_has(query, "delete"))
			return "DELETE_MANY";
		if (query_has(query, "uploads"))
			return "MP_CREATE";
		if (query_has(query, "uploadId"))
			return "MP_COMPLETE";
	}
	if (!strcmp(method, "DELETE") && on_key)
		return query_has(query, "uploadId") ? "MP_ABORT" : "DELETE";
	return "OTHER";
}

static void copy_cut(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

int http_parse_request(const char *head, size_t len,
		       struct http_request *ret_req, struct http_body *ret_body)
{
	const char *line_end = memchr(head, '\r', len);
	const char *method_end = memchr(head, ' ', len);
	const char *target, *target_end, *value;
	size_t value_len;

	if (!line_end || !method_end || method_end >= line_end)
		return -1;
	target = method_end + 1;
	target_end = memchr(target, ' ', (size_t)(line_end - target));
	if (!target_end || strncmp(target_end, " HTTP/1.", 8) || *target != '/')
		return -1;
	copy_cut(ret_req->method, sizeof(ret_req->method), head,
		 (size_t)(method_end - head));
	copy_cut(ret_req->target, sizeof(ret_req->target), target,
		 (size_t)(target_end - target));
	strcpy(ret_req->range, "-");
	value_len = head_find(head, len, "Range", &value);
	if (value_len)
		copy_cut(ret_req->range, sizeof(ret_req->range), value,
			 value_len);
	ret_req->expects_continue =
		head_has(head, len, "Expect", "100-continue");
	ret_req->kind = request_kind(
		ret_req, head_find(head, len, "x-amz-copy-source", &value));
	*ret_body = body_of(head, len);
	return 0;
}

int http_parse_response(const char *head, size_t len, bool to_head_request,
			struct http_response *ret_rsp,
			struct http_body *ret_body)
{
	struct http_response rsp = { .length = UINT64_MAX };
	struct http_body body = body_of(head, len);
	const char *value;

	if (len < 14 || strncmp(head, "HTTP/1.", 7) || head[8] != ' ')
		return -1;
	rsp.status = atoi(head + 9);
	rsp.closes = head_has(head, len, "Connection", "close") ||
		     head[7] == '0';
	rsp.length_width = head_find(head, len, "Content-Length", &value);
	if (rsp.length_width) {
		rsp.length_at = (size_t)(value - head);
		rsp.length = strtoull(value, NULL, 10);
	}
	rsp.date_width = head_find(head, len, "Date", &value);
	if (rsp.date_width)
		rsp.date_at = (size_t)(value - head);
	rsp.modified_width = head_find(head, len, "Last-Modified", &value);
	if (rsp.modified_width)
		rsp.modified_at = (size_t)(value - head);

	if (to_head_request || rsp.status < 200 || rsp.status == 204 ||
	    rsp.status == 304) {
		body.framing = HTTP_NO_BODY;
		body.done = true;
	} else if (body.framing == HTTP_NO_BODY && rsp.length == UINT64_MAX) {
		body.framing = HTTP_UNTIL_CLOSE;
		body.done = false;
		rsp.closes = true;
	}
	*ret_rsp = rsp;
	*ret_body = body;
	return 0;
}

static void take_payload(struct http_body *body, unsigned char *data,
			 size_t len)
{
	if (body->flip_at >= body->payload &&
	    body->flip_at - body->payload < len)
		data[body->flip_at - body->payload] ^= 0x20;
	body->payload += len;
}

/* One step of the chunk parser: the control bytes between runs of data. */
static void chunk_byte(struct http_body *body, unsigned char c)
{
	switch (body->state) {
	case CHUNK_SIZE:
		if (isxdigit(c))
			body->left = body->left * 16 +
				     (uint64_t)(isdigit(c)
							? c - '0'
							: (c | 32) - 'a' + 10);
		else
			body->state = CHUNK_SIZE_REST;
		break;
	case CHUNK_SIZE_REST:
		if (c == '\n')
			body->state = body->left ? CHUNK_DATA
						 : CHUNK_TRAILER_START;
		break;
	case CHUNK_DATA_END:
		if (c == '\n')
			body->state = CHUNK_SIZE;
		break;
	case CHUNK_TRAILER_START:
		body->done = c == '\n';
		if (c != '\r' && c != '\n')
			body->state = CHUNK_TRAILER_LINE;
		break;
	case CHUNK_TRAILER_LINE:
		if (c == '\n')
			body->state = CHUNK_TRAILER_START;
		break;
	}
}

static size_t feed_chunked(struct http_body *body, unsigned char *data,
			   size_t len)
{
	size_t pos = 0;

	while (pos < len && !body->done) {
		size_t n = len - pos;

		if (body->state != CHUNK_DATA) {
			chunk_byte(body, data[pos++]);
			continue;
		}
		if (n > body->left)
			n = body->left;
		take_payload(body, data + pos, n);
		pos += n;
		body->left -= n;
		if (!body->left)
			body->state = CHUNK_DATA_END;
	}
	return pos;
}

size_t http_body_feed(struct http_body *body, unsigned char *data, size_t len)
{
	if (body->done)
		return 0;
	if (body->framing == HTTP_CHUNKED)
		return feed_chunked(body, data, len);
	if (body->framing == HTTP_LENGTH) {
		if (len > body->left)
			len = body->left;
		body->left -= len;
		body->done = !body->left;
	}
	take_payload(body, data, len);
	return len;
}
