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

# run STATUS NAME ARGUMENT...: assetctl; its words in $TMP/log. It has a minute
# and 700 MB (a sanitizer takes more).
run()
{
	local want=$1 name=$2
	shift 2
	python3 - "${SAN:+none}" "$ASSETCTL" "$@" >"$TMP/log" 2>&1 <<'END' ||
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:], timeout=60).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
if not sys.argv[1] and used > 700000:
    print("memory:", used)
    sys.exit(99)
sys.exit(status)
END
		status=$?
	test "${status:=0}" = "$want" || fail "$name: $1: exit $status: \
$(tail -n 3 "$TMP/log")"
	unset status
	test "$want" = 0 || grep -q '^assetctl: error: .' "$TMP/log" ||
		fail "$name: $1: no word"
}

out=$TMP/box/out
mkdir -p "$out/outside" "$TMP/box/outside"
echo precious >"$out/outside/victim"
echo precious >"$TMP/box/outside/victim"
digest "$out/outside" >"$TMP/outside"

while read -r name verdict; do
	source=$SRC_URL/$name/K
	case $verdict in
	read | void) bad=0 ;;
	*) bad=1 ;;
	esac
	export ASSETFS_CACHE_DIR=/dev/null/none # nothing known of others
	run "$bad" "$name" pull -q "$source" "$out/"
	if [ "$verdict" = refuse ]; then
		run 1 "$name" ls -R "$source"
	else
		run "$bad" "$name" verify -q "$source"
	fi
	# Only K, and nothing of ours besides.
	test "$(ls -A "$TMP/box")" = "$(printf 'out\noutside')" ||
		fail "$name: wrote outside: $(ls -A "$TMP/box")"
	test -z "$(find "$out" -name '.assetctl-*')" || fail "$name: leftovers"
	test "$(find "$out" -maxdepth 1 -mindepth 1 ! -name K)" = \
		"$out/outside" || fail "$name: wrote beside the target"
	digest "$out/outside" | cmp -s - "$TMP/outside" ||
		fail "$name: changed what is outside"
	if [ "$verdict" = read ]; then
		test "$(cat "$out/K/f")" = "content of f" || fail "$name: content"
		test "$(readlink "$out/K/d/l")" = ../../.. || fail "$name: link"
	fi
	rm -rf "$out/K"
done <"$TMP/cases"

export ASSETFS_CACHE_DIR=$TMP/cache
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
