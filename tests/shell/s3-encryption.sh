#!/usr/bin/env bash
# What is put is encrypted, classed and summed as the options say, in the words
# of s3fs and of mountpoint-s3, and read back.
. "$(dirname "$0")/lib.sh"
use_store rgw
make_k "$TMP/k"
head -c 20M /dev/urandom >"$TMP/k/large"
set_endpoint "$RGW_TLS_ENDPOINT"
export AWS_CA_BUNDLE=$RGW_CA

# head_of KEY: its header fields. What is encrypted comes by TLS only.
head_of()
{
	RGW_ENDPOINT=$RGW_TLS_ENDPOINT s3_curl GET "/$BUCKET/$1" \
		--cacert "$RGW_CA" -o "$TMP/body" -D -
}

push_tree "$TMP/k" "$SRC_URL/kms/" -q -o use_sse=kmsid:testkey
push_tree "$TMP/k" "$SRC_URL/words/" -q --cache-dir "$TMP/other" \
	-o sse=aws:kms,sse-kms-key-id=testkey,storage-class=standard
s3_keys >"$TMP/keys"
grep -q '^\.assetfs/blob/' "$TMP/keys" || fail "nothing was packed"
while read -r key; do
	head_of "$key" >"$TMP/head"
	grep -qi '^x-amz-server-side-encryption: aws:kms' "$TMP/head" ||
		fail "'$key' is not encrypted"
done <"$TMP/keys"
"$ASSETCTL" pull -q --cache-dir "$TMP/third" "$SRC_URL/kms/k" "$TMP/back"
test "$(digest "$TMP/back")" = "$(digest "$TMP/k")" || fail "trees differ"

# What the server does not take is told, with its words.
! push_tree "$TMP/k" "$SRC_URL/no/" -q -o sse=aws:kms,sse_kms_key_id=nokey \
	--cache-dir "$TMP/fourth" 2>"$TMP/says" || fail "an unknown key"
grep -q '4[0-9][0-9]' "$TMP/says" || fail "it says: $(cat "$TMP/says")"
! push_tree "$TMP/k" "$SRC_URL/no/" -q -o storage_class=no_such_class \
	--cache-dir "$TMP/fifth" 2>"$TMP/says" || fail "an unknown class"
! push_tree "$TMP/k" "$SRC_URL/no/" -q -o storage_class=glacier \
	2>"$TMP/says" || fail "an archive"
grep -q 'GLACIER_IR' "$TMP/says" || fail "no advice: $(cat "$TMP/says")"
