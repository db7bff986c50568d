#include "s3/sts.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/ask.h"
#include "s3/base/clock.h"
#include "s3/base/log.h"
#include "s3/profile.h"
#include "s3/sign.h"
#include "s3/stamp.h"
#include "s3/url.h"
#include "s3/xml.h"

#define TIMEOUT_MS 10000
#define TRIES 3
#define PAUSE_MS 250
#define SKEW_MAX_S 300
#define FORM_TYPE "application/x-www-form-urlencoded; charset=utf-8"

/* ---- answers ----------------------------------------------------------- */

struct reader {
	struct sts_answer *answer;
	bool inside; /* of Credentials */
	char *access, *secret, *token;
	int64_t expires_s;
};

static int on_open(void *arg, int depth, const char *name)
{
	struct reader *r = arg;

	if (depth > 1 && !strcmp(name, "Credentials"))
		r->inside = true;
	return 0;
}

static int keep(char **field, const char *text)
{
	secret_free(*field);
	*field = strdup(text);
	return *field ? 0 : -ENOMEM;
}

static int on_close(void *arg, int depth, const char *name, const char *text,
		    size_t len)
{
	struct reader *r = arg;
	struct sts_answer *a = r->answer;

	(void)depth;
	if (!strcmp(name, "Credentials"))
		r->inside = false;
	else if (!strcmp(name, "Code"))
		(void)snprintf(a->code, sizeof(a->code), "%s", text);
	else if (!strcmp(name, "Message"))
		(void)snprintf(a->message, sizeof(a->message), "%s", text);
	else if (!r->inside)
		return 0;
	else if (!strcmp(name, "AccessKeyId"))
		return keep(&r->access, text);
	else if (!strcmp(name, "SecretAccessKey"))
		return keep(&r->secret, text);
	else if (!strcmp(name, "SessionToken"))
		return keep(&r->token, text);
	else if (!strcmp(name, "Expiration") &&
		 stamp_parse_iso(&r->expires_s, text, len))
		return -EBADMSG;
	return 0;
}

int sts_read(struct sts_answer *ret_answer, const void *data, size_t len)
{
	static const struct xml_events events = { on_open, on_close };
	struct sts_answer a = { .keys = NULL };
	struct reader r = { .answer = &a };
	int ret = xml_read(data, len, &events, &r);

	if (!ret && r.access && r.secret)
		ret = creds_keys_new(&a.keys, r.access, r.secret, r.token,
				     r.expires_s, NULL);
	else if (!ret && !a.code[0])
		ret = -EBADMSG;
	free(r.access);
	secret_free(r.secret);
	secret_free(r.token);
	if (ret)
		return ret == -ENOMEM ? ret : -EBADMSG;
	*ret_answer = a;
	return 0;
}

/* ---- requests ---------------------------------------------------------- */

struct place {
	struct buf url;
	struct buf host; /* with the port, unless it is the scheme's own */
	struct buf path;
};

static void place_done(struct place *p)
{
	buf_done(&p->url);
	buf_done(&p->host);
	buf_done(&p->path);
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* Appends one part of the URL. */
static bool part(struct buf *out, CURLU *u, CURLUPart which, const char *before)
{
	char *text = NULL;
	bool ok = !curl_url_get(u, which, &text, 0) &&
		  !buf_addf(out, "%s%s", before, text);

	curl_free(text);
	return ok;
}

static int find_place(struct place *ret_place, const char *region,
		      struct err *e)
{
	const char *named = variable("AWS_ENDPOINT_URL_STS");
	struct place *p = ret_place;
	CURLU *u;
	bool ok;

	if (!named)
		named = variable("AWS_ENDPOINT_URL");
	if (named)
		(void)buf_add_str(&p->url, named);
	else
		(void)buf_addf(&p->url, "https://sts.%s.amazonaws.com%s/",
			       region, strncmp(region, "cn-", 3) ? "" : ".cn");
	u = curl_url();
	ok = u && !buf_error(&p->url) &&
	     !curl_url_set(u, CURLUPART_URL, p->url.data, 0) &&
	     part(&p->host, u, CURLUPART_HOST, "") &&
	     part(&p->path, u, CURLUPART_PATH, "");
	if (ok)
		(void)part(&p->host, u, CURLUPART_PORT, ":");
	curl_url_cleanup(u);
	return ok ? 0
		  : err_set(e, -EINVAL, "endpoint of STS '%s': no such URL",
			    named ? named : p->url.data);
}

/* name=value of a form */
static void add(struct buf *form, const char *name, const char *value)
{
	if (!value)
		return;
	(void)buf_addf(form, "%s%s=", form->len ? "&" : "", name);
	(void)url_encode(form, value, strlen(value), false);
}

/* STS takes letters, digits and "_=,.@-", 2 to 64 of them. */
static void default_session(char *out, size_t size)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	(void)snprintf(out, size, "assetfs-%.50s", *host ? host : "mount");
	for (char *p = out; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
			    "XYZ0123456789_=,.@-",
			    *p))
			*p = '-';
}

