#!/usr/bin/env bash
# Trees that lie, each sealed properly: pull, ls, verify and the mount say what is
# wrong, in bounded memory, write nothing outside of a target, and serve the
# trees beside them.
. "$(dirname "$0")/lib.sh"
requires_fuse
requires_program "$ASSETCTL" python3 zstd
use_store file

"$TOP/tests/gen/hostile.py" "${SRC_URL#file://}" >"$TMP/cases"
test "$(wc -l <"$TMP/cases")" -gt 70 || fail "too few cases"

# Nothing is known of others; 700 MB are enough (a sanitizer takes more).
mkdir "$TMP/box"
ASSETFS_CACHE_DIR=/dev/null/none python3 "$TOP/tests/gen/hostile_run.py" \
	"$ASSETCTL" "$SRC_URL" "$TMP/box" "$([ "${SAN:-}" ] || echo 70000)0" \
	<"$TMP/cases" >"$TMP/wrong" || fail "$(cat "$TMP/wrong")"

mount_bucket
while read -r name verdict; do
	dir=$MNT/$name/K
	status=0
	timeout 60 find "$dir" -printf '%P\n' >"$TMP/found" 2>/dev/null ||
		status=$?
	test "$status" -lt 124 || fail "$name: the mount hangs"
	status=0
	timeout 60 cat "$dir/f" >"$TMP/f" 2>/dev/null || status=$?
	case $verdict in
	refuse)
		test "$status" = 1 || fail "$name: read: $status"
		;;
	read)
		test "$(cat "$TMP/f")" = "content of f" || fail "$name: read"
		test "$(sort "$TMP/found" | tr '\n' ' ')" = " d d/l f " ||
			fail "$name: found $(cat "$TMP/found")"
		;;
	*)
		test "$status" = 1 || cmp -s "$TMP/f" <(echo "content of f") ||
			fail "$name: served other content"
		;;
	esac
done <"$TMP/cases"
rss=$(awk '/RssAnon/ { print $2 }' "/proc/${MOUNT_PID[$MNT]}/status")
test -n "${SAN:-}" || test "$rss" -lt 512000 || fail "the mount has $rss kB"
umount_bucket
