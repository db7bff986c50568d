#include "s3/source_options.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "s3/profile.h"
#include "s3/words.h"

#define VALUE_MAX 4096

void source_options_init(struct source_options *o)
{
	*o = (struct source_options){
		.retry_timeout_s = 300,
		.connect_timeout_s = 10,
		.max_connections = 64,
		.ssl_verify_hostname = 2,
	};
}

/* ---- option words ------------------------------------------------------ */

enum kind {
	TEXT,
	ROLE,
	TOKEN,
	FLAG,
	NUMBER,
	CLASS,
	RRS,
	SSE,
	USE_SSE,
	CHECKSUMS
};

static const struct option {
	const char *word; /* with '_' */
	enum kind kind;
	size_t field;
	uint32_t min, max; /* NUMBER */
} options[] = {
#define FIELD(name) offsetof(struct source_options, name)
	{ "endpoint", TEXT, FIELD(endpoint), 0, 0 },
	{ "endpoint_url", TEXT, FIELD(endpoint), 0, 0 },
	{ "url", TEXT, FIELD(endpoint), 0, 0 },
	{ "region", TEXT, FIELD(region), 0, 0 },
	{ "profile", TEXT, FIELD(profile), 0, 0 },
	{ "passwd_file", TEXT, FIELD(passwd_file), 0, 0 },
	{ "iam_role", ROLE, FIELD(iam_role), 0, 0 },
	{ "ecs", FLAG, FIELD(ecs), 0, 0 },
	{ "imdsv1only", FLAG, FIELD(imds_v1), 0, 0 },
	{ "path_style", FLAG, FIELD(path_style), 0, 0 },
	{ "use_path_request_style", FLAG, FIELD(path_style), 0, 0 },
	{ "force_path_style", FLAG, FIELD(path_style), 0, 0 },
	{ "anonymous", FLAG, FIELD(anonymous), 0, 0 },
	{ "public_bucket", FLAG, FIELD(anonymous), 0, 0 },
	{ "no_sign_request", FLAG, FIELD(anonymous), 0, 0 },
	{ "ca_bundle", TEXT, FIELD(ca_bundle), 0, 0 },
	{ "no_check_certificate", FLAG, FIELD(no_check_certificate), 0, 0 },
	{ "ssl_verify_hostname", NUMBER, FIELD(ssl_verify_hostname), 0, 2 },
	{ "requester_pays", FLAG, FIELD(requester_pays), 0, 0 },
	{ "expected_bucket_owner", TOKEN, FIELD(bucket_owner), 0, 0 },
	{ "storage_class", CLASS, FIELD(storage_class), 0, 0 },
	{ "use_rrs", RRS, FIELD(storage_class), 0, 0 },
	{ "sse", SSE, FIELD(sse), 0, 0 },
	{ "use_sse", USE_SSE, FIELD(sse), 0, 0 },
	{ "sse_kms_key_id", TOKEN, FIELD(sse_kms_key_id), 0, 0 },
	{ "upload_checksums", CHECKSUMS, FIELD(no_upload_checksums), 0, 0 },
	{ "retry_timeout", NUMBER, FIELD(retry_timeout_s), 1, 86400 },
	{ "connect_timeout", NUMBER, FIELD(connect_timeout_s), 1, 3600 },
	{ "max_connections", NUMBER, FIELD(max_connections), 1, 1024 },
};

/* Fields that own a string. */
static const size_t strings[] = {
	FIELD(endpoint),    FIELD(region),	   FIELD(profile),
	FIELD(passwd_file), FIELD(ca_bundle),	   FIELD(bucket_owner),
	FIELD(sse),	    FIELD(sse_kms_key_id), FIELD(storage_class),
	FIELD(iam_role),
#undef FIELD
};

#define STRINGS (sizeof(strings) / sizeof(strings[0]))

static char **string_at(struct source_options *o, size_t i)
{
	return (char **)((char *)o + strings[i]);
}

void source_options_done(struct source_options *o)
{
	for (size_t i = 0; i < STRINGS; i++)
		free(*string_at(o, i));
	source_options_init(o);
}

/* "us-east-1", "ap-northeast-1", "us-gov-west-1" */
static bool looks_like_region(const char *s)
{
	size_t len = strlen(s);
	int dashes = 0;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '-')
			dashes++;
		else if (!islower((unsigned char)s[i]) &&
			 !(i == len - 1 && isdigit((unsigned char)s[i])))
			return false;
	}
	return dashes >= 2 && isdigit((unsigned char)s[len - 1]) &&
	       s[len - 2] == '-';
}

static int take_text(char **field, const char *word, const char *value,
		     struct err *e)
{
	char *copy;

