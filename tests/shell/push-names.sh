#!/usr/bin/env bash
# What cannot be pushed is refused by name, before anything is committed; what
# is skipped is told.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

# refuse STATUS TEXT TREE [DEST]
refuse()
{
	local want=$1 text=$2 status=0
	shift 2
	push_tree "$@" >"$TMP/out" 2>"$TMP/err" || status=$?
	[ "$status" = "$want" ] || fail "$1: status $status: $(cat "$TMP/err")"
	grep -qF "$text" "$TMP/err" || fail "$1: $(cat "$TMP/err")"
}

check()
{
	local t=$TMP/t.$STORE
	mkdir -p "$t/reserved" "$t/pool" "$t/pipe" "$t/file" "$t/dir/name"
	: >"$t/reserved/.assetfs-tree-0123456789abcdef"
	mkdir "$t/pool/.assetfs"
	push_tree "$t/file" "$SRC_URL/" -q # makes a store of the directory
	refuse 1 "'.assetfs-tree-0123456789abcdef'" "$t/reserved"
	refuse 1 "'.assetfs'" "$t/pool/" "$SRC_URL"
	refuse 1 "reserved" "$t/file" "$SRC_URL/.assetfs/"
	refuse 1 "absent" "$t/absent"
	! "$ASSETCTL" ls "$SRC_URL/reserved" >/dev/null 2>&1 ||
		fail "pushed although refused"

	echo a >"$t/pipe/a"
	mkfifo "$t/pipe/p"
	refuse 1 "'p' is a pipe" "$t/pipe"
	[ "$("$ASSETCTL" ls "$SRC_URL/pipe")" = a ] || fail "a is not there"

	# A directory is not replaced by a file, nor the reverse.
	echo b >"$t/file/name"
	push_tree "$t/file" "$SRC_URL/x" -q
	refuse 1 "'name' is a file in the bucket" "$t/dir" "$SRC_URL/x"
	push_tree "$t/dir" "$SRC_URL/y" -q
	refuse 1 "'name' is a directory in the bucket" "$t/file" "$SRC_URL/y"

	# A tree below the target keeps what is its own.
	push_tree "$t/file" "$SRC_URL/z/dir" -q
	mkdir -p "$t/z/dir"
	refuse 1 "'z/dir' is a tree of its own" "$t/z"

	# A single file.
	push_tree "$t/file/name" "$SRC_URL/x/" -q
	push_tree "$t/file/name" "$SRC_URL/x/other" -q
	[ "$("$ASSETCTL" ls "$SRC_URL/x" | sort | xargs)" = "name other" ] ||
		fail "$("$ASSETCTL" ls "$SRC_URL/x")"
}

for_each_store check
