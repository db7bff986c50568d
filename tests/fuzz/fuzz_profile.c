/*
 * The AWS files: nothing comes from a file that has no section of the name.
 */
#include <stdlib.h>
#include <string.h>

#include "s3/profile.h"
#include "tests/fuzz/fuzz.h"

static void check(const uint8_t *data, size_t size, bool config)
{
	struct profile p = { .found = false };
	unsigned int line = 0;
	char *text = malloc(size + 1);

	if (!text)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (profile_parse(&p, text, "x", config, &line) && !line)
		abort();
	if (!p.found &&
	    (p.access || p.secret || p.token || p.process || p.role_arn))
		abort();
	if (p.secret && strchr(p.secret, '\n'))
		abort();
	profile_done(&p);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(data, size, false);
	check(data, size, true);
	return 0;
}
