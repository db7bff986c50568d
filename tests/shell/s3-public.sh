#!/usr/bin/env bash
# Public buckets are read without keys; where who asks pays, the word for it is
# needed and does.
. "$(dirname "$0")/lib.sh"
use_store rgw
echo content >"$TMP/file"
s3_put a/file "$TMP/file" -H 'x-amz-acl: public-read'
cat >"$TMP/policy" <<POLICY
{ "Version": "2012-10-17", "Statement": [ { "Effect": "Allow",
  "Principal": "*", "Action": [ "s3:GetObject", "s3:ListBucket" ],
  "Resource": [ "arn:aws:s3:::$BUCKET", "arn:aws:s3:::$BUCKET/*" ] } ] }
POLICY
s3_curl PUT "/$BUCKET?policy=" -T "$TMP/policy"

# pulls NAME [OPTIONS]: the file is had, by an own cache, without our keys
pulls()
(
	unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
	rm -rf "$TMP/out"
	"$ASSETCTL" pull -q --cache-dir "$TMP/cache-$1" ${2:+-o "$2"} \
		"$SRC_URL/a" "$TMP/out" 2>"$TMP/says" &&
		test "$(cat "$TMP/out/file")" = content
)

! pulls none || fail "without keys, and nothing said"
grep -q no_sign_request "$TMP/says" || fail "no advice: $(cat "$TMP/says")"
for word in public_bucket=1 no-sign-request anonymous; do
	pulls "$word" "$word" || fail "$word: $(cat "$TMP/says")"
done

echo guestaccesskey:guestsecretkey >"$TMP/guest"
chmod 600 "$TMP/guest"
pulls guest "passwd_file=$TMP/guest" || fail "a guest: $(cat "$TMP/says")"
cat >"$TMP/payment" <<XML
<RequestPaymentConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Payer>Requester</Payer></RequestPaymentConfiguration>
XML
s3_curl PUT "/$BUCKET?requestPayment=" -T "$TMP/payment"
! pulls unpaid "passwd_file=$TMP/guest" || fail "who does not pay reads"
pulls paid "passwd_file=$TMP/guest,requester_pays" ||
	fail "requester_pays: $(cat "$TMP/says")"
