#!/usr/bin/env bash
# A removed tree does not come back over what a tree above it has there by now.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL" jq

check()
{
	local first below=$SRC_URL/p/below
	rm -rf "$TMP/one" "$TMP/two" "$TMP/back"
	mkdir -p "$TMP/one" "$TMP/two/below"
	echo old >"$TMP/one/file"
	echo new >"$TMP/two/below/file"
	echo other >"$TMP/two/other"
	push_tree "$TMP/one" "$SRC_URL/" -q # makes a store of it
	push_tree "$TMP/one/" "$below" -q
	first=$("$ASSETCTL" log --json "$below" | jq '.versions[-1].version')
	"$ASSETCTL" rm -q -r "$below"
	push_tree "$TMP/two/" "$SRC_URL/p" -q
	! "$ASSETCTL" log -q --restore "$first" "$below" 2>"$TMP/err" ||
		fail "a version was restored over what is there"
	grep -q 'would be hidden' "$TMP/err" || fail "says $(cat "$TMP/err")"
	"$ASSETCTL" pull -q "$SRC_URL/p" "$TMP/back"
	diff -r "$TMP/two" "$TMP/back" || fail "something is hidden"

	# It is the user who says that it may go.
	"$ASSETCTL" rm -q -r "$below"
	"$ASSETCTL" log -q --restore "$first" "$below" || fail "not restored"
	rm -rf "$TMP/back"
	"$ASSETCTL" pull -q "$SRC_URL/p" "$TMP/back"
	diff -r "$TMP/one" "$TMP/back/below" || fail "it is not back"
	test "$(cat "$TMP/back/other")" = other || fail "the other file is gone"
}
for_each_store check
