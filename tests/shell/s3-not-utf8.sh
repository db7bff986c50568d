#!/usr/bin/env bash
# Names that no S3 key can have: they live in trees, and a directory of such a
# name can be listed, pulled and pushed to like any other of its tree.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store rgw

name=$(printf 'n\xff')
mkdir -p "$TMP/s/$name/deeper"
echo one >"$TMP/s/$name/file"
echo two >"$TMP/s/$name/deeper/file"
push_tree "$TMP/s" "$SRC_URL/" -q

"$ASSETCTL" ls "$SRC_URL/s/$name" | grep -qx file || fail "ls"
"$ASSETCTL" pull -q "$SRC_URL/s/$name" "$TMP/back"
test "$(digest "$TMP/back")" = "$(digest "$TMP/s/$name")" || fail "trees differ"

echo three >"$TMP/s/$name/more"
push_tree "$TMP/s/$name" "$SRC_URL/s/" -q
"$ASSETCTL" ls "$SRC_URL/s/$name" | grep -qx more || fail "push into it"

# A tree of its own would need such a key: said before anything is sent.
start_proxy
head -c 300000 /dev/urandom >"$TMP/s/$name/new"
push_tree "$TMP/s/$name" "$SRC_URL/" -q 2>"$TMP/err" && fail "founded a tree"
grep -q 'not UTF-8' "$TMP/err" || fail "it does not say why: $(cat "$TMP/err")"
[ "$(count_requests PUT)" = 0 ] || fail "sent something all the same"