static void make_form(struct buf *form, const char *action,
		      const struct sts_role *role, const char *token)
{
	char session[64];

	default_session(session, sizeof(session));
	add(form, "Action", action);
	add(form, "Version", "2011-06-15");
	add(form, "RoleArn", role->arn);
	add(form, "RoleSessionName",
	    role->session_name ? role->session_name : session);
	add(form, "ExternalId", role->external_id);
	add(form, "DurationSeconds", role->duration);
	add(form, "WebIdentityToken", token);
}

static int sign(struct ask *a, const struct place *p,
		const struct creds_keys *keys, const char *region,
		int64_t now_s)
{
	CLEANUP_BUF struct buf value = BUF_INIT(16 << 10);
	struct sign_request what = { .method = "POST",
				     .path = p->path.data,
				     .query = "",
				     .headers = &a->fields };
	struct sign_scope scope = { .access = keys->access,
				    .region = region,
				    .service = "sts" };
	char stamp[SIGN_STAMP_LEN], date[SIGN_DATE_LEN], payload[HASH_HEX];
	struct hash key, sum;
	int r;

	sign_stamp(stamp, now_s);
	(void)snprintf(date, sizeof(date), "%.8s", stamp);
	hash_of(&sum, a->body, strlen(a->body));
	hex_encode(payload, sum.bytes, HASH_LEN);
	sign_key(&key, keys->secret, date, region, "sts");
	what.payload = payload;
	scope.stamp = stamp;
	scope.key = &key;
	r = headers_add(&a->fields, "x-amz-date", stamp);
	if (!r && keys->token)
		r = headers_add(&a->fields, "x-amz-security-token",
				keys->token);
	if (!r)
		r = sign_authorization(&value, &what, &scope);
	if (!r)
		r = headers_add(&a->fields, "authorization", value.data);
	return r;
}

struct attempt {
	const struct place *place;
	const struct creds_keys *keys; /* NULL: unsigned */
	const char *region;
	int64_t offset_s; /* the server's clock less ours */
};

static int send_once(struct ask *a, const struct attempt *t, struct err *e)
{
	int r;

	headers_reset(&a->fields);
	r = headers_add(&a->fields, "host", t->place->host.data);
	if (!r)
		r = headers_add(&a->fields, "content-type", FORM_TYPE);
	if (!r && t->keys)
		r = sign(a, t->place, t->keys, t->region,
			 clock_wall_s() + t->offset_s);
	if (r)
		return err_set(e, -ENOMEM, "out of memory");
	return ask_run(a, e);
}

static bool is_passing(int status, const char *code)
{
	static const char *const codes[] = {
		"Throttling", "RequestLimitExceeded", "IDPCommunicationError",
		"SlowDown",   "ServiceUnavailable",   "InternalError"
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(code, codes[i]))
			return true;
	return status >= 500 || status == 429;
}

