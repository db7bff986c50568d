#include "s3/exchange.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "s3/base/clock.h"

#define ERROR_BODY_MAX (64 << 10)
#define STALL_MS 30000
#define RECEIVE_BUFFER (256L << 10)
#define SEND_BUFFER (256L << 10)

struct exchange *exchange_new(struct sockets *sockets)
{
	CLEANUP(exchange_freep) struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->sockets = sockets;
	list_init(&x->link);
	x->easy = curl_easy_init();
	return x->easy ? TAKE_PTR(x) : NULL;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	curl_slist_free_all(x->fields);
	curl_easy_cleanup(x->easy);
	free(x);
}

/*
 * Acknowledges the header at once. A server that writes header and body apart
 * with Nagle's algorithm on (Ceph RGW does) holds the body back until then, and
 * the kernel's own delay makes that 40 ms.
 */
static void acknowledge(struct exchange *x)
{
	int fd = sockets_find(x->sockets, x->port), on = 1;

	if (fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on,
				 sizeof(on)); /* only a matter of speed */
}

/* The connection is there, new or kept, and the request goes out next. */
static int on_connected(void *arg, char *remote, char *local, int remote_port,
			int port)
{
	struct exchange *x = arg;

	(void)remote;
	(void)local;
	(void)remote_port;
	x->req->resent = x->port != 0;
	x->port = port;
	return CURL_PREREQFUNC_OK;
}

/*
 * The status is known here, so an error page never gets into `out`. Room for
 * the announced length is taken at once: growing by copies would cost more
 * than the transfer on a fast link. False if there cannot be room.
 */
static bool begin_body(struct exchange *x)
{
	struct xfer_req *req = x->req;
	curl_off_t announced = -1;
	long status = 0;
	size_t max;

	(void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(x->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
				&announced);
	req->status = (int)status;
	if (status < 200)
		return true;
	x->in_body = true;
	if (req->out && req->status == req->out_status)
		return announced <= 0 ||
		       buf_reserve(req->out, (size_t)announced);
	max = req->status == 200 && !req->out ? req->reply_max : 0;
	buf_done(&req->reply);
	buf_init(&req->reply, max > ERROR_BODY_MAX ? max : ERROR_BODY_MAX);
	return true;
}

/* The empty line; a trailer behind the body ends in one too. */
static bool is_end(const char *line)
{
	return line[0] == '\r' || line[0] == '\n';
}

/*
 * An answer that came a second time would be taken for the answer to what was
 * asked next on that connection. S3 numbers its answers.
 */
static bool is_repeated(struct exchange *x)
{
	const char *id = headers_get(&x->req->answer, "x-amz-request-id");

	return id && sockets_is_repeated(x->sockets, x->port, id);
}

/* The status line: the first exchange of a request that gets one goes on alone.
 * Until then none touches what they share. */
static bool on_status(struct exchange *x, const char *line, size_t len)
{
	struct xfer_req *req = x->req;
	bool informs = len > 9 && line[9] == '1';

	if (req->first && req->first != x) {
		x->lost = true;
		return false;
	}
	if (informs)
		return true;
	acknowledge(x);
	req->first = x;
	req->answer_ms = clock_now_ms();
	/* What came before was a 100 Continue. */
	headers_reset(&req->answer);
	return true;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t len = size * count;

	if (len >= 5 && !memcmp(line, "HTTP/", 5))
		return on_status(x, line, len) ? len : 0;
	if (x->req->first != x)
		return len;
	x->overflow = headers_add_line(&x->req->answer, line, len) != 0;
	if (!x->overflow && is_end(line) && !x->in_body) {
		x->repeated = is_repeated(x);
		x->overflow = !x->repeated && !begin_body(x);
	}
	return x->overflow || x->repeated ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	struct xfer_req *req = x->req;
	size_t len = size * count;
	bool wanted;

	wanted = req->out && req->status == req->out_status;
	req->received += len;
	if (!buf_add(wanted ? req->out : &req->reply, data, len))
		return len;
	x->overflow = true;
	return 0;
}

static int add_field(struct exchange *x, const char *name, const char *value)
{
	CLEANUP_BUF struct buf line = BUF_INIT(128 << 10);
	struct curl_slist *list;

	/* "Name;" is curl's word for a field that is there but empty. */
	if (*value ? buf_addf(&line, "%s: %s", name, value)
		   : buf_addf(&line, "%s;", name))
		return -ENOMEM;
	list = curl_slist_append(x->fields, line.data);
	if (!list)
		return -ENOMEM;
	x->fields = list;
	return 0;
}

/* The fields that curl would add by itself are switched off: what is sent is
 * what was signed. */
static int set_fields(struct exchange *x)
{
	static const char *const off[] = { "Expect:", "Accept:",
					   "Content-Type:" };
	const struct headers *h = &x->req->headers;
	struct curl_slist *list;
	int r = 0;

	for (size_t i = 0; i < h->count && !r; i++)
		r = add_field(x, h->fields[i].name, h->fields[i].value);
	for (size_t i = 0; i < 3 && !r; i++) {
		if (i == 2 && headers_get(h, "content-type"))
			continue;
		list = curl_slist_append(x->fields, off[i]);
		if (list)
			x->fields = list;
		else
			r = -ENOMEM;
	}
	return r;
}

/* curl_easy_setopt fails for these options without memory only; the first
 * failure sticks. */
#define SET(option, value)                                                     \
	do {                                                                   \
		if (!code)                                                     \
			code = curl_easy_setopt(easy, option, value);          \
	} while (0)

static CURLcode set_connection(CURL *easy, const struct xfer_req *req,
			       const struct xfer_options *o)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_CONNECTTIMEOUT, (long)o->connect_timeout_s);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	/* Refused where the last transfer ended before it had a connection and
	 * left its buffer; that one will do. */
	(void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	if (req->body_len > (64 << 10))
		(void)curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE,
				       SEND_BUFFER);
	if (req->fresh)
		SET(CURLOPT_FRESH_CONNECT, 1L);
	if (o->ca_bundle)
		SET(CURLOPT_CAINFO, o->ca_bundle);
	if (o->no_check_certificate)
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
	if (o->no_check_certificate || o->any_hostname)
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	return code;
}

