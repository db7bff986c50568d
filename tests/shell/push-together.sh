#!/usr/bin/env bash
# Machines that push at the same moment: who says that all went well is right,
# and equal trees are no conflict.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

# push_from MACHINE TREE DEST: in the background, with a cache of its own
push_from()
{
	local cache=$TMP/cache.$1
	rm -rf "$cache"
	mkdir -m 700 "$cache"
	ASSETFS_CACHE_DIR=$cache "$ASSETCTL" push "$2" "$3" \
		>"$TMP/push.$1.log" 2>&1 &
	PUSHES+=("$!")
}

# Waits for them; STATUS has how each one ended.
wait_pushes()
{
	local pid status
	STATUS=()
	for pid in "${PUSHES[@]}"; do
		status=0
		wait "$pid" || status=$?
		STATUS+=("$status")
	done
	PUSHES=()
}
PUSHES=()

equal_trees()
{
	make_k "$TMP/k-$STORE"
	for machine in 1 2 3 4; do
		push_from "$machine" "$TMP/k-$STORE" "$SRC_URL/"
	done
	wait_pushes
	[ "${STATUS[*]}" = "0 0 0 0" ] || {
		cat "$TMP"/push.?.log
		fail "of four equal pushes some failed: ${STATUS[*]}"
	}
	"$ASSETCTL" pull -q "$SRC_URL/k-$STORE" "$TMP/back-$STORE"
	test "$(digest "$TMP/back-$STORE")" = "$(digest "$TMP/k-$STORE")" ||
		fail "trees differ"
}
for_each_store equal_trees

# Two trees are founded at the same time, one above the other. The slow one has
# listed the bucket before the fast one commits, and commits after it.
use_store rgw
start_proxy --rtt 400
FAR=$ENDPOINT

# both_are_there UPPER LOWER DEST: whatever was said, it is true
both_are_there()
{
	[ "${STATUS[*]}" = "0 0" ] || {
		cat "$TMP"/push.?.log
		fail "one of the two failed: ${STATUS[*]}"
	}
	rm -rf "$TMP/both"
	mkdir "$TMP/both"
	cp -a "$1/." "$2/." "$TMP/both/"
	rm -rf "$TMP/back"
	ASSETFS_CACHE_DIR=$TMP/cache "$ASSETCTL" pull -q "$3" "$TMP/back"
	diff -r "$TMP/both" "$TMP/back" || fail "something is not there"
}

has_listed()
{
	[ "$(count_requests LIST)" -ge 3 ]
}

# crossing SLOW-TREE SLOW-DEST FAST-TREE FAST-DEST
crossing()
{
	log_mark
	set_endpoint "$FAR"
	push_from 1 "$1/" "$2"
	wait_until 10 has_listed || fail "the slow push does not list"
	set_endpoint "$RGW_ENDPOINT"
	push_from 2 "$3/" "$4"
	wait_pushes
}

mkdir -p "$TMP/upper/sub" "$TMP/lower/sub"
echo above >"$TMP/upper/file"
echo above >"$TMP/upper/sub/of-upper"
echo below >"$TMP/lower/sub/of-lower"

crossing "$TMP/upper" "$SRC_URL/a" "$TMP/lower/sub" "$SRC_URL/a/sub"
[ "${STATUS[*]}" = "1 0" ] || {
	cat "$TMP"/push.?.log
	fail "a push that is hidden by another ended with ${STATUS[*]}"
}
grep -q "a/sub' is a tree of its own" "$TMP/push.1.log" ||
	fail "it does not say by what"

crossing "$TMP/lower/sub" "$SRC_URL/b/sub" "$TMP/upper" "$SRC_URL/b"
both_are_there "$TMP/upper" "$TMP/lower" "$SRC_URL/b"
# What it has sent itself was not in the pool before.
grep -q "^pushed 1 file" "$TMP/push.1.log" || fail "$(cat "$TMP/push.1.log")"
grep -q "looking again" "$TMP/push.1.log" || fail "the two did not cross"
! grep -q "not moved\|unchanged" "$TMP/push.1.log" ||
	fail "counted twice: $(cat "$TMP/push.1.log")"

# The same when the slow one has announced its tree before the fast one lists.
has_announced()
{
	[ "$(count_requests PUT .assetfs-tree-)" -ge 1 ]
}

# crossing_announced SLOW-TREE SLOW-DEST FAST-TREE FAST-DEST
crossing_announced()
{
	log_mark
	set_endpoint "$FAR"
	push_from 1 "$1/" "$2"
	wait_until 10 has_announced || fail "the slow push announces nothing"
	set_endpoint "$RGW_ENDPOINT"
	push_from 2 "$3/" "$4"
	wait_pushes
}

# new_content: takes seconds to upload, so that the look round is over by then
new_content()
{
	head -c 400000 /dev/urandom >"$TMP/upper/sub/large-upper"
	head -c 400000 /dev/urandom >"$TMP/lower/sub/large-lower"
}

start_proxy --rtt 250 --bandwidth 150000
FAR=$ENDPOINT

new_content
crossing_announced "$TMP/lower/sub" "$SRC_URL/c/sub" "$TMP/upper" "$SRC_URL/c"
both_are_there "$TMP/upper" "$TMP/lower" "$SRC_URL/c"

new_content
crossing_announced "$TMP/upper" "$SRC_URL/d" "$TMP/lower/sub" "$SRC_URL/d/sub"
[ "${STATUS[*]}" = "1 0" ] || {
	cat "$TMP"/push.?.log
	fail "a push that is hidden by another ended with ${STATUS[*]}"
}
grep -q "d/sub' is a tree of its own" "$TMP/push.1.log" ||
	fail "it does not say by what"

# A push without content, which neither announces nor looks round by itself.
new_content
push_tree "$TMP/lower/sub" "$SRC_URL/known/" -q
crossing_announced "$TMP/upper" "$SRC_URL/e" "$TMP/lower/sub" "$SRC_URL/e/sub"
[ "${STATUS[*]}" = "1 0" ] || {
	cat "$TMP"/push.?.log
	fail "a push that is hidden by another ended with ${STATUS[*]}"
}

# A push that was killed left its announcement: it is in nobody's way.
set_endpoint "$RGW_ENDPOINT"
s3_curl PUT "/$BUCKET/f/.assetfs-tree-fffffffffffffffe" \
	-H 'Content-Length: 0' >"$TMP/output"
new_content
push_tree "$TMP/lower/sub" "$SRC_URL/f/" -q
push_tree "$TMP/upper" "$SRC_URL/f/" -q
rm -rf "$TMP/back"
mkdir "$TMP/back"
for tree in upper sub; do
	"$ASSETCTL" pull -q "$SRC_URL/f/$tree" "$TMP/back/$tree"
done
diff -r "$TMP/upper" "$TMP/back/upper" || fail "a killed push is in the way"
diff -r "$TMP/lower/sub" "$TMP/back/sub" || fail "a killed push is in the way"
