#include "tools/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/base/log.h"
#include "tools/cmd.h"
#include "tools/quote.h"

#define REAL_DIGITS 9

int output_set_number(json_t *o, const char *key, uint64_t n)
{
	return json_object_set_new(o, key, json_integer((json_int_t)n));
}

int output_set_name(json_t *o, const char *key, const char *name)
{
	CLEANUP_BUF struct buf quoted = BUF_INIT(5 * strlen(name) + 1);
	char quoted_key[32];

	if (quote_is_utf8(name, strlen(name)))
		return json_object_set_new(o, key, json_string(name));
	(void)snprintf(quoted_key, sizeof(quoted_key), "%s_quoted", key);
	if (quote_terminal(&quoted, name, strlen(name)))
		return -1;
	return json_object_set_new(o, quoted_key, json_string(quoted.data));
}

/* NULL without memory. */
static char *json_line(json_t *o, int broken)
{
	char *text = broken ? NULL
			    : json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER |
						    JSON_REAL_PRECISION(
							    REAL_DIGITS));

	json_decref(o);
	return text;
}

int output_add_json(struct buf *out, json_t *o, int broken)
{
	CLEANUP_FREE char *text = json_line(o, broken);

	return text ? buf_add_str(out, text) : -ENOMEM;
}

static int print(const char *text)
{
	if (!text) {
		log_error("out of memory");
		return EXIT_FAILED;
	}
	(void)puts(text);
	return EXIT_OK;
}

int output_json(json_t *o, int broken)
{
	CLEANUP_FREE char *text = json_line(o, broken);

	return print(text);
}

int output_line(const struct buf *line)
{
	return print(buf_error(line) ? NULL : line->data ?: "");
}