/* Every body goes by POSTFIELDS, borrowed and rewound by curl itself; a small
 * one leaves in one segment with the header. */
static CURLcode set_request(CURL *easy, const struct xfer_req *req)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_URL, req->url.data);
	SET(CURLOPT_USERAGENT, "assetfs/" ASSETFS_VERSION);
	if (!strcmp(req->method, "HEAD")) {
		SET(CURLOPT_NOBODY, 1L);
	} else if (!strcmp(req->method, "PUT") ||
		   !strcmp(req->method, "POST")) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
		SET(CURLOPT_POSTFIELDS, req->body ? req->body : "");
		SET(CURLOPT_CUSTOMREQUEST, req->method);
	} else {
		SET(CURLOPT_HTTPGET, 1L);
		SET(CURLOPT_CUSTOMREQUEST, req->method);
	}
	return code;
}

static CURLcode set_callbacks(CURL *easy, struct exchange *x)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_HTTPHEADER, x->fields);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, x);
	SET(CURLOPT_ERRORBUFFER, x->error);
	SET(CURLOPT_PRIVATE, x);
	return code ? code : sockets_attach(x->sockets, easy);
}

int exchange_join(struct exchange *x, struct xfer_req *req,
		  const struct xfer_options *o, uint64_t now_ms)
{
	CURLcode code;

	x->req = req;
	x->lost = false;
	x->in_body = x->overflow = x->repeated = false;
	x->error[0] = '\0';
	x->port = 0;
	x->moved = 0;
	x->moved_ms = now_ms;
	req->begun++;
	req->running++;
	if (set_fields(x))
		return -ENOMEM;
	curl_easy_reset(x->easy);
	code = set_connection(x->easy, req, o);
	if (!code)
		code = set_request(x->easy, req);
	if (!code)
		code = set_callbacks(x->easy, x);
	return code ? -ENOMEM : 0;
}

int exchange_begin(struct exchange *x, struct xfer_req *req,
		   const struct xfer_options *o, uint64_t now_ms)
{
	int r;

	headers_reset(&req->headers);
	headers_reset(&req->answer);
	buf_reset(&req->url);
	buf_reset(&req->reply);
	req->status = 0;
	req->received = 0;
	req->resent = false;
	req->begun = req->running = 0;
	req->first = NULL;
	req->begin_ms = now_ms;
	x->req = req; /* for who breaks it off */
	r = req->prepare(req);
	return r ? r : exchange_join(x, req, o, now_ms);
}

