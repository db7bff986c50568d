#!/usr/bin/env bash
# A directory that has both plain files and a tree: a second push of the same
# writes nothing, and the times of the directory are those that were pushed.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

check()
{
	local t=$TMP/t.$STORE u=$SRC_URL/x
	mkdir -p "$t/dir/deep" "$TMP/first"
	push_tree "$TMP/first" "$SRC_URL/" -q # makes a store of it
	echo plain >"$TMP/plain"
	if [ "$STORE" = file ]; then
		mkdir "${u#file://}"
		cp "$TMP/plain" "${u#file://}/plain"
	else
		s3_put x/plain "$TMP/plain"
	fi
	echo 1 >"$t/f"
	echo 2 >"$t/dir/deep/g"
	touch -d '2001-02-03 04:05:06.789' "$t/dir/deep" "$t/dir" "$t"
	push_tree "$t/" "$u" -q
	sleep 1
	"$ASSETCTL" push --json "$t/" "$u" >"$TMP/json"
	grep -q '"PUT":0,' "$TMP/json" || fail "not settled: $(cat "$TMP/json")"

	"$ASSETCTL" pull -q "$u" "$TMP/back.$STORE"
	[ "$(cat "$TMP/back.$STORE/plain")" = plain ] || fail "plain"
	[ "$(stat -c %Y "$TMP/back.$STORE")" = 981173106 ] ||
		fail "its time: $(stat -c %y "$TMP/back.$STORE")"
	rm "$TMP/back.$STORE/plain"
	touch -d '2001-02-03 04:05:06.789' "$TMP/back.$STORE"
	[ "$(digest "$TMP/back.$STORE")" = "$(digest "$t")" ] ||
		fail "trees differ"
}
for_each_store check
