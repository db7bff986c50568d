#!/usr/bin/env bash
# --delete removes below the target what the source lacks, and nothing where
# anything failed, through no link, and on no other file system.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file

dir=${SRC_URL#file://}/K
mkdir -p "$dir/sub/deep" "$dir/closed" "$TMP/outside/d" "$TMP/out"
echo 1 >"$dir/f"
echo 2 >"$dir/sub/deep/g"
echo 3 >"$dir/closed/h"
touch -d '2001-02-03' "$dir/sub" "$dir/closed"
echo precious >"$TMP/outside/d/victim"
outside=$(digest "$TMP/outside")
pull=("$ASSETCTL" pull --delete "$SRC_URL/K" "$TMP/out")

"${pull[@]}" -q
clutter()
{
	mkdir -p "$TMP/out/K/extra/a/b" "$TMP/out/K/sub/keep.me"
	touch "$TMP/out/K/extra/a/b/x" "$TMP/out/K/extra/y" \
		"$TMP/out/K/sub/stale" "$TMP/out/K/.assetctl-0123" \
		"$TMP/out/K/sub/keep.me/z"
	ln -s "$TMP/outside" "$TMP/out/K/extra/link"
	ln -s "$TMP/outside" "$TMP/out/K/link"
	touch "$TMP/out/beside"
}
clutter
before=$(digest "$TMP/out")
"${pull[@]}" -n --exclude 'keep.*' --json >"$TMP/json"
grep -q '"removed":4,' "$TMP/json" || fail "dry run: $(cat "$TMP/json")"
test "$(digest "$TMP/out")" = "$before" || fail "a dry run removed something"

"${pull[@]}" --exclude 'keep.*' --json >"$TMP/json"
grep -q '"removed":9,' "$TMP/json" || fail "removed: $(cat "$TMP/json")"
test -e "$TMP/out/K/sub/keep.me/z" || fail "removed what is excluded"
test -e "$TMP/out/beside" || fail "removed beside the target"
rm -r "$TMP/out/K/sub/keep.me"
"${pull[@]}" -q
diff <(digest "$dir") <(digest "$TMP/out/K") || fail "trees differ"
test "$(digest "$TMP/outside")" = "$outside" || fail "outside was touched"

# Nothing is removed where something failed.
clutter
mkdir "$dir/bad"
touch "$dir/bad/f" "$TMP/out/K/bad"
before=$(cd "$TMP/out/K" && find . | sort)
status=0
"${pull[@]}" -q 2>"$TMP/log" || status=$?
test "$status" = 1 || fail "exit $status"
grep -q 'nothing was removed' "$TMP/log" || fail "$(cat "$TMP/log")"
test "$(cd "$TMP/out/K" && find . | sort)" = "$before" ||
	fail "removed although it failed"
rm "$TMP/out/K/bad"
status=0
"${pull[@]/$SRC_URL\/K/$SRC_URL\/none}" -q 2>/dev/null || status=$?
test "$status" = 1 || fail "no source: exit $status"
test "$(cd "$TMP/out/K" && find . | sort)" = "$(grep -v '^./bad' <<<"$before")" ||
	fail "removed for a source that is not there"
"${pull[@]}" -q

# Into the user's own directory, by a slash.
mkdir "$TMP/own"
touch "$TMP/own/stale"
"$ASSETCTL" pull -q --delete "$SRC_URL/K/" "$TMP/own"
diff <(digest "$dir") <(digest "$TMP/own") || fail "contents"

# A link in the place of a directory: nothing behind it.
rm -r "$TMP/out/K/sub"
ln -s "$TMP/outside" "$TMP/out/K/sub"
status=0
"${pull[@]}" -q 2>/dev/null || status=$?
test "$status" = 1 || fail "a planted link: exit $status"
test "$(digest "$TMP/outside")" = "$outside" || fail "went through a link"
rm "$TMP/out/K/sub"

test "$(id -u)" = 0 || skip "the rest needs root"
mkdir -p "$TMP/out/K/extra/mnt"
mount -t tmpfs none "$TMP/out/K/extra/mnt" || skip "cannot mount a tmpfs"
cleanup_fn umount "$TMP/out/K/extra/mnt"
touch "$TMP/out/K/extra/mnt/there"
status=0
"${pull[@]}" -q 2>"$TMP/log" || status=$?
test "$status" = 1 || fail "a mount point: exit $status"
grep -q 'another file system' "$TMP/log" || fail "$(cat "$TMP/log")"
test -e "$TMP/out/K/extra/mnt/there" || fail "emptied another file system"
