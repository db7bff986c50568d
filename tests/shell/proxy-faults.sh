#!/usr/bin/env bash
# Each scripted fault looks to a client as it should, and only where it is set.
. "$(dirname "$0")/lib.sh"

new_bucket
start_proxy
RGW_ENDPOINT=$PROXY_URL
head -c 100000 /dev/urandom >"$TMP/content"
s3_put key "$TMP/content"
out=$TMP/out

# expect CURL-STATUS HTTP-STATUS [SIZE] [CURL-ARGUMENT...]: of a GET
expect()
{
	local curl_status=0 got want_curl=$1 want_http=$2 want_size=${3:-}
	shift $(($# < 3 ? $# : 3))
	: >"$out"
	got=$(curl -s --max-time 2 -o "$out" -w '%{http_code}' \
		--aws-sigv4 "aws:amz:$AWS_REGION:s3" \
		--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
		-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" \
		"$PROXY_URL/$BUCKET/key") || curl_status=$?
	[ "$curl_status $got" = "$want_curl $want_http" ] ||
		fail "$(cat "$PROXY_FAULTS"): curl $curl_status, HTTP $got"
	[ -z "$want_size" ] || [ "$(wc -c <"$out")" = "$want_size" ] ||
		fail "$(cat "$PROXY_FAULTS"): $(wc -c <"$out") bytes"
}

expect 0 200 100000

set_faults 'GET key 1 status 503 SlowDown' 'GET * 2 404' 'GET * 3 403'
expect 0 503
grep -q '<Code>SlowDown</Code>' "$out" || fail "no S3 error"
expect 0 404
grep -q '<Code>NoSuchKey</Code>' "$out" || fail "no S3 error"
expect 0 403
expect 0 200 100000

set_faults '* * 2-3 ok-error InternalError'
expect 0 200 100000
expect 0 200
grep -q '<Code>InternalError</Code>' "$out" || fail "no S3 error"
expect 0 200
expect 0 200 100000

set_faults 'GET other * 404' 'PUT key * 404'
expect 0 200 100000

set_faults 'GET * * cut 5000'
expect 18 200 5000
cmp -n 5000 "$out" "$TMP/content" || fail "cut: wrong bytes"

set_faults 'GET * * cut-before'
expect 52 000 0

set_faults 'GET * * stall'
expect 28 000 0

set_faults 'GET * * stall-body 7000'
expect 28 200 7000

set_faults 'GET * * short'
expect 0 200 50000
cmp -n 50000 "$out" "$TMP/content" || fail "short: wrong bytes"

set_faults 'GET * * flip 1234'
expect 0 200 100000
test "$(cmp -l "$out" "$TMP/content" | awk '{ print $1 }')" = 1235 ||
	fail "flip: not that byte alone"

set_faults 'GET * * delay 300'
begin=${EPOCHREALTIME/./}
expect 0 200 100000
test $((${EPOCHREALTIME/./} - begin)) -ge 300000 || fail "no delay"

# The second transfer finds the connection closed and makes a new one.
set_faults 'GET * * close-keepalive'
connections=$(expect 0 200200 100000 -o "$out" "$PROXY_URL/$BUCKET/key" &&
	tail -n 2 "$PROXY_LOG" | cut -f 4 | sort -u | wc -l)
test "$connections" = 2 || fail "close-keepalive: $connections connections"
set_faults
connections=$(expect 0 200200 100000 -o "$out" "$PROXY_URL/$BUCKET/key" &&
	tail -n 2 "$PROXY_LOG" | cut -f 4 | sort -u | wc -l)
test "$connections" = 1 || fail "keep-alive: $connections connections"

# What the server did while its answer was lost, it did. curl asks with Expect
# before it sends this much, and is told to go on.
head -c 3000000 /dev/zero >"$TMP/large"
set_faults 'PUT * * lose-answer'
expect 52 100 0 -T "$TMP/large"
set_faults
expect 0 200 3000000

# A body that is not forwarded is let in and drained before the answer.
set_faults 'PUT * * status 500 InternalError'
expect 0 500 '' -T "$TMP/content"
expect 0 500 '' -T "$TMP/large"
test "$(tail -n 1 "$PROXY_LOG" | cut -f 10)" = 3000000 || fail "not drained"
set_faults
expect 0 200 3000000

# What is damaged on its way to the server is what the server has.
set_faults 'PUT * 1 flip-up 4321'
expect 0 200 0 -T "$TMP/content"
expect 0 200 100000
test "$(cmp -l "$out" "$TMP/content" | awk '{ print $1 }')" = 4322 ||
	fail "flip-up: not that byte alone"

# The server met the request before, so the condition fails.
set_faults 'PUT new 1 twice'
if s3_put new "$TMP/content" -H 'if-none-match: *' 2>/dev/null; then
	fail "twice: once"
fi
s3_get new | cmp - "$TMP/content" || fail "twice: not done"
set_faults 'GET * 1 twice'
expect 0 200 100000

# The second answer is nobody's.
set_faults 'GET * 1 repeat-answer'
exec 3<>"/dev/tcp/127.0.0.1/${PROXY_URL##*:}"
for method in GET HEAD; do
	printf '%s /%s/key HTTP/1.1\r\nHost: x\r\n\r\n' $method "$BUCKET" >&3
	timeout 2 cat <&3 >"$out" || :
done
exec 3<&-
test "$(grep -c 'HTTP/1.1 403' "$out")" = 2 || fail "repeat-answer"
test "$(grep -c '<Error>' "$out")" = 1 || fail "repeat-answer: no body"

set_faults 'GET key 1 away 1000'
expect 52 000 0
expect 7 000 0
sleep 1.2
expect 0 200 100000
set_faults

faults=$(cut -f 12 "$PROXY_LOG" | sort | uniq -c | awk '{ print $2 $1 }' |
	tr '\n' ' ')
want="-14 4031 4041 away1 close-keepalive2 cut1 cut-before1 delay1 flip1 flip-up1"
want="$want lose-answer1 ok-error2 repeat-answer1 short1 stall1 stall-body1 status3 twice2 "
test "$faults" = "$want" || fail "log: $faults"
