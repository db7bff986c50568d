#include "s3/creds_keys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/clock.h"
#include "s3/base/log.h"

void secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

/* Whatever a program or a server gave us goes into header fields. */
static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

int creds_keys_new(struct creds_keys **ret_keys, const char *access,
		   const char *secret, const char *token, int64_t expires_s,
		   struct err *e)
{
	CLEANUP(creds_keys_putp)
	struct creds_keys *k = calloc(1, sizeof(*k));
	bool session = token && *token;

	if (!k)
		return err_set(e, -ENOMEM, "out of memory");
	k->refs = 1;
	k->expires_s = expires_s;
	k->access = strdup(access);
	k->secret = strdup(secret);
	k->token = session ? strdup(token) : NULL;
	if (!k->access || !k->secret || (session && !k->token))
		return err_set(e, -ENOMEM, "out of memory");
	log_secret(k->secret);
	if (k->token)
		log_secret(k->token);
	if (!*access || !*secret)
		return err_set(e, -EINVAL, "the keys are empty");
	if (!is_plain(access) || !is_plain(secret) ||
	    (session && !is_plain(token)))
		return err_set(e, -EINVAL,
			       "there are spaces or control characters in the "
			       "keys");
	*ret_keys = TAKE_PTR(k);
	return 0;
}

int creds_keys_from(struct creds_keys *k, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0)
		return -ENOMEM;
	free(k->source);
	k->source = text;
	return 0;
}

struct creds_keys *creds_keys_ref(struct creds_keys *k)
{
	atomic_fetch_add(&k->refs, 1);
	return k;
}

void creds_keys_put(struct creds_keys *k)
{
	if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	free(k->access);
	secret_free(k->secret);
	secret_free(k->token);
	free(k->source);
	free(k);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool creds_keys_same(const struct creds_keys *a, const struct creds_keys *b)
{
	return same_text(a->access, b->access) &&
	       same_text(a->secret, b->secret) && same_text(a->token, b->token);
}

bool creds_keys_expired(const struct creds_keys *k)
{
	return k->expires_s && k->expires_s <= clock_wall_s();
}
