#include "s3/creds_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/metadata.h"
#include "s3/process.h"
#include "s3/profile.h"
#include "s3/stamp.h"
#include "s3/sts.h"

#define CHAIN_MAX 8

/* One link of a chain of profiles; the first has no `before`. */
struct link {
	const struct link *before; /* whose source this is */
	const char *name;
	bool needed; /* to be without keys is an error */
};

static int from_link(const struct creds_context *c, const struct link *at,
		     struct creds_keys **ret_keys, struct err *e);

int creds_from_environment(const struct creds_context *c,
			   struct creds_keys **ret_keys, struct err *e)
{
	const char *access = getenv("AWS_ACCESS_KEY_ID");
	const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
	const char *expires = getenv("AWS_CREDENTIAL_EXPIRATION");
	int64_t expires_s = 0;
	int r;

	(void)c;
	if (!access || !*access || !secret || !*secret)
		return 0;
	if (expires && stamp_parse_iso(&expires_s, expires, strlen(expires)))
		expires_s = 0; /* only shown */
	r = creds_keys_new(ret_keys, access, secret,
			   getenv("AWS_SESSION_TOKEN"), expires_s, e);
	if (r)
		return err_wrap(e, r == -EINVAL ? -EACCES : r,
				"AWS_ACCESS_KEY_ID and its like");
	if (creds_keys_from(*ret_keys, "environment")) {
		creds_keys_put(*ret_keys);
		return err_set(e, -ENOMEM, "out of memory");
	}
	return 1;
}

static int static_keys(const struct profile *p, const char *name,
		       struct creds_keys **ret_keys, struct err *e)
{
	int r;

	if (!p->access || !p->secret)
		return err_set(e, -EACCES, "profile '%s' has no %s", name,
			       p->access ? "aws_secret_access_key"
					 : "aws_access_key_id");
	r = creds_keys_new(ret_keys, p->access, p->secret, p->token, 0, e);
	if (r)
		return err_wrap(e, r == -EINVAL ? -EACCES : r, "profile '%s'",
				name);
	if (creds_keys_from(*ret_keys, "profile '%s'", name)) {
		creds_keys_put(*ret_keys);
		return err_set(e, -ENOMEM, "out of memory");
	}
	return 1;
}

/* ---- roles ------------------------------------------------------------- */

static int from_named_source(const struct creds_context *c, const char *source,
			     struct creds_keys **ret_keys, struct err *e)
{
	int r;

	if (!strcasecmp(source, "Environment"))
		r = creds_from_environment(c, ret_keys, e);
	else if (!strcasecmp(source, "EcsContainer"))
		r = metadata_container(c, ret_keys, e);
	else if (!strcasecmp(source, "Ec2InstanceMetadata"))
		r = metadata_instance(c, ret_keys, e);
	else
		return err_set(e, -EACCES,
			       "credential_source '%s' is none of "
			       "Environment, EcsContainer and "
			       "Ec2InstanceMetadata",
			       source);
	return r ? r
		 : err_set(e, -EACCES, "credential_source %s has no keys",
			   source);
}

static int from_source_profile(const struct creds_context *c,
			       const struct link *at, const char *source,
			       struct creds_keys **ret_keys, struct err *e)
{
	const struct link next = { .before = at,
				   .name = source,
				   .needed = true };
	unsigned int length = 1;

	for (const struct link *l = at; l; l = l->before, length++)
		if (l != at && !strcmp(l->name, source))
			return err_set(e, -EACCES,
				       "source_profile '%s' leads in a circle",
				       source);
	if (length > CHAIN_MAX)
		return err_set(e, -EACCES,
			       "source_profile '%s': more than %d in a row",
			       source, CHAIN_MAX);
	return from_link(c, &next, ret_keys, e);
}

static int from_role(const struct creds_context *c, const struct link *at,
		     const struct profile *p, struct creds_keys **ret_keys,
		     struct err *e)
{
	const struct sts_role role = { .arn = p->role_arn,
				       .session_name = p->role_session_name,
				       .external_id = p->external_id,
				       .duration = p->duration };
	CLEANUP(creds_keys_putp) struct creds_keys *source = NULL;
	int r;

	if (p->web_identity_file)
		return sts_assume_role_with_token(ret_keys, &role,
						  p->web_identity_file, c, e);
	if (p->mfa_serial)
		return err_set(e, -EACCES,
			       "its mfa_serial asks for a code that nobody "
			       "can type here; use credential_process");
	if (!p->source_profile == !p->credential_source)
		return err_set(e, -EACCES,
			       "its role_arn needs %s of source_profile and "
			       "credential_source",
			       p->source_profile ? "only one" : "one");
	if (p->source_profile)
		r = from_source_profile(c, at, p->source_profile, &source, e);
	else
		r = from_named_source(c, p->credential_source, &source, e);
	return r < 0 ? r : sts_assume_role(ret_keys, &role, source, c, e);
}

/* ---- profiles ---------------------------------------------------------- */

static int from_loaded(const struct creds_context *c, const struct link *at,
		       const struct profile *p, struct creds_keys **ret_keys,
		       struct err *e)
{
	bool has_keys = p->access || p->secret;
	int r = 0;

	if (has_keys && (at->before || !p->role_arn))
		return static_keys(p, at->name, ret_keys, e);
	if (p->role_arn)
		r = from_role(c, at, p, ret_keys, e);
	else if (p->process)
		r = process_keys(ret_keys, p->process, c, e);
	else if (p->sso)
		r = err_set(e, -EACCES,
			    "single sign-on is not known here; set "
			    "credential_process = aws configure "
			    "export-credentials --profile %s in another "
			    "profile",
			    at->name);
	return r < 0 ? err_wrap(e, r, "profile '%s'%s", at->name,
				p->role_arn || !p->process
					? ""
					: ": credential_process")
		     : r;
}

static int from_link(const struct creds_context *c, const struct link *at,
		     struct creds_keys **ret_keys, struct err *e)
{
	const char *kind = at->before ? "source_profile" : "profile";
	struct profile p;
	int r = profile_load(&p, at->name, c->watch, e);

	if (r)
		return r == -EINVAL ? -EACCES : r;
	if (p.found)
		r = from_loaded(c, at, &p, ret_keys, e);
	if (!r && at->needed)
		r = err_set(e, -EACCES, "%s '%s' %s", kind, at->name,
			    p.found ? "has no access keys, no role and no "
				      "credential_process"
				    : "does not exist");
	profile_done(&p);
	return r;
}

int creds_from_profile(const struct creds_context *c, const char *name,
		       bool named, struct creds_keys **ret_keys, struct err *e)
{
	const struct link first = { .name = profile_name(name),
				    .needed = named };

	return from_link(c, &first, ret_keys, e);
}
