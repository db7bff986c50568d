#include "s3/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3/base/cleanup.h"
#include "s3/base/io.h"

#define FILE_MAX (1 << 20)

/* mode: that of the file, for a verdict once it is known to hold secrets. */
static int read_file(const char *path, struct buf *out, unsigned int *ret_mode,
		     struct err *e)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n;
	char *to;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -ENOENT;
	if (fd < 0)
		return err_set(e, -EACCES, "'%s': %m", path);
	if (fstat(fd, &st))
		return err_set(e, -EACCES, "'%s': %m", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "'%s': not a regular file", path);
	if (st.st_size > FILE_MAX)
		return err_set(e, -EINVAL, "'%s': larger than 1 MiB", path);
	to = buf_reserve(out, (size_t)st.st_size);
	if (!to)
		return err_set(e, -ENOMEM, "'%s': out of memory", path);
	n = io_pread_full(fd, to, (size_t)st.st_size, 0);
	if (n < 0)
		return err_set(e, -EACCES, "'%s': %s", path, strerror((int)-n));
	out->len += (size_t)n;
	to[n] = '\0';
	if (memchr(to, '\0', (size_t)n))
		return err_set(e, -EINVAL, "'%s': not a text file", path);
	*ret_mode = st.st_mode & 07777;
	return 0;
}

static int check_mode(const char *path, unsigned int mode, unsigned int allowed,
		      struct err *e)
{
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
	unsigned int mode = 0;
	int r = read_file(path, out, &mode, e);

	return r ? r : check_mode(path, mode, allowed, e);
}

const char *profile_name(const char *name)
{
	if (!name || !*name)
		name = getenv("AWS_PROFILE");
	return name && *name ? name : "default";
}

static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (*s == ' ' || *s == '\t')
		s++;
	while (end > s && strchr(" \t\r", end[-1]))
		end--;
	*end = '\0';
	return s;
}

/* "[name]", or "[profile name]" as the config file has it. */
static bool is_section(char *line, const char *name, bool config)
{
	char *end = strchr(line, ']');
	char *s;

	if (!end)
		return false;
	*end = '\0';
	s = trim(line + 1);
	if (config && !strncmp(s, "profile", 7) &&
	    (s[7] == ' ' || s[7] == '\t'))
		s = trim(s + 8);
	else if (config && strcmp(s, "default"))
		return false;
	return !strcmp(s, name);
}

static int take_value(struct profile *p, char *line, bool *secret)
{
	const struct {
		const char *word;
		char **value;
		bool secret;
	} known[] = {
		{ "aws_access_key_id", &p->access, false },
		{ "aws_secret_access_key", &p->secret, true },
		{ "aws_session_token", &p->token, true },
		{ "region", &p->region, false },
	};
	char *equals = strchr(line, '=');

	if (!equals)
		return 0;
	*equals = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char *value = trim(equals + 1);

		if (strcmp(trim(line), known[i].word) || !*value)
			continue;
		*secret = *secret || known[i].secret;
		if (*known[i].value)
			return 0; /* an earlier file or line said it */
		*known[i].value = strdup(value);
		return *known[i].value ? 0 : -ENOMEM;
	}
	return 0;
}

static int load_file(struct profile *p, const char *path, const char *name,
		     bool config, struct err *e)
{
	CLEANUP_BUF struct buf text = BUF_INIT(FILE_MAX);
	bool inside = false, secret = false;
	unsigned int mode = 0;
	char *save = NULL;
	int r = read_file(path, &text, &mode, e);

	if (r)
		return r == -ENOENT ? 0 : r;
	for (char *line = strtok_r(text.data, "\n", &save); line && !r;
	     line = strtok_r(NULL, "\n", &save)) {
		/* An indented line is part of a nested setting. */
		if (*line == '#' || *line == ';' || *line == ' ' ||
		    *line == '\t')
			continue;
		if (*line == '[')
			inside = is_section(line, name, config);
		else if (inside)
			r = take_value(p, line, &secret);
		p->found |= inside;
	}
	explicit_bzero(text.data, text.len);
	if (r)
		return err_set(e, r, "'%s': out of memory", path);
	return secret ? check_mode(path, mode, 0600, e) : 0;
}

static int load_default(struct profile *p, const char *variable,
			const char *file, const char *name, bool config,
			struct err *e)
{
	CLEANUP_BUF struct buf path = BUF_INIT(4096);
	const char *named = getenv(variable), *home = getenv("HOME");

	if (named && *named)
		return load_file(p, named, name, config, e);
	if (!home || !*home)
		return 0;
	if (buf_addf(&path, "%s/.aws/%s", home, file))
		return err_set(e, -EINVAL, "HOME is too long");
	return load_file(p, path.data, name, config, e);
}

int profile_load(struct profile *ret_profile, const char *name, struct err *e)
{
	struct profile p = { 0 };
	int r;

	name = profile_name(name);
	r = load_default(&p, "AWS_SHARED_CREDENTIALS_FILE", "credentials", name,
			 false, e);
	if (!r)
		r = load_default(&p, "AWS_CONFIG_FILE", "config", name, true,
				 e);
	if (r) {
		profile_done(&p);
		return r;
	}
	*ret_profile = p;
	return 0;
}

static void free_secret(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void profile_done(struct profile *p)
{
	free(p->access);
	free_secret(p->secret);
	free_secret(p->token);
	free(p->region);
	memset(p, 0, sizeof(*p));
}
