/* Access keys as JSON and as XML, and the words of a credential_process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/buf.h"
#include "s3/creds_json.h"
#include "s3/process.h"
#include "s3/sts.h"
#include "tests/fuzz/fuzz.h"

/* They go into header fields. */
static void check_keys(struct creds_keys *k)
{
	if (!*k->access || !*k->secret || strpbrk(k->access, " \r\n") ||
	    strpbrk(k->secret, " \r\n") ||
	    (k->token && (!*k->token || strpbrk(k->token, " \r\n"))))
		abort();
	creds_keys_put(k);
}

static void split(const uint8_t *data, size_t size)
{
	CLEANUP_BUF struct buf room = BUF_INIT(1 << 20);
	CLEANUP_FREE char *line = calloc(1, size + 1);
	char *words[PROCESS_WORDS_MAX + 1];
	size_t bytes = 0;

	if (line)
		memcpy(line, data, size);
	if (!line || process_split(words, &room, line, NULL))
		return;
	if (!words[0])
		abort();
	for (size_t i = 0; words[i]; i++)
		bytes += strlen(words[i]);
	if (bytes > strlen(line))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sts_answer answer = { .keys = NULL };
	struct creds_keys *k = NULL;

	if (!creds_json_read(&k, data, size, size & 1, NULL))
		check_keys(k);
	if (!sts_read(&answer, data, size)) {
		if (answer.keys)
			check_keys(answer.keys);
		else if (!answer.code[0])
			abort();
	}
	split(data, size);
	return 0;
}
