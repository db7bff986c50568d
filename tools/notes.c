#include "tools/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "s3/base/log.h"

void notes_init(struct notes *n)
{
	*n = (struct notes){ 0 };
	lock_init(&n->lock, LOCK_RANK_TOOL);
}

void notes_done(struct notes *n)
{
	for (size_t i = 0; i < n->kept; i++)
		free(n->lines[i]);
	free(n->lines);
	lock_done(&n->lock);
}

static bool keep_locked(struct notes *n, char *line)
{
	if (!n->all && n->kept == NOTES_KEPT)
		return false;
	if (n->kept == n->room) {
		size_t room = n->room ? 2 * n->room : NOTES_KEPT;
		char **more = reallocarray(n->lines, room, sizeof(*more));

		if (!more)
			return false;
		n->lines = more;
		n->room = room;
	}
	n->lines[n->kept++] = line;
	return true;
}

void notes_add(struct notes *n, const char *fmt, ...)
{
	char *line = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&line, fmt, args) < 0)
		line = NULL;
	va_end(args);

	LOCK_SCOPE(&n->lock);
	if (!keep_locked(n, line))
		free(line);
	n->count++;
}

size_t notes_count(struct notes *n)
{
	LOCK_SCOPE(&n->lock);
	return n->count;
}

void notes_log(struct notes *n, bool errors)
{
	enum log_level level = errors ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN;
	size_t count = notes_count(n);

	for (size_t i = 0; i < n->kept; i++)
		log_at(level, "%s",
		       n->lines[i] ? n->lines[i] : "out of memory");
	if (count > n->kept)
		log_at(level, "and %zu more", count - n->kept);
}
