#!/usr/bin/env bash
# Names of every kind come through; reserved ones are never shown.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store file
dir=${SRC_URL#file://}

long=$(printf '%0255d' 0)
names=('with space' 'ümlaut' 日本語 "$long" ' lead' 'trail ' '-dash' "quo'te"
	'do"uble' 'back\slash' 'per%20cent' 'plus+' 'a&b' '#hash' '?ask'
	'star*' $'tab\there' '.hidden' 'semi;colon' 'co,mma')
for name in "${names[@]}"; do
	echo "$name" >"$dir/$name"
done
mkdir -p "$dir/sub"
echo 1 >"$dir/sub/shown"
echo 1 >"$dir/sub/.assetfs-tree-not-one"
: >"$dir/sub/.assetfs-tree-0123456789abcdef" # a tree that was removed
mount_bucket

for name in "${names[@]}"; do
	test "$(cat "$MNT/$name")" = "$name" || fail "'$name'"
done
listed=$(cd "$MNT" && find . -maxdepth 1 -type f -print0 | tr -dc '\0' | wc -c)
test "$listed" = "${#names[@]}" || fail "$listed names are listed"
ls -a "$MNT/sub" >"$TMP/out" || fail "sub cannot be listed"
grep -q '^\.assetfs-tree-' "$TMP/out" && fail "a reserved name is listed"
test ! -e "$MNT/sub/.assetfs-tree-0123456789abcdef" ||
	fail "a reserved name is found"
test ! -e "$MNT/.assetfs" || fail "the pool is found"
cat "$MNT/${long}0" 2>"$TMP/out" && fail "a name of 256 bytes is there"
grep -q 'File name too long' "$TMP/out" || fail "$(cat "$TMP/out")"
cat "$MNT/with space/x" 2>"$TMP/out" && fail "a file is a directory"
grep -q 'Not a directory' "$TMP/out" || fail "$(cat "$TMP/out")"
umount_bucket
