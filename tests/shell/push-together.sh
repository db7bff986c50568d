#!/usr/bin/env bash
# Machines that push at the same moment: who says that all went well is right,
# and equal trees are no conflict.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

# push_from MACHINE TREE DEST: in the background, with a cache of its own
push_from()
{
	local cache=$TMP/cache.$1
	rm -rf "$cache"
	mkdir -m 700 "$cache"
	ASSETFS_CACHE_DIR=$cache "$ASSETCTL" push -q "$2" "$3" \
		>"$TMP/push.$1.log" 2>&1 &
	PUSHES+=("$!")
}

# Waits for them; STATUS has how each one ended.
wait_pushes()
{
	local pid status
	STATUS=()
	for pid in "${PUSHES[@]}"; do
		status=0
		wait "$pid" || status=$?
		STATUS+=("$status")
	done
	PUSHES=()
}
PUSHES=()

equal_trees()
{
	make_k "$TMP/k-$STORE"
	for machine in 1 2 3 4; do
		push_from "$machine" "$TMP/k-$STORE" "$SRC_URL/"
	done
	wait_pushes
	[ "${STATUS[*]}" = "0 0 0 0" ] || {
		cat "$TMP"/push.?.log
		fail "of four equal pushes some failed: ${STATUS[*]}"
	}
	"$ASSETCTL" pull -q "$SRC_URL/k-$STORE" "$TMP/back-$STORE"
	test "$(digest "$TMP/back-$STORE")" = "$(digest "$TMP/k-$STORE")" ||
		fail "trees differ"
}
for_each_store equal_trees
