/*
 * Three tables: S3's words go before the status, which goes before its class.
 * -ENOENT needs S3's own word, or a reply that had no body to put it in: a page
 * from a proxy must never make a file look absent.
 */
#include "s3/fault.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

struct code_fault {
	const char *name;
	struct fault fault;
};

static const struct code_fault by_code[] = {
	/* absent */
	{ "NoSuchKey", { -ENOENT, FAULT_FINAL, false } },
	{ "NoSuchUpload", { -ENOENT, FAULT_FINAL, false } },
	{ "NoSuchVersion", { -ENOENT, FAULT_FINAL, false } },
	{ "NotFound", { -ENOENT, FAULT_FINAL, false } },
	{ "NoSuchLifecycleConfiguration", { -ENOENT, FAULT_FINAL, false } },
	{ "NoSuchBucket", { -ENXIO, FAULT_FINAL, false } },
	/* not allowed */
	{ "AccessDenied", { -EACCES, FAULT_FINAL, false } },
	{ "AllAccessDisabled", { -EACCES, FAULT_FINAL, false } },
	{ "AccountProblem", { -EACCES, FAULT_FINAL, false } },
	{ "InvalidObjectState", { -EACCES, FAULT_FINAL, false } },
	{ "InvalidAccessKeyId", { -EACCES, FAULT_KEYS, false } },
	{ "SignatureDoesNotMatch", { -EACCES, FAULT_KEYS, false } },
	{ "ExpiredToken", { -EACCES, FAULT_KEYS, false } },
	{ "InvalidToken", { -EACCES, FAULT_KEYS, false } },
	{ "TokenRefreshRequired", { -EACCES, FAULT_KEYS, false } },
	{ "InvalidClientTokenId", { -EACCES, FAULT_KEYS, false } },
	{ "RequestTimeTooSkewed", { -EACCES, FAULT_CLOCK, false } },
	{ "RequestExpired", { -EACCES, FAULT_CLOCK, false } },
	/* another region */
	{ "AuthorizationHeaderMalformed", { -EACCES, FAULT_REGION, false } },
	{ "PermanentRedirect", { -EIO, FAULT_REGION, false } },
	{ "TemporaryRedirect", { -EIO, FAULT_REGION, false } },
	{ "IllegalLocationConstraintException", { -EIO, FAULT_REGION, false } },
	/* conditions */
	{ "PreconditionFailed", { -ESTALE, FAULT_FINAL, false } },
	{ "ConditionalRequestConflict", { -EEXIST, FAULT_RETRY, false } },
	{ "ConcurrentModification", { -EEXIST, FAULT_RETRY, false } },
	{ "OperationAborted", { -EIO, FAULT_RETRY, false } },
	{ "InvalidRange", { -ERANGE, FAULT_FINAL, false } },
	/* sizes and names */
	{ "KeyTooLongError", { -ENAMETOOLONG, FAULT_FINAL, false } },
	{ "KeyTooLong", { -ENAMETOOLONG, FAULT_FINAL, false } },
	{ "InvalidURI", { -EILSEQ, FAULT_FINAL, false } },
	{ "XMinioInvalidObjectName", { -EILSEQ, FAULT_FINAL, false } },
	{ "EntityTooLarge", { -EFBIG, FAULT_FINAL, false } },
	{ "QuotaExceeded", { -ENOSPC, FAULT_FINAL, false } },
	{ "XMinioStorageFull", { -ENOSPC, FAULT_FINAL, false } },
	{ "XMinioAdminBucketQuotaExceeded", { -ENOSPC, FAULT_FINAL, false } },
	/* damaged or cut on the way there */
	{ "RequestTimeout", { -EIO, FAULT_RETRY, false } },
	{ "IncompleteBody", { -EIO, FAULT_RETRY, false } },
	{ "BadDigest", { -EIO, FAULT_RETRY, false } },
	{ "InvalidDigest", { -EIO, FAULT_RETRY, false } },
	{ "XAmzContentSHA256Mismatch", { -EIO, FAULT_RETRY, false } },
	/* trouble over there */
	{ "InternalError", { -EIO, FAULT_RETRY, true } },
	{ "SlowDown", { -EIO, FAULT_SLOW, false } },
	{ "SlowDownRead", { -EIO, FAULT_SLOW, false } },
	{ "SlowDownWrite", { -EIO, FAULT_SLOW, false } },
	{ "ServiceUnavailable", { -EIO, FAULT_SLOW, true } },
	{ "Throttling", { -EIO, FAULT_SLOW, false } },
	{ "ThrottlingException", { -EIO, FAULT_SLOW, false } },
	{ "RequestLimitExceeded", { -EIO, FAULT_SLOW, false } },
	{ "TooManyRequests", { -EIO, FAULT_SLOW, false } },
	{ "BandwidthLimitExceeded", { -EIO, FAULT_SLOW, false } },
};

