#!/usr/bin/env bash
# A name that is a file and a directory shows as the directory. That there is a
# file as well is told: by the mount, by stat, and by pull, which fails.
. "$(dirname "$0")/lib.sh"
requires_fuse
use_store rgw

echo child >"$TMP/child"
echo object >"$TMP/object" # 7 bytes
: >"$TMP/empty"
mkdir -p "$TMP/K/old"
echo packed >"$TMP/K/file"
echo packed >"$TMP/K/old/file"
s3_put d/object/child "$TMP/child"
s3_put d/object "$TMP/object"
# Such an object some programs make for a directory.
s3_put d/empty/child "$TMP/child"
s3_put d/empty "$TMP/empty"
# What was replaced by a push is not hidden, but gone.
s3_put K/old "$TMP/object"
sleep 1.1
push_tree "$TMP/K" "$SRC_URL/" -q
s3_put K/file/child "$TMP/child"

# says WHAT: $TMP/err has a line for each file, and no other
says()
{
	if [ "$(wc -l <"$TMP/err")" != 2 ] ||
		! grep -q "'d/object'.*a file of 7 bytes" "$TMP/err" ||
		! grep -q "'K/file'.*a file of 7 bytes" "$TMP/err"; then
		fail "$1: $(cat "$TMP/err")"
	fi
}

! "$ASSETCTL" pull -q "$SRC_URL" "$TMP/out" 2>"$TMP/err" ||
	fail "pull says that all is there"
says pull
[ "$(cd "$TMP/out" && find . -type f | sort | tr '\n' ' ')" = \
	"./K/file/child ./K/old/file ./d/empty/child ./d/object/child " ] ||
	fail "$(find "$TMP/out")"
# Named itself, the directory is what was asked for.
"$ASSETCTL" pull -q "$SRC_URL/d/object" "$TMP/one" || fail "the directory alone"
cmp "$TMP/child" "$TMP/one/child"
"$ASSETCTL" pull -q --exclude object "$SRC_URL/d" "$TMP/rest" ||
	fail "what is excluded is missed"

for name in d/object K/file d/empty K/old; do
	"$ASSETCTL" stat "$SRC_URL/$name" | sed -n "s|^hides: *|'$name' |p"
done >"$TMP/err"
says stat
"$ASSETCTL" stat --json "$SRC_URL/d/object" | grep -q '"hides":7' ||
	fail "stat --json: $("$ASSETCTL" stat --json "$SRC_URL/d/object")"

mount_bucket
cmp "$TMP/child" "$MNT/d/empty/child"
cmp "$TMP/child" "$MNT/d/object/child"
cmp "$TMP/child" "$MNT/K/file/child"
umount_bucket
[ "$(grep -c "'d/object' is a directory and a file of 7 bytes" "$MNT.log")" = 1 ] ||
	fail "not logged once: $(cat "$MNT.log")"
[ "$(grep -c 'is a directory and a file' "$MNT.log")" = 1 ] ||
	fail "logged more than once: $(cat "$MNT.log")"
