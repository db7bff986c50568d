/*
 * Small files that people and other programs write: key files as s3fs has
 * them, and tables of prices.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "s3/base/cleanup.h"
#include "s3/passwd.h"
#include "s3/price.h"
#include "tests/fuzz/fuzz.h"

static void passwd(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = strndup((const char *)data, size);
	struct creds_keys *k = NULL;
	int r = text ? passwd_parse(&k, text, "f", "b", NULL) : 0;

	if ((r == 1) != (k != NULL))
		abort();
	if (k && (!*k->access || !*k->secret || strpbrk(k->access, "\r\n") ||
		  strpbrk(k->secret, "\r\n")))
		abort();
	creds_keys_put(k);
}

static void price(const uint8_t *data, size_t size)
{
	struct price_table t;

	if (price_parse(&t, (const char *)data, size, NULL))
		return;
	for (size_t i = 0; i < STORE_OP_COUNT; i++)
		if (!(t.per_1000[i] >= 0) || isinf(t.per_1000[i]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	passwd(data, size);
	price(data, size);
	return 0;
}
