#include "s3/url.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/base/cleanup.h"

#define ENDPOINT_MAX 2048

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       is_digit(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

int url_encode(struct buf *out, const char *s, size_t len, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	char *to;
	size_t n = 0;

	if (len > SIZE_MAX / 3)
		return -EFBIG;
	for (size_t i = 0; i < len; i++)
		n += is_unreserved(s[i]) || (s[i] == '/' && keep_slash) ? 1 : 3;
	to = buf_reserve(out, n);
	if (!to)
		return buf_error(out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (is_unreserved(s[i]) || (c == '/' && keep_slash)) {
			*to++ = s[i];
			continue;
		}
		*to++ = '%';
		*to++ = digits[c >> 4];
		*to++ = digits[c & 15];
	}
	*to = '\0';
	out->len += n;
	return 0;
}

static int nibble(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int url_decode(struct buf *out, const char *s, size_t len)
{
	size_t start = out->len;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			if (len - i < 3 || nibble(s[i + 1]) < 0 ||
			    nibble(s[i + 2]) < 0) {
				out->len = start;
				return -EINVAL;
			}
			c = (char)(nibble(s[i + 1]) << 4 | nibble(s[i + 2]));
			i += 2;
		}
		(void)buf_add_char(out, c); /* checked once, below */
	}
	return buf_error(out);
}

void url_query_add(struct url_query *q, const char *name, const char *value)
{
	assert(q->count < URL_QUERY_MAX);
	q->params[q->count].name = name;
	q->params[q->count].value = value;
	q->count++;
}

static int compare_pairs(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	int r = strcmp(x[0], y[0]);

	return r ? r : strcmp(x[1], y[1]);
}

/* Signing sorts by the encoded name, then the encoded value. */
int url_query_write(struct buf *out, const struct url_query *q)
{
	struct buf names[2 * URL_QUERY_MAX];
	const char *pairs[URL_QUERY_MAX][2];
	int r = 0;

	for (size_t i = 0; i < 2 * q->count; i++) {
		const char *s = i % 2 ? q->params[i / 2].value
				      : q->params[i / 2].name;

		buf_init(&names[i], 16 << 10);
		if (!r)
			r = url_encode(&names[i], s, strlen(s), false);
		pairs[i / 2][i % 2] = names[i].data ? names[i].data : "";
	}
	if (!r)
		qsort(pairs, q->count, sizeof(pairs[0]), compare_pairs);
	for (size_t i = 0; i < q->count && !r; i++)
		r = buf_addf(out, "%s%s=%s", i ? "&" : "", pairs[i][0],
			     pairs[i][1]);
	for (size_t i = 0; i < 2 * q->count; i++)
		buf_done(&names[i]);
	return r;
}

int url_path(struct buf *out, const struct url_site *u, const char *key)
{
	(void)buf_add_str(out, u->root); /* a failed buffer stays failed */
	return url_encode(out, key, strlen(key), true);
}

/* The parts of an endpoint, borrowed from its text. */
struct endpoint {
	bool https;
	const char *host; /* with brackets if IPv6 */
	size_t host_len;
	const char *port; /* digits */
	size_t port_len;
	const char *path; /* "" or "/base" without a slash at its end */
	size_t path_len;
};

static bool valid_host(const char *s, size_t len)
{
	bool brackets = len > 2 && s[0] == '[' && s[len - 1] == ']';

	for (size_t i = 0; i < len; i++) {
		if (is_unreserved(s[i]) && s[i] != '~')
			continue;
		if (brackets && (s[i] == ':' || !i || i == len - 1))
			continue;
		return false;
	}
	return len > 0;
}

static int parse_endpoint(struct endpoint *p, const char *text, struct err *e)
{
	const char *s = text, *sep = strstr(text, "://"), *end;
	size_t len = strcspn(s, "?#");

	if (s[len] || strlen(text) > ENDPOINT_MAX)
		return err_set(e, -EINVAL,
			       "endpoint '%s': not of the form "
			       "http[s]://HOST[:PORT][/PATH]",
			       text);
	p->https = true;
	if (sep) {
		p->https = sep - s == 5 && !strncasecmp(s, "https", 5);
		if (!p->https && !(sep - s == 4 && !strncasecmp(s, "http", 4)))
			return err_set(e, -EINVAL,
				       "endpoint '%s': only http:// and "
				       "https:// are spoken",
				       text);
		s = sep + 3;
	}
	end = s + strcspn(s, "/");
	p->host = s;
	p->host_len = (size_t)(end - s);
	p->port = end;
	p->port_len = 0;
	for (const char *c = end; c > s && (is_digit(c[-1]) || c[-1] == ':');
	     c--)
		if (c[-1] == ':') {
			p->port = c;
			p->port_len = (size_t)(end - c);
			p->host_len = (size_t)(c - 1 - s);
			break;
		}
	p->path = end;
	p->path_len = strlen(end);
	while (p->path_len && end[p->path_len - 1] == '/')
		p->path_len--;
	if (!valid_host(p->host, p->host_len) || p->port_len > 5 ||
	    (p->host + p->host_len != end && !p->port_len))
		return err_set(e, -EINVAL, "endpoint '%s': bad host or port",
			       text);
	if ((p->https && p->port_len == 3 && !memcmp(p->port, "443", 3)) ||
	    (!p->https && p->port_len == 2 && !memcmp(p->port, "80", 2)))
		p->port_len = 0;
	return 0;
}

