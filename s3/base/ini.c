#include "s3/base/ini.h"

#include <string.h>

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

void ini_init(struct ini *ini, char *text)
{
	/* The mark of UTF-8 that some editors leave. */
	if (!strncmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	*ini = (struct ini){ .rest = text };
}

static enum ini_kind section(char *text, struct ini_item *item)
{
	char *end = strchr(text, ']');
	char *after;

	if (!end)
		return INI_BAD;
	*end = '\0';
	after = trim(end + 1);
	item->name = trim(text + 1);
	if (!*item->name || (*after && *after != '#' && *after != ';'))
		return INI_BAD;
	return INI_SECTION;
}

static enum ini_kind word(char *text, struct ini_item *item)
{
	char *equals = strchr(text, '=');

	if (equals) {
		*equals = '\0';
		item->value = trim(equals + 1);
	}
	item->name = trim(text);
	return *item->name ? INI_WORD : INI_BAD;
}

enum ini_kind ini_next(struct ini *ini, struct ini_item *ret_item)
{
	char *line, *text;

	while (*ini->rest) {
		line = strsep(&ini->rest, "\n");
		if (!ini->rest) /* the last line has no end */
			ini->rest = line + strlen(line);
		ini->line++;
		*ret_item = (struct ini_item){
			.line = ini->line,
			.indented = *line == ' ' || *line == '\t',
		};
		text = trim(line);
		if (!*text || *text == '#' || *text == ';')
			continue;
		return *text == '[' ? section(text, ret_item)
				    : word(text, ret_item);
	}
	return INI_END;
}
