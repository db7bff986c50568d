#include "s3/passwd.h"

#include <errno.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/base/io.h"
#include "s3/profile.h"

static int make_keys(struct creds_keys **ret_keys, const char *access,
		     const char *secret, const char *path, struct err *e)
{
	CLEANUP(creds_keys_putp) struct creds_keys *k = NULL;
	int r = creds_keys_new(&k, access, secret, NULL, 0, e);

	if (!r)
		r = creds_keys_from(k, "'%s'", path);
	if (r)
		return err_wrap(e, r, "'%s'", path);
	*ret_keys = TAKE_PTR(k);
	return 1;
}

int passwd_parse(struct creds_keys **ret_keys, char *text, const char *path,
		 const char *bucket, struct err *e)
{
	char *access = NULL, *secret = NULL;
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
		while (line && count < 4)
			words[count++] = strsep(&line, ":");
		if (count < 2 || count > 3 || !*words[count - 2] ||
		    !*words[count - 1])
			return err_set(e, -EINVAL,
				       "'%s' line %u: neither "
				       "ACCESSKEY:SECRET nor "
				       "BUCKET:ACCESSKEY:SECRET",
				       path, number);
		if (count == 3 && !strcmp(words[0], bucket))
			return make_keys(ret_keys, words[1], words[2], path, e);
		if (count == 2 && !access) {
			access = words[0];
			secret = words[1];
		}
	}
	return access ? make_keys(ret_keys, access, secret, path, e) : 0;
}

int passwd_find(struct creds_keys **ret_keys, const char *path,
		const char *bucket, struct watch *watch, struct err *e)
{
	unsigned int allowed = strcmp(path, PASSWD_ETC) ? 0600 : 0640;
	CLEANUP_BUF struct buf text = BUF_INIT(IO_TEXT_MAX);
	int r;

	watch_add(watch, path);
	r = profile_read_secret(path, allowed, &text, e);
	if (r)
		return r;
	r = passwd_parse(ret_keys, text.data, path, bucket, e);
	explicit_bzero(text.data, text.len);
	return r;
}
