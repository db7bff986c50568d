#!/usr/bin/env bash
# A pull and a push that are stopped in the middle, as by Ctrl-Z, for longer than
# they would wait for the server, go on afterwards, and claim no fault.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store rgw
start_proxy --bandwidth 3000000

# stop_during COMMAND...
stop_during()
{
	local pid status=0
	"$@" >"$TMP/log" 2>&1 &
	pid=$!
	record_pid "$pid"
	sleep 1
	kill -STOP "$pid" || fail "$*: has ended: $(cat "$TMP/log")"
	sleep 6
	kill -CONT "$pid"
	wait "$pid" || status=$?
	test "$status" = 0 || fail "$*: exit $status: $(cat "$TMP/log")"
	! grep -q warning "$TMP/log" || fail "$*: $(cat "$TMP/log")"
}

mkdir "$TMP/tree"
head -c 9000000 /dev/urandom >"$TMP/tree/big"
stop_during "$ASSETCTL" push -o retry_timeout=4 "$TMP/tree" "$SRC_URL/"
export ASSETFS_CACHE_DIR=$TMP/cache2
stop_during "$ASSETCTL" pull -o retry_timeout=4 "$SRC_URL/tree" "$TMP/out/"
cmp "$TMP/tree/big" "$TMP/out/tree/big" || fail "pulled differs"
