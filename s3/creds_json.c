/*
 * jansson's own messages are not passed on: they quote the text, and the text
 * holds secrets.
 */
#include "s3/creds_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "s3/stamp.h"

/* The first of these members that is a string that is not empty, or NULL. */
static const char *text_of(const json_t *o, const char *a, const char *b)
{
	const char *s = json_string_value(json_object_get(o, a));

	if ((!s || !*s) && b)
		s = json_string_value(json_object_get(o, b));
	return s && *s ? s : NULL;
}

/* The services tell of failures in a document of status 200, too. */
static int check_code(const json_t *o, struct err *e)
{
	const char *code = text_of(o, "Code", "code");
	const char *message = text_of(o, "Message", "message");

	if (!code || !strcmp(code, "Success"))
		return 0;
	return err_set(e, -EACCES, "%.80s%s%.200s", code, message ? ": " : "",
		       message ? message : "");
}

static int read_keys(struct creds_keys **ret_keys, const json_t *o,
		     bool process, struct err *e)
{
	const char *access = text_of(o, "AccessKeyId", NULL);
	const char *secret = text_of(o, "SecretAccessKey", NULL);
	const char *token = text_of(o, "SessionToken", "Token");
	const char *expires = text_of(o, "Expiration", NULL);
	int64_t expires_s = 0;
	int r;

	if (!json_is_object(o))
		return err_set(e, -EACCES, "the answer is no JSON object");
	if (process && json_integer_value(json_object_get(o, "Version")) != 1)
		return err_set(e, -EACCES,
			       "the answer lacks \"Version\": 1, or is of "
			       "another version");
	r = process ? 0 : check_code(o, e);
	if (r)
		return r;
	if (!access || !secret)
		return err_set(e, -EACCES, "the answer lacks %s",
			       access ? "SecretAccessKey" : "AccessKeyId");
	if (expires && stamp_parse_iso(&expires_s, expires, strlen(expires)))
		return err_set(e, -EACCES,
			       "the answer's Expiration is no ISO 8601 time");
	r = creds_keys_new(ret_keys, access, secret, token, expires_s, e);
	return r == -EINVAL ? -EACCES : r;
}

int creds_json_read(struct creds_keys **ret_keys, const void *data, size_t len,
		    bool process, struct err *e)
{
	json_error_t where;
	json_t *o = json_loadb(data, len, 0, &where);
	int r;

	if (!o)
		return err_set(e, -EACCES, "the answer is no JSON (line %d)",
			       where.line);
	r = read_keys(ret_keys, o, process, e);
	json_decref(o);
	return r;
}
