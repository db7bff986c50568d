#include "s3/metadata.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/ask.h"
#include "s3/base/log.h"
#include "s3/creds_json.h"
#include "s3/profile.h"

#define TIMEOUT_MS 1000
#define TRIES 2
#define PAUSE_MS 300
#define TOKEN_MAX (16 << 10)

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static unsigned int number_of(const char *name, unsigned int otherwise,
			      unsigned int max)
{
	const char *text = variable(name);
	unsigned long n = text ? strtoul(text, NULL, 10) : otherwise;

	return n >= 1 && n <= max ? (unsigned int)n : otherwise;
}

/* ---- exchanges --------------------------------------------------------- */

static void begin(struct ask *a, const struct creds_context *c)
{
	ask_init(a);
	a->direct = true;
	a->timeout_ms = 1000 * number_of("AWS_METADATA_SERVICE_TIMEOUT",
					 TIMEOUT_MS / 1000, 60);
	a->ca_bundle = c->o->ca_bundle;
	a->stop = c->stop;
}

/* 0 with a reply of whatever status below 500. */
static int run(struct ask *a, const char *method, const char *url,
	       struct err *e)
{
	unsigned int tries =
		number_of("AWS_METADATA_SERVICE_NUM_ATTEMPTS", TRIES, 20);
	int r = 0;

	a->method = method;
	a->url = url;
	for (unsigned int i = 0; i < tries; i++) {
		if (i && ask_pause(a->stop, PAUSE_MS * i))
			return err_set(e, -ECANCELED, "cancelled");
		r = ask_run(a, e);
		if (!r && a->status >= 500)
			r = err_set(e, -EIO, "status %d", a->status);
		if (r != -EIO && r != -ETIMEDOUT && r != -EHOSTUNREACH)
			break;
	}
	return r;
}

/* ---- containers -------------------------------------------------------- */

static bool is_local(const char *host)
{
	static const char *const known[] = { "localhost", "169.254.170.2",
					     "169.254.170.23", "fd00:ec2::23",
					     "::1" };
	char bare[64];
	size_t len = strlen(host);
	struct in_addr a;

	if (len >= sizeof(bare))
		return false;
	memcpy(bare, host, len + 1);
	if (*bare == '[' && bare[len - 1] == ']') {
		bare[len - 1] = '\0';
		memmove(bare, bare + 1, len - 1);
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcasecmp(bare, known[i]))
			return true;
	return inet_pton(AF_INET, bare, &a) == 1 &&
	       (ntohl(a.s_addr) >> 24) == 127;
}

int metadata_check_url(const char *url, struct err *e)
{
	char *scheme = NULL, *host = NULL;
	CURLU *u = curl_url();
	bool ok = u && !curl_url_set(u, CURLUPART_URL, url, 0) &&
		  !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
		  !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
		  (!strcmp(scheme, "https") ||
		   (!strcmp(scheme, "http") && is_local(host)));

	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(u);
	return ok ? 0
		  : err_set(e, -EACCES,
			    "'%s' is neither https nor http on loopback or at "
			    "the address of ECS or EKS",
			    url);
}

/* What authorises us to ask, into `out`; none is no error. */
static int find_authorization(struct buf *out, struct err *e)
{
	const char *file = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *text = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	int r;

	if (file) {
		r = profile_read_secret(file, 0644, out, e);
		if (r == -ENOENT)
			return err_set(e, -EACCES,
				       "the token file '%s' does not exist",
				       file);
		if (r)
			return r;
		while (out->len && strchr("\r\n", out->data[out->len - 1]))
			out->data[--out->len] = '\0';
	} else if (text && buf_add_str(out, text)) {
		return err_set(e, -EACCES,
			       "the authorization token is over "
			       "16 KiB");
	}
	if (!out->len)
		return 0;
	log_secret(out->data);
	/* It must not bring header fields of its own. */
	return strpbrk(out->data, "\r\n")
		       ? err_set(e, -EACCES,
				 "the authorization token has line breaks")
		       : 0;
}

