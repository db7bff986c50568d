#!/usr/bin/env bash
# What goes wrong at an S3 server has the right errno, and a message that says
# what to do.
. "$(dirname "$0")/lib.sh"

use_store rgw

# ask WANT OP [KEY]: the result must match the pattern.
ask()
{
	local want=$1 got
	shift
	got=$("$BUILD/conform/store_ask" "$SRC_URL" "$@" 2>"$TMP/err") || :
	{ cat "$TMP/err" && echo "$got"; } >>"$TMP/shown"
	# shellcheck disable=SC2053
	[[ $got == $want ]] || fail "$*: '$got' is not '$want'"
}

ask '0 *' put present
ask '0 *' head present
ask '0 *' list
ask '-2 *NoSuchKey*' get absent
ask '-2 *404*' head absent
ask '0 *' delete absent

secret=$AWS_SECRET_ACCESS_KEY
(
	export AWS_SECRET_ACCESS_KEY=wrongwrong
	ask '-13 *SignatureDoesNotMatch*secret key does not match*' get present
	ask '-13 *403*' head present
	ask '-13 *' list
)
(
	export AWS_ACCESS_KEY_ID=NOBODY
	ask "-13 *access key 'NOBO…' is not known at $ENDPOINT*" list
)
(
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	ask '-13 no credentials found: set AWS_ACCESS_KEY_ID*' list
)
(
	SRC_URL=s3://no-such-bucket-here
	ask "-6 bucket 'no-such-bucket-here' does not exist at *check the name" \
		list
	ask '-6 bucket*' get x
	ask '-6 bucket*' delete x
)
(
	# Nobody listens on the discard port.
	set_endpoint http://127.0.0.1:9
	ask '-110 *no success in time*' list
	grep -q 'cannot be reached.*retrying' "$TMP/err" || fail "no warning"
	test "$(grep -c 'cannot be reached' "$TMP/err")" = 1 ||
		fail "warned more than once"
)
(
	set_endpoint http://no-such-host.invalid
	ask '-110 *no success in time*' list
)
! grep -qF -e "$secret" -e wrongwrong "$TMP/shown" ||
	fail "a secret key was shown"
