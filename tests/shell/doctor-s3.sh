#!/usr/bin/env bash
# The doctor of a bucket tells what is right, leaves nothing behind, and names
# what is wrong with address, keys, rights, clock, versions and rules.
. "$(dirname "$0")/lib.sh"
use_store rgw
start_proxy

# doctor STATUS [ARGUMENT...]: exits with it; its lines are in $TMP/says
doctor()
{
	local expected=$1 status=0
	shift
	"$ASSETCTL" doctor "$@" >"$TMP/says" 2>"$TMP/errors" || status=$?
	test "$status" = "$expected" ||
		fail "doctor $*: exit $status: $(cat "$TMP/says" "$TMP/errors")"
}

# says STATUS CHECK [TEXT]: there is this finding
says()
{
	grep -E "^$1 +$2 " "$TMP/says" | grep -q -- "${3:-}" ||
		fail "no '$1 $2 ${3:-}': $(cat "$TMP/says")"
}

doctor 0 "$SRC_URL/shots"
for check in endpoint tls clock credentials region list versioning lifecycle \
	put get condition delete fuse cache; do
	says ok "$check"
done
says ok credentials environment
says ok condition honoured
test -z "$(s3_keys)" || fail "left behind: $(s3_keys)"

log_mark
doctor 0 --read-only "$SRC_URL"
says ok put 'not tried'
says ok get
test "$(log_lines | awk -F '\t' '$5 != "GET"' | wc -l)" = 0 ||
	fail "--read-only writes"

doctor 0 --json "$SRC_URL"
python3 - "$TMP/says" <<'PYTHON' || fail "--json: $(cat "$TMP/says")"
import json, sys
said = json.load(open(sys.argv[1]))
assert said["failed"] == 0 and said["verb"] == "doctor"
assert {"put", "cache"} <= {c["check"] for c in said["checks"]}
assert all(c["status"] in ("ok", "warn", "fail") for c in said["checks"])
PYTHON

doctor 1 "s3://no-such-$BUCKET"
says fail bucket 'does not exist'
doctor 1 --endpoint http://127.0.0.1:1 "$SRC_URL"
says fail endpoint 127.0.0.1:1
! grep -q ' put ' "$TMP/says" || fail "rights without an address"
doctor 1 --endpoint "$RGW_TLS_ENDPOINT" "$SRC_URL"
says fail endpoint ca_bundle
doctor 0 --endpoint "$RGW_TLS_ENDPOINT" -o "ca_bundle=$RGW_CA" "$SRC_URL"
says ok tls 'certificate is good'

# ---- keys
(
	export AWS_SECRET_ACCESS_KEY=wrong
	doctor 1 "$SRC_URL"
	says fail credentials SignatureDoesNotMatch
	export AWS_ACCESS_KEY_ID=nobody
	doctor 1 "$SRC_URL"
	says fail credentials 'nobo.*InvalidAccessKeyId'
	unset AWS_ACCESS_KEY_ID
	doctor 1 "$SRC_URL"
	says fail credentials 'no credentials found'
)

# ---- rights of a guest
# allow ACTION...: on bucket and objects
allow()
{
	local list
	list=$(printf '"s3:%s",' "$@")
	cat >"$TMP/policy" <<POLICY
{ "Version": "2012-10-17", "Statement": [ { "Effect": "Allow",
  "Principal": { "AWS": [ "arn:aws:iam:::user/guest" ] },
  "Action": [ ${list%,} ],
  "Resource": [ "arn:aws:s3:::$BUCKET", "arn:aws:s3:::$BUCKET/*" ] } ] }
POLICY
	s3_curl PUT "/$BUCKET?policy=" -T "$TMP/policy"
}

# as_guest STATUS
as_guest()
{
	AWS_ACCESS_KEY_ID=guestaccesskey AWS_SECRET_ACCESS_KEY=guestsecretkey \
		doctor "$1" "$SRC_URL"
}

as_guest 1
says fail list s3:ListBucket
says fail put s3:PutObject
allow ListBucket GetObject
as_guest 1
says ok list
says ok get
says fail put s3:PutObject
allow ListBucket GetObject PutObject
as_guest 0
says ok put
says ok condition
says warn delete s3:DeleteObject
left=$(s3_keys)
grep -q "'$left' is left behind" "$TMP/says" || fail "'$left' is not told"
s3_curl DELETE "/$BUCKET/$left"

# ---- rules
# rules XML...
rules()
{
	printf '<LifecycleConfiguration>%s</LifecycleConfiguration>' \
		"$(printf '<Rule>%s</Rule>' "$@")" >"$TMP/rules"
	s3_curl PUT "/$BUCKET?lifecycle=" -T "$TMP/rules" -H "Content-MD5: $(
		openssl md5 -binary "$TMP/rules" | base64
	)"
}

on='<Status>Enabled</Status>'
off='<Status>Disabled</Status>'
days='<Expiration><Days>30</Days></Expiration>'
rules "<ID>all</ID><Prefix></Prefix>$on$days"
doctor 1 "$SRC_URL/shots"
says fail lifecycle "'all' deletes the content.*after 30 days.*assetctl gc"
rules "<ID>off</ID><Prefix></Prefix>$off$days" \
	"<ID>tmp</ID><Filter><Prefix>tmp/</Prefix></Filter>$on$days" \
	"<ID>up</ID><Filter><Prefix></Prefix></Filter>$on<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
doctor 0 "$SRC_URL/shots"
says ok lifecycle 'no rule that would hurt$'
doctor 0 "$SRC_URL/tmp/x"
says warn lifecycle "'tmp' deletes files of SOURCE"
s3_curl DELETE "/$BUCKET?lifecycle="

# ---- versions
printf '<VersioningConfiguration>%s</VersioningConfiguration>' "$on" \
	>"$TMP/versions"
s3_curl PUT "/$BUCKET?versioning=" -T "$TMP/versions"
doctor 1 "$SRC_URL"
says warn versioning
says fail condition 'single_writer'
doctor 0 -o single_writer "$SRC_URL"
says warn condition

# ---- clock
new_bucket
start_proxy --clock-skew 600
doctor 0 "s3://$BUCKET"
says warn clock '[0-9]* s slow.*NTP'
