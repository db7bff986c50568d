#include "s3/fault.h"

#include <errno.h>
#include <string.h>
#include <stddef.h>

#include "tests/unit/tap.h"

static void test_replies(void)
{
	static const struct {
		int status;
		const char *s3_code;
		int code;
		enum fault_cure cure;
	} cases[] = {
		/* Only S3's own word, or no room for one, means absent. */
		{ 404, "NoSuchKey", -ENOENT, FAULT_FINAL },
		{ 404, "", -ENOENT, FAULT_FINAL },
		{ 404, NULL, -EIO, FAULT_FINAL },
		{ 404, "SomethingElse", -EIO, FAULT_FINAL },
		{ 404, "NoSuchUpload", -ENOENT, FAULT_FINAL },
		{ 404, "NoSuchBucket", -ENXIO, FAULT_FINAL },
		{ 403, "AccessDenied", -EACCES, FAULT_FINAL },
		{ 403, "", -EACCES, FAULT_FINAL },
		{ 403, NULL, -EACCES, FAULT_FINAL },
		{ 401, NULL, -EACCES, FAULT_KEYS },
		{ 403, "InvalidAccessKeyId", -EACCES, FAULT_KEYS },
		{ 400, "ExpiredToken", -EACCES, FAULT_KEYS },
		{ 403, "RequestTimeTooSkewed", -EACCES, FAULT_CLOCK },
		{ 403, "QuotaExceeded", -ENOSPC, FAULT_FINAL },
		{ 400, "AuthorizationHeaderMalformed", -EACCES, FAULT_REGION },
		{ 301, "PermanentRedirect", -EIO, FAULT_REGION },
		{ 307, NULL, -EIO, FAULT_REGION },
		{ 302, NULL, -EIO, FAULT_FINAL },
		{ 400, "KeyTooLongError", -ENAMETOOLONG, FAULT_FINAL },
		{ 400, "InvalidArgument", -EIO, FAULT_FINAL },
		{ 400, "RequestTimeout", -EIO, FAULT_RETRY },
		{ 400, "BadDigest", -EIO, FAULT_RETRY },
		{ 408, NULL, -EIO, FAULT_RETRY },
		{ 409, "ConditionalRequestConflict", -EEXIST, FAULT_RETRY },
		{ 409, "OperationAborted", -EIO, FAULT_RETRY },
		{ 409, "BucketNotEmpty", -EIO, FAULT_FINAL },
		{ 409, NULL, -EIO, FAULT_RETRY },
		{ 409, "", -EIO, FAULT_RETRY },
		{ 412, "PreconditionFailed", -ESTALE, FAULT_FINAL },
		{ 412, "", -ESTALE, FAULT_FINAL },
		{ 413, NULL, -EFBIG, FAULT_FINAL },
		{ 416, "InvalidRange", -ERANGE, FAULT_FINAL },
		{ 429, NULL, -EIO, FAULT_SLOW },
		{ 503, "SlowDown", -EIO, FAULT_SLOW },
		{ 503, NULL, -EIO, FAULT_SLOW },
		{ 500, "InternalError", -EIO, FAULT_RETRY },
		{ 502, NULL, -EIO, FAULT_RETRY },
		{ 504, NULL, -EIO, FAULT_RETRY },
		{ 501, "NotImplemented", -EIO, FAULT_FINAL },
		{ 507, NULL, -ENOSPC, FAULT_FINAL },
		/* an Error in a reply of status 200 */
		{ 200, "InternalError", -EIO, FAULT_RETRY },
		{ 200, "SlowDown", -EIO, FAULT_SLOW },
		{ 200, "AccessDenied", -EACCES, FAULT_FINAL },
		{ 200, "Unheard", -EIO, FAULT_FINAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault f =
			fault_of_reply(cases[i].status, cases[i].s3_code);
		const char *name = cases[i].s3_code;

		is_int(f.code, cases[i].code, "%d %s: errno", cases[i].status,
		       name ? name : "(page)");
		is_int(f.cure, cases[i].cure, "%d %s: cure", cases[i].status,
		       name ? name : "(page)");
	}
}

static void test_transfers(void)
{
	is_int(fault_of_xfer(XFER_UNREACHABLE).cure, FAULT_RETRY, "away");
	ok(!fault_of_xfer(XFER_UNREACHABLE).maybe_done, "nothing was sent");
	is_int(fault_of_xfer(XFER_RACE).cure, FAULT_AT_ONCE, "race");
	is_int(fault_of_xfer(XFER_CUT).cure, FAULT_RETRY, "cut");
	ok(fault_of_xfer(XFER_CUT).maybe_done, "it may have been done");
	is_int(fault_of_xfer(XFER_STALLED).cure, FAULT_RETRY, "stalled");
	is_int(fault_of_xfer(XFER_DEADLINE).code, -ETIMEDOUT, "deadline");
	is_int(fault_of_xfer(XFER_CANCELLED).code, -ECANCELED, "cancelled");
	is_int(fault_of_xfer(XFER_TOO_BIG).code, -EFBIG, "too big");
	is_int(fault_of_xfer(XFER_UNTRUSTED).cure, FAULT_FINAL, "untrusted");
}

/* An archived object is no I/O error, and the way to it is told. */
static void test_archived(void)
{
	struct fault f = fault_of_reply(403, "InvalidObjectState");
	const char *advice = fault_advice("InvalidObjectState");

	is_int(f.code, -EACCES, "archived");
	is_int(f.cure, FAULT_FINAL, "not asked for again");
	ok(advice && strstr(advice, "restore"), "what to do: %s", advice);
}

int main(void)
{
	test_replies();
	test_archived();
	test_transfers();
	return tap_done();
}
