#include "s3/profile.h"

#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/ini.h"
#include "s3/base/io.h"
#include "s3/creds_keys.h"

static int check_mode(const char *path, const struct stat *st,
		      unsigned int allowed, struct err *e)
{
	unsigned int mode = st->st_mode & 07777;

	if (!(mode & 0077 & ~allowed))
		return 0;
	return err_set(e, -EACCES,
		       "'%s' holds secret keys and has mode %04o, so others "
		       "can get at them: chmod %o '%s'",
		       path, mode, allowed, path);
}

int profile_read_secret(const char *path, unsigned int allowed, struct buf *out,
			struct err *e)
{
	struct stat st;
	int r = io_read_text(path, out, &st, e);

	return r ? r : check_mode(path, &st, allowed, e);
}

const char *profile_name(const char *name)
{
	if (!name || !*name)
		name = getenv("AWS_PROFILE");
	return name && *name ? name : "default";
}

struct reader {
	struct profile *p;
	const char *name; /* of the section that is wanted */
	bool config; /* the config file, not the credentials file */
	bool inside; /* of that section */
	bool secret; /* a secret was in it */
	bool program;
};

/* Cuts the quotes off that a name with spaces may have. */
static bool same_name(const char *text, const char *name)
{
	size_t len = strlen(text);

	if (len >= 2 && (*text == '"' || *text == '\'') &&
	    text[len - 1] == *text) {
		text++;
		len -= 2;
	}
	return strlen(name) == len && !memcmp(text, name, len);
}

/* "name" in the credentials file; "profile name" in the config file, where
 * other sections are of no interest, but "default" needs no such word. */
static void enter(struct reader *r, const char *text)
{
	const char *name = text;

	if (r->config && !strncmp(text, "profile", 7) &&
	    (text[7] == ' ' || text[7] == '\t'))
		name = text + 7 + strspn(text + 7, " \t");
	else if (r->config && strcmp(text, "default") != 0)
		name = NULL;
	r->inside = name && same_name(name, r->name);
	r->p->found |= r->inside;
}

static int take(struct reader *r, const char *word, const char *value)
{
	static const struct {
		const char *word;
		size_t field;
	} known[] = {
#define FIELD(name) offsetof(struct profile, name)
		{ "aws_access_key_id", FIELD(access) },
		{ "aws_secret_access_key", FIELD(secret) },
		{ "aws_session_token", FIELD(token) },
		{ "region", FIELD(region) },
		{ "role_arn", FIELD(role_arn) },
		{ "source_profile", FIELD(source_profile) },
		{ "credential_source", FIELD(credential_source) },
		{ "role_session_name", FIELD(role_session_name) },
		{ "external_id", FIELD(external_id) },
		{ "duration_seconds", FIELD(duration) },
		{ "mfa_serial", FIELD(mfa_serial) },
		{ "credential_process", FIELD(process) },
		{ "web_identity_token_file", FIELD(web_identity_file) },
		{ "sso_session", FIELD(sso) },
		{ "sso_start_url", FIELD(sso) },
#undef FIELD
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char **field = (char **)(void *)((char *)r->p + known[i].field);

		if (strcasecmp(word, known[i].word))
			continue;
		r->secret |= field == &r->p->secret || field == &r->p->token;
		if (*field)
			return 0; /* an earlier file or line said it */
		r->program |= field == &r->p->process;
		*field = strdup(value);
		return *field ? 0 : -ENOMEM;
	}
	return 0;
}

/* An indented line is part of a nested setting, as for AWS's own tools. */
static int read_items(struct reader *r, char *text, unsigned int *ret_line)
{
	struct ini_item item;
	enum ini_kind kind;
	struct ini ini;
	int ret = 0;

	ini_init(&ini, text);
	while (!ret && (kind = ini_next(&ini, &item)) != INI_END) {
		*ret_line = item.line;
		if (item.indented)
			continue;
		/* To go on could give a profile the keys of another. */
		if (kind == INI_BAD)
			ret = -EBADMSG;
		else if (kind == INI_SECTION)
			enter(r, item.name);
		else if (r->inside && item.value && *item.value)
			ret = take(r, item.name, item.value);
	}
	return ret;
}

int profile_parse(struct profile *p, char *text, const char *name, bool config,
		  unsigned int *ret_line)
{
	struct reader reader = { .p = p, .name = name, .config = config };

	return read_items(&reader, text, ret_line);
}

static int load_file(struct profile *p, const char *path, const char *name,
		     bool config, struct watch *watch, struct err *e)
{
	struct reader reader = { .p = p, .name = name, .config = config };
	CLEANUP_BUF struct buf text = BUF_INIT(IO_TEXT_MAX);
	unsigned int line = 0;
	struct stat st = { 0 };
	int r;

	if (watch)
		watch_add(watch, path);
	r = io_read_text(path, &text, &st, e);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = read_items(&reader, text.data, &line);
	explicit_bzero(text.data, text.len);
	if (r == -EBADMSG)
		return err_set(e, -EINVAL,
			       "'%s' line %u: neither a [section] nor a "
			       "setting",
			       path, line);
	if (r)
		return err_set(e, r, "'%s': out of memory", path);
	if (reader.program && (st.st_mode & 0022))
		return err_set(e, -EACCES,
			       "'%s' names a credential_process and has mode "
			       "%04o, so others can change the program that "
			       "is run: chmod go-w '%s'",
			       path, st.st_mode & 07777, path);
	return reader.secret ? check_mode(path, &st, 0600, e) : 0;
}

int profile_home(struct buf *out, const char *file, struct err *e)
{
	const char *home = getenv("HOME");
	struct passwd entry, *found = NULL;
	char room[4096];

	if ((!home || !*home) &&
	    !getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) && found)
		home = entry.pw_dir;
	if (!home || !*home)
		return 0;
	if (buf_addf(out, "%s/%s", home, file))
		return err_set(e, -EINVAL, "HOME is too long");
	return 0;
}

static int load_default(struct profile *p, const char *variable,
			const char *file, const char *name, bool config,
			struct watch *watch, struct err *e)
{
	CLEANUP_BUF struct buf path = BUF_INIT(4096);
	const char *named = getenv(variable);
	int r = 0;

	if (named && *named)
		return load_file(p, named, name, config, watch, e);
	r = profile_home(&path, file, e);
	if (r || !path.len)
		return r;
	return load_file(p, path.data, name, config, watch, e);
}

int profile_load(struct profile *ret_profile, const char *name,
		 struct watch *watch, struct err *e)
{
	struct profile p = { .found = false };
	int r;

	name = profile_name(name);
	r = load_default(&p, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials",
			 name, false, watch, e);
	if (!r)
		r = load_default(&p, "AWS_CONFIG_FILE", ".aws/config", name,
				 true, watch, e);
	if (r) {
		profile_done(&p);
		return r;
	}
	*ret_profile = p;
	return 0;
}

void profile_done(struct profile *p)
{
	free(p->access);
	secret_free(p->secret);
	secret_free(p->token);
	free(p->region);
	free(p->role_arn);
	free(p->source_profile);
	free(p->credential_source);
	free(p->role_session_name);
	free(p->external_id);
	free(p->duration);
	free(p->mfa_serial);
	free(p->process);
	free(p->web_identity_file);
	free(p->sso);
	memset(p, 0, sizeof(*p));
}
