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
	for (size_t i = 0; i < NOTES_KEPT; i++)
		free(n->lines[i]);
	lock_done(&n->lock);
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
	if (n->count < NOTES_KEPT)
		n->lines[n->count] = line;
	else
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

	for (size_t i = 0; i < count && i < NOTES_KEPT; i++)
		log_at(level, "%s",
		       n->lines[i] ? n->lines[i] : "out of memory");
	if (count > NOTES_KEPT)
		log_at(level, "and %zu more", count - NOTES_KEPT);
}