	if (!value || !*value)
		return err_set(e, -EINVAL, "option %s needs a value", word);
	if (strlen(value) > VALUE_MAX)
		return err_set(e, -EINVAL, "option %s: the value is too long",
			       word);
	copy = strdup(value);
	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	free(*field);
	*field = copy;
	return 1;
}

static int take_flag(bool *field, const char *word, const char *value,
		     struct err *e)
{
	static const char *const yes[] = { "1", "true", "yes", "on" };
	static const char *const no[] = { "0", "false", "no", "off" };

	for (size_t i = 0; i < 4; i++) {
		if (!value || !strcasecmp(value, yes[i])) {
			*field = true;
			return 1;
		}
		if (!strcasecmp(value, no[i])) {
			*field = false;
			return 1;
		}
	}
	return err_set(e, -EINVAL, "option %s: '%s' is neither 1 nor 0", word,
		       value);
}

static int take_number(uint32_t *field, const struct option *opt,
		       const char *word, const char *value, struct err *e)
{
	unsigned long n = 0;
	char *end = NULL;

	if (value && isdigit((unsigned char)*value)) {
		errno = 0;
		n = strtoul(value, &end, 10);
	}
	if (!end || *end || errno || n < opt->min || n > opt->max)
		return err_set(e, -EINVAL,
			       "option %s: '%s' is no number from %u to %u",
			       word, value ? value : "", opt->min, opt->max);
	*field = (uint32_t)n;
	return 1;
}

/* A text that goes into a header field: one word of printable ASCII. */
static int take_token(char **field, const char *word, const char *value,
		      struct err *e)
{
	for (const char *p = value; p && *p; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(e, -EINVAL,
				       "option %s: blanks and characters that "
				       "are not ASCII have no place in it",
				       word);
	return take_text(field, word, value, e);
}

/*
 * In capitals, as S3 has them; s3fs writes them small. Trees and indexes are
 * read again and again, so a class that has to be restored first will not do.
 */
static int take_class(char **field, const char *word, const char *value,
		      struct err *e)
{
	static const char *const archives[] = { "GLACIER", "DEEP_ARCHIVE" };
	int r = take_token(field, word, value, e);

	for (char *p = *field; r > 0 && *p; p++) {
		*p = (char)toupper((unsigned char)*p);
		if (!isalnum((unsigned char)*p) && *p != '_')
			return err_set(e, -EINVAL,
				       "option %s: '%s' is no storage class",
				       word, value);
	}
	for (size_t i = 0; r > 0 && i < 2; i++)
		if (!strcmp(*field, archives[i]))
			return err_set(e, -EINVAL,
				       "option %s: what is stored as %s cannot "
				       "be read until it is restored; "
				       "GLACIER_IR can",
				       word, archives[i]);
	return r;
}

static int take_rrs(char **field, const char *word, const char *value,
		    struct err *e)
{
	bool wanted = false;
	int r = take_flag(&wanted, word, value, e);

	if (r < 0 || !wanted)
		return r;
	return take_text(field, word, "REDUCED_REDUNDANCY", e);
}

static int take_sse(char **field, const char *word, const char *value,
		    struct err *e)
{
	static const char *const known[] = { "AES256", "aws:kms",
					     "aws:kms:dsse" };

	for (size_t i = 0; value && i < 3; i++)
		if (!strcasecmp(value, known[i]))
			return take_text(field, word, known[i], e);
	return err_set(e, -EINVAL,
		       "option %s: '%s' is none of AES256, aws:kms and "
		       "aws:kms:dsse",
		       word, value ? value : "");
}

/* As s3fs has it: use_sse, use_sse=1, use_sse=kmsid[:ID]; "k" for "kmsid";
 * without ID that of the environment, if there is one. */
static int take_use_sse(struct source_options *o, const char *word,
			const char *value, struct err *e)
{
	const char *colon = value ? strchr(value, ':') : NULL;
	size_t len = value ? strcspn(value, ":") : 0;
	bool wanted = false;
	int r;

	if ((len == 1 && *value == 'k') ||
	    (len == 5 && !strncmp(value, "kmsid", 5))) {
		const char *id = colon ? colon + 1 : getenv("AWSSSEKMSID");

		r = take_text(&o->sse, word, "aws:kms", e);
		if (r > 0 && id)
			r = take_token(&o->sse_kms_key_id, word, id, e);
		return r;
	}
	if ((len == 1 && *value == 'c') ||
	    (len == 6 && !strncmp(value, "custom", 6)))
		return err_set(e, -EINVAL,
			       "option %s: keys of one's own (SSE-C) are not "
			       "supported",
			       word);
	r = take_flag(&wanted, word, value, e);
	if (r < 0 || !wanted)
		return r;
	return take_text(&o->sse, word, "AES256", e);
}

/* Of mountpoint-s3, which names a kind; which one it is here is no matter. */
static int take_checksums(bool *field, const char *word, const char *value,
			  struct err *e)
{
	bool wanted = true;
	int r = 1;

