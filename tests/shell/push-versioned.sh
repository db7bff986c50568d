#!/usr/bin/env bash
# A server that ignores If-None-Match, as Ceph RGW does in versioned buckets, is
# found out before anything relies on it: nothing is committed, unless the user
# says that nobody else writes.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store rgw
printf '<VersioningConfiguration>%s</VersioningConfiguration>' \
	'<Status>Enabled</Status>' >"$TMP/versions"
s3_curl PUT "/$BUCKET?versioning=" -T "$TMP/versions"

# refused ARGUMENT...: says why, and leaves no tree
refused()
{
	local status=0
	"$ASSETCTL" "$@" 2>"$TMP/says" || status=$?
	[ "$status" = 1 ] || fail "$*: status $status"
	grep -q 'ignores If-None-Match.*repeat with single_writer' \
		"$TMP/says" || fail "$*: $(cat "$TMP/says")"
}

mkdir "$TMP/t" "$TMP/empty"
echo one >"$TMP/t/f"
refused push "$TMP/t" "$SRC_URL/"
refused push "$TMP/t" "$SRC_URL/"
refused push "$TMP/empty" "$SRC_URL/"
! s3_keys | grep -q assetfs-tree || fail "a tree is left"
[ -z "$("$ASSETCTL" ls "$SRC_URL")" ] || fail "something shows"

# Who says so is believed, each time.
push_tree "$TMP/t" "$SRC_URL/" -q --single-writer
echo two >"$TMP/t/f"
push_tree "$TMP/t" "$SRC_URL/" -q -o single_writer
"$ASSETCTL" pull -q "$SRC_URL/t" "$TMP/back"
test "$(digest "$TMP/back")" = "$(digest "$TMP/t")" || fail "trees differ"

# Versioning that is turned on later is noticed by the answer to a commit.
new_bucket
SRC_URL=s3://$BUCKET
push_tree "$TMP/t" "$SRC_URL/" -q
s3_curl PUT "/$BUCKET?versioning=" -T "$TMP/versions"
echo three >"$TMP/t/f"
refused push "$TMP/t" "$SRC_URL/"
"$ASSETCTL" pull -q "$SRC_URL/t/f" "$TMP/f"
[ "$(cat "$TMP/f")" = two ] || fail "what was refused shows"
