#include "s3/creds_chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "s3/base/buf.h"
#include "s3/creds_profile.h"
#include "s3/metadata.h"
#include "s3/passwd.h"
#include "s3/profile.h"
#include "s3/sts.h"

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int from_passwd_file(const struct creds_context *c,
			    struct creds_keys **ret_keys, struct err *e)
{
	const char *path = c->o->passwd_file;
	int r = passwd_find(ret_keys, path, c->o->bucket, c->watch, e);

	if (r == -ENOENT)
		return err_set(e, -EACCES, "passwd_file '%s' does not exist",
			       path);
	if (!r)
		return err_set(e, -EACCES,
			       "passwd_file '%s' has no keys for bucket '%s'",
			       path, c->o->bucket);
	return r;
}

static int from_web_identity(const struct creds_context *c,
			     struct creds_keys **ret_keys, struct err *e)
{
	const char *file = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
	const struct sts_role role = {
		.arn = variable("AWS_ROLE_ARN"),
		.session_name = variable("AWS_ROLE_SESSION_NAME"),
	};

	if (!file)
		return 0;
	if (!role.arn)
		return err_set(e, -EACCES,
			       "AWS_WEB_IDENTITY_TOKEN_FILE is set, but not "
			       "AWS_ROLE_ARN");
	return sts_assume_role_with_token(ret_keys, &role, file, c, e);
}

static int from_default_profile(const struct creds_context *c,
				struct creds_keys **ret_keys, struct err *e)
{
	return creds_from_profile(c, NULL, variable("AWS_PROFILE"), ret_keys,
				  e);
}

static int from_home_passwd(const struct creds_context *c,
			    struct creds_keys **ret_keys, struct err *e)
{
	CLEANUP_BUF struct buf path = BUF_INIT(4096);
	int r = profile_home(&path, ".passwd-s3fs", e);

	if (r || !path.len)
		return r;
	r = passwd_find(ret_keys, path.data, c->o->bucket, c->watch, e);
	return r == -ENOENT ? 0 : r;
}

static int from_etc_passwd(const struct creds_context *c,
			   struct creds_keys **ret_keys, struct err *e)
{
	int r;

	/* Usually root's alone; for others it is as if it were not there. */
	if (!access(PASSWD_ETC, F_OK) && access(PASSWD_ETC, R_OK))
		return 0;
	r = passwd_find(ret_keys, PASSWD_ETC, c->o->bucket, c->watch, e);
	return r == -ENOENT ? 0 : r;
}

/* What was named. 0 if nothing was. */
static int from_options(const struct creds_context *c,
			struct creds_keys **ret_keys, struct err *e)
{
	const struct creds_options *o = c->o;
	int r = 0;

	if (o->passwd_file)
		return from_passwd_file(c, ret_keys, e);
	if (o->profile)
		return creds_from_profile(c, o->profile, true, ret_keys, e);
	if (o->ecs) {
		r = metadata_container(c, ret_keys, e);
		if (!r)
			r = err_set(e, -EACCES,
				    "ecs: AWS_CONTAINER_CREDENTIALS_RELATIVE_"
				    "URI is not set; is this a container of "
				    "ECS?");
	} else if (o->iam_role) {
		r = metadata_instance(c, ret_keys, e);
	}
	return r;
}

int creds_chain_find(const struct creds_context *c,
		     struct creds_keys **ret_keys, struct err *e)
{
	static int (*const sources[])(const struct creds_context *c,
				      struct creds_keys **ret_keys,
				      struct err *e) = {
		from_options,	      creds_from_environment, from_web_identity,
		from_default_profile, from_home_passwd,	      from_etc_passwd,
		metadata_container,
	};
	struct err why = { 0 };
	int r = 0;

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		r = sources[i](c, ret_keys, e);
		if (r)
			return r < 0 ? r : 0;
	}
	r = metadata_instance(c, ret_keys, &why);
	if (r > 0)
		return 0;
	if (r == -ECANCELED || r == -ENOMEM)
		return err_copy(e, &why);
	return err_set(
		e, -ENOKEY,
		"no credentials found: set AWS_ACCESS_KEY_ID and "
		"AWS_SECRET_ACCESS_KEY, a profile in ~/.aws/credentials, "
		"or passwd_file=; or ask for anonymous access with "
		"no_sign_request%s%s%s",
		r ? " (" : "", why.text, r ? ")" : "");
}
