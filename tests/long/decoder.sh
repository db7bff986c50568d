#!/usr/bin/env bash
# The decoder written from man/assetfs-format.5 alone restores a tree in shards,
# of 200,000 files.
. "$(dirname "$0")/../shell/lib.sh"
requires_program "$BUILD/gen/many" "$ASSETCTL" zstd python3
use_store file
"$BUILD/gen/many" "$TMP/many" "${MANY_FILES:-200000}"
mkdir "$TMP/nothing"
push_tree "$TMP/nothing" "$SRC_URL/" -q # makes a store of it
push_tree "$TMP/many" "$SRC_URL/" -q
shards=$(find "${SRC_URL#file://}/.assetfs/shard" -type f | wc -l)
[ "$shards" -ge 2 ] || fail "$shards shards"

restored()
{
	rm -rf "$TMP/restored"
	python3 -B "$TOP/tests/decode" "${SRC_URL#file://}" "$TMP/restored" ||
		fail "the decoder found something wrong"
	digest "$TMP/many" >"$TMP/want"
	digest "$TMP/restored/many" >"$TMP/have"
	cmp "$TMP/want" "$TMP/have" || {
		diff "$TMP/want" "$TMP/have" | head -n 20
		fail "the restored tree differs"
	}
}

restored
# A version of old shards and new ones.
one=$TMP/many/shots/sh0007
echo changed >"$one/cache/geo.0007.usd"
echo new >"$one/new"
push_tree "$one" "$SRC_URL/many/shots/" -q
restored
