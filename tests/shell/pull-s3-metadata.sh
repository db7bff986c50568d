#!/usr/bin/env bash
# What s3fs put into a bucket comes out with its modes, times, links and
# directories; one failing object does not spoil the others, and a failure
# never looks like a missing file.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store rgw
start_proxy

echo hello >"$TMP/hello"
head -c 5000000 /dev/urandom >"$TMP/big"
printf 'a b' >"$TMP/target"
: >"$TMP/nothing"
# put KEY FILE MODE: MODE in octal with the type, as s3fs writes it
put()
{
	s3_curl PUT "/$BUCKET/$1" --data-binary "@$2" \
		-H "x-amz-meta-mode: $(($3))" \
		-H 'x-amz-meta-uid: 1234' -H 'x-amz-meta-gid: 4321' \
		-H 'x-amz-meta-mtime: 981173106.123456789' >/dev/null
}
put K/sub/ "$TMP/nothing" 0040751
put K/a%20b "$TMP/hello" 0100640
put K/sub/big "$TMP/big" 0100755
put K/sub/link "$TMP/target" 0120777
s3_put K/foreign "$TMP/hello"

log_mark
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out" >"$TMP/log"
test "$(count_requests LIST)" -le 3 || fail "LIST: $(count_requests LIST)"
test "$(count_requests HEAD)" -le 6 || fail "HEAD: $(count_requests HEAD)"
grep -q '^pulled 3 files, 5.0 MB, 1 symlink ' "$TMP/log" ||
	fail "summary: $(cat "$TMP/log")"
cmp "$TMP/hello" "$TMP/out/a b" || fail "content"
cmp "$TMP/big" "$TMP/out/sub/big" || fail "large content"
test "$(readlink "$TMP/out/sub/link")" = "a b" || fail "link"
test "$(find "$TMP/out" -printf '%P %m %T@\n' | grep -v foreign | LC_ALL=C \
	sort | tail -n +2)" = "a b 640 981173106.1234567890
sub 751 981173106.1234567890
sub/big 755 981173106.1234567890
sub/link 777 981173106.1234567890" || fail "$(find "$TMP/out" -ls)"
test "$(id -u)" != 0 -o "$(stat -c %u:%g "$TMP/out/a b")" = 1234:4321 ||
	fail "owner"
test "$(stat -c %a "$TMP/out/foreign")" = 644 || fail "default mode"
"$ASSETCTL" ls -l "$SRC_URL/K/sub" | grep -q '^lrwx.* link -> a b$' ||
	fail "ls -l of a link"

# Failures that pass are repeated; damage and refusals are told.
export ASSETFS_CACHE_DIR=$TMP/cache2
set_faults 'GET sub/big 1 cut 100000' 'HEAD foreign 1 status 503 SlowDown'
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out2" >/dev/null
diff <(digest "$TMP/out") <(digest "$TMP/out2") || fail "after faults"

export ASSETFS_CACHE_DIR=$TMP/cache3
set_faults 'GET foreign * 403'
status=0
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out3" >/dev/null 2>"$TMP/err" || status=$?
test "$status" = 1 || fail "exit $status"
grep -q "K/foreign\|'foreign'" "$TMP/err" || fail "not named: $(cat "$TMP/err")"
test ! -e "$TMP/out3/foreign" || fail "a file from nowhere"
cmp "$TMP/big" "$TMP/out3/sub/big" || fail "the others"

# A server that fails is no missing file.
set_faults 'LIST * * status 500 InternalError'
status=0
"$ASSETCTL" ls -o retry_timeout=2 "$SRC_URL/K" >"$TMP/log" 2>&1 || status=$?
test "$status" = 1 || fail "ls: exit $status"
grep -q 'does not exist' "$TMP/log" && fail "a failing server lost a file"

# Broken off while the server is silent: at once, and nothing is left.
export ASSETFS_CACHE_DIR=$TMP/cache4
set_faults 'GET sub/big * stall-body 1000'
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out4" >"$TMP/log" 2>&1 &
pid=$!
record_pid "$pid"
wait_until 20 test -e "$TMP/out4/foreign" || fail "does not begin"
kill -TERM "$pid"
wait_until 5 process_gone "$pid" || fail "does not end"
status=0
wait "$pid" || status=$?
test "$status" = 130 || fail "interrupted: exit $status: $(cat "$TMP/log")"
test -z "$(find "$TMP/out4" -name '.assetctl-*')" || fail "temporary files"
test ! -e "$TMP/out4/sub/big" || fail "half a file"