	if (value && strncasecmp(value, "crc", 3) &&
	    strncasecmp(value, "sha", 3))
		r = take_flag(&wanted, word, value, e);
	if (r > 0)
		*field = !wanted;
	return r;
}

static int take(struct source_options *o, const struct option *opt, void *field,
		const char *word, const char *value, struct err *e)
{
	switch (opt->kind) {
	case TEXT:
		return take_text(field, word, value, e);
	case ROLE:
		return take_token(field, word, value ? value : "auto", e);
	case TOKEN:
		return take_token(field, word, value, e);
	case FLAG:
		return take_flag(field, word, value, e);
	case NUMBER:
		return take_number(field, opt, word, value, e);
	case CLASS:
		return take_class(field, word, value, e);
	case RRS:
		return take_rrs(field, word, value, e);
	case SSE:
		return take_sse(field, word, value, e);
	case USE_SSE:
		return take_use_sse(o, word, value, e);
	case CHECKSUMS:
		return take_checksums(field, word, value, e);
	}
	return 0;
}

int source_option(struct source_options *o, const char *word, const char *value,
		  struct err *e)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *opt = &options[i];
		void *field = (char *)o + opt->field;

		if (!words_same(word, opt->word))
			continue;
		/* For s3fs "endpoint" is the region, and "url" the endpoint. */
		if (!strcmp(opt->word, "endpoint") && value &&
		    looks_like_region(value))
			field = &o->region;
		return take(o, opt, field, word, value, e);
	}
	return 0;
}

/* ---- defaults from the environment and the profile --------------------- */

/* The first of these variables that is set. */
static const char *first_of(const char *a, const char *b)
{
	const char *value = getenv(a);

	if ((!value || !*value) && b)
		value = getenv(b);
	return value && *value ? value : NULL;
}

static int set_default(char **field, const char *value, struct err *e)
{
	if (*field || !value)
		return 0;
	*field = strdup(value);
	return *field ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int source_options_copy(struct source_options *to,
			const struct source_options *from, struct err *e)
{
	struct source_options given = *from;
	int r = 0;

	*to = *from;
	for (size_t i = 0; i < STRINGS; i++)
		*string_at(to, i) = NULL;
	for (size_t i = 0; i < STRINGS && !r; i++)
		r = set_default(string_at(to, i), *string_at(&given, i), e);
	if (r)
		source_options_done(to);
	return r;
}

/* What words say only together. */
static int check_together(struct source_options *o, struct err *e)
{
	if (!o->sse_kms_key_id)
		return 0;
	if (o->sse && !strcmp(o->sse, "AES256"))
		return err_set(e, -EINVAL,
			       "sse=AES256 takes no key: leave sse_kms_key_id "
			       "away, or say sse=aws:kms");
	return set_default(&o->sse, "aws:kms", e);
}

/* What the environment says where nothing else did. */
static int add_environment(struct source_options *o, struct err *e)
{
	int r;

	r = set_default(&o->endpoint,
			first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), e);
	if (!r)
		r = set_default(&o->region,
				first_of("AWS_REGION", "AWS_DEFAULT_REGION"),
				e);
	if (!r)
		r = set_default(&o->ca_bundle, first_of("AWS_CA_BUNDLE", NULL),
				e);
	return r;
}

static void drop(char **field)
{
	free(*field);
	*field = NULL;
}

int source_options_environment(struct source_options *o, struct err *e)
{
	/* Any of these is a way to keys that its user chose. */
	static const char *const keys[] = {
		"AWS_ACCESS_KEY_ID",
		"AWS_PROFILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI",
	};

	if (first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
		drop(&o->endpoint);
	if (first_of("AWS_REGION", "AWS_DEFAULT_REGION"))
		drop(&o->region);
	if (first_of("AWS_CA_BUNDLE", NULL))
		drop(&o->ca_bundle);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (first_of(keys[i], NULL)) {
			drop(&o->profile);
			drop(&o->passwd_file);
			drop(&o->iam_role);
			o->ecs = false;
		}
	return add_environment(o, e);
}

static int add_defaults(struct source_options *o, struct err *e)
{
	struct profile p;
	int r = add_environment(o, e);

	if (r || o->region)
		return r;
	r = profile_load(&p, o->profile, NULL, e);
	if (r)
		return r;
	r = set_default(&o->region, p.region, e);
	profile_done(&p);
	return r;
}

int source_options_complete(struct source_options *o, struct err *e)
{
	int r = add_defaults(o, e);

	return r ? r : check_together(o, e);
}
