#include "s3/base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/unit/tap.h"

static void test_content(void)
{
	struct buf b = BUF_INIT(1000);
	char *taken;

	(void)buf_add(&b, "abc", 3);
	(void)buf_add_str(&b, "def");
	(void)buf_add_char(&b, '!');
	(void)buf_addf(&b, "%d-%s", 42, "x");
	is_str(b.data, "abcdef!42-x", "appended, terminated");
	is_int(b.len, 11, "counted");
	taken = buf_take(&b);
	is_str(taken, "abcdef!42-x", "taken");
	free(taken);
	is_int(b.len, 0, "empty then");
	taken = buf_take(&b);
	is_str(taken, "", "empty content is a string too");
	free(taken);
	(void)buf_add_u8(&b, 0x01);
	(void)buf_add_u16(&b, 0x0302);
	(void)buf_add_u32(&b, 0x07060504);
	(void)buf_add_u64(&b, 0x0f0e0d0c0b0a0908);
	(void)buf_add_zero(&b, 2);
	ok(b.len == 17 &&
		   !memcmp(b.data, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\0\0",
			   18),
	   "little endian");
	buf_cut(&b, 3);
	is_str(b.data, "\1\2\3", "cut");
	buf_reset(&b);
	is_int(b.len, 0, "reset");
	(void)buf_add(&b, NULL, 0);
	is_int(buf_error(&b), 0, "nothing can be added");
	buf_done(&b);
}

static void test_ceiling(void)
{
	struct buf b = BUF_INIT(10);
	char *to;

	is_int(buf_add_str(&b, "12345678"), 0, "below");
	is_int(buf_add_str(&b, "9ab"), -EFBIG, "above");
	is_str(b.data, "12345678", "the content stays");
	is_int(buf_add_char(&b, '9'), -EFBIG, "and the failure");
	is_int(buf_error(&b), -EFBIG, "to be asked for once");
	ok(!buf_take(&b), "nothing to take");
	buf_cut(&b, 8);
	is_int(buf_add_str(&b, "9a"), 0, "up to it, once cut");
	is_int(buf_addf(&b, "%s", "x"), -EFBIG, "full");
	buf_reset(&b);
	ok(!buf_reserve(&b, SIZE_MAX), "no overflow");
	is_int(buf_error(&b), -EFBIG, "but a failure");
	buf_reset(&b);
	to = buf_reserve(&b, 10);
	ok(to, "room for all of it");
	memset(to, 'x', 10);
	b.len += 10;
	to = buf_take(&b);
	is_str(to, "xxxxxxxxxx", "terminated when taken");
	free(to);

	buf_init(&b, SIZE_MAX);
	ok(buf_reserve(&b, 100000), "without a ceiling");
	buf_done(&b);
	buf_init(&b, 0);
	is_int(buf_add_str(&b, ""), 0, "a ceiling of 0 holds nothing");
	is_int(buf_add_str(&b, "x"), -EFBIG, "and no more");
	buf_done(&b);
}

int main(void)
{
	test_content();
	test_ceiling();
	return tap_done();
}
