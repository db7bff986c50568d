#!/usr/bin/env bash
# A plain object of a pushed name gives way to what is pushed, and is deleted.
. "$(dirname "$0")/lib.sh"
use_store rgw
requires_program "$ASSETCTL"

mkdir -p "$TMP/T/d"
echo packed >"$TMP/T/f"
echo packed >"$TMP/T/d/g"
echo plain >"$TMP/plain"
s3_put T/f "$TMP/plain"
s3_put T/kept "$TMP/plain"

pulled()
{
	rm -rf "$TMP/back"
	"$ASSETCTL" pull -q "$SRC_URL/T" "$TMP/back"
	cat "$TMP/back/$1"
}

push_tree "$TMP/T" "$SRC_URL/" -q
[ "$(pulled f)" = packed ] || fail "the older object is seen"
s3_keys T%2F | grep -qx T/kept || fail "deleted what was not pushed"
! s3_keys T%2F | grep -qx T/f || fail "the object is still there"

# A newer one is what is seen; the same push again replaces it.
sleep 1
s3_put T/d/g "$TMP/plain"
[ "$(pulled d/g)" = plain ] || fail "the newer object is not seen"
push_tree "$TMP/T" "$SRC_URL/" -q
[ "$(pulled d/g)" = packed ] || fail "the object is seen after the push"
! s3_keys T%2F | grep -qx T/d/g || fail "the newer object is still there"
