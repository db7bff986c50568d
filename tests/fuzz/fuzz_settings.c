/* Settings files, for a source that is named in the first line. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/settings.h"
#include "s3/source_options.h"

static int take(void *arg, const char *word, const char *value, struct err *e)
{
	if (!*word || strpbrk(word, "=\n") || (value && strchr(value, '\n')))
		abort();
	return source_option(arg, word, value, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *copy = malloc(size + 1);
	struct source_options o;
	struct err e = { 0 };
	char *text;
	int r;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	copy[size] = '\0';
	text = copy;
	source_options_init(&o);
	(void)strsep(&text, "\n");
	if (text) {
		r = settings_parse(text, "f", copy, take, &o, &e);
		if (r > 0 || (r && strncmp(e.text, "f:", 2)))
			abort();
	}
	source_options_done(&o);
	return 0;
}
