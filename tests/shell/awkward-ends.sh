#!/usr/bin/env bash
# A source that may not be read, and targets that cannot take what is pulled: each
# is named in one sentence, with exit 1, nothing false is left, and what can be
# copied is.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file
mkdir -p "$TMP/K/d"
echo 1 >"$TMP/K/a"
echo 2 >"$TMP/K/d/b"
push_tree "$TMP/K" "$SRC_URL/" -q

# fails PATTERN COMMAND...
fails()
{
	local pattern=$1 status=0
	shift
	"$@" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = 1 ] || fail "$*: exit $status: $(cat "$TMP/err")"
	grep -q "^assetctl: error: .*$pattern" "$TMP/err" ||
		fail "$*: does not say '$pattern': $(cat "$TMP/err")"
	[ -z "$(find "$TMP" -name '.assetctl-*')" ] || fail "temporary files"
}

mkdir "$TMP/1" "$TMP/2" "$TMP/3"
echo mine >"$TMP/1/K"
fails "1/K': Not a directory" "$ASSETCTL" pull "$SRC_URL/K" "$TMP/1/"
[ "$(cat "$TMP/1/K")" = mine ] || fail "replaced a file by a directory"
mkdir -p "$TMP/2/K/a" "$TMP/3/K"
fails "2/K/a': a directory is here" "$ASSETCTL" pull "$SRC_URL/K" "$TMP/2/"
[ "$(cat "$TMP/2/K/d/b")" = 2 ] || fail "the others were not copied"
echo mine >"$TMP/3/K/d"
fails "3/K/d': Not a directory" "$ASSETCTL" pull "$SRC_URL/K" "$TMP/3/"
[ "$(cat "$TMP/3/K/d")" = mine ] || fail "replaced a file by a directory"
[ "$(cat "$TMP/3/K/a")" = 1 ] || fail "the others were not copied"
fails "K/a/' is no directory" "$ASSETCTL" pull "$SRC_URL/K/a/" "$TMP/4"
[ ! -e "$TMP/4" ] || fail "made a target"

# As somebody else, who may not read one file, nor write to a directory.
[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null || exit 0
chmod 755 "$TMP"
chmod -R a+rX "${SRC_URL#file://}"
chmod 000 "$TMP/K/a"
mkdir -m 777 "$TMP/theirs" "$TMP/cache3"
mkdir "$TMP/ours"
cp "$ASSETCTL" "$TMP/assetctl"
other=(setpriv --reuid=65534 --regid=65534 --clear-groups
	env "HOME=$TMP" "ASSETFS_CACHE_DIR=$TMP/cache3/c" "$TMP/assetctl")
"${other[@]}" --version >/dev/null 2>&1 || exit 0 # $TMP is closed to them
fails "'a': Permission denied" \
	"${other[@]}" push "$TMP/K" "file://$TMP/theirs/"
grep -q ' 1 file cannot be read; nothing was pushed' "$TMP/err" ||
	fail "push: $(cat "$TMP/err")"
[ -z "$(find "$TMP/theirs" -name '.assetfs-tree-*' -size +0)" ] ||
	fail "something was pushed"
fails "ours/K': Permission denied" "${other[@]}" pull "$SRC_URL/K" "$TMP/ours/"
