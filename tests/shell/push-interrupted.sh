#!/usr/bin/env bash
# A push that is broken off shows nothing, and the next one succeeds; Ctrl-C
# ends it with 130 and keeps what was uploaded completely.
. "$(dirname "$0")/lib.sh"
use_store rgw
start_proxy
requires_program "$ASSETCTL"
make_k "$TMP/K"
mkdir "$TMP/first"
echo 1 >"$TMP/first/file"
push_tree "$TMP/first" "$SRC_URL/K" -q
before=$("$ASSETCTL" ls -R "$SRC_URL/K")

unchanged()
{
	[ "$("$ASSETCTL" ls -R "$SRC_URL/K")" = "$before" ] ||
		fail "$1: something is visible"
}

# begin_push: returns when some of the blobs are up; the others hang.
begin_push()
{
	set_faults 'PUT .assetfs/blob/ 4- stall'
	log_mark
	# The shell has what runs in the background ignore SIGINT.
	env --default-signal=INT "$ASSETCTL" push -q "$TMP/K/" \
		"$SRC_URL/K" 2>"$TMP/err" &
	push=$!
	record_pid "$push"
	wait_until 20 some_blobs || fail "no blob arrived"
}

some_blobs()
{
	[ "$(count_requests PUT .assetfs/blob/)" -ge 3 ]
}

begin_push
kill -KILL "$push"
wait "$push" || :
unchanged "after SIGKILL"

begin_push
kill -INT "$push"
status=0
wait "$push" || status=$?
[ "$status" = 130 ] || fail "Ctrl-C: status $status: $(cat "$TMP/err")"
unchanged "after Ctrl-C"
grep -q kept "$TMP/err" || fail "Ctrl-C: $(cat "$TMP/err")"

set_faults
log_mark
push_tree "$TMP/K/" "$SRC_URL/K" -q
sent=$(count_requests PUT .assetfs/blob/)
if [ "$sent" -lt 1 ] || [ "$sent" -gt 4 ]; then
	fail "$sent packs sent after some were kept"
fi
"$ASSETCTL" ls "$SRC_URL/K" >"$TMP/ls"
grep -q Kitchen "$TMP/ls" || fail "not pushed"
grep -qx file "$TMP/ls" || fail "lost what was there"
