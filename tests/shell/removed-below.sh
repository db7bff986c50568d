#!/usr/bin/env bash
# A removed tree leaves its last versions behind; in a bucket of many keys the
# listing above shows a directory then. Who walks past it finds nothing, and
# nothing wrong.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

# More keys than a page of a listing has, so that one page cannot tell all.
mkdir -p "$TMP/many" "$TMP/gone"
(cd "$TMP/many" && touch $(seq 1100))
echo a >"$TMP/gone/a"

check()
{
	push_tree "$TMP/gone" "$SRC_URL/" -q # makes a store of it
	push_tree "$TMP/many" "$SRC_URL/z/" -q --plain
	"$ASSETCTL" rm -q -r "$SRC_URL/gone"
	"$ASSETCTL" verify -q "$SRC_URL/" || fail "verify"
	"$ASSETCTL" pull -q "$SRC_URL/" "$TMP/back.$STORE" || fail "pull"
	diff -r "$TMP/many" "$TMP/back.$STORE/z/many" || fail "pull differs"
	[ "$(ls "$TMP/back.$STORE")" = z ] || fail "$(ls "$TMP/back.$STORE")"
	"$ASSETCTL" ls -R "$SRC_URL/" >/dev/null || fail "ls -R"
	! "$ASSETCTL" verify -q "$SRC_URL/gone" 2>/dev/null || fail "named"
	! "$ASSETCTL" pull -q "$SRC_URL/gone" "$TMP/none" 2>/dev/null ||
		fail "pull of what is gone"
}
for_each_store check
