#include "s3/base/span.h"

#include "tests/unit/tap.h"

int main(void)
{
	static const unsigned char data[] = { 1,    2,	  3,	4,
					      5,    6,	  7,	0x81,
					      0x82, 0x83, 0x84, 0x85,
					      0x86, 0x87, 0x88, 9 };
	struct span s = span_of(data, sizeof(data));

	is_int(span_u8(&s), 1, "u8");
	is_int(span_u16(&s), 0x0302, "u16");
	is_int(span_u32(&s), 0x07060504, "u32");
	ok(span_u64(&s) == 0x8887868584838281u, "u64");
	ok(!s.bad && s.left == 1, "one byte left");
	is_int(span_u16(&s), 0, "past the end is zero");
	ok(s.bad, "and marks it bad");
	is_int(span_u8(&s), 0, "for good");
	s = span_of(data, 4);
	ok(span_take(&s, 4) == data, "taken");
	ok(span_take(&s, 0) == data + 4 && !s.bad, "nothing more");
	ok(!span_take(&s, SIZE_MAX) && s.bad, "no overflow");
	s = span_of(NULL, 0);
	is_int(span_u64(&s), 0, "of nothing");
	ok(s.bad, "bad");
	return tap_done();
}
