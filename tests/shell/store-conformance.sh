#!/usr/bin/env bash
# A plain directory behaves as s3/store.h says, and is left as it was found.
. "$(dirname "$0")/lib.sh"

mkdir "$TMP/bucket"
for program in store_conform store_crowd; do
	"$BUILD/conform/$program" "file://$TMP/bucket" >"$TMP/out" || {
		grep -v '^ok' "$TMP/out" || :
		fail "$program"
	}
done
left=$(find "$TMP/bucket" -mindepth 1 ! -path "$TMP/bucket/.assetfs*")
test -z "$left" || fail "left behind: $left"
