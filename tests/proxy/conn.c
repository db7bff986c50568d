/*
 * Request and response each pass through a flow. Heads are collected and
 * looked at; bodies are read straight into the flow's ring, never past the
 * end of the message, and followed there. Nothing of a body is read along with
 * its head, for the window has not allowed it yet.
 *
 * A request that is not forwarded still travels: the far end of its flow is
 * then a drain, and our answer enters the other flow when the last byte got
 * there. So scripted errors cost a client the same time as real ones.
 *
 * There is one request at a time on a connection: the next head is read when
 * the response is with the client.
 *
 * The log line is written just before the last bytes of the response are, so
 * whoever saw a response finds its line. A request without a full response is
 * logged when its connection ends.
 */
#include "tests/proxy/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE ((size_t)256 << 10)
#define COPY_MAX ((size_t)1 << 20)

static void socket_watch(struct conn *c, struct conn_socket *s, int fd)
{
	struct epoll_event ev = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = s,
	};
	int one = 1;

	s->conn = c;
	s->fd = fd;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(c->proxy->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		c->dead = true;
}

struct conn *conn_new(struct proxy *proxy, int fd, int64_t now)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || !(c->head = malloc(HTTP_HEAD_MAX + 1))) {
		free(c);
		close(fd);
		return NULL;
	}
	c->proxy = proxy;
	c->number = ++proxy->n_conns;
	c->server.fd = -1;
	flow_init(&c->up, &proxy->model, &proxy->up);
	flow_init(&c->down, &proxy->model, &proxy->down);
	/* The handshake: SYN and its answer, one round trip. */
	c->up.not_before_ns = now + proxy->model.rtt_ns;
	socket_watch(c, &c->client, fd);
	return c;
}

static void log_request(struct conn *c, int64_t now)
{
	const struct proxy *p = c->proxy;
	char line[HTTP_HEAD_MAX];
	int len;

	c->logged = true;
	if (p->log_fd < 0)
		return;
	len = snprintf(line, sizeof(line),
		       "%ju\t%.3f\t%.3f\t%ju\t%s\t%s\t%s\t%s\t%d\t%ju\t%ju\t"
		       "%s\n",
		       (uintmax_t)c->seq,
		       (double)(c->begin_ns - p->start_ns) / 1e6,
		       (double)(now - p->start_ns) / 1e6, (uintmax_t)c->number,
		       c->request.method, c->request.kind, c->request.target,
		       c->request.range, c->response.status,
		       (uintmax_t)c->request_body.payload,
		       (uintmax_t)c->response_body.payload, c->fault.name);
	if (write(p->log_fd, line, (size_t)len) != len)
		perror("proxy: log");
}

void conn_free(struct conn *c, int64_t now)
{
	if (c->response_state != RESPONSE_NONE && !c->logged) {
		if (c->fault.action == FAULT_NONE)
			strcpy(c->fault.name, "aborted");
		log_request(c, now);
	}
	close(c->client.fd);
	if (c->server.fd >= 0)
		close(c->server.fd);
	flow_done(&c->up);
	flow_done(&c->down);
	free(c->head);
	free(c->copy);
	free(c->again);
	free(c->page);
	free(c);
}

/* Keeps what passes, for a fault that sends it again. */
static void copy_add(struct conn *c, enum fault_action action, const void *data,
		     size_t len)
{
	if (c->fault.action != action)
		return;
	if (!c->copy && !(c->copy = malloc(COPY_MAX)))
		c->copy_len = COPY_MAX + 1;
	if (c->copy_len + len <= COPY_MAX)
		memcpy(c->copy + c->copy_len, data, len);
	c->copy_len += len;
}

static bool copy_is_whole(const struct conn *c, enum fault_action action)
{
	return c->fault.action == action && c->copy_len <= COPY_MAX;
}

/* ---- sockets: >0 bytes, 0 nothing now, -1 the end ------------------------ */