static bool is_address(const struct endpoint *p)
{
	char host[INET6_ADDRSTRLEN];
	unsigned char address[16];

	if (p->host[0] == '[' ||
	    (p->host_len == 9 && !strncasecmp(p->host, "localhost", 9)))
		return true;
	if (p->host_len >= sizeof(host))
		return false;
	memcpy(host, p->host, p->host_len);
	host[p->host_len] = '\0';
	return inet_pton(AF_INET, host, address) == 1;
}

static bool ends_in(const struct endpoint *p, const char *tail)
{
	size_t len = strlen(tail);

	return p->host_len >= len &&
	       !strncasecmp(p->host + p->host_len - len, tail, len);
}

/* A bucket that can be a label of a host name, also under a certificate for
 * one level of names. */
static bool fits_host(const char *bucket, bool https)
{
	size_t len = strlen(bucket);

	if (len < 3 || len > 63)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = bucket[i];
		bool alnum = (c >= 'a' && c <= 'z') || is_digit(c);

		if (alnum || (c == '-' && i && i < len - 1) ||
		    (c == '.' && !https && i && i < len - 1))
			continue;
		return false;
	}
	return true;
}

/* The AWS regions of China live under a domain of their own. */
static char *aws_endpoint(const char *region)
{
	struct buf b = BUF_INIT(ENDPOINT_MAX);

	(void)buf_addf(&b, "https://s3.%s.amazonaws.com%s", region,
		       strncmp(region, "cn-", 3) ? "" : ".cn");
	return buf_take(&b);
}

/* s3.amazonaws.com, s3.REGION.amazonaws.com, s3-REGION.amazonaws.com and those
 * of China; not those of a private network, nor dual-stack or FIPS ones, which
 * were chosen for what they are. */
static bool is_regional(const struct endpoint *p)
{
	static const char *const tails[] = { ".amazonaws.com.cn",
					     ".amazonaws.com" };
	size_t len = 0;

	for (size_t i = 0; i < 2 && !len; i++)
		if (ends_in(p, tails[i]))
			len = p->host_len - strlen(tails[i]);
	if (len == 2)
		return !strncasecmp(p->host, "s3", 2);
	return len > 3 && !strncasecmp(p->host, "s3", 2) &&
	       (p->host[2] == '.' || p->host[2] == '-') &&
	       !memchr(p->host + 3, '.', len - 3) &&
	       strncasecmp(p->host + 3, "fips-", 5);
}

int url_site_init(struct url_site *u, const char *endpoint, const char *region,
		  const char *bucket, bool path_style, struct err *e)
{
	CLEANUP_FREE char *aws = NULL;
	CLEANUP_BUF struct buf host = BUF_INIT(2 * ENDPOINT_MAX);
	CLEANUP_BUF struct buf origin = BUF_INIT(2 * ENDPOINT_MAX);
	CLEANUP_BUF struct buf root = BUF_INIT(4 * ENDPOINT_MAX);
	struct endpoint p = { 0 };
	int r;

	if (!endpoint) {
		aws = aws_endpoint(region);
		if (!aws)
			return err_set(e, -ENOMEM, "out of memory");
		endpoint = aws;
	}
	r = parse_endpoint(&p, endpoint, e);
	if (r)
		return r;
	if (is_address(&p) || !fits_host(bucket, p.https))
		path_style = true;
	if (!path_style)
		(void)buf_addf(&host, "%s.", bucket);
	(void)buf_add(&host, p.host, p.host_len);
	if (p.port_len)
		(void)buf_addf(&host, ":%.*s", (int)p.port_len, p.port);
	(void)buf_addf(&origin, "%s://%s", p.https ? "https" : "http",
		       host.data ? host.data : "");
	(void)url_encode(&root, p.path, p.path_len, true);
	(void)buf_add_char(&root, '/');
	if (path_style) {
		(void)url_encode(&root, bucket, strlen(bucket), false);
		(void)buf_add_char(&root, '/');
	}
	if (buf_error(&host) || buf_error(&origin) || buf_error(&root))
		return err_set(e, -ENOMEM, "out of memory");
	u->origin = buf_take(&origin);
	u->host = buf_take(&host);
	u->root = buf_take(&root);
	u->is_aws = ends_in(&p, ".amazonaws.com") ||
		    ends_in(&p, ".amazonaws.com.cn");
	u->is_regional = is_regional(&p);
	return 0;
}

void url_site_done(struct url_site *u)
{
	free(u->origin);
	free(u->host);
	free(u->root);
	memset(u, 0, sizeof(*u));
}
