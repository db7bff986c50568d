#!/usr/bin/env bash
# The proxy passes requests on unchanged and logs each by its kind.
. "$(dirname "$0")/lib.sh"

new_bucket
start_proxy
RGW_ENDPOINT=$PROXY_URL # s3_curl shall go through it
head -c 3000000 /dev/urandom >"$TMP/content"

s3_put a%20key "$TMP/content"
s3_get a%20key | cmp - "$TMP/content" || fail "content differs"
s3_curl GET "/$BUCKET/a%20key" -H 'Range: bytes=10-19' >"$TMP/range"
test "$(wc -c <"$TMP/range")" = 10 || fail "range"
s3_curl PUT "/$BUCKET/copy" -H "x-amz-copy-source: /$BUCKET/a%20key" >"$TMP/out"
test "$(s3_keys)" = "a key
copy" || fail "keys: $(s3_keys)"
s3_curl HEAD "/$BUCKET/copy" -I >"$TMP/out"
s3_curl POST "/$BUCKET/mp?uploads=" >"$TMP/out"
id=$(sed 's/.*<UploadId>\(.*\)<.UploadId>.*/\1/' "$TMP/out")
s3_curl PUT "/$BUCKET/mp?partNumber=1&uploadId=$id" -T "$TMP/content"
s3_curl DELETE "/$BUCKET/mp?uploadId=$id"
s3_curl DELETE "/$BUCKET/copy"
s3_curl GET "/" >"$TMP/out"

kinds=$(cut -f 6 "$PROXY_LOG" | tr '\n' ' ')
want="PUT GET GET COPY LIST HEAD MP_CREATE MP_PART MP_ABORT DELETE"
test "$kinds" = "$want LIST_BUCKETS " || fail "kinds: $kinds"
test "$(awk -F '\t' 'NF != 12' "$PROXY_LOG")" = "" || fail "fields"
test "$(count_requests)" = 11 || fail "count"
test "$(count_requests GET a%20)" = 2 || fail "count by path"
test "$(count_bytes up PUT)" = 3000000 || fail "bytes up"
test "$(count_bytes down GET)" = 3000010 || fail "bytes down"
test "$(log_lines GET | cut -f 8,9 | tr '\t\n' '  ')" = \
	"- 200 bytes=10-19 206 " || fail "range and status"
log_mark
test "$(count_requests)" = 0 || fail "count after the mark"
