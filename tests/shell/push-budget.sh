#!/usr/bin/env bash
# A push costs no more requests than promised: new, again, elsewhere, one file.
. "$(dirname "$0")/lib.sh"
use_store rgw
start_proxy
requires_program "$ASSETCTL"
make_k "$TMP/K"
mkdir "$TMP/nothing"

# Both machines have proven the bucket: with a directory that has no content.
push_tree "$TMP/nothing" "$SRC_URL/proof/one" -q
other=$(mktemp -d "$TMP/other.XXXXXX")
ASSETFS_CACHE_DIR=$other push_tree "$TMP/nothing" "$SRC_URL/proof/two" -q

# expect WHAT MOST: requests since the mark
expect()
{
	local n
	n=$(count_requests)
	echo "# $1: $n requests, $(count_bytes up) bytes up"
	[ "$n" -le "$2" ] || {
		log_lines
		fail "$1: $n requests, more than $2"
	}
	[ "$(log_lines | awk -F '\t' '$9 !~ /^2/' | wc -l)" = 0 ] ||
		fail "$1: a request failed"
}

log_mark
push_tree "$TMP/K" "$SRC_URL/assets/" -q
expect "new" 16
blobs=$(count_requests PUT .assetfs/blob/)
if [ "$blobs" -lt 5 ] || [ "$blobs" -gt 8 ]; then
	fail "$blobs packs"
fi

log_mark
push_tree "$TMP/K" "$SRC_URL/assets/" -q
expect "again" 3
[ "$(count_requests PUT)" = 0 ] || fail "again: something was put"

# Without what the cache remembers, too.
log_mark
ASSETFS_CACHE_DIR=$other push_tree "$TMP/K" "$SRC_URL/assets/" -q
expect "again, from elsewhere" 3
[ "$(count_requests PUT)" = 0 ] || fail "again, elsewhere: something was put"

log_mark
ASSETFS_CACHE_DIR=$other push_tree "$TMP/K" "$SRC_URL/assets/L" -q
expect "other name, from elsewhere" 6
[ "$(count_requests PUT .assetfs/)" = 0 ] || fail "content was put again"

find "$TMP/K" -name '*.usd' -type f | sort | sed -n 1p >"$TMP/name"
echo "# changed" >>"$(cat "$TMP/name")"
log_mark
push_tree "$TMP/K" "$SRC_URL/assets/" -q
expect "one file changed" 7
[ "$(count_requests PUT .assetfs/blob/)" = 1 ] || fail "not one pack"
[ "$(count_bytes up PUT .assetfs/blob/)" -lt 200000 ] || fail "too many bytes"

touch "$(cat "$TMP/name")"
log_mark
push_tree "$TMP/K" "$SRC_URL/assets/" -q
expect "one file touched" 4
[ "$(count_requests PUT .assetfs/)" = 0 ] || fail "content was put again"

log_mark
push_tree "$TMP/K" "$SRC_URL/assets/M" --dry-run -q
[ "$(count_requests PUT)" = 0 ] || fail "dry run: something was put"