enum word {
	ANY, /* whatever S3 said, if it is not in by_code */
	NO_BODY, /* only where there was nothing to read */
	NO_CODE, /* only where there was no word of S3 */
};

static const struct {
	int status;
	enum word word;
	struct fault fault;
} by_status[] = {
	{ 301, ANY, { -EIO, FAULT_REGION, false } },
	{ 307, ANY, { -EIO, FAULT_REGION, false } },
	/* HEAD has no body to say that a token expired or the region is
	 * another one. */
	{ 400, NO_BODY, { -EIO, FAULT_KEYS, false } },
	{ 401, ANY, { -EACCES, FAULT_KEYS, false } },
	{ 403, ANY, { -EACCES, FAULT_FINAL, false } },
	{ 404, NO_BODY, { -ENOENT, FAULT_FINAL, false } },
	{ 408, ANY, { -EIO, FAULT_RETRY, false } },
	/* With a word that is not in by_code (BucketNotEmpty,
	 * InvalidBucketState, …) it is about something else. */
	{ 409, NO_CODE, { -EIO, FAULT_RETRY, false } },
	{ 412, ANY, { -ESTALE, FAULT_FINAL, false } },
	{ 413, ANY, { -EFBIG, FAULT_FINAL, false } },
	{ 414, ANY, { -ENAMETOOLONG, FAULT_FINAL, false } },
	{ 416, ANY, { -ERANGE, FAULT_FINAL, false } },
	{ 429, ANY, { -EIO, FAULT_SLOW, false } },
	{ 501, ANY, { -EIO, FAULT_FINAL, false } },
	{ 503, ANY, { -EIO, FAULT_SLOW, true } },
	{ 505, ANY, { -EIO, FAULT_FINAL, false } },
	{ 507, ANY, { -ENOSPC, FAULT_FINAL, false } },
};

static bool word_fits(enum word word, const char *s3_code)
{
	if (word == NO_BODY)
		return s3_code && !*s3_code;
	return word == ANY || !s3_code || !*s3_code;
}

struct fault fault_of_reply(int status, const char *s3_code)
{
	if (s3_code && *s3_code)
		for (size_t i = 0; i < sizeof(by_code) / sizeof(by_code[0]);
		     i++)
			if (!strcmp(s3_code, by_code[i].name))
				return by_code[i].fault;
	for (size_t i = 0; i < sizeof(by_status) / sizeof(by_status[0]); i++)
		if (status == by_status[i].status &&
		    word_fits(by_status[i].word, s3_code))
			return by_status[i].fault;
	if (status >= 500)
		return (struct fault){ -EIO, FAULT_RETRY, true };
	return (struct fault){ -EIO, FAULT_FINAL, false };
}

struct fault fault_of_xfer(enum xfer_result result)
{
	static const struct fault faults[] = {
		[XFER_UNREACHABLE] = { -EIO, FAULT_RETRY, false },
		[XFER_RACE] = { -EIO, FAULT_AT_ONCE, true },
		[XFER_CUT] = { -EIO, FAULT_RETRY, true },
		[XFER_STALLED] = { -EIO, FAULT_RETRY, true },
		[XFER_DEADLINE] = { -ETIMEDOUT, FAULT_FINAL, true },
		[XFER_CANCELLED] = { -ECANCELED, FAULT_FINAL, true },
		[XFER_TOO_BIG] = { -EFBIG, FAULT_FINAL, true },
		[XFER_UNTRUSTED] = { -EIO, FAULT_FINAL, false },
		[XFER_NO_MEMORY] = { -ENOMEM, FAULT_FINAL, true },
	};

	return faults[result];
}

const char *fault_advice(const char *s3_code)
{
	static const struct {
		const char *name;
		const char *advice;
	} table[] = {
		{ "InvalidAccessKeyId", "the access key is not known there" },
		{ "SignatureDoesNotMatch",
		  "the secret key does not match the access key" },
		{ "ExpiredToken", "the session token has expired: renew it" },
		{ "InvalidToken", "the session token is not valid there" },
		{ "RequestTimeTooSkewed", "set this machine's clock" },
		{ "InvalidObjectState",
		  "the object is archived: restore it first" },
		{ "AuthorizationHeaderMalformed", "check region=" },
		{ "PermanentRedirect", "check endpoint= and region=" },
	};

	for (size_t i = 0; s3_code && i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(s3_code, table[i].name))
			return table[i].advice;
	return NULL;
}
