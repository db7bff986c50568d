/*
 * Providers are functions in a table, tried in order; each either finds keys,
 * or has none, or fails in a way that the user must know of (an unsafe file, a
 * profile that was named and is not there).
 */
#include "s3/creds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/base/lock.h"
#include "s3/base/log.h"
#include "s3/profile.h"

struct creds {
	char *passwd_file; /* set at open, then constant */
	char *profile;
	char *bucket;

	struct lock lock; /* LOCK_RANK_STORE; held to swap the pointer */
	/* guarded by lock: */
	struct creds_keys *keys; /* holds a reference */
};

static void free_secret(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void creds_keys_put(struct creds_keys *k)
{
	if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	free(k->access);
	free_secret(k->secret);
	free_secret(k->token);
	free(k);
}

DEFINE_CLEANUP(struct creds_keys *, creds_keys_put)

/* token: NULL or "" for none. Returns 1, as providers do. */
static int make_keys(struct creds_keys **ret_keys, const char *access,
		     const char *secret, const char *token, struct err *e)
{
	CLEANUP(creds_keys_putp)
	struct creds_keys *k = calloc(1, sizeof(*k));
	bool session = token && *token;

	if (!k)
		return err_set(e, -ENOMEM, "out of memory");
	k->refs = 1;
	k->access = strdup(access);
	k->secret = strdup(secret);
	k->token = session ? strdup(token) : NULL;
	if (!k->access || !k->secret || (session && !k->token))
		return err_set(e, -ENOMEM, "out of memory");
	log_secret(k->secret);
	if (k->token)
		log_secret(k->token);
	*ret_keys = TAKE_PTR(k);
	return 1;
}

/*
 * A provider yields 1 with keys, 0 without, or a negative errno.
 */
typedef int (*provider)(const struct creds *c, struct creds_keys **ret_keys,
			struct err *e);

static char *next_word(char **s)
{
	return strsep(s, ":");
}

/* A line for this very bucket goes before one for any. */
static int search_passwd(char *text, const char *bucket, const char *path,
			 struct creds_keys **ret_keys, struct err *e)
{
	char *access = NULL, *secret = NULL, *save = NULL;
	unsigned int number = 0;

	for (char *line = strsep(&text, "\n"); line;
	     line = strsep(&text, "\n")) {
		char *words[4] = { NULL };
		int count = 0;

		number++;
		line[strcspn(line, "\r")] = '\0';
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		for (save = line; save && count < 4;)
			words[count++] = next_word(&save);
		if (count < 2 || count > 3 || !*words[count - 2] ||
		    !*words[count - 1])
			return err_set(e, -EINVAL,
				       "'%s' line %u: neither "
				       "ACCESSKEY:SECRET nor "
				       "BUCKET:ACCESSKEY:SECRET",
				       path, number);
		if (count == 3 && !strcmp(words[0], bucket))
			return make_keys(ret_keys, words[1], words[2], NULL, e);
		if (count == 2 && !access) {
			access = words[0];
			secret = words[1];
		}
	}
	return access ? make_keys(ret_keys, access, secret, NULL, e) : 0;
}

static int from_passwd(const struct creds *c, const char *path,
		       unsigned int allowed, struct creds_keys **ret_keys,
		       struct err *e)
{
	CLEANUP_BUF struct buf text = BUF_INIT(1 << 20);
	int r = profile_read_secret(path, allowed, &text, e);

	if (r)
		return r;
	r = search_passwd(text.data, c->bucket, path, ret_keys, e);
	explicit_bzero(text.data, text.len);
	return r;
}

#define ETC_PASSWD "/etc/passwd-s3fs"

static int from_passwd_file(const struct creds *c, struct creds_keys **ret_keys,
			    struct err *e)
{
	int r;

	if (!c->passwd_file)
		return 0;
	r = from_passwd(c, c->passwd_file,
			strcmp(c->passwd_file, ETC_PASSWD) ? 0600 : 0640,
			ret_keys, e);
	if (r == -ENOENT)
		return err_set(e, -EACCES, "passwd_file '%s' does not exist",
			       c->passwd_file);
	if (!r)
		return err_set(e, -EACCES,
			       "passwd_file '%s' has no keys for bucket '%s'",
			       c->passwd_file, c->bucket);
	return r;
}

static int from_profile(const char *name, bool named,
			struct creds_keys **ret_keys, struct err *e)
{
	struct profile p;
	int r = profile_load(&p, name, e);

	if (r)
		return r;
	if (p.access && p.secret)
		r = make_keys(ret_keys, p.access, p.secret, p.token, e);
	else if (named)
		r = err_set(e, -EACCES, "profile '%s' %s", profile_name(name),
			    p.found ? "has no access keys" : "does not exist");
	profile_done(&p);
	return r;
}

static int from_named_profile(const struct creds *c,
			      struct creds_keys **ret_keys, struct err *e)
{
	return c->profile ? from_profile(c->profile, true, ret_keys, e) : 0;
}

static int from_environment(const struct creds *c, struct creds_keys **ret_keys,
			    struct err *e)
{
	const char *access = getenv("AWS_ACCESS_KEY_ID");
	const char *secret = getenv("AWS_SECRET_ACCESS_KEY");

	(void)c;
	if (!access || !*access || !secret || !*secret)
		return 0;
	return make_keys(ret_keys, access, secret, getenv("AWS_SESSION_TOKEN"),
			 e);
}

static int from_default_profile(const struct creds *c,
				struct creds_keys **ret_keys, struct err *e)
{
	const char *named = getenv("AWS_PROFILE");

	(void)c;
	return from_profile(NULL, named && *named, ret_keys, e);
}

static int from_home_passwd(const struct creds *c, struct creds_keys **ret_keys,
			    struct err *e)
{
	CLEANUP_BUF struct buf path = BUF_INIT(4096);
	const char *home = getenv("HOME");
	int r;

	if (!home || !*home)
		return 0;
	if (buf_addf(&path, "%s/.passwd-s3fs", home))
		return err_set(e, -EINVAL, "HOME is too long");
	r = from_passwd(c, path.data, 0600, ret_keys, e);
	return r == -ENOENT ? 0 : r;
}

static int from_etc_passwd(const struct creds *c, struct creds_keys **ret_keys,
			   struct err *e)
{
	int r;

	/* Usually root's alone; for others it is as if it were not there. */
	if (access(ETC_PASSWD, R_OK))
		return 0;
	r = from_passwd(c, ETC_PASSWD, 0640, ret_keys, e);
	return r == -ENOENT ? 0 : r;
}

static const provider providers[] = {
	from_passwd_file,     from_named_profile, from_environment,
	from_default_profile, from_home_passwd,	  from_etc_passwd,
};

static int find_keys(const struct creds *c, struct creds_keys **ret_keys,
		     struct err *e)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
		int r = providers[i](c, ret_keys, e);

		if (r)
			return r < 0 ? r : 0;
	}
	return err_set(
		e, -EACCES,
		"no credentials found: set AWS_ACCESS_KEY_ID and "
		"AWS_SECRET_ACCESS_KEY, a profile in ~/.aws/credentials, "
		"or passwd_file=; or ask for anonymous access with "
		"no_sign_request");
}

