#include "tools/summary.h"

#include "tests/unit/tap.h"

static const struct summary push = {
	.verb = "push",
	.past = "pushed",
	.files = 242,
	.dirs = 81,
	.bytes = 12000000,
	.saved_pool = 4400000,
	.seconds = 1.234,
	.counts =
		{
			.requests =
				{
					[STORE_GET] = 2,
					[STORE_PUT] = 8,
					[STORE_LIST] = 3,
				},
			.bytes_out = 7600000,
		},
};

static void text(void)
{
	struct summary s = push;
	CLEANUP_BUF struct buf line = BUF_INIT(1000);

	is_int(summary_add_text(&line, &s), 0, "a line");
	is_str(line.data,
	       "pushed 242 files, 12.0 MB in 1.2 s; 13 requests (8 PUT, 3 "
	       "LIST, 2 GET); 7.6 MB sent; 4.4 MB not moved (pool); about "
	       "$0.00006",
	       "a push");
	buf_reset(&line);

	s = (struct summary){
		.verb = "pull",
		.past = "pulled",
		.files = 1,
		.bytes = 500,
		.symlinks = 1,
		.unchanged = 7,
		.seconds = 0.04,
		.counts = { .requests[STORE_GET] = 1,
			    .bytes_in = 500,
			    .retries = 2 },
		.dry_run = true,
		.unbilled = true,
	};
	(void)summary_add_text(&line, &s);
	is_str(line.data,
	       "dry run: would have pulled 1 file, 500 B, 1 symlink, 7 "
	       "unchanged in 0.0 s; 1 request (1 GET), 2 repeated; 500 B "
	       "received",
	       "a dry run on a store without a bill");
}

static json_int_t integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void json(void)
{
	json_t *o = json_object(), *requests;

	is_int(summary_set_json(o, &push), 0, "an object");
	requests = json_object_get(o, "requests");
	is_str(json_string_value(json_object_get(o, "verb")), "push", "verb");
	is_int(integer(o, "files"), 242, "files");
	is_int(integer(o, "dirs"), 81, "dirs");
	is_int(integer(o, "bytes_out"), 7600000, "bytes_out");
	is_int(integer(o, "saved_pool"), 4400000, "saved_pool");
	is_int(integer(o, "requests_total"), 13, "requests_total");
	is_int(integer(requests, "PUT"), 8, "requests by kind");
	is_int(json_object_size(requests), STORE_OP_COUNT, "every kind");
	ok(json_real_value(json_object_get(o, "price_usd")) > 5e-5, "price");
	ok(json_is_false(json_object_get(o, "dry_run")), "dry_run");
	json_decref(o);
}

int main(void)
{
	text();
	json();
	return tap_done();
}