static ssize_t socket_read(struct conn_socket *s, void *data, size_t len)
{
	ssize_t n;

	if (!s->readable || !len)
		return 0;
	do {
		n = read(s->fd, data, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		s->readable = false;
		return 0;
	}
	return n > 0 ? n : -1;
}

/*
 * Collects a head in c->head and reads not one byte more. Returns 1 when it is
 * there, 0 when it is not yet, -1 at the end of input or of patience.
 */
static int read_head(struct conn *c, struct conn_socket *s)
{
	char *to = c->head + c->head_len;
	ssize_t n;
	size_t len;

	if (!s->readable)
		return 0;
	do {
		n = recv(s->fd, to, HTTP_HEAD_MAX - c->head_len, MSG_PEEK);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN) {
		s->readable = false;
		return 0;
	}
	if (n <= 0)
		return -1;
	len = http_head_len(c->head, c->head_len + (size_t)n);
	n = read(s->fd, to, len ? len - c->head_len : (size_t)n);
	if (n <= 0)
		return -1;
	c->head_len += (size_t)n;
	c->head[c->head_len] = '\0';
	if (len)
		return 1;
	return c->head_len == HTTP_HEAD_MAX ? -1 : 0;
}

static ssize_t socket_write(struct conn_socket *s, const void *data, size_t len)
{
	ssize_t n;

	if (!s->writable)
		return 0;
	do {
		n = send(s->fd, data, len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
		s->writable = false;
		return 0;
	}
	return n;
}

static int server_connect(struct conn *c)
{
	const struct addrinfo *to = c->proxy->server;
	int fd = socket(to->ai_family,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	socket_watch(c, &c->server, fd);
	return 0;
}

/* ---- client to server ---------------------------------------------------- */

static int request_begin(struct conn *c, int64_t now)
{
	struct proxy *p = c->proxy;

	if (http_parse_request(c->head, c->head_len, &c->request,
			       &c->request_body) < 0)
		return -1;
	c->seq = ++p->n_requests;
	c->begin_ns = now;
	c->logged = false;
	c->fault =
		faults_look_up(&p->faults, c->request.kind, c->request.target);
	c->response = (struct http_response){ 0 };
	c->response_body = (struct http_body){ 0 };
	c->response_state = RESPONSE_HEAD;
	c->request_state = REQUEST_BODY;
	c->copy_len = 0;
	c->forwarded_again = false;
	if (c->fault.action == FAULT_FLIP_UP)
		c->request_body.flip_at = c->fault.value;
	copy_add(c, FAULT_TWICE, c->head, c->head_len);
	flow_append(&c->up, now, c->head, c->head_len);
	c->head_len = 0;
	return 0;
}

/* The whole request has entered the network. */
static void request_read(struct conn *c, int64_t now)
{
	c->request_state = REQUEST_READ;
	if (c->fault.action == FAULT_DELAY)
		c->down.hold_until_ns = now + (int64_t)c->fault.value * 1000000;
}

static bool pull_request(struct conn *c, int64_t now, int64_t *wake)
{
	size_t room, len;
	unsigned char *to;
	ssize_t n;

	if (c->request_state == REQUEST_HEAD) {
		n = read_head(c, &c->client);
		if (n > 0)
			n = c->close_on_next || request_begin(c, now) < 0 ? -1
									  : 1;
		c->dead |= n < 0;
		if (n <= 0)
			return false;
	} else if (c->request_state == REQUEST_BODY && !c->request_body.done) {
		room = flow_room(&c->up, now, wake);
		if (room > PIECE)
			room = PIECE;
		if (c->request_body.framing == HTTP_LENGTH &&
		    room > c->request_body.left)
			room = c->request_body.left;
		if (!room)
			return false;
		to = flow_space(&c->up, room, &len);
		n = socket_read(&c->client, to, len);
		c->dead |= n < 0;
		if (n <= 0)
			return false;
		len = http_body_feed(&c->request_body, to, (size_t)n);
		copy_add(c, FAULT_TWICE, to, len);
		flow_commit(&c->up, now, len);
	} else {
		return false;
	}
	if (c->request_body.done)
		request_read(c, now);
	return true;
}

/* ---- answers of our own -------------------------------------------------- */

static void date_now(struct proxy *p, char *date, size_t size)
{
	time_t t = times_told(&p->times, time(NULL)) + p->clock_skew_s;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(date, size, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static void answer_error(struct conn *c, int64_t now)
{
	char body[512], head[512], date[64];
	bool is_head = !strcmp(c->request.method, "HEAD");
	int body_len, head_len;

	date_now(c->proxy, date, sizeof(date));
	body_len = snprintf(
		body, sizeof(body),
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"%s<Error><Code>%s</Code><Message>scripted fault"
		"</Message><RequestId>proxy-%ju</RequestId></Error>%s",
		c->fault.of_key ? "<DeleteResult>" : "", c->fault.code,
		(uintmax_t)c->seq, c->fault.of_key ? "</DeleteResult>" : "");
	head_len = snprintf(head, sizeof(head),
			    "HTTP/1.1 %d %s\r\nContent-Type: application/xml"
			    "\r\nContent-Length: %d\r\nDate: %s\r\n"
			    "x-amz-request-id: proxy-%ju\r\n\r\n",
			    c->fault.status, c->fault.code, body_len, date,
			    (uintmax_t)c->seq);
	flow_append(&c->down, now, head, (size_t)head_len);
	c->response.status = c->fault.status;
	if (!is_head) {
		flow_append(&c->down, now, body, (size_t)body_len);
		c->response_body.payload = (uint64_t)body_len;
	}
	c->response_state = RESPONSE_READ;
}

/* Part of a request has reached the drain that stands for the server. */
static void drain_request(struct conn *c, int64_t now)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!flow_empty(&c->up))
		return;
	if (c->request_state == REQUEST_BODY && c->request.expects_continue &&
	    !c->request_body.payload) {
		c->request.expects_continue = false;
		flow_append(&c->down, now, go_on, sizeof(go_on) - 1);
	}
	if (c->request_state != REQUEST_READ)
		return;
	if (c->fault.action == FAULT_STATUS)
		answer_error(c, now);
	else if (c->fault.action == FAULT_CUT_BEFORE ||
		 c->fault.action == FAULT_AWAY)
		c->dead = true;
	if (c->fault.action == FAULT_AWAY)
		c->proxy->away_until_ns =
			now + (int64_t)c->fault.value * 1000000;
}

static bool push_request(struct conn *c, int64_t now, int64_t *wake)
{
	const unsigned char *data;
	size_t len = flow_due(&c->up, now, wake, &data);
	ssize_t n;

	if (!len)
		return false;
	if (!fault_forwards(&c->fault)) {
		flow_consume(&c->up, len);
		drain_request(c, now);
		return true;
	}
	if (c->server.fd < 0 && server_connect(c) < 0) {
		c->dead = true;
		return false;
	}
	n = socket_write(&c->server, data, len > PIECE ? PIECE : len);
	if (n < 0) /* it may have answered early: read that, drop the rest */
		n = (ssize_t)len;
	if (n)
		flow_consume(&c->up, (size_t)n);
	return n > 0;
}

/* ---- server to client ---------------------------------------------------- */

/* Puts `text` where `width` bytes of the collected head stand at `at`. */
static void head_replace(struct conn *c, size_t at, size_t width,
			 const char *text)
{
	size_t text_len = strlen(text);

	if (c->head_len - width + text_len > HTTP_HEAD_MAX)
		return;
	memmove(c->head + at + text_len, c->head + at + width,
		c->head_len - at - width);
	memcpy(c->head + at, text, text_len);
	c->head_len = c->head_len - width + text_len;
}

static void head_skew_date(struct conn *c)
{
	struct http_response *r = &c->response;
	char date[64] = "";
	struct tm tm = { 0 };
	time_t t;

	if (!c->proxy->clock_skew_s || !r->date_width ||
	    r->date_width >= sizeof(date))
		return;
	memcpy(date, c->head + r->date_at, r->date_width);
	if (!strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return;
	t = timegm(&tm) + c->proxy->clock_skew_s;
	gmtime_r(&t, &tm);
	/* The same width by definition of the format. */
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	head_replace(c, r->date_at, r->date_width, date);
}

/* In the head, before anything in it changes its length. */
static void head_move_times(struct conn *c)
{
	struct http_response *r = &c->response;
	struct times *times = &c->proxy->times;

	if (!times->file)
		return;
	times_rewrite_http(times, c->head + r->date_at, r->date_width);
	times_rewrite_http(times, c->head + r->modified_at, r->modified_width);
}

/* Whether this is the first answer to a request that goes out twice. */
static bool answer_is_dropped(const struct conn *c)
{
	return copy_is_whole(c, FAULT_TWICE) && !c->forwarded_again;
}

static void forward_again(struct conn *c, int64_t now)
{
	c->forwarded_again = true;
	c->response = (struct http_response){ 0 };
	c->response_body = (struct http_body){ 0 };
	c->response_state = RESPONSE_HEAD;
	flow_append(&c->up, now, c->copy, c->copy_len);
}

/* Decides how much of the body is for the client, and rewrites the head. */
static void response_apply_fault(struct conn *c)
{
	char digits[24];

	c->deliver = UINT64_MAX;
	head_move_times(c);
	head_skew_date(c);
	switch (c->fault.action) {
	case FAULT_CUT:
	case FAULT_STALL_BODY:
		c->deliver = c->fault.value;
		break;
	case FAULT_LOSE_ANSWER:
		c->deliver = 0;
		break;
	case FAULT_TWICE:
		if (answer_is_dropped(c))
			c->deliver = 0;
		break;
	case FAULT_FLIP:
		c->response_body.flip_at = c->fault.value;
		break;
	case FAULT_SHORT:
		if (c->response_body.framing != HTTP_LENGTH)
			break;
		c->deliver = c->response.length / 2;
		snprintf(digits, sizeof(digits), "%ju", (uintmax_t)c->deliver);
		head_replace(c, c->response.length_at, c->response.length_width,
			     digits);
		break;
	default:
		break;
	}
}

/* The server's message has ended, whole or not. */
static void response_read(struct conn *c, int64_t now, bool whole)
{
	if (whole && answer_is_dropped(c)) {
		forward_again(c, now);
		return;
	}
	if (whole && copy_is_whole(c, FAULT_REPEAT_ANSWER)) {
		free(c->again);
		c->again = c->copy;
		c->again_len = c->copy_len;
		c->copy = NULL;
	}
	c->close_on_next = c->fault.action == FAULT_CLOSE_KEEPALIVE;
	c->response_body.done = true;
	if (c->fault.action == FAULT_STALL_BODY)
		return; /* as far as the client can tell it goes on */
	c->response_state = RESPONSE_READ;
	c->broken = !whole && c->fault.action == FAULT_NONE;
	if (!whole || c->response.closes || c->fault.action == FAULT_CUT ||
	    c->fault.action == FAULT_LOSE_ANSWER)
		c->close_after = true;
}

/* Follows body bytes; returns how many of them are for the client. */
static size_t response_take(struct conn *c, unsigned char *data, size_t len)
{
	len = http_body_feed(&c->response_body, data, len);
	if (len > c->deliver)
		len = c->deliver;
	if (c->deliver != UINT64_MAX)
		c->deliver -= len;
	copy_add(c, FAULT_REPEAT_ANSWER, data, len);
	return len;
}

/* A listing is collected: what is to be rewritten may come in two pieces. */
static bool is_collected(const struct conn *c)
{
	return c->proxy->times.count && !strcmp(c->request.kind, "LIST");
}

static void page_add(struct conn *c, const void *data, size_t len)
{
	char *more = realloc(c->page, c->page_len + len + 1);

	if (!more) {
		c->dead = true;
		return;
	}
	c->page = more;
	memcpy(c->page + c->page_len, data, len);
	c->page_len += len;
}

static void page_send(struct conn *c, int64_t now)
{
	if (!c->page_len)
		return;
	times_rewrite_xml(&c->proxy->times, c->page, c->page_len);
	flow_append(&c->down, now, c->page, c->page_len);
	c->page_len = 0;
}

static int response_begin(struct conn *c, int64_t now)
{
	if (http_parse_response(c->head, c->head_len,
				!strcmp(c->request.method, "HEAD"),
				&c->response, &c->response_body) < 0)
		return -1;
	if (c->response.status >= 200) {
		c->response_state = RESPONSE_BODY;
		response_apply_fault(c);
		flow_append(&c->down, now, c->again, c->again_len);
		c->again_len = 0;
	}
	if ((c->fault.action != FAULT_LOSE_ANSWER && !answer_is_dropped(c)) ||
	    c->response.status < 200) {
		copy_add(c, FAULT_REPEAT_ANSWER, c->head, c->head_len);
		flow_append(&c->down, now, c->head, c->head_len);
	}
	c->head_len = 0;
	if (c->response_state == RESPONSE_BODY && c->response_body.done)
		response_read(c, now, true);
	return 0;
}

static bool pull_response(struct conn *c, int64_t now, int64_t *wake)
{
	size_t room, len;
	unsigned char *to;
	ssize_t n;

	if (c->server.fd < 0 || !c->server.readable)
		return false;
	if (c->response_state == RESPONSE_HEAD &&
	    c->request_state != REQUEST_HEAD) {
		n = read_head(c, &c->server);
		if (n > 0)
			n = response_begin(c, now) < 0 ? -1 : 1;
		c->dead |= n < 0;
		return n > 0;
	}
	if (c->response_state != RESPONSE_BODY || c->response_body.done)
		return false;
	room = flow_room(&c->down, now, wake);
	if (room > PIECE)
		room = PIECE;
	if (c->response_body.framing == HTTP_LENGTH &&
	    room > c->response_body.left)
		room = c->response_body.left;
	if (!room)
		return false;
	to = flow_space(&c->down, room, &len);
	n = socket_read(&c->server, to, len);
	if (n < 0) {
		page_send(c, now);
		response_read(c, now,
			      c->response_body.framing == HTTP_UNTIL_CLOSE);
		return true;
	}
	if (n == 0)
		return false;
	len = response_take(c, to, (size_t)n);
	if (is_collected(c))
		page_add(c, to, len);
	else
		flow_commit(&c->down, now, len);
	if (c->response_body.done || !c->deliver)
		page_send(c, now);
	if (c->response_body.done)
		response_read(c, now, true);
	else if (c->fault.action == FAULT_CUT && !c->deliver)
		response_read(c, now, false);
	return true;
}

/* The response is with the client; ready for the next request. */
static void exchange_end(struct conn *c, int64_t now)
{
	if (!c->logged && !c->broken)
		log_request(c, now);
	if (c->close_after) {
		c->dead = true;
		return;
	}
	if (c->request_state != REQUEST_READ || !flow_empty(&c->up))
		return;
	c->request_state = REQUEST_HEAD;
	c->response_state = RESPONSE_NONE;
	c->down.hold_until_ns = 0;
}

static bool push_response(struct conn *c, int64_t now, int64_t *wake)
{
	const unsigned char *data;
	size_t len = flow_due(&c->down, now, wake, &data);
	ssize_t n = 0;

	if (len) {
		if (!c->logged && c->response_state == RESPONSE_READ &&
		    !c->broken && c->client.writable &&
		    len == c->down.ring_used)
			log_request(c, now);
		n = socket_write(&c->client, data, len);
		if (n < 0) {
			c->dead = true;
			return false;
		}
		if (n)
			flow_consume(&c->down, (size_t)n);
	}
	if (c->response_state == RESPONSE_READ && flow_empty(&c->down))
		exchange_end(c, now);
	return n > 0;
}

bool conn_run(struct conn *c, int64_t now, int64_t *wake)
{
	uint64_t before = c->up.total_in + c->down.total_in;
	bool moved = true;

	for (int i = 0; i < 4 && moved && !c->dead; i++) {
		moved = pull_request(c, now, wake);
		if (!c->dead)
			moved |= push_request(c, now, wake);
		if (!c->dead)
			moved |= pull_response(c, now, wake);
		if (!c->dead)
			moved |= push_response(c, now, wake);
	}
	if (moved)
		*wake = now;
	/* Who hung up gets no answer, but what was sent still arrives. */
	if (c->client.hung_up &&
	    (c->request_state != REQUEST_READ || flow_empty(&c->up)))
		c->dead = true;
	/* An idle server connection ended: so does the client's. */
	if (c->server.hung_up && c->response_state == RESPONSE_NONE)
		c->dead = true;
	return c->up.total_in + c->down.total_in != before;
}
