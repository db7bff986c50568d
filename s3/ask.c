/*
 * An easy handle of its own for each exchange: there are few, hours apart, and
 * the transfer thread must not wait for them.
 */
#include "s3/ask.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "s3/base/cleanup.h"
#include "s3/stamp.h"

#define REPLY_MAX (64 << 10)
#define PAUSE_MS 20

void ask_init(struct ask *a)
{
	memset(a, 0, sizeof(*a));
	headers_init(&a->fields);
	buf_init(&a->reply, REPLY_MAX);
}

static void wipe_reply(struct ask *a)
{
	if (a->reply.data)
		explicit_bzero(a->reply.data, a->reply.len);
	buf_reset(&a->reply);
}

void ask_done(struct ask *a)
{
	wipe_reply(a);
	buf_done(&a->reply);
	headers_done(&a->fields);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct ask *a = arg;
	size_t len = size * count;

	if (len > 6 && !strncasecmp(line, "date: ", 6)) {
		while (len > 6 &&
		       (line[len - 1] == '\r' || line[len - 1] == '\n' ||
			line[len - 1] == ' '))
			len--;
		if (stamp_parse_http(&a->date_s, line + 6, len - 6))
			a->date_s = 0;
	}
	return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct ask *a = arg;

	return buf_add(&a->reply, data, size * count) ? 0 : size * count;
}

/* Called about once a second, and whenever something moves. */
static int on_progress(void *arg, curl_off_t down, curl_off_t down_now,
		       curl_off_t up, curl_off_t up_now)
{
	const struct ask *a = arg;

	(void)down;
	(void)down_now;
	(void)up;
	(void)up_now;
	return a->stop && atomic_load(a->stop);
}

static int add_field(struct curl_slist **list, const char *name,
		     const char *value)
{
	CLEANUP_BUF struct buf line = BUF_INIT(128 << 10);
	struct curl_slist *longer;

	if (*value ? buf_addf(&line, "%s: %s", name, value)
		   : buf_addf(&line, "%s;", name))
		return -ENOMEM;
	longer = curl_slist_append(*list, line.data);
	explicit_bzero(line.data, line.len);
	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int set_up(struct ask *a, CURL *easy, struct curl_slist **fields,
		  char *error)
{
	CURLcode c = CURLE_OK;

#define SET(option, value)                                                     \
	do {                                                                   \
		if (!c)                                                        \
			c = curl_easy_setopt(easy, option, value);             \
	} while (0)
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_TIMEOUT_MS, (long)a->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)a->timeout_ms);
	SET(CURLOPT_USERAGENT, "assetfs/" ASSETFS_VERSION);
	SET(CURLOPT_URL, a->url);
	if (a->direct)
		SET(CURLOPT_PROXY, "");
	if (a->ca_bundle)
		SET(CURLOPT_CAINFO, a->ca_bundle);
	if (a->body) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE, (long)strlen(a->body));
		SET(CURLOPT_POSTFIELDS, a->body);
	}
	SET(CURLOPT_CUSTOMREQUEST, a->method);
	for (size_t i = 0; i < a->fields.count && !c; i++)
		if (add_field(fields, a->fields.fields[i].name,
			      a->fields.fields[i].value))
			return -ENOMEM;
	SET(CURLOPT_HTTPHEADER, *fields);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, a);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, a);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, a);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_ERRORBUFFER, error);
#undef SET
	return c ? -ENOMEM : 0;
}

static int tell(const struct ask *a, CURLcode c, const char *error,
		struct err *e)
{
	const char *text = *error ? error : curl_easy_strerror(c);

	switch (c) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(e, -ETIMEDOUT, "no answer within %g s",
			       a->timeout_ms / 1000.0);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
		return err_set(e, -EHOSTUNREACH, "%.200s", text);
	case CURLE_ABORTED_BY_CALLBACK:
		return err_set(e, -ECANCELED, "cancelled");
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return err_set(e, -EACCES, "%.200s", text);
	case CURLE_OUT_OF_MEMORY:
		return err_set(e, -ENOMEM, "out of memory");
	case CURLE_WRITE_ERROR:
		return err_set(e, -EIO, "the answer is too long");
	default:
		return err_set(e, -EIO, "%.200s", text);
	}
}

int ask_run(struct ask *a, struct err *e)
{
	char error[CURL_ERROR_SIZE] = "";
	struct curl_slist *fields = NULL;
	long status = 0;
	CURL *easy;
	int r;

	a->status = 0;
	a->date_s = 0;
	wipe_reply(a);
	/* All at once: growing would leave copies behind. */
	if (!buf_reserve(&a->reply, REPLY_MAX))
		return err_set(e, -ENOMEM, "out of memory");
	easy = curl_easy_init();
	if (!easy)
		return err_set(e, -ENOMEM, "out of memory");
	r = set_up(a, easy, &fields, error);
	if (r)
		(void)err_set(e, r, "out of memory");
	else
		r = tell(a, curl_easy_perform(easy), error, e);
	if (!r)
		(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	a->status = (int)status;
	curl_easy_cleanup(easy);
	for (struct curl_slist *f = fields; f; f = f->next)
		explicit_bzero(f->data, strlen(f->data));
	curl_slist_free_all(fields);
	return r;
}

bool ask_pause(const atomic_bool *stop, uint32_t ms)
{
	const struct timespec step = { .tv_nsec = PAUSE_MS * 1000000L };

	for (uint32_t past = 0; past < ms; past += PAUSE_MS) {
		if (stop && atomic_load(stop))
			return true;
		(void)nanosleep(&step, NULL);
	}
	return stop && atomic_load(stop);
}
