#!/usr/bin/env bash
# --delete: what the target has and the source lacks goes, packed and plain, by
# the same commit; what is excluded, elsewhere, or somebody's addition stays.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

# put_plain KEY: a plain object
put_plain()
{
	echo plain >"$TMP/plain"
	if [ "$STORE" = rgw ]; then
		s3_put "$1" "$TMP/plain"
	else
		mkdir -p "$(dirname "${SRC_URL#file://}/$1")"
		cp "$TMP/plain" "${SRC_URL#file://}/$1"
	fi
}

# expect DEST NAME...: all names below it
expect()
{
	local dest=$1 got
	shift
	rm -rf "$TMP/back"
	"$ASSETCTL" pull -q "$dest" "$TMP/back"
	got=$(cd "$TMP/back" && find . -mindepth 1 -printf '%P\n' | sort | xargs)
	[ "$got" = "$*" ] || fail "$dest has: $got"
}

check()
{
	local t=$TMP/t.$STORE u=$SRC_URL status=0
	mkdir -p "$t/dir/sub" "$t/old/deep" "$t/pinned/in" "$t/empty"
	touch "$t/a" "$t/dir/b" "$t/dir/sub/c" "$t/old/d" "$t/old/deep/e" \
		"$t/pinned/in/x.keep" "$t/pinned/in/y"
	ln -s a "$t/link"
	mkdir -p "$TMP/nothing"
	push_tree "$TMP/nothing" "$u/" -q # makes a store of it
	push_tree "$t/" "$u/x" -q
	put_plain x/plain
	put_plain x/dir/also
	put_plain x/old/too
	put_plain x/deep/er/plain
	put_plain x/logs/1.keep
	put_plain y/not-here

	chmod 700 "$t/dir"
	rm -r "$t/old" "$t/pinned" "$t/empty" "$t/link" "$t/dir/sub/c"
	echo new >"$t/new"
	push_tree "$t/" "$u/x" --delete --exclude '*.keep' --dry-run >"$TMP/out"
	grep -q ' 9 removed' "$TMP/out" || fail "dry run: $(cat "$TMP/out")"
	grep -qx 'removed      old/deep/' "$TMP/out" || fail "$(cat "$TMP/out")"
	grep -qx 'removed      deep/er/plain' "$TMP/out" ||
		fail "$(cat "$TMP/out")"
	grep -qx 'new          new' "$TMP/out" || fail "$(cat "$TMP/out")"
	grep -qx 'attributes   dir/' "$TMP/out" || [ "$STORE" = file ] ||
		fail "$(cat "$TMP/out")"
	expect "$u/x/old" d deep deep/e too
	push_tree "$t/" "$u/x" --delete --exclude '*.keep' --json >"$TMP/json"
	expect "$u/x" a dir dir/b dir/sub logs logs/1.keep new pinned \
		pinned/in pinned/in/x.keep
	# A directory's marker that would win goes, too.
	grep -Eq '"removed":(9|1[0-9]),' "$TMP/json" || fail "$(cat "$TMP/json")"
	expect "$u/y" not-here
	# Once more there is nothing left to do. (A directory of a file store is
	# its own marker, and younger than the version that was put into it.)
	push_tree "$t/" "$u/x" --delete --exclude '*.keep' --json >"$TMP/json"
	[ "$STORE" = file ] || grep -q '"removed":0,.*"PUT":0,' "$TMP/json" ||
		fail "$(cat "$TMP/json")"

	# Only in directories that are pushed.
	push_tree "$t/dir" "$u/x/" -q --delete
	push_tree "$t/a" "$u/x" -q "$t/dir" --delete
	push_tree "$t/a" "$u/x/" -q --delete
	expect "$u/x" a dir dir/b dir/sub logs logs/1.keep new pinned \
		pinned/in pinned/in/x.keep

	# Not a tree of its own, which is told.
	push_tree "$t/dir" "$u/z/own" -q
	put_plain z/own/plain
	put_plain z/gone
	push_tree "$t/dir" "$u/z" -q --delete 2>"$TMP/err" || status=$?
	[ "$status" = 1 ] || fail "status $status"
	grep -q "'own' is a tree of its own and stays" "$TMP/err" ||
		fail "$(cat "$TMP/err")"
	expect "$u/z" b own own/b own/plain own/sub sub

	! push_tree "$t" "$u/x" -q --delete --files-from /dev/null \
		2>"$TMP/err" || fail "--delete with a list"
}
for_each_store check

# Somebody puts a file into a directory that is about to be deleted.
use_store rgw
mkdir -p "$TMP/w/old" "$TMP/more/old"
touch "$TMP/w/a" "$TMP/w/old/b" "$TMP/more/old/c"
push_tree "$TMP/w" "$SRC_URL/" -q
rm -r "$TMP/w/old"
start_proxy --rtt 400
log_mark
"$ASSETCTL" push -q --delete "$TMP/w" "$SRC_URL/" >"$TMP/slow.log" 2>&1 &
slow=$!
has_read()
{
	[ "$(count_requests GET)" -ge 1 ] || [ "$(count_requests LIST)" -ge 2 ]
}
wait_until 10 has_read || fail "the slow push does not list"
set_endpoint "$RGW_ENDPOINT"
ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX") \
	"$ASSETCTL" push -q "$TMP/more/" "$SRC_URL/w"
wait "$slow" || fail "slow push: $(cat "$TMP/slow.log")"
ASSETFS_CACHE_DIR=$(mktemp -d "$TMP/cache.XXXXXX") expect "$SRC_URL/w" \
	a old old/c
