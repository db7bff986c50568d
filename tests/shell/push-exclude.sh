#!/usr/bin/env bash
# --exclude: names and paths that are not pushed, and not read either.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"
use_store file

t=$TMP/t
mkdir -p "$t/cache/x" "$t/sub/cache" "$t/sub/keep" "$t/.git/objects"
touch "$t/a.tmp" "$t/a.exr" "$t/sub/b.tmp" "$t/sub/b.exr" "$t/sub/keep/cache" \
	"$t/cache/x/y" "$t/sub/cache/z" "$t/.git/objects/1" "$t/sub/keep/only"
mkfifo "$t/cache/pipe"

# expect NAME... -- ARGUMENT...
expect()
{
	local want=() got
	while [ "$1" != -- ]; do
		want+=("$1")
		shift
	done
	shift
	rm -rf "${SRC_URL#file://}/x" "$TMP/back"
	push_tree "$t" "$SRC_URL/x" -q "$@"
	"$ASSETCTL" pull -q "$SRC_URL/x" "$TMP/back"
	got=$(cd "$TMP/back" && find . -mindepth 1 -printf '%P\n' | sort | xargs)
	[ "$got" = "${want[*]}" ] || fail "$*: $got"
}

push_tree "$TMP/home" # makes a store of the directory
expect a.exr sub sub/b.exr sub/keep sub/keep/cache sub/keep/only -- \
	--exclude '*.tmp' --exclude cache/ --exclude=.git
expect .git .git/objects .git/objects/1 a.exr sub sub/b.exr sub/b.tmp \
	sub/cache sub/cache/z sub/keep sub/keep/only -- --exclude '/cache' \
	--exclude 'sub/keep/cache' --exclude /a.tmp

status=0
push_tree "$t" "$SRC_URL/x" -q --exclude / 2>"$TMP/err" || status=$?
[ "$status" = 2 ] || fail "a pattern that is none: status $status"
