#!/usr/bin/env bash
# rm takes away packed files, plain ones and both of one name, directories with
# the trees below them, and nothing else; nothing comes back.
. "$(dirname "$0")/lib.sh"
requires_program "$ASSETCTL"

SRC=$TMP/src
mkdir -p "$SRC/d/e" "$SRC/keep"
for file in a b d/f d/e/g keep/h; do
	echo "$file" >"$SRC/$file"
done

# put_plain KEY: a file that another tool puts there
put_plain()
{
	if [ "$STORE" = file ]; then
		mkdir -p "$(dirname "${SRC_URL#file://}/$1")"
		echo "plain $1" >"${SRC_URL#file://}/$1"
	else
		echo "plain $1" >"$TMP/plain"
		s3_put "$1" "$TMP/plain"
	fi
}

rm_it()
{
	"$ASSETCTL" rm -q "$@"
}

# refused WORD ARGUMENT...: rm fails and says so
refused()
{
	local word=$1 status=0
	shift
	rm_it "$@" 2>"$TMP/err" || status=$?
	[ "$status" = 1 ] || fail "rm $*: status $status"
	grep -q "$word" "$TMP/err" || fail "rm $*: says $(cat "$TMP/err")"
}

shows()
{
	"$ASSETCTL" ls -R "$SRC_URL" | grep -v '^$' | tr '\n' ' '
}

expect()
{
	test "$(shows)" = "$1" || fail "$2: $(shows)"
}

paths()
{
	push_tree "$SRC/" "$SRC_URL/t" -q
	refused "is a directory" "$SRC_URL/t/d"
	refused "does not exist" "$SRC_URL/t/d/none"
	refused "not a directory" "$SRC_URL/t/a/"
	refused "reserved" "$SRC_URL/.assetfs/blob"
	refused "reserved" -r "$SRC_URL/.assetfs"
	refused "reserved" "$SRC_URL/t/.assetfs-tree-fffffffffffffffe"
	rm_it -f "$SRC_URL/t/d/none" || fail "rm -f of what is not there"
	! rm_it 2>/dev/null || fail "rm of nothing"

	put_plain t/a # of the same name, and newer
	put_plain t/p
	rm_it -n -r "$SRC_URL/t/a" "$SRC_URL/t/d"
	expect '.: t t: a b d keep p t/d: e f t/d/e: g t/keep: h ' "dry run"
	rm_it "$SRC_URL/t/a" "$SRC_URL/t/p"
	expect '.: t t: b d keep t/d: e f t/d/e: g t/keep: h ' "files"

	# One that fails does not keep the others.
	put_plain t/d/e/p
	put_plain o
	refused "does not exist" -r "$SRC_URL/t/d" "$SRC_URL/none" \
		"$SRC_URL/o"
	expect '.: t t: b keep t/keep: h ' "a directory"
}

trees()
{
	# The lower tree is founded first; what the upper one has there is void.
	push_tree "$SRC/" "$SRC_URL/u/low" -q
	push_tree "$SRC/" "$SRC_URL/u/low/er" -q # in the same tree
	mkdir -p "$TMP/up"
	echo up >"$TMP/up/file"
	push_tree "$TMP/up/" "$SRC_URL/u" -q
	put_plain u/low/d/p
	test "$("$ASSETCTL" ls "$SRC_URL/u" | tr '\n' ' ')" = "file low " ||
		fail "two trees: $(shows)"
	rm_it -r "$SRC_URL/u/low"
	expect '.: u u: file ' "the lower tree"
	push_tree "$SRC/keep" "$SRC_URL/u/low/" -q
	expect '.: u u: file low u/low: keep u/low/keep: h ' \
		"a push into what was removed"
	rm_it -r "$SRC_URL/u"
	expect '.: ' "both"

	push_tree "$SRC/" "$SRC_URL/" -q
	push_tree "$SRC/" "$SRC_URL/again" -q
	rm_it -r "$SRC_URL/"
	expect '.: ' "the root of the bucket"
	"$ASSETCTL" gc -q "$SRC_URL" || fail "gc of what is left"
}

each()
{
	[ "$STORE" = rgw ] || mkdir "${SRC_URL#file://}/.assetfs"
	paths
	rm_it -r "$SRC_URL/t"
	expect '.: ' "the tree"
	trees
}
for_each_store each