static int copy_option(char **ret_copy, const char *value)
{
	*ret_copy = value ? strdup(value) : NULL;
	return value && !*ret_copy ? -ENOMEM : 0;
}

int creds_open(struct creds **ret_creds, const struct creds_options *o,
	       struct err *e)
{
	CLEANUP(creds_freep) struct creds *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	lock_init(&c->lock, LOCK_RANK_STORE);
	if (copy_option(&c->passwd_file, o->passwd_file) ||
	    copy_option(&c->profile, o->profile) ||
	    copy_option(&c->bucket, o->bucket))
		return err_set(e, -ENOMEM, "out of memory");
	r = find_keys(c, &c->keys, e);
	if (r)
		return r;
	*ret_creds = TAKE_PTR(c);
	return 0;
}

void creds_free(struct creds *c)
{
	if (!c)
		return;
	creds_keys_put(c->keys);
	lock_done(&c->lock);
	free(c->passwd_file);
	free(c->profile);
	free(c->bucket);
	free(c);
}

struct creds_keys *creds_keys_ref(struct creds_keys *k)
{
	atomic_fetch_add(&k->refs, 1);
	return k;
}

struct creds_keys *creds_get(struct creds *c)
{
	LOCK_SCOPE(&c->lock);
	return creds_keys_ref(c->keys);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_keys(const struct creds_keys *a, const struct creds_keys *b)
{
	return same_text(a->access, b->access) &&
	       same_text(a->secret, b->secret) && same_text(a->token, b->token);
}

int creds_refresh(struct creds *c, const struct creds_keys *refused,
		  struct err *e)
{
	CLEANUP(creds_keys_putp) struct creds_keys *found = NULL;
	struct creds_keys *old;
	int r = find_keys(c, &found, e);

	if (r)
		return r;
	LOCK_SCOPE(&c->lock);
	if (!same_keys(c->keys, found)) {
		old = c->keys;
		c->keys = TAKE_PTR(found);
		found = old; /* dropped at the end of the scope */
	}
	return !same_keys(c->keys, refused);
}
