#!/usr/bin/env bash
# Keys that no file can be named by are left out by pull, which says so, fails,
# and removes nothing; all else comes.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store rgw

echo 1 >"$TMP/one"
long=$(printf 'n%.0s' $(seq 300))
for key in d/good d/sub/good "d/$long" "d/sub/$long/x" d/sub//y; do
	s3_put "$key" "$TMP/one"
done

! "$ASSETCTL" pull -q "$SRC_URL/d" "$TMP/out" 2>"$TMP/err" ||
	fail "pull says that all is there"
[ "$(cd "$TMP/out" && find . -type f | sort | tr '\n' ' ')" = \
	"./good ./sub/good " ] || fail "$(find "$TMP/out")"
grep -q "'': 1 name was left out" "$TMP/err" || fail "$(cat "$TMP/err")"
grep -q "'sub': 2 names were left out" "$TMP/err" || fail "$(cat "$TMP/err")"

touch "$TMP/out/mine"
! "$ASSETCTL" pull -q --delete "$SRC_URL/d" "$TMP/out" 2>"$TMP/err" ||
	fail "pull --delete says that all is there"
[ -e "$TMP/out/mine" ] || fail "removed something"
"$ASSETCTL" pull -q "$SRC_URL/d/good" "$TMP/file" || fail "one file"
