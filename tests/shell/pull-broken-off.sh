#!/usr/bin/env bash
# A pull that is broken off, or finds the disk full or the target read-only,
# says so, leaves no half files, and a later one completes it.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file

dir=${SRC_URL#file://}/K
mkdir -p "$dir/many" "$TMP/out"
for i in $(seq 300); do
	head -c 10000 /dev/zero | tr '\0' "$((i % 10))" >"$dir/many/$i"
done
head -c 200000000 /dev/zero >"$dir/large"

# no_halves DIR: each file there is a whole one
no_halves()
{
	test -z "$(find "$1" -name '.assetctl-*')" || fail "temporary files"
	(cd "$1" && find . -type f -exec sh -c \
		'for f; do cmp "$0/${f#./}" "$f" || exit 1; done' "$dir" {} +) ||
		fail "half files"
}

"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out/" >"$TMP/log" 2>&1 &
pid=$!
record_pid "$pid"
wait_until 20 test -d "$TMP/out/K" || fail "does not begin"
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
# On a fast disk it may have been through.
test "$status" = 130 || test "$status" = 0 ||
	fail "exit $status: $(cat "$TMP/log")"
no_halves "$TMP/out/K"
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out/" >/dev/null
diff <(digest "$dir") <(digest "$TMP/out/K") || fail "not completed"

test "$(id -u)" = 0 || skip "the rest needs root"
# mount_small SIZE [OPTIONS]
mount_small()
{
	mkdir -p "$TMP/small"
	mount -t tmpfs -o "size=$1${2:+,$2}" none "$TMP/small" ||
		skip "cannot mount a tmpfs"
}
mount_small 1M
cleanup_fn umount "$TMP/small"
status=0
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/small/" >"$TMP/log" 2>&1 || status=$?
test "$status" = 1 || fail "full: exit $status"
test "$(grep -c 'No space left on device' "$TMP/log")" = 1 ||
	fail "full: $(cat "$TMP/log")"
no_halves "$TMP/small/K"

mount -o remount,ro "$TMP/small"
status=0
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/small/new" >"$TMP/log" 2>&1 || status=$?
test "$status" = 1 || fail "read-only: exit $status"
grep -q 'Read-only file system' "$TMP/log" || fail "$(cat "$TMP/log")"
