#!/usr/bin/env bash
# Nothing outside the target is touched, whatever stands in it; what is in the
# way is named, and the rest is copied.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file

dir=${SRC_URL#file://}/K
mkdir -p "$dir/sub/deep" "$dir/other" "$TMP/outside/deep"
echo 1 >"$dir/sub/f"
echo 2 >"$dir/sub/deep/g"
echo 3 >"$dir/other/h"
echo 4 >"$dir/file"
echo 5 >"$dir/was-dir"
echo precious >"$TMP/outside/victim"
before=$(digest "$TMP/outside")

# pull_fails PATTERN: exit 1, PATTERN among the messages
pull_fails()
{
	local status=0
	"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out/" >"$TMP/log" 2>&1 || status=$?
	test "$status" = 1 || fail "exit $status: $(cat "$TMP/log")"
	grep -q "$1" "$TMP/log" || fail "no '$1': $(cat "$TMP/log")"
	test "$(digest "$TMP/outside")" = "$before" || fail "outside was touched"
	test -z "$(find "$TMP/out" -name '.assetctl-*')" || fail "left temp files"
}

mkdir -p "$TMP/out/K"
ln -s "$TMP/outside" "$TMP/out/K/sub"
ln -s ../../outside/victim "$TMP/out/K/file"
pull_fails "K/sub': a symbolic link is here: remove it first"
test "$(cat "$TMP/out/K/other/h")" = 3 || fail "the rest was not copied"
test -f "$TMP/out/K/file" -a ! -L "$TMP/out/K/file" || fail "link kept"
test "$(cat "$TMP/out/K/file")" = 4 || fail "link not replaced"

rm -r "$TMP/out/K"
mkdir "$TMP/out/K" "$TMP/out/K/was-dir"
echo in the way >"$TMP/out/K/other"
pull_fails "K/was-dir': a directory is here"
grep -q "K/other': Not a directory" "$TMP/log" || fail "file for directory"
test "$(cat "$TMP/out/K/sub/deep/g")" = 2 || fail "the rest was not copied"

rm -r "$TMP/out/K"
ln -s "$TMP/outside" "$TMP/out/K"
pull_fails "K': a symbolic link is here"

# A link that the bucket itself makes leads nowhere either.
rm -r "$TMP/out" "$dir"
mkdir -p "$dir" "$TMP/out/K"
ln -s "$TMP/outside" "$dir/sub"
"$ASSETCTL" pull "$SRC_URL/K" "$TMP/out/" >/dev/null
test "$(readlink "$TMP/out/K/sub")" = "$TMP/outside" || fail "no link"
rm "$dir/sub"
mkdir "$dir/sub"
echo 6 >"$dir/sub/victim"
pull_fails "K/sub': a symbolic link is here"
