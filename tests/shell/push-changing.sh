#!/usr/bin/env bash
# Files that change while they are pushed: one that comes to rest goes up whole,
# one that does not fails by name, and nothing is committed then.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file

mkdir "$TMP/T"
echo rest >"$TMP/T/rest"
head -c 15000000 /dev/zero >"$TMP/T/busy"
head -c 40000000 /dev/zero >"$TMP/T/large"

# Adds to both files, without pause, until it is ended.
rewrite()
{
	exec 3>>"$TMP/T/busy" 4>>"$TMP/T/large"
	while :; do
		printf x >&3
		printf x >&4
	done
}
rewrite &
writer=$!
record_pid "$writer"

status=0
push_tree "$TMP/T" "$SRC_URL/" -q 2>"$TMP/err" || status=$?
end_process "$writer"
[ "$status" = 1 ] || fail "status $status"
for name in busy large; do
	grep -q "'$name' keeps changing" "$TMP/err" || fail "$(cat "$TMP/err")"
done
! "$ASSETCTL" ls "$SRC_URL/T" >/dev/null 2>&1 || fail "something is visible"

# One that stops soon is pushed as it is in the end.
{
	for _ in 1 2 3 4; do
		echo more >>"$TMP/T/rest"
	done
} &
push_tree "$TMP/T" "$SRC_URL/" -q
wait
push_tree "$TMP/T" "$SRC_URL/" -q
"$ASSETCTL" pull -q "$SRC_URL/T" "$TMP/back"
[ "$(digest "$TMP/back")" = "$(digest "$TMP/T")" ] || fail "trees differ"
