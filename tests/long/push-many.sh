#!/usr/bin/env bash
# 100,000 files in one directory: pushed, pushed again unchanged, pulled.
. "$(dirname "$0")/../shell/lib.sh"
requires_program "$ASSETCTL"

check()
{
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" "$SRC_URL/" -q # makes a store of it
	push_tree "$TMP/many" "$SRC_URL/" --json >"$TMP/json"
	push_tree "$TMP/many" "$SRC_URL/" --json >"$TMP/json"
	grep -q '"unchanged":100000,' "$TMP/json" || fail "$(cat "$TMP/json")"
	grep -q '"PUT":0,' "$TMP/json" || fail "$(cat "$TMP/json")"
	"$ASSETCTL" pull -q "$SRC_URL/many" "$TMP/back"
	[ "$(digest "$TMP/back")" = "$(digest "$TMP/many")" ] ||
		fail "trees differ"
	rm -rf "$TMP/back"
}

mkdir "$TMP/many"
seq 100000 | (cd "$TMP/many" && split -l 1 -a 5 -d - n)
for_each_store check
