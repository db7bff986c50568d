#!/usr/bin/env bash
# push --plain that is interrupted leaves no parts behind, and no object that is
# not whole; the next one uploads what is missing.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store rgw
start_proxy

mkdir "$TMP/t"
echo small >"$TMP/t/a-small"
head -c 60000000 /dev/urandom >"$TMP/t/large"
has_parts()
{
	[ "$(count_requests MP_PART)" -ge 1 ]
}
set_faults 'MP_PART large 2- stall'
log_mark
# The shell has what runs in the background ignore SIGINT.
env --default-signal=INT "$ASSETCTL" push --plain -q "$TMP/t" "$SRC_URL/" \
	2>"$TMP/err" &
push=$!
record_pid "$push"
wait_until 20 has_parts || fail "no part arrived"
kill -INT "$push"
status=0
wait "$push" || status=$?
[ "$status" = 130 ] || fail "Ctrl-C: status $status: $(cat "$TMP/err")"
set_faults
uploads=$(s3_curl GET "/$BUCKET?uploads=")
! grep -q '<Upload>' <<<"$uploads" || fail "parts are left: $uploads"
[ "$(s3_keys)" = t/a-small ] || fail "has: $(s3_keys)"

"$ASSETCTL" push --plain --json "$TMP/t" "$SRC_URL/" >"$TMP/json"
grep -q '"unchanged":1,' "$TMP/json" || fail "$(cat "$TMP/json")"
"$ASSETCTL" pull -q "$SRC_URL/t" "$TMP/back"
[ "$(digest "$TMP/back")" = "$(digest "$TMP/t")" ] || fail "trees differ"
