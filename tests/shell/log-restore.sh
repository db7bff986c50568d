#!/usr/bin/env bash
# log tells the versions of a tree, and restores an old one, also of a tree that
# was removed; a version that says what the newest says is not made again.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

SRC=$TMP/src

versions()
{
	"$ASSETCTL" log "$@" | awk '{ print $1, $3, $4 }' | tr '\n' ';'
}

pulled()
{
	rm -rf "$TMP/back"
	"$ASSETCTL" pull -q "$SRC_URL/t" "$TMP/back" && digest "$TMP/back"
}

restore()
{
	"$ASSETCTL" log --restore "$1" "$SRC_URL/t"
}

each()
{
	[ "$STORE" = rgw ] || mkdir "${SRC_URL#file://}/.assetfs"
	rm -rf "$SRC"
	mkdir -p "$SRC/d"
	echo 1 >"$SRC/d/file"
	first=$(digest "$SRC")
	push_tree "$SRC/" "$SRC_URL/t" -q
	echo 22 >"$SRC/d/file"
	ln -s file "$SRC/d/link"
	touch -d @1500000000 "$SRC/d" "$SRC"
	second=$(digest "$SRC")
	push_tree "$SRC/" "$SRC_URL/t" -q

	test "$(versions "$SRC_URL/t")" = "2 2 files;1 1 file;" ||
		fail "two versions: $(versions "$SRC_URL/t")"
	test "$(versions "$SRC_URL/t/d/file")" = "2 2 files;1 1 file;" ||
		fail "by a path in it: $(versions "$SRC_URL/t/d/file")"
	"$ASSETCTL" log --json "$SRC_URL/t" | jq -e '.tree == "t/" and
		(.versions | map(.version) == [2, 1]) and
		.versions[0].files == 2 and .versions[0].bytes == 3 and
		(.versions[0].id | length) == 32 and
		(.versions | all(.size > 100 and .removed == false))' \
		>/dev/null || fail "JSON: $("$ASSETCTL" log --json "$SRC_URL/t")"

	test "$(restore 2)" = "version 2 is the same as the newest, 2" ||
		fail "restoring the newest"
	test "$(restore 1)" = "version 1 restored as 3" || fail "restoring"
	test "$(pulled)" = "$first" || fail "not what the first version was"
	test "$(restore 2)" = "version 2 restored as 4" || fail "and forth"
	test "$(pulled)" = "$second" || fail "not what the second one was"
	push_tree "$SRC/" "$SRC_URL/t" -q
	test "$(versions "$SRC_URL/t" | cut -d ' ' -f 1)" = 4 ||
		fail "the push after that found something changed"

	"$ASSETCTL" rm -qr "$SRC_URL/t"
	test "$(versions "$SRC_URL/t" | cut -d ';' -f 1)" = "5 removed " ||
		fail "a removed tree: $(versions "$SRC_URL/t")"
	test "$(versions "$SRC_URL/t/d" | cut -d ';' -f 1)" = "5 removed " ||
		fail "a path in it"
	! restore 5 2>"$TMP/err" || fail "a removal was restored"
	grep -q 'rm -r' "$TMP/err" || fail "says $(cat "$TMP/err")"
	test "$(restore 1)" = "version 1 restored as 6" || fail "after removal"
	test "$(pulled)" = "$first" || fail "the tree is not back"

	! restore 99 2>"$TMP/err" || fail "version 99 was restored"
	grep -q 'not there' "$TMP/err" || fail "says $(cat "$TMP/err")"
	! "$ASSETCTL" log "$SRC_URL/none" 2>"$TMP/err" || fail "a log of nothing"
	grep -q 'no tree' "$TMP/err" || fail "says $(cat "$TMP/err")"
}
requires_program jq
for_each_store each

# Somebody else commits between the look and the commit.
use_store rgw
start_proxy
push_tree "$SRC/" "$SRC_URL/t" -q
echo 333 >"$SRC/d/file"
push_tree "$SRC/" "$SRC_URL/t" -q
log_mark
set_faults 'LIST .assetfs%2Fgc 1 delay 3000'
restore 1 >"$TMP/log" 2>&1 &
pid=$!
listed()
{
	[ "$(count_requests GET .assetfs-tree-)" -ge 1 ]
}
wait_until 10 listed || fail "it does not read the version"
set_endpoint "$RGW_ENDPOINT"
echo 4444 >"$SRC/d/file"
push_tree "$SRC/" "$SRC_URL/t" -q
! wait "$pid" || fail "another's commit was undone unseen"
grep -q 'somebody else' "$TMP/log" || fail "says $(cat "$TMP/log")"
test "$(pulled)" = "$(digest "$SRC")" || fail "the other commit is lost"
