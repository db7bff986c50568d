#include "tools/output.h"

#include <errno.h>

#include "tests/unit/tap.h"
#include "tools/cmd.h"

static void members(void)
{
	CLEANUP_BUF struct buf line = BUF_INIT(200);
	json_t *o = json_object();
	int r = output_set_number(o, "n", UINT64_C(1) << 40);

	r |= output_set_name(o, "a", "a\303\244\nb");
	r |= output_set_name(o, "b", "\344\\");
	r |= json_object_set_new(o, "r", json_real(0.1));
	is_int(r, 0, "set");
	is_int(output_add_json(&line, o, r), 0, "added");
	is_str(line.data,
	       "{\"n\":1099511627776,\"a\":\"a\303\244\\nb\","
	       "\"b_quoted\":\"\\\\344\\\\134\",\"r\":0.1}",
	       "one line, in order, of text only");
}

/* What memory had no room for is NULL, and nothing can be set in it. */
static void broken(void)
{
	CLEANUP_BUF struct buf line = BUF_INIT(200), small = BUF_INIT(3);

	ok(output_set_number(NULL, "n", 1), "no object for a number");
	ok(output_set_name(NULL, "n", "x"), "nor for a name");
	is_int(output_add_json(&line, NULL, 0), -ENOMEM, "no object");
	is_int(output_add_json(&line, json_object(), -1), -ENOMEM,
	       "lacks a member");
	is_int(line.len, 0, "nothing is added");
	is_int(output_add_json(&small, json_pack("{s:i}", "n", 1), 0), -EFBIG,
	       "above a ceiling");
	is_int(output_json(NULL, 0), EXIT_FAILED, "no object to print");
	is_int(output_json(json_object(), 1), EXIT_FAILED, "half of one");
	is_int(output_line(&small), EXIT_FAILED, "half a line");
	(void)buf_add_str(&line, "# one of TAP's comments");
	is_int(output_line(&line), EXIT_OK, "a line");
}

int main(void)
{
	members();
	broken();
	return tap_done();
}