/* Failures come with a document that says why. */
static int read_answer(struct creds_keys **ret_keys, const struct ask *a,
		       struct err *e)
{
	CLEANUP(creds_keys_putp) struct creds_keys *k = NULL;
	struct err why = { 0 };

	if (a->status == 200)
		return creds_json_read(ret_keys, a->reply.data, a->reply.len,
				       false, e);
	(void)creds_json_read(&k, a->reply.data, a->reply.len, false, &why);
	return err_set(e, -EACCES, "status %d%s%s", a->status,
		       why.code ? ": " : "", why.text);
}

static int ask_container(struct creds_keys **ret_keys, const char *url,
			 const struct creds_context *c, struct err *e)
{
	CLEANUP_BUF struct buf token = BUF_INIT(TOKEN_MAX);
	struct ask a;
	int r;

	r = metadata_check_url(url, e);
	if (!r)
		r = find_authorization(&token, e);
	if (r)
		return r;
	begin(&a, c);
	if (token.len && headers_add(&a.fields, "authorization", token.data))
		r = err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = run(&a, "GET", url, e);
	if (r == -ETIMEDOUT || r == -EHOSTUNREACH)
		r = -EIO;
	if (!r)
		r = read_answer(ret_keys, &a, e);
	ask_done(&a);
	if (token.data)
		explicit_bzero(token.data, token.len);
	return r;
}

int metadata_container(const struct creds_context *c,
		       struct creds_keys **ret_keys, struct err *e)
{
	const char *below = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	CLEANUP_BUF struct buf url = BUF_INIT(4096);
	int r;

	if (!below && !full)
		return 0;
	if (below)
		(void)buf_addf(&url, "http://169.254.170.2%s%s",
			       *below == '/' ? "" : "/", below);
	else
		(void)buf_add_str(&url, full);
	r = buf_error(&url);
	if (r)
		return err_set(e, -EACCES,
			       "container credentials: the "
			       "address is too long");
	r = ask_container(ret_keys, url.data, c, e);
	if (!r && creds_keys_from(*ret_keys, "container (%s)", url.data)) {
		creds_keys_put(*ret_keys);
		return err_set(e, -ENOMEM, "out of memory");
	}
	return r ? err_wrap(e, r, "container credentials at '%.120s'", url.data)
		 : 1;
}

/* ---- EC2 --------------------------------------------------------------- */

static const char *instance_origin(void)
{
	const char *named = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (named)
		return named;
	return mode && !strcasecmp(mode, "ipv6") ? "http://[fd00:ec2::254]"
						 : "http://169.254.169.254";
}

/* origin/latest/PATH */
static int make_url(struct buf *url, const char *origin, const char *path,
		    const char *more, struct err *e)
{
	size_t len = strlen(origin);

	while (len && origin[len - 1] == '/')
		len--;
	buf_reset(url);
	(void)buf_addf(url, "%.*s/latest/%s%s", (int)len, origin, path, more);
	return buf_error(url) ? err_set(e, -EACCES, "the address is too long")
			      : 0;
}

/*
 * The request for a token crosses no more hops than the instance allows, one by
 * default: in a container the answer is lost on its way, and nothing comes.
 */
static int get_token(struct ask *a, struct buf *url, const char *origin,
		     struct err *e)
{
	CLEANUP_FREE char *token = NULL;
	int r = make_url(url, origin, "api/token", "", e);

