/*
 * fnmatch(3) does the matching. Where a pattern has no slash, the path is cut to
 * its last component, so that FNM_PATHNAME can be used for all of them.
 */
#include "tools/exclude.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"

struct exclude_pattern {
	char *text; /* without slashes at its ends; owned */
	bool whole; /* matched against the whole path */
	bool dirs; /* matches directories only */
};

int exclude_add(struct exclude *x, const char *pattern)
{
	size_t len = strlen(pattern), skip = 0;
	struct exclude_pattern *more, p = { 0 };

	while (len && pattern[len - 1] == '/') {
		p.dirs = true;
		len--;
	}
	p.whole = memchr(pattern, '/', len);
	while (skip < len && pattern[skip] == '/')
		skip++;
	if (skip == len)
		return -EINVAL;
	more = reallocarray(x->patterns, x->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	x->patterns = more;
	p.text = strndup(pattern + skip, len - skip);
	if (!p.text)
		return -ENOMEM;
	x->patterns[x->count++] = p;
	return 0;
}

void exclude_done(struct exclude *x)
{
	for (size_t i = 0; i < x->count; i++)
		free(x->patterns[i].text);
	free(x->patterns);
	*x = (struct exclude){ 0 };
}

bool exclude_match(const struct exclude *x, const char *path, bool is_dir)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < x->count; i++) {
		const struct exclude_pattern *p = &x->patterns[i];

		if ((is_dir || !p->dirs) &&
		    !fnmatch(p->text, p->whole ? path : name, FNM_PATHNAME))
			return true;
	}
	return false;
}

bool exclude_covers(const struct exclude *x, const char *path, bool is_dir)
{
	CLEANUP_FREE char *part = NULL;

	if (!x->count)
		return false;
	if (exclude_match(x, path, is_dir))
		return true;
	part = strdup(path);
	if (!part)
		return true; /* in doubt it is left alone */
	for (char *at = strrchr(part, '/'); at; at = strrchr(part, '/')) {
		*at = '\0';
		if (exclude_match(x, part, true))
			return true;
	}
	return false;
}
