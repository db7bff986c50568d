/* Names and words inside of replies: keys of the pool and of trees, times, and
 * what is URL-encoded. */
#include <stdlib.h>
#include <string.h>

#include "cache/names.h"
#include "s3/base/buf.h"
#include "s3/stamp.h"
#include "s3/url.h"
#include "tests/fuzz/fuzz.h"

static void must(bool good)
{
	if (!good)
		abort();
}

/* A name that is understood is written in one way only. */
static void pool_name(const char *data, size_t size)
{
	CLEANUP_BUF struct buf again = BUF_INIT(4096);
	struct pool_name n;

	if (!name_parse_pool("p/", data, size, &n))
		return;
	switch (n.kind) {
	case POOL_BLOB:
		must(!name_blob(&again, "p/", &n.id));
		break;
	case POOL_SHARD:
		must(!name_shard(&again, "p/", &n.id));
		break;
	case POOL_INDEX:
		must(!name_index(&again, "p/", n.time_s, &n.id));
		break;
	case POOL_GCLIST:
		must(!name_gclist(&again, "p/", n.n));
		break;
	}
	must(size == strlen(again.data) && !memcmp(again.data, data, size));
}

static void url(const char *data, size_t size)
{
	CLEANUP_BUF struct buf plain = BUF_INIT(1 << 20);
	CLEANUP_BUF struct buf coded = BUF_INIT(4 << 20);
	CLEANUP_BUF struct buf again = BUF_INIT(1 << 20);

	if (size > 100000 || url_decode(&plain, data, size))
		return;
	must(plain.len <= size);
	must(!url_encode(&coded, plain.data ? plain.data : "", plain.len,
			 false));
	must(!url_decode(&again, coded.data ? coded.data : "", coded.len));
	must(again.len == plain.len &&
	     (!plain.len || !memcmp(again.data, plain.data, plain.len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	uint64_t seq = 0;
	int64_t s;

	pool_name(text, size);
	if (name_parse_tree(text, size, &seq))
		must(seq);
	(void)stamp_parse_iso(&s, text, size);
	(void)stamp_parse_http(&s, text, size);
	url(text, size);
	return 0;
}