	if (!r && headers_add(&a->fields,
			      "x-aws-ec2-metadata-token-ttl-seconds", "21600"))
		r = err_set(e, -ENOMEM, "out of memory");
	if (!r)
		r = run(a, "PUT", url->data, e);
	if (r == -ETIMEDOUT)
		return err_wrap(e, -EIO,
				"no session token (in a container the hop "
				"limit of the instance's metadata must be 2 "
				"or more)");
	if (r == -EHOSTUNREACH)
		return err_wrap(e, -EIO,
				"this is no EC2 instance, or its "
				"metadata cannot be reached");
	if (r)
		return err_wrap(e, r, "no session token");
	if (a->status == 403)
		return err_set(e, -EACCES,
			       "the instance's metadata service is "
			       "turned off (status 403)");
	if (a->status != 200 || !a->reply.len || a->reply.len > TOKEN_MAX)
		return err_set(e, -EACCES,
			       "status %d where a session token was due: no "
			       "IMDSv2 there",
			       a->status);
	token = strdup(a->reply.data);
	headers_reset(&a->fields);
	if (!token ||
	    headers_add(&a->fields, "x-aws-ec2-metadata-token", token))
		return err_set(e, -ENOMEM, "out of memory");
	log_secret(token);
	explicit_bzero(token, strlen(token));
	return 0;
}

/* The first line of the answer. */
static int get_role(struct buf *role, struct ask *a, struct buf *url,
		    const char *origin, struct err *e)
{
	int r = make_url(url, origin, "meta-data/iam/security-credentials/", "",
			 e);

	if (!r)
		r = run(a, "GET", url->data, e);
	if (r == -ETIMEDOUT || r == -EHOSTUNREACH)
		r = -EIO;
	if (r)
		return r;
	if (a->status == 404 || (a->status == 200 && !a->reply.len))
		return err_set(e, -EACCES,
			       "the instance has no role: attach an instance "
			       "profile");
	if (a->status != 200)
		return err_set(e, -EACCES,
			       "status %d where the name of a role was due%s",
			       a->status,
			       a->status == 401 ? " (is IMDSv2 required there?)"
						: "");
	(void)buf_add(role, a->reply.data, strcspn(a->reply.data, "\r\n"));
	/* It goes into a URL. */
	if (buf_error(role) || !role->len || strpbrk(role->data, " ?#%\\\""))
		return err_set(e, -EACCES, "the name of the role is none");
	return 0;
}

static int get_keys(struct creds_keys **ret_keys, const char *role,
		    struct ask *a, struct buf *url, const char *origin,
		    struct err *e)
{
	int r = make_url(url, origin, "meta-data/iam/security-credentials/",
			 role, e);

	if (!r)
		r = run(a, "GET", url->data, e);
	if (r == -ETIMEDOUT || r == -EHOSTUNREACH)
		r = -EIO;
	if (!r && a->status != 200)
		r = err_set(e, -EACCES, "status %d where keys were due%s",
			    a->status,
			    a->status == 404 ? ": no such role here" : "");
	if (!r)
		r = creds_json_read(ret_keys, a->reply.data, a->reply.len,
				    false, e);
	if (r)
		return err_wrap(e, r, "role '%s'", role);
	if (creds_keys_from(*ret_keys, "EC2 instance role '%s'", role)) {
		creds_keys_put(*ret_keys);
		return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

int metadata_instance(const struct creds_context *c,
		      struct creds_keys **ret_keys, struct err *e)
{
	const char *off = variable("AWS_EC2_METADATA_DISABLED");
	const char *named = c->o->iam_role, *origin = instance_origin();
	CLEANUP_BUF struct buf url = BUF_INIT(4096);
	CLEANUP_BUF struct buf role = BUF_INIT(512);
	struct ask a;
	int r = 0;

	if (!named && off && !strcasecmp(off, "true"))
		return 0;
	begin(&a, c);
	if (!c->o->imds_v1)
		r = get_token(&a, &url, origin, e);
	if (!r && named && strcmp(named, "auto") != 0)
		r = buf_add_str(&role, named);
	else if (!r)
		r = get_role(&role, &a, &url, origin, e);
	if (!r)
		r = get_keys(ret_keys, role.data, &a, &url, origin, e);
	ask_done(&a);
	return r ? err_wrap(e, r, "EC2 metadata at %.120s", origin) : 1;
}