/* As far as it is not still in the kernel's buffer. */
static void tell_moved(const struct exchange *x, int64_t up)
{
	struct xfer_req *req = x->req;
	size_t bytes = up > 0 ? (size_t)up : 0;

	/* Of two that race, nobody knows which will count. */
	if (req->moved && req->running == 1)
		req->moved(req, bytes < req->body_len ? bytes : req->body_len);
}

/* What the kernel still holds has not crossed the network. */
static int64_t count_moved(const struct exchange *x)
{
	int fd = sockets_find(x->sockets, x->port), unsent = 0;
	curl_off_t up = 0, down = 0;
	CURL *easy = x->easy;
	long header = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
	(void)curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	(void)curl_easy_getinfo(easy, CURLINFO_HEADER_SIZE, &header);
	if (fd < 0 || ioctl(fd, SIOCOUTQ, &unsent))
		unsent = 0;
	tell_moved(x, up - unsent);
	return up + down + header - unsent;
}

bool exchange_stalled(struct exchange *x, uint64_t now_ms)
{
	uint64_t limit_ms = x->req->stall_ms ? x->req->stall_ms : STALL_MS;
	int64_t moved = count_moved(x);

	if (moved != x->moved) {
		x->moved = moved;
		x->moved_ms = now_ms;
	}
	return now_ms - x->moved_ms >= limit_ms;
}

void exchange_leave(struct exchange *x)
{
	curl_slist_free_all(x->fields);
	x->fields = NULL;
	x->req->running--;
	x->req = NULL;
}

static struct xfer_req *let_go(struct exchange *x, enum xfer_result result)
{
	struct xfer_req *req = x->req;

	curl_slist_free_all(x->fields);
	x->fields = NULL;
	x->req = NULL;
	req->running = 0;
	req->result = result;
	return req;
}

static enum xfer_result result_of(struct exchange *x, CURLcode code)
{
	const struct xfer_req *req = x->req;
	long connects = 1;

	switch (code) {
	case CURLE_OK:
		return XFER_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_OPERATION_TIMEDOUT: /* only that of the connect is set */
		return XFER_UNREACHABLE;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return XFER_UNTRUSTED;
	case CURLE_WRITE_ERROR:
		if (!x->overflow) /* repeated */
			return XFER_CUT;
		if (req->out && buf_error(req->out) == -ENOMEM)
			return XFER_NO_MEMORY;
		/* The start of an error message will do. */
		if (x->in_body && !buf_error(&req->reply))
			return XFER_TOO_BIG;
		return x->in_body && (req->out || req->status != 200)
			       ? XFER_OK
			       : XFER_TOO_BIG;
	default:
		break;
	}
	(void)curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &connects);
	if (!req->answer.count && !req->received && !connects)
		return XFER_RACE;
	return XFER_CUT;
}

struct xfer_req *exchange_end(struct exchange *x, CURLcode code)
{
	struct xfer_req *req = x->req;
	long status = 0;

	(void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	req->status = (int)status;
	/* What curl calls out of memory is a header that never ends, too: nothing
	 * that another attempt may not mend. */
	(void)snprintf(req->error, sizeof(req->error), "%.*s",
		       (int)sizeof(req->error) - 1,
		       x->repeated   ? "an earlier answer came again"
		       : x->overflow ? "the reply is larger than what is taken"
		       : x->error[0] ? x->error
		       : code == CURLE_OUT_OF_MEMORY
			       ? "out of memory, or a header without end"
			       : curl_easy_strerror(code));
	return let_go(x, result_of(x, code));
}

struct xfer_req *exchange_break(struct exchange *x, enum xfer_result result)
{
	static const char *const words[] = {
		[XFER_STALLED] = "the connection stalled",
		[XFER_DEADLINE] = "no answer in time",
		[XFER_CANCELLED] = "cancelled",
		[XFER_NO_MEMORY] = "out of memory",
	};
	struct xfer_req *req = x->req;

	(void)snprintf(req->error, sizeof(req->error), "%s", words[result]);
	return let_go(x, result);
}