static const char *advice_of(const char *code)
{
	static const struct {
		const char *code;
		const char *advice;
	} table[] = {
		{ "AccessDenied", "; may these keys assume the role, and does "
				  "its trust policy name them?" },
		{ "ExpiredToken", "; the keys that ask for the role have "
				  "expired" },
		{ "ExpiredTokenException", "; the token file is out of date" },
		{ "InvalidIdentityToken", "; is the issuer of the token "
					  "registered there?" },
		{ "RegionDisabledException",
		  "; choose another region with region=" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(code, table[i].code))
			return table[i].advice;
	return "";
}

static int judge(struct creds_keys **ret_keys, const struct ask *a,
		 struct err *e)
{
	struct sts_answer answer = { .keys = NULL };
	int r = sts_read(&answer, a->reply.data ? a->reply.data : "",
			 a->reply.len);

	if (r == -ENOMEM)
		return err_set(e, r, "out of memory");
	if (!r && answer.keys && a->status == 200) {
		*ret_keys = answer.keys;
		return 1;
	}
	creds_keys_put(answer.keys);
	if (r || !answer.code[0])
		return err_set(e, a->status >= 500 ? -EIO : -EACCES,
			       "status %d, and no answer of STS", a->status);
	return err_set(e, is_passing(a->status, answer.code) ? -EIO : -EACCES,
		       "%d %s: %s%s", a->status, answer.code, answer.message,
		       advice_of(answer.code));
}

static bool clock_is_off(const struct ask *a, const struct attempt *t)
{
	return a->status >= 400 && a->status < 500 && a->date_s && t->keys &&
	       llabs((long long)(a->date_s - clock_wall_s() - t->offset_s)) >
		       SKEW_MAX_S;
}

static int exchange(struct creds_keys **ret_keys, struct ask *a,
		    struct attempt *t, struct err *e)
{
	int r = -EIO;

	for (unsigned int i = 0; i < TRIES; i++) {
		if (i && ask_pause(a->stop, PAUSE_MS << i))
			return err_set(e, -ECANCELED, "cancelled");
		r = send_once(a, t, e);
		if (!r)
			r = judge(ret_keys, a, e);
		else if (r == -ETIMEDOUT || r == -EHOSTUNREACH)
			r = -EIO;
		if (r == -EACCES && clock_is_off(a, t))
			t->offset_s = a->date_s - clock_wall_s();
		else if (r != -EIO)
			break;
	}
	return r;
}

static int ask_for_role(struct creds_keys **ret_keys, const char *action,
			const struct sts_role *role,
			const struct creds_keys *keys, const char *token,
			const struct creds_context *c, struct err *e)
{
	CLEANUP(place_done)
	struct place place = { BUF_INIT(4096), BUF_INIT(4096), BUF_INIT(4096) };
	CLEANUP_BUF struct buf form = BUF_INIT(256 << 10);
	struct attempt t = { .place = &place, .keys = keys };
	struct ask a;
	int r;

	t.region = c->o->region ? c->o->region : "us-east-1";
	r = find_place(&place, t.region, e);
	if (r)
		return r;
	make_form(&form, action, role, token);
	if (buf_error(&form))
		return err_set(e, buf_error(&form), "%s: request too long",
			       action);
	ask_init(&a);
	a.method = "POST";
	a.url = place.url.data;
	a.body = form.data;
	a.timeout_ms = TIMEOUT_MS;
	a.ca_bundle = c->o->ca_bundle;
	a.stop = c->stop;
	r = exchange(ret_keys, &a, &t, e);
	ask_done(&a);
	explicit_bzero(form.data, form.len);
	if (r < 0)
		return err_wrap(e, r, "role '%s': %s at %s", role->arn, action,
				place.host.data);
	if (creds_keys_from(*ret_keys, "role '%s' (%s at %s)", role->arn,
			    action, place.host.data)) {
		creds_keys_put(*ret_keys);
		return err_set(e, -ENOMEM, "out of memory");
	}
	return 1;
}

int sts_assume_role(struct creds_keys **ret_keys, const struct sts_role *role,
		    const struct creds_keys *keys,
		    const struct creds_context *c, struct err *e)
{
	return ask_for_role(ret_keys, "AssumeRole", role, keys, NULL, c, e);
}

int sts_assume_role_with_token(struct creds_keys **ret_keys,
			       const struct sts_role *role,
			       const char *token_file,
			       const struct creds_context *c, struct err *e)
{
	CLEANUP_BUF struct buf token = BUF_INIT(1 << 20);
	int r = profile_read_secret(token_file, 0644, &token, e);

	if (r == -ENOENT)
		return err_set(e, -EACCES,
			       "role '%s': the token file '%s' does not exist",
			       role->arn, token_file);
	if (r)
		return r;
	while (token.len && strchr(" \t\r\n", token.data[token.len - 1]))
		token.data[--token.len] = '\0';
	if (!token.len)
		return err_set(e, -EACCES,
			       "role '%s': the token file '%s' is empty",
			       role->arn, token_file);
	log_secret(token.data);
	r = ask_for_role(ret_keys, "AssumeRoleWithWebIdentity", role, NULL,
			 token.data, c, e);
	explicit_bzero(token.data, token.len);
	return r;
}
