#!/usr/bin/env bash
# log tells the versions of a tree, and restores an old one, also of a tree that
# was removed; a version that says what the newest says is not made again.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

SRC=$TMP/src

# What stands in the versions; a tree may be announced before the first.
versions()
{
	"$ASSETCTL" log "$@" | awk '{ print $3, $4 }' | sed '${/^no tree/d}' |
		tr '\n' ';'
}

# newest [N]: the number of the newest version, or of the one N before it
newest()
{
	"$ASSETCTL" log "$SRC_URL/t" |
		awk -v n="${1:-0}" 'NR == n + 1 { print $1 }'
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

	test "$(versions "$SRC_URL/t")" = "2 files;1 file;" ||
		fail "two versions: $(versions "$SRC_URL/t")"
	test "$(versions "$SRC_URL/t/d/file")" = "2 files;1 file;" ||
		fail "by a path in it: $(versions "$SRC_URL/t/d/file")"
	"$ASSETCTL" log --json "$SRC_URL/t" | jq -e '.tree == "t/" and
		(.versions | map(.removed) | index([false, false]) == 0) and
		.versions[0].version == .versions[1].version + 1 and
		.versions[0].files == 2 and .versions[0].bytes == 3 and
		(.versions[0].id | length) == 32 and .versions[0].size > 100' \
		>/dev/null || fail "JSON: $("$ASSETCTL" log --json "$SRC_URL/t")"

	two=$(newest)
	one=$(newest 1)
	test "$(restore "$two")" = "version $two is the same as the newest, \
$two" || fail "restoring the newest"
	test "$(restore "$one")" = "version $one restored as $((two + 1))" ||
		fail "restoring"
	test "$(pulled)" = "$first" || fail "not what the first version was"
	restore "$two" >"$TMP/log"
	test "$(pulled)" = "$second" || fail "not what the second one was"
	push_tree "$SRC/" "$SRC_URL/t" -q
	test "$(newest)" = $((two + 2)) ||
		fail "the push after that found something changed"

	"$ASSETCTL" rm -qr "$SRC_URL/t"
	test "$(versions "$SRC_URL/t" | cut -d ';' -f 1)" = "no tree" ||
		fail "a removed tree: $(versions "$SRC_URL/t")"
	test "$(versions "$SRC_URL/t/d" | cut -d ';' -f 1)" = "no tree" ||
		fail "a path in it"
	! restore "$(newest)" 2>"$TMP/err" || fail "a removal was restored"
	grep -q 'rm -r' "$TMP/err" || fail "says $(cat "$TMP/err")"
	test "$(restore "$one")" = "version $one restored as $((two + 4))" ||
		fail "after removal"
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
one=$(newest 1)
log_mark
set_faults 'LIST .assetfs%2Fgc 1 delay 3000'
restore "$one" >"$TMP/log" 2>&1 &
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
